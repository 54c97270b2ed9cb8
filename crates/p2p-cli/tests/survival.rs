//! What the process survives: no file descriptors left, a disk that fails, and floods.
#![cfg(target_os = "linux")]

mod common;

use std::{fs, net::TcpStream};

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
    assert_eq!(listener.wait_for("error")["error"], "disk_failed");
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
