//! What the process survives: no file descriptors left, a disk that fails, and floods.
#![cfg(target_os = "linux")]

mod common;

use std::{fs, net::TcpStream, process::Stdio, time::Duration};

use bytes::Bytes;
use common::{Running, names, run, text};
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{ChainName, Config, Connection, ConnectionOptions, NetworkVersion, NodeMetadata, authenticate};
use serde_json::Value;
use tokio::{
    net::TcpSocket,
    runtime::{self, Runtime},
};

#[test]
fn a_listener_without_descriptors_waits_and_goes_on() {
    let (mut listener, address) = Running::listen_after("ulimit -n 16", ["--echo"]);
    // One at a time: of several that are half-open some would have to go.
    let mut peers = Vec::new();
    let error = loop {
        peers.push(Running::start(["dial", &address]));
        let event = listener.wait_for_any(&["accepted", "error"]);
        if event["event"] == "error" {
            break event;
        }
    };
    assert_eq!(error["error"], "can_not_take_connection", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("Too many open files"),
        "{error}"
    );
    drop(peers);
    run(["dial", &address, "--linger", "0"]).expect_success();
}

#[test]
fn silent_connections_do_not_take_the_last_descriptor() {
    let (_listener, address) = Running::listen_after("ulimit -n 32", ["--echo"]);
    let silent: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // The silent ones have all the time that there is: they make room at once, or never.
    run(["dial", &address, "--linger", "0"]).expect_success();
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
    // That is told a moment before the room is there.
    let accepted = loop {
        let dialler = run(["dial", &address, "--linger", "0"]);
        if !dialler.stderr.contains("too many connections") {
            break dialler;
        }
    };
    accepted.expect_success();
}

#[test]
fn more_silent_connections_than_may_be_half_open_keep_nobody_out() {
    let (mut listener, address) = Running::listen(["--echo"]);
    let silent: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(listener.wait_for("error")["error"], "displaced");
    run(["dial", &address, "--linger", "0"]).expect_success();
    drop(silent);
}

/// Someone who was accepted and then does nothing any more: its runtime has stopped.
struct Silent {
    _connection: Connection<Bytes, NodeMetadata>,
    _runtime: Runtime,
}

impl Silent {
    fn dial(address: &str) -> Self {
        Self::dial_from("127.0.0.1", address)
    }

    fn dial_from(own: &str, address: &str) -> Self {
        let remote = address.parse().unwrap();
        let identity = Identity::generate(Difficulty::NONE);
        let version = NetworkVersion::current(ChainName::from("TEZOS_MAINNET"));
        let config = Config::new(identity, version)
            .required_difficulty(Difficulty::NONE)
            .handshake_timeout(Duration::from_secs(300));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            // So that the system takes little in its place.
            socket.set_recv_buffer_size(4096).unwrap();
            socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
            let tcp = socket.connect(remote).await.unwrap();
            let peer = authenticate(tcp, Role::Initiator, remote, &config, NodeMetadata::default()).await;
            let options = ConnectionOptions::default();
            peer.unwrap().accept(RawEncoding::default(), options).await.unwrap()
        });
        Self {
            _connection: connection,
            _runtime: runtime,
        }
    }
}

#[test]
fn one_address_does_not_hold_all_places() {
    let (mut listener, address) = Running::listen(["--echo", "--max-peers", "3", "--max-peers-per-address", "2"]);
    let silent = [(); 2].map(|()| Silent::dial(&address));
    run(["dial", &address, "--linger", "0"]).expect_error(1, "too many connections");
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "nacked", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.ends_with("too many connections from 127.0.0.1"), "{message}");
    let other = Silent::dial_from("127.0.0.2", &address);
    drop((silent, other));
}

/// Writes `line` again and again until so many of the others are cut off, who are each told once. The one who is `reading` gets
/// every line, and stays.
fn write_until_cut_off(listener: &mut Running, (reader, reading): (&mut Running, &Value), others: usize, line: &[u8]) {
    let (mut errors, mut closed) = (0, 0);
    while closed < others {
        listener.write_bytes(line);
        reader.wait_for("received");
        loop {
            let event = listener.next();
            let is_reading = event["connection"] == *reading;
            match event["event"].as_str().unwrap() {
                "sent" if is_reading => break,
                "sent" => {}
                "error" if !is_reading => {
                    assert_eq!(event["error"], "timeout", "{event}");
                    errors += 1;
                }
                "closed" if !is_reading => {
                    assert!(event["reason"].as_str().unwrap().contains("does not read"), "{event}");
                    closed += 1;
                }
                _ => panic!("{event}"),
            }
        }
    }
    assert_eq!(errors, others);
}

#[test]
fn peers_that_do_not_read_are_cut_off_and_the_others_go_on() {
    let options = ["--connections", "3", "--close-timeout", "1s"];
    let (mut listener, address) = Running::listen(options);
    let mut reader = Running::start(["dial", &address]);
    let reading = listener.wait_for("accepted")["connection"].clone();
    let silent = [(); 2].map(|()| {
        let peer = Silent::dial(&address);
        listener.wait_for("accepted");
        peer
    });
    // Once the queue and the buffers of the system are full, nothing more is taken.
    let line = [&[b'x'; 1_000_000][..], b"\n"].concat();
    write_until_cut_off(&mut listener, (&mut reader, &reading), silent.len(), &line);
    listener.end_input();
    reader.wait_for("closed");
    // It fails if a connection did.
    assert_eq!(listener.finish().status, Some(1));
}

#[test]
fn a_peer_that_reads_slowly_all_the_time_is_cut_off_and_the_others_go_on() {
    let (mut listener, address) = Running::listen(["--connections", "2", "--close-timeout", "6s"]);
    let mut reader = Running::start(["dial", &address]);
    let reading = listener.wait_for("accepted")["connection"].clone();
    let mut slow = common::p2p(["dial", &address, "--max-download", "250kB"]);
    let slow = slow.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut slow = slow.spawn().unwrap();
    listener.wait_for("accepted");
    // No text, which would be shown whole. It takes the slow one four seconds a line, once the buffers are full.
    let line = [&[0xff; 1_000_000][..], b"\n"].concat();
    write_until_cut_off(&mut listener, (&mut reader, &reading), 1, &line);
    listener.end_input();
    assert_eq!(listener.finish().status, Some(1));
    slow.wait().unwrap();
}
