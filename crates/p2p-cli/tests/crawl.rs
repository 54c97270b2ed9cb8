//! `p2p crawl` finds everything that can be found in a network of good and bad nodes, and goes on where it was killed.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::Path,
};

use common::{Finished, Running, run, text};
use serde_json::Value;

/// What a crawl of a test network must find: an address and what its node does.
struct Testnet {
    /// Ends with it.
    running: Running,
    entry: String,
    /// What can be found from the entry, with the kind of the node, or `nobody`.
    expected: BTreeMap<String, String>,
}

impl Testnet {
    fn start(arguments: &[&str]) -> Self {
        let mut running = Running::start(["testnet"].into_iter().chain(arguments.iter().copied()));
        let ready = running.wait_for("testnet");
        let nodes: Vec<Value> = (0..ready["nodes"].as_u64().unwrap())
            .map(|_| running.wait_for("testnet_node"))
            .collect();
        running.wait_for("testnet_running");
        let entry = ready["entry"].as_str().unwrap().to_owned();
        let of = |field: &str, node: &Value| node[field].as_str().unwrap().to_owned();
        let by_address: BTreeMap<_, _> = nodes.iter().map(|node| (of("address", node), node)).collect();
        let (mut expected, mut next) = (BTreeMap::new(), vec![entry.clone()]);
        while let Some(address) = next.pop() {
            let node = by_address.get(&address);
            let kind = node.map_or_else(|| "nobody".to_owned(), |node| of("kind", node));
            let names = ["answering", "nacking", "hostile_liar"].contains(&kind.as_str());
            if expected.insert(address, kind).is_none() && names {
                let points = node.unwrap()["points"].as_array().unwrap();
                next.extend(points.iter().map(|point| point.as_str().unwrap().to_owned()));
            }
        }
        Self {
            running,
            entry,
            expected,
        }
    }

    fn crawl<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["crawl", &self.entry, "--network", "TESTNET", "--difficulty", "0"];
        // More than there are who say nothing.
        arguments.extend(["--concurrency", "64"]);
        if !more.contains(&"--interval") {
            arguments.extend(["--interval", "0"]);
        }
        arguments.extend(more);
        arguments
    }

    /// Runs a crawl to its end. Those who say nothing hang up when everyone else has been called, in this crawl or `before`:
    /// there is no limit of time that a slow machine could miss.
    fn crawl_all(&mut self, before: &[Value], more: &[&str]) -> Finished {
        let silent = ["hostile_silent", "hostile_huge_frame"];
        let others = self
            .expected
            .iter()
            .filter(|(_, kind)| !silent.contains(&kind.as_str()));
        let mut others: BTreeSet<_> = others.map(|(address, _)| address.clone()).collect();
        for record in before {
            others.remove(record["address"].as_str().unwrap());
        }
        let mut crawl = Running::start(self.crawl(more));
        while !others.is_empty() {
            others.remove(crawl.wait_for("called")["address"].as_str().unwrap());
        }
        self.running.kill();
        crawl.finish()
    }

    /// Fails unless everyone was called once, with the result that their kind gives.
    fn check(&self, called: &[Value]) {
        let addresses: BTreeSet<_> = called
            .iter()
            .map(|record| record["address"].as_str().unwrap())
            .collect();
        assert_eq!(addresses.len(), called.len(), "nobody is called twice");
        assert_eq!(addresses, self.expected.keys().map(String::as_str).collect());
        for record in called {
            let kind = self.expected[record["address"].as_str().unwrap()].as_str();
            let result = match kind {
                "answering" | "hostile_liar" | "hostile_chatterer" => "taken",
                "nacking" => "refused",
                _ => "failed",
            };
            assert_eq!(record["result"], result, "{kind}: {record}");
        }
    }

    fn count(&self, kinds: &[&str]) -> usize {
        self.expected
            .values()
            .filter(|kind| kinds.contains(&kind.as_str()))
            .count()
    }
}

/// The calls that a state file holds.
fn records(state: &Path) -> Vec<Value> {
    let text = fs::read_to_string(state).unwrap();
    text.lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn everything_in_a_network_of_200_is_found_and_nothing_hangs() {
    let mut testnet = Testnet::start(&["200", "--seed", "7"]);
    assert!(testnet.expected.len() >= 200);
    let directory = tempfile::tempdir().unwrap();
    let svg = directory.path().join("crawl.svg");
    let finished = testnet.crawl_all(&[], &["--svg", text(&svg)]);
    finished.expect_success();
    let called = finished.events("called");
    testnet.check(&called);

    let summary = &finished.events("crawled")[0];
    assert_eq!(summary["found"], testnet.expected.len());
    assert_eq!(
        summary["taken"],
        testnet.count(&["answering", "hostile_liar", "hostile_chatterer"])
    );
    assert_eq!(summary["refused"], testnet.count(&["nacking"]));
    assert_eq!(summary["waiting"], 0);
    let motives = summary["motives"].as_object().unwrap().values();
    assert_eq!(
        motives.map(|count| count.as_u64().unwrap()).sum::<u64>(),
        testnet.count(&["nacking"]) as u64
    );
    assert!(summary["handshake"]["median"].as_f64().unwrap() > 0.0);
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<title>").count(), called.len());
}

#[test]
fn whoever_says_nothing_is_given_up() {
    // It takes connections, by its backlog.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let finished = run(["--json", "crawl", &address, "--interval", "0", "--timeout", "0.1"]);
    finished.expect_success();
    let [called] = &finished.events("called")[..] else {
        panic!("{finished:?}")
    };
    assert_eq!(
        (&called["result"], &called["error"]),
        (&"failed".into(), &"timeout".into())
    );
}

#[test]
fn a_crawl_that_was_killed_goes_on_where_it_was() {
    let mut testnet = Testnet::start(&["60", "--seed", "3"]);
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let mut crawl = Running::start(testnet.crawl(&["--state", text(&state)]));
    for _ in 0..20 {
        crawl.wait_for("called");
    }
    crawl.kill();
    let before = records(&state);
    assert!(before.len() >= 20);
    // As if it had been killed in the middle of a line.
    let mut torn = fs::read(&state).unwrap();
    torn.extend(b"{\"address\":\"127.0");
    fs::write(&state, torn).unwrap();

    let finished = testnet.crawl_all(&before, &["--state", text(&state)]);
    finished.expect_success();
    let after = records(&state);
    assert_eq!(after[..before.len()], before);
    assert_eq!(finished.events("called").len(), after.len() - before.len());
    testnet.check(&after);
    assert_eq!(finished.events("crawled")[0]["found"], testnet.expected.len());
    // Once more, and there is nothing left to do.
    let arguments = testnet.crawl(&["--state", text(&state)]);
    let idle = run(["--json"].into_iter().chain(arguments));
    assert!(idle.events("called").is_empty());
    assert_eq!(records(&state), after);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_keeps_what_was_found() {
    let testnet = Testnet::start(&["40", "--seed", "1", "--dead", "0", "--nacking", "0", "--hostile", "0"]);
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    // One call, and then an hour's pause.
    let mut crawl = Running::start(testnet.crawl(&["--state", text(&state), "--interval", "3600"]));
    crawl.wait_for("called");
    crawl.interrupt();
    let finished = crawl.finish();
    finished.expect_error(130, "interrupted");
    assert_eq!(finished.events("crawled")[0]["taken"], 1);
    assert!(finished.events("crawled")[0]["waiting"].as_u64().unwrap() > 0);
    assert_eq!(records(&state).len(), 1);
}

#[test]
fn mistakes_are_told_and_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("precious");
    fs::write(&file, "precious").unwrap();
    run(["crawl", "127.0.0.1:1", "--state", text(&file)]).expect_error(1, "left as it is");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    fs::remove_file(&file).unwrap();
    let other = ["crawl", "127.0.0.1:1", "--interval", "0", "--state", text(&file)];
    run(other.into_iter().chain(["--network", "ONE"])).expect_success();
    run(other.into_iter().chain(["--network", "OTHER"])).expect_error(1, "of the network ONE, not OTHER");
    run(["crawl", "does-not-exist.invalid"]).expect_error(9, "does-not-exist.invalid");
    run(["crawl", "127.0.0.1:1", "--svg", "/does/not/exist.svg"]).expect_error(1, "can not write the picture");
}

#[cfg(target_os = "linux")]
#[test]
fn one_who_names_many_addresses_leaves_room_for_those_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    // As calls on two hosts have left it: three liars on one, somebody honest on the other. All of it is on loopback.
    let called = |address: &str, points: Vec<String>| {
        serde_json::json!({
            "address": address, "distance": 0, "result": "taken", "peer_id": null, "version": null,
            "difficulty_reached": null, "motive": null, "step": null, "error": null, "connect_seconds": null,
            "handshake_seconds": null, "points": points,
        })
    };
    let mut lines = vec![serde_json::json!({ "p2p_crawl": 1, "network": "TESTNET" })];
    for liar in 1..=3 {
        let points = (1..=100).map(|host| format!("127.100.{liar}.{host}:1")).collect();
        lines.push(called(&format!("127.0.0.1:{liar}"), points));
    }
    let honest: Vec<_> = (1..=5).map(|host| format!("127.0.2.{host}:1")).collect();
    lines.push(called("127.0.1.1:1", honest.clone()));
    fs::write(&state, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();

    let arguments = [
        "--json",
        "crawl",
        "127.0.0.1:1",
        "--network",
        "TESTNET",
        "--interval",
        "0",
    ];
    let limits = ["--difficulty", "0", "--max-addresses", "100", "--state", text(&state)];
    let finished = run(arguments.into_iter().chain(limits));
    finished.expect_success();
    let called = finished.events("called");
    let called: BTreeSet<_> = called
        .iter()
        .map(|record| record["address"].as_str().unwrap())
        .collect();
    for address in &honest {
        assert!(called.contains(address.as_str()), "{address}: {called:?}");
    }
    // Half of the 96 that there was room for.
    assert_eq!(called.len(), 48 + honest.len());
    let refused = &finished.events("crawled")[0]["refused_addresses"];
    assert_eq!(
        (&refused["beyond_share"], &refused["too_many"]),
        (&252.into(), &0.into())
    );
}

#[test]
fn what_a_crawl_can_not_reach_by_intent_is_told() {
    let mut testnet = Running::start(["testnet", "60", "--seed", "3", "--hostile", "33"]);
    testnet.wait_for("testnet");
    let kinds: Vec<_> = (0..60)
        .map(|_| testnet.wait_for("testnet_node")["kind"].as_str().unwrap().to_owned())
        .collect();
    let running = testnet.wait_for("testnet_running");
    let count = |prefix: &str| kinds.iter().filter(|kind| kind.starts_with(prefix)).count();
    assert!(count("dead") > 0 && count("hostile_liar") > 0, "{kinds:?}");
    assert_eq!(running["dead"], count("dead"));
    assert_eq!(running["hostile"], count("hostile"));
    assert_eq!(running["made_up_addresses"], 100 * count("hostile_liar"));
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let kinds = || {
        let mut testnet = Running::start(["testnet", "30", "--seed", "11"]);
        (0..30)
            .map(|_| testnet.wait_for("testnet_node"))
            .map(|node| (node["kind"].clone(), node["peer_id"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(), kinds());
}
