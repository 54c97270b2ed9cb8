//! `p2p listen --top`: a live table on a terminal that comes back as it was, and lines everywhere else.
#![cfg(target_os = "linux")]

mod common;
mod on_terminal;

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use common::{Running, p2p, run, text};
use on_terminal::{OnTerminal, Shown};

/// A listener with a live table, and its address.
fn top(more: &[&str]) -> (OnTerminal, String) {
    let mut command = p2p(["listen", "--bind", "127.0.0.1:0", "--top", "--interval", "100ms"]);
    let mut top = OnTerminal::start(command.args(more), Shown::Both);
    let screen = top.wait_until(|screen| screen.contains("0 connected"));
    let address = screen.split_whitespace().nth(3).unwrap().to_owned();
    (top, address)
}

#[test]
fn connections_come_flow_and_go() {
    let (mut top, address) = top(&["--echo"]);
    let mut dial = p2p(["dial", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let screen = top.wait_until(|screen| screen.contains("1 connected"));
    let rows: Vec<_> = screen.lines().collect();
    assert!(
        rows[3].starts_with("ADDRESS") && rows[4].starts_with("PEER ID"),
        "{screen}"
    );
    assert!(rows[5].starts_with("127.0.0.1:") && rows[5].contains("=>"), "{screen}");
    assert!(rows[6].starts_with("id") && rows[6].contains("<="), "{screen}");

    let line = format!("{}\n", "x".repeat(100_000));
    let mut input = dial.stdin.take().unwrap();
    input.write_all(line.as_bytes()).unwrap();
    // Everything flows over this connection, and nothing is written over the table.
    let screen = top.wait_until(|screen| {
        screen.matches("100 %").count() == 2 && screen.contains("100 kB") && screen.contains("received 100000 bytes")
    });
    assert!(screen.starts_with("p2p listen on 127.0.0.1:"), "{screen}");
    assert!(
        screen.lines().last().unwrap().contains("received 100000 bytes"),
        "{screen}"
    );
    drop(input);
    dial.wait().unwrap();
    top.wait_until(|screen| screen.contains("0 connected"));

    top.interrupt();
    assert_eq!(top.finish(), Some(130));
    assert!(top.is_restored());
    let screen = top.contents();
    assert!(
        !screen.contains("ADDRESS") && screen.ends_with("p2p: interrupted"),
        "{screen}"
    );
}

#[test]
fn no_bar_is_drawn_over_the_table() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = from.path().join("film.bin");
    std::fs::write(&file, vec![7; 1_000_000]).unwrap();
    let (mut top, address) = top(&["--receive", text(to.path())]);
    run(["send", &address, text(&file), "--max-upload", "1MB"]).expect_success();
    top.wait_until(|screen| screen.contains("0 connected") && screen.contains("closed"));
    assert!(
        top.seen().contains("transfer of film.bin") && !top.seen().contains(" left"),
        "{}",
        top.seen()
    );
}

#[test]
fn the_terminal_comes_back_when_the_last_connection_ends() {
    let (mut top, address) = top(&["--echo", "--connections", "1"]);
    run(["dial", &address, "--linger", "0"]).expect_success();
    assert_eq!(top.finish(), Some(0));
    assert!(top.is_restored());
}

#[test]
fn without_a_terminal_there_is_a_line_at_a_time() {
    let (mut listener, address) = Running::listen(["--top", "--interval", "50ms", "--echo"]);
    assert_eq!(listener.wait_for("flows")["connections"], serde_json::json!([]));
    let mut dial = Running::start(["dial", &address]);
    dial.write("hello\n");
    dial.wait_for("received");
    // Those of before the echo are still to be read.
    let flows = loop {
        let flows = listener.wait_for("flows");
        let connection = &flows["connections"][0];
        if connection["outflow"]["average"].as_f64() > Some(0.0) && connection["queued"] == 0 {
            break flows;
        }
    };
    let [connection] = &flows["connections"].as_array().unwrap()[..] else {
        panic!("{flows}")
    };
    // Of what came more than ten seconds ago there is no share.
    let flows_in = connection["inflow"]["average"].as_f64() > Some(0.0);
    assert_eq!(connection["inflow"]["share"], f64::from(flows_in));
    assert_eq!(connection["weight"], 1);
    assert!(connection["inflow"]["total"].as_u64().unwrap() > 100);
    assert!(connection["remote_address"].as_str().unwrap().starts_with("127.0.0.1:"));
    for field in ["peer_id", "seconds", "incoming"] {
        assert!(!connection[field].is_null(), "{connection}");
    }

    let mut command = p2p(["listen", "--bind", "127.0.0.1:0", "--top", "--interval", "50ms"]);
    let mut lines = command.stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(lines.stdout.take().unwrap());
    let told: Vec<_> = output.lines().take(3).map(Result::unwrap).collect();
    lines.kill().unwrap();
    lines.wait().unwrap();
    assert!(
        told[2].starts_with("0 connected: 0 B/s out, 0 B/s in; in the last 10 s"),
        "{told:?}"
    );
    assert!(!told.concat().contains('\u{1b}'), "{told:?}");
}
