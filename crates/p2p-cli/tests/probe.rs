//! `p2p probe` tells what a node is, or where the call failed.

mod common;

use std::{io::Write, net::TcpListener, thread};

use common::{Running, nobody, run, text};
use serde_json::Value;

/// What is told of `target`.
fn probed<'a>(events: &'a [Value], target: &str) -> &'a Value {
    let mut of_target = events.iter().filter(|event| event["target"] == target);
    of_target
        .next()
        .unwrap_or_else(|| panic!("nothing of {target}: {events:?}"))
}

#[test]
fn a_node_that_takes_us_is_told_with_all_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    run(["identity", "generate", "--difficulty", "8", "--output", text(&file)]).expect_success();
    let (_listener, address) = Running::listen(["--identity", text(&file), "--private"]);

    let finished = run(["--json", "probe", &address]);
    finished.expect_success();
    let events = finished.events("probed");
    let node = probed(&events, &address);
    assert_eq!(node["result"], "taken");
    assert_eq!(node["authenticated"], true);
    assert_eq!(node["same_network"], true);
    assert_eq!(node["our_proof_of_work"], "accepted");
    assert_eq!(node["announced_version"]["chain_name"], "TEZOS_MAINNET");
    assert_eq!(node["remote_metadata"]["private_node"], true);
    assert_eq!(node["advertised_port"].to_string(), address.rsplit_once(':').unwrap().1);
    for seconds in ["connect_seconds", "authenticate_seconds", "answer_seconds"] {
        assert!(node[seconds].as_f64().unwrap() > 0.0, "{node}");
    }
    let shown = run(["--json", "identity", "show", text(&file)]);
    let shown = &shown.events("identity")[0];
    assert_eq!(node["peer_id"], shown["peer_id"]);
    assert_eq!(node["difficulty_reached"], shown["difficulty_reached"]);
}

#[test]
fn a_refusal_is_an_answer() {
    let (_listener, address) = Running::listen(["--network", "ELSEWHERE"]);
    let finished = run(["--json", "probe", &address, "--network", "ghostnet"]);
    finished.expect_success();
    let node = &finished.events("probed")[0];
    assert_eq!(
        (&node["result"], &node["same_network"]),
        (&"refused".into(), &false.into())
    );
    assert_eq!(node["nack"]["motive"], "unknown_chain_name");
    assert_eq!(node["nack"]["points"], serde_json::json!([]));
    assert_eq!(node["announced_version"]["chain_name"], "ELSEWHERE");
}

#[test]
fn each_failure_is_told_with_its_step_and_loses_no_other_target() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    run(["identity", "generate", "--difficulty", "0", "--output", text(&file)]).expect_success();
    let (_fine, fine) = Running::listen([]);
    let (_demanding, demanding) = Running::listen(["--identity", text(&file), "--difficulty", "200"]);
    let nobody = nobody();
    let dead = nobody.address.as_str();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let web_address = web.local_addr().unwrap().to_string();
    let web = thread::spawn(move || web.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let unknown = "does-not-exist.invalid";
    let targets = [dead, &web_address, &fine, &demanding];
    let arguments = ["--json", "probe", "--concurrency", "3", unknown];
    let finished = run(arguments.into_iter().chain(targets));
    web.join().unwrap().unwrap();
    assert_eq!(finished.status, Some(9), "{finished:?}");
    let events = finished.events("probed");
    assert_eq!(events.len(), 5);
    assert_eq!(probed(&events, &fine)["result"], "taken");
    for (target, step) in [
        (format!("{unknown}:9732").as_str(), "resolve"),
        (dead, "connect"),
        (&web_address, "connection_message"),
        (&demanding, "metadata"),
    ] {
        let node = probed(&events, target);
        assert_eq!(
            (&node["result"], &node["failure"]["step"]),
            (&"failed".into(), &step.into()),
            "{node}"
        );
    }
    let demanding = probed(&events, &demanding);
    assert_eq!(demanding["our_proof_of_work"], "perhaps_refused");
    assert_eq!(demanding["authenticated"], false);
    assert!(
        demanding["difficulty_reached"].is_f64(),
        "what it said in the clear is told: {demanding}"
    );
}

#[test]
fn whoever_says_nothing_is_given_up() {
    // It takes connections, by its backlog.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let nobody = nobody();
    let finished = run(["--json", "probe", "--timeout", "1", &address, &nobody.address]);
    assert_eq!(finished.status, Some(9), "{finished:?}");
    let events = finished.events("probed");
    assert_eq!(events.len(), 2);
    let node = probed(&events, &address);
    assert_eq!(
        (&node["result"], &node["failure"]["error"]),
        (&"failed".into(), &"timeout".into())
    );
    assert_eq!(probed(&events, &nobody.address)["failure"]["step"], "connect");
}

#[test]
fn people_get_a_table_in_the_order_of_the_targets() {
    let (_listener, address) = Running::listen([]);
    let nobody = nobody();
    let dead = nobody.address.as_str();
    let finished = run(["probe", dead, &address]);
    assert_eq!((finished.status, finished.stderr.as_str()), (Some(9), ""));
    let lines: Vec<_> = finished.stdout.lines().collect();
    let [heading, first, second, remark] = lines[..] else {
        panic!("{}", finished.stdout)
    };
    assert!(heading.starts_with("TARGET") && heading.ends_with("VERSION"));
    assert!(first.starts_with(dead) && first.contains("failed"));
    assert!(second.starts_with(&address) && second.contains("takes us") && second.contains("TEZOS_MAINNET"));
    assert!(
        remark.starts_with(&format!("{dead}: failed at the TCP connection: can not connect")),
        "{remark}"
    );
}

#[test]
fn a_wrong_identity_file_is_told_before_anyone_is_called() {
    run(["probe", "127.0.0.1:1", "--identity", "/does/not/exist"]).expect_error(3, "/does/not/exist");
}
