//! What the process survives: no file descriptors left, a disk that fails, and floods.
#![cfg(target_os = "linux")]

mod common;

use std::{fs, net::TcpStream, process::Command};

use common::{Running, names, run, text};

#[test]
fn a_listener_without_descriptors_waits_and_goes_on() {
    let (mut listener, address) = Running::listen_after("ulimit -n 16", ["--echo"]);
    let peers: Vec<_> = (0..16).map(|_| Running::start(["dial", &address])).collect();
    loop {
        let error = listener.wait_for("error");
        if error["error"] == "can_not_take_connection" {
            assert!(
                error["message"].as_str().unwrap().contains("Too many open files"),
                "{error}"
            );
            break;
        }
    }
    drop(peers);
    run(["dial", &address, "--linger", "0"]).expect_success();
}

#[test]
fn silent_connections_do_not_take_the_last_descriptor() {
    let (_listener, address) = Running::listen_after("ulimit -n 32", ["--echo"]);
    let silent: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    run(["dial", &address, "--linger", "0", "--timeout", "2"]).expect_success();
    drop(silent);
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let limits = "trap '' XFSZ; ulimit -f 100";
    let (mut listener, address) = Running::listen_after(limits, ["--receive", text(to.path())]);
    let (large, small) = (from.path().join("large"), from.path().join("small"));
    fs::write(&large, vec![7; 3_000_000]).unwrap();
    fs::write(&small, "small").unwrap();
    run(["send", &address, text(&large)]).expect_error(1, "the receiver gave up: it can not write the file");
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "disk_failed", "{error}");
    // Of the file that was asked for, not of the one for its parts.
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("/large: ") && !message.contains(".part"), "{message}");
    assert_eq!(names(to.path()), [""; 0]);
    run(["send", &address, text(&small)]).expect_success();
    assert_eq!(names(to.path()), ["small"]);
}

#[test]
fn more_peers_than_the_memory_budget_has_room_for_are_refused() {
    // Two queues of 8 MiB each.
    let (mut listener, address) = Running::listen(["--echo", "--memory-budget", "33MiB"]);
    let mut peers = [(); 2].map(|()| {
        let peer = Running::start(["dial", &address]);
        listener.wait_for("accepted");
        peer
    });
    let refused = run(["dial", &address, "--linger", "0"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("too many connections"), "{refused:?}");
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "memory_budget_exhausted", "{error}");
    // The others go on, and make room when they leave.
    peers[0].write("still here\n");
    assert_eq!(peers[0].wait_for("received")["text"], "still here");
    peers[1].end_input();
    listener.wait_for("closed");
    run(["dial", &address, "--linger", "0"]).expect_success();
}

#[test]
fn more_silent_connections_than_may_be_half_open_keep_nobody_out() {
    let (mut listener, address) = Running::listen(["--echo"]);
    let silent: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(listener.wait_for("error")["error"], "displaced");
    run(["dial", &address, "--linger", "0"]).expect_success();
    drop(silent);
}

#[test]
fn peers_that_do_not_read_are_cut_off_and_the_others_go_on() {
    let options = ["--connections", "3", "--close-timeout", "1s"];
    let (mut listener, address) = Running::listen(options);
    let mut peers = [(); 3].map(|()| {
        let peer = Running::start(["dial", &address]);
        listener.wait_for("accepted");
        peer
    });
    let [reader, silent @ ..] = &mut peers;
    for peer in silent {
        let id = peer.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    }
    // Far more than the queue and the buffers of the system hold.
    let lines = 32;
    let line = "x".repeat(1_000_000);
    for _ in 0..lines {
        listener.write(&format!("{line}\n"));
        reader.wait_for("received");
    }
    listener.end_input();
    let ended = listener.finish();
    let cut_off = ended.events("error");
    // While the system still takes something, a remote is only slow: that is told, too, but not for long.
    assert!((2..lines / 2).contains(&cut_off.len()), "{cut_off:?}");
    assert!(cut_off.iter().all(|error| error["error"] == "timeout"), "{cut_off:?}");
}
