//! `p2p bench` measures what has arrived, and its server is bounded.

mod common;

use std::{net::TcpListener, time::Instant};

use common::{Finished, Running, run};
use serde_json::Value;

fn serve(more: &[&str]) -> (Running, String) {
    let arguments = ["bench", "--serve", "--bind", "127.0.0.1:0"];
    let mut server = Running::start(arguments.into_iter().chain(more.iter().copied()));
    let address = server.wait_for("listening")["address"].as_str().unwrap().to_owned();
    (server, address)
}

fn bench(address: &str, more: &[&str]) -> Finished {
    let arguments = ["--json", "bench", address];
    let duration = ["--duration", "100ms"];
    let more = if more.contains(&duration[0]) {
        more.to_vec()
    } else {
        [more, &duration].concat()
    };
    run(arguments.into_iter().chain(more))
}

/// Fails unless each is at least as large as the one before.
fn expect_percentiles(event: &Value) {
    let seconds = ["p50", "p90", "p99", "p99.9", "max"].map(|name| event["seconds"][name].as_f64().unwrap());
    assert!(seconds[0] > 0.0 && seconds.is_sorted(), "{event}");
}

#[test]
fn everything_is_measured_and_adds_up() {
    let (mut server, address) = serve(&[]);
    let finished = bench(&address, &["--message-size", "100000"]);
    finished.expect_success();
    let latency = &finished.events("bench_latency")[0];
    assert!(latency["round_trips"].as_u64() >= Some(1), "{latency}");
    expect_percentiles(latency);
    let flows = finished.events("bench_flow");
    let kinds: Vec<_> = flows
        .iter()
        .map(|flow| {
            (
                flow["direction"].as_str().unwrap(),
                flow["message_size"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("upload", 100_000),
            ("download", 100_000),
            ("upload", 100),
            ("download", 100)
        ]
    );
    for flow in &flows {
        let number = |field: &str| flow[field].as_f64().unwrap();
        assert!(number("messages") > 0.0);
        assert_eq!(number("bytes"), number("messages") * number("message_size"));
        assert!((number("bytes_per_second") * number("seconds") / number("bytes") - 1.0).abs() < 1e-9);
        assert!((number("messages_per_second") * number("seconds") / number("messages") - 1.0).abs() < 1e-9);
    }
    let handshakes = &finished.events("bench_handshakes")[0];
    assert!(handshakes["handshakes"].as_u64() >= Some(1), "{handshakes}");
    expect_percentiles(handshakes);
    let served = server.wait_for("bench_served");
    assert_eq!(served["measurements"], 5);
    let sent: f64 = flows
        .iter()
        .filter(|flow| flow["direction"] == "upload")
        .map(|flow| flow["bytes"].as_f64().unwrap())
        .sum();
    assert!(served["bytes_received"].as_f64().unwrap() > sent);
}

#[test]
fn a_limit_holds_for_what_is_measured() {
    let (mut server, address) = serve(&[]);
    let limits = [
        "--message-size",
        "10000",
        "--max-upload",
        "500kB",
        "--duration",
        "500ms",
    ];
    let started = Instant::now();
    bench(&address, &limits).expect_success();
    let seconds = started.elapsed().as_secs_f64();
    let served = server.wait_for("bench_served");
    let received = served["bytes_received"].as_f64().unwrap();
    // Less on a busy machine, but never more than the rate allows in all this time, whenever it arrives.
    assert!(
        received > 0.0 && received <= 500_000.0 * (seconds + 1.0),
        "{served} in {seconds} s"
    );
}

#[test]
fn people_get_a_line_for_each() {
    let (_server, address) = serve(&[]);
    let finished = run(["bench", &address, "--duration", "50ms"]);
    finished.expect_success();
    let lines: Vec<_> = finished.stdout.lines().collect();
    for (line, beginning) in lines.iter().zip([
        "round trip  p50 ",
        "upload ",
        "download ",
        "upload ",
        "download ",
        "handshakes ",
    ]) {
        assert!(line.starts_with(beginning), "{line}");
    }
    assert_eq!(lines.len(), 6);
}

#[test]
fn the_server_is_bounded_in_clients_and_time() {
    let (_server, address) = serve(&["--max-clients", "1", "--client-time", "1h"]);
    bench(&address, &["--duration", "2h"]).expect_error(
        1,
        "the server refuses to measure: no client is served for longer than 3600 s",
    );
    // Its place is free a moment after it has heard of the end.
    let idle = loop {
        let mut idle = Running::start(["dial", &address]);
        if idle.wait_for_any(&["accepted", "error"])["event"] == "accepted" {
            break idle;
        }
    };
    bench(&address, &[]).expect_error(1, "too many connections");
    drop(idle);

    let (mut server, address) = serve(&["--client-time", "1s"]);
    let mut idle = Running::start(["dial", &address]);
    idle.wait_for("accepted");
    let error = server.wait_for("error");
    assert_eq!(error["error"], "timeout");
    assert_eq!(error["message"], "the client has had its 1 s");
    assert_eq!(idle.finish().status, Some(1));
}

#[test]
fn whoever_talks_of_something_else_is_sent_away() {
    let (mut server, address) = serve(&[]);
    let mut dialler = Running::start(["dial", &address]);
    dialler.write("hello\n");
    assert_eq!(server.wait_for("error")["error"], "not_a_measurement");
    dialler.kill();
    let (_echo, address) = Running::listen(["--echo"]);
    bench(&address, &[]).expect_error(1, "does not belong to a measurement");
}

#[test]
fn mistakes_are_told() {
    run(["bench"]).expect_error(2, "--serve");
    run(["bench", "127.0.0.1:1", "--serve"]).expect_error(2, "either the <HOST:PORT>");
    run(["bench", "127.0.0.1:1", "--message-size", "8"]).expect_error(2, "8 is not from 9 to 1048576");
    run(["bench", "127.0.0.1:1", "--duration", "soon"]).expect_error(2, "500ms, 5s, 2min or 1h");
    bench("127.0.0.1:1", &[]).expect_error(1, "can not connect to 127.0.0.1:1");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(["bench", "--serve", "--bind", &address]).expect_error(1, &format!("can not listen on {address}"));
}
