//! Messages between `listen` and `dial`, and how each of them ends.

mod common;

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
};

use common::{Finished, Running, nobody, run};

fn texts(events: &[serde_json::Value]) -> Vec<&str> {
    events.iter().map(|event| event["text"].as_str().unwrap()).collect()
}

#[test]
fn an_echo_sends_every_line_back() {
    let (listener, address) = Running::listen(["--echo", "--connections", "1"]);
    let mut dialler = Running::start(["dial", &address, "--expect", "4"]);
    let long = "x".repeat(20_000);
    dialler.write(&format!("hello\n\n{long}\nno newline"));
    dialler.end_input();
    let dialler = dialler.finish();
    dialler.expect_success();
    let received = dialler.events("received");
    assert_eq!(texts(&received), ["hello", "", &long, "no newline"]);
    assert_eq!(received[0]["encoded_size"], 9);
    assert_eq!(
        received[1]["blake2b"],
        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
    );
    assert_eq!(received[2]["hex"].as_str().unwrap().len(), 128);

    let listener = listener.finish();
    listener.expect_success();
    assert_eq!(texts(&listener.events("received")), ["hello", "", &long, "no newline"]);
    let [closed] = &listener.events("closed")[..] else {
        panic!("{listener:?}")
    };
    assert_eq!(
        (&closed["messages_sent"], &closed["messages_received"]),
        (&4.into(), &4.into())
    );
    assert_eq!(closed["bytes_sent"], dialler.events("closed")[0]["bytes_received"]);
}

#[test]
fn a_listener_speaks_to_everyone_and_survives_the_death_of_one() {
    let (mut listener, address) = Running::listen(["--connections", "3"]);
    let mut one = Running::start(["dial", &address]);
    let mut other = Running::start(["dial", &address]);
    listener.wait_for("accepted");
    listener.wait_for("accepted");
    listener.write("to all\n");
    assert_eq!(one.wait_for("received")["text"], "to all");
    assert_eq!(other.wait_for("received")["text"], "to all");

    one.kill();
    listener.wait_for("closed");
    other.write("still here\n");
    assert_eq!(listener.wait_for("received")["text"], "still here");
    other.end_input();
    other.finish().expect_success();
    listener.wait_for("closed");

    let mut third = Running::start(["dial", &address]);
    third.wait_for("accepted");
    third.end_input();
    third.finish().expect_success();
    listener.finish().expect_success();
}

#[test]
fn the_end_of_input_closes_and_everything_arrives() {
    let (mut listener, address) = Running::listen(["--connections", "1", "--linger", "0"]);
    let dialler = Running::start(["dial", &address, "--echo"]);
    listener.wait_for("accepted");
    for line in 0..100 {
        listener.write(&format!("{line}\n"));
    }
    listener.end_input();
    let dialler = dialler.finish();
    dialler.expect_success();
    assert_eq!(dialler.events("received").len(), 100);
    listener.finish().expect_success();
}

#[test]
fn killing_the_listener_gives_the_dialler_one_error() {
    let (mut listener, address) = Running::listen([]);
    let mut dialler = Running::start(["dial", &address]);
    dialler.wait_for("accepted");
    // Killed with unread bytes, it would reset the connection.
    listener.wait_for("accepted");
    listener.kill();
    let dialler = dialler.finish();
    dialler.expect_error(1, "the remote closed the connection");
    assert_eq!(dialler.events("error")[0]["error"], "connection_closed");
    assert_eq!(dialler.events("error")[0]["phase"], "session");
}

#[test]
fn another_chain_is_refused_with_its_motive() {
    let (mut listener, address) = Running::listen(["--network", "OURS", "--connections", "2"]);
    let dialler = run(["--json", "dial", &address, "--any-version"]);
    dialler.expect_error(1, "unknown chain name");
    assert_eq!(dialler.events("rejected_by_nack")[0]["motive"], "unknown_chain_name");
    assert_eq!(dialler.events("error")[0]["error"], "rejected_by_nack");
    assert_eq!(listener.wait_for("nacked")["motive"], "unknown_chain_name");
    assert_eq!(listener.wait_for("error")["error"], "no_common_protocol");
    run(["dial", &address, "--chain", "OURS", "--linger", "0"]).expect_success();
    assert_eq!(listener.finish().status, Some(1));
}

#[test]
fn too_little_work_is_refused() {
    let (listener, address) = Running::listen(["--connections", "1"]);
    let dialler = run([
        "--json",
        "dial",
        &address,
        "--difficulty",
        "12",
        "--identity",
        "/does/not/exist",
    ]);
    dialler.expect_error(3, "/does/not/exist");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    run([
        "identity",
        "generate",
        "--difficulty",
        "0",
        "--output",
        common::text(&file),
    ])
    .expect_success();
    let dialler = run([
        "--json",
        "dial",
        &address,
        "--difficulty",
        "100",
        "--identity",
        common::text(&file),
    ]);
    dialler.expect_error(1, "not enough proof of work");
    assert_eq!(dialler.events("error")[0]["error"], "not_enough_proof_of_work");
    assert_eq!(dialler.events("error")[0]["phase"], "authenticate");
    assert_eq!(listener.finish().status, Some(1));
}

#[test]
fn who_is_hung_up_on_for_too_little_work_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let file = common::text(&file);
    run(["identity", "generate", "--difficulty", "0", "--output", file]).expect_success();
    let (listener, address) = Running::listen(["--connections", "1", "--difficulty", "100", "--identity", file]);
    let dialler = run(["--json", "dial", &address]);
    dialler.expect_error(1, "an identity with 26 may do better");
    assert_eq!(dialler.events("error")[0]["error"], "connection_closed");
    // The listener knows, and needs no guess.
    let listener = listener.finish();
    listener.expect_error(1, "not enough proof of work");
    assert!(!listener.stderr.contains("may do better"), "{listener:?}");
}

#[test]
fn one_peer_too_many_is_refused() {
    let (_listener, address) = Running::listen(["--max-peers", "1"]);
    let mut first = Running::start(["dial", &address]);
    first.wait_for("accepted");
    let second = run(["--json", "dial", &address]);
    second.expect_error(1, "too many connections");
}

#[test]
fn garbage_does_not_end_a_listener() {
    let (mut listener, address) = Running::listen(["--echo"]);
    for garbage in [&b""[..], b"\0", b"\xff\xff", &[0x11; 1000]] {
        let mut tcp = TcpStream::connect(&address).unwrap();
        tcp.write_all(garbage).unwrap();
        // It may have hung up already.
        let _ = tcp.shutdown(std::net::Shutdown::Write);
        assert_eq!(listener.wait_for("error")["phase"], "authenticate");
    }
    run(["dial", &address, "--linger", "0"]).expect_success();
}

#[test]
fn where_nobody_listens_is_told() {
    let nobody = nobody();
    let address = &nobody.address;
    run(["dial", address]).expect_error(1, "can not connect");
    run(["dial", "no.such.host.invalid:9732"]).expect_error(1, "no.such.host.invalid:9732");
    run(["send", address, env!("CARGO_MANIFEST_PATH")]).expect_error(1, "can not connect");
}

#[test]
fn a_silent_remote_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let dialler = run(["--json", "dial", &address, "--timeout", "0.1"]);
    let error = &dialler.events("error")[0];
    assert_eq!(error["error"], "timeout");
    // A machine that stops at the wrong moment may take as long to connect.
    let told = match error["phase"].as_str().unwrap() {
        "connect" => "no answer within 0.1 s",
        _ => "timeout while waiting for the connection message",
    };
    dialler.expect_error(1, told);
}

#[test]
fn a_line_above_the_maximum_is_an_error() {
    let (_listener, address) = Running::listen(["--echo"]);
    let mut dialler = Running::start(["dial", &address, "--max-message", "4"]);
    dialler.write("1234\n12345\n");
    let dialler = dialler.finish();
    dialler.expect_error(1, "more than 4 bytes");
    assert_eq!(dialler.events("sent").len(), 1);
}

#[test]
fn the_remotes_maximum_holds() {
    let (mut listener, address) = Running::listen(["--max-message", "4", "--echo"]);
    let mut dialler = Running::start(["dial", &address]);
    dialler.write("12345\n");
    assert_eq!(listener.wait_for("error")["error"], "message_too_large");
    assert_eq!(dialler.finish().status, Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_both_sides() {
    let (listener, address) = Running::listen(["--echo"]);
    let mut dialler = Running::start(["dial", &address]);
    dialler.wait_for("accepted");
    dialler.interrupt();
    dialler.finish().expect_error(130, "interrupted");
    listener.interrupt();
    listener.finish().expect_error(130, "interrupted");
}

#[cfg(unix)]
#[test]
fn a_closed_standard_output_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    // Before it starts, or it might have said everything before.
    drop(reader);
    let demo = Finished::from(common::p2p(["demo"]).stdout(writer).output().unwrap());
    assert_eq!((demo.status, demo.stderr.as_str()), (Some(141), ""));
}
