//! On a terminal there are bars, a live view and colours, and they go when they are not wanted.
#![cfg(target_os = "linux")]

mod common;
mod held_line;
mod on_terminal;

use std::{fs, net::TcpListener, process::Stdio};

use common::{Running, p2p, text};
use held_line::{HeldLine, PASSES};
use on_terminal::{OnTerminal, Shown};

#[test]
fn a_search_shows_rate_expectation_and_odds_until_it_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let mut command = p2p(["identity", "generate", "--difficulty", "60", "--output", text(&file)]);
    let mut search = OnTerminal::start(&mut command, Shown::Stderr);
    for text in ["/s, ", " years on average, odds 0.0 %"] {
        search.wait_for(text);
    }
    search.interrupt();
    assert_eq!(search.finish(), Some(130));
    assert_eq!(search.contents().trim(), "p2p: interrupted");
    assert!(search.is_restored());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_crawl_shows_what_it_has_found() {
    let mut testnet = Running::start(["testnet", "20", "--seed", "5", "--hostile", "0"]);
    let entry = testnet.wait_for("testnet")["entry"].as_str().unwrap().to_owned();
    testnet.wait_for("testnet_running");
    // Twenty calls at ten a second, so that there is something to see.
    let arguments = [
        "crawl",
        &entry,
        "--network",
        "TESTNET",
        "--difficulty",
        "0",
        "--interval",
        "0.1",
    ];
    let mut crawl = OnTerminal::start(p2p(arguments).stdout(Stdio::null()), Shown::Stderr);
    crawl.wait_for(" found: ");
    crawl.wait_for(" take us, ");
    crawl.wait_for(" waiting");
    assert_eq!(crawl.finish(), Some(0));
}

#[test]
fn a_probe_counts_the_targets() {
    // It takes connections, by its backlog, and says nothing: there is time to look.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let arguments = ["probe", "127.0.0.1:1", &address];
    let mut probe = OnTerminal::start(p2p(arguments).stdout(Stdio::null()), Shown::Stderr);
    probe.wait_for(" of 2 called");
    // It hangs up.
    drop(silent);
    assert_eq!(probe.finish(), Some(9));
}

#[test]
fn the_results_of_a_probe_have_colours_on_a_terminal_alone() {
    let (_listener, address) = Running::listen([]);
    let arguments = ["probe", "127.0.0.1:1", &address];
    let (red, green) = ("\u{1b}[31mfailed\u{1b}[0m", "\u{1b}[32mtakes us\u{1b}[0m");
    let mut probe = OnTerminal::start(&mut p2p(arguments), Shown::Both);
    assert_eq!(probe.finish(), Some(9));
    assert!(
        probe.seen().contains(red) && probe.seen().contains(green),
        "{:?}",
        probe.seen()
    );
    let mut plain = OnTerminal::start(p2p(arguments).env("NO_COLOR", "1"), Shown::Both);
    assert_eq!(plain.finish(), Some(9));
    // What is too wide for it is below.
    let screen = plain.contents();
    assert!(
        screen.contains("\n    id") && screen.contains("\n    TEZOS_MAINNET, "),
        "{screen}"
    );
    assert!(
        plain.seen().contains("takes us") && !plain.seen().contains("\u{1b}[3"),
        "{:?}",
        plain.seen()
    );
}

#[test]
fn colours_are_for_terminals_and_not_against_the_users_wish() {
    let colour = "\u{1b}[3";
    let mut coloured = OnTerminal::start(p2p(["-v", "demo"]).stdout(Stdio::null()), Shown::Stderr);
    assert_eq!(coloured.finish(), Some(0));
    assert!(coloured.seen().contains(colour), "{:?}", coloured.seen());
    let mut command = p2p(["-v", "demo"]);
    let mut plain = OnTerminal::start(command.env("NO_COLOR", "1").stdout(Stdio::null()), Shown::Stderr);
    assert_eq!(plain.finish(), Some(0));
    assert!(
        plain.seen().contains("DEBUG") && !plain.seen().contains('\u{1b}'),
        "{:?}",
        plain.seen()
    );
}

#[test]
fn a_transfer_shows_a_bar_on_both_sides_and_leaves_nothing_of_it() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = from
        .path()
        .join("a film with a name that is much too long for a bar.mkv");
    fs::write(&file, vec![7; 2 * PASSES]).unwrap();
    let mut command = p2p(["listen", "--bind", "127.0.0.1:0", "--receive", text(to.path())]);
    let mut receiver = OnTerminal::start(&mut command, Shown::Both);
    let listening = receiver.wait_until(|screen| screen.contains(" as id"));
    let address = listening.split_whitespace().nth(2).unwrap().to_owned();

    let line = HeldLine::to(&address);
    let mut command = p2p(["send", &line.address, text(&file)]);
    let mut sender = OnTerminal::start(&mut command, Shown::Both);
    for terminal in [&mut sender, &mut receiver] {
        let screen = terminal.wait_until(|screen| screen.contains(" left"));
        let bar = screen.lines().find(|line| line.contains(" left")).unwrap();
        assert!(bar.starts_with("a film with a name that i… ["), "{screen}");
        assert!(bar.contains(" % ") && bar.contains("/s"), "{screen}");
    }
    line.open();
    assert_eq!(sender.finish(), Some(0));
    let screen = sender.contents();
    assert!(!screen.contains(" left") && screen.contains("sent "), "{screen}");
    assert!(sender.is_restored());
    receiver.wait_until(|screen| screen.contains("received ") && !screen.contains(" left"));
    receiver.interrupt();
    assert_eq!(receiver.finish(), Some(130));
    assert!(receiver.contents().trim_end().ends_with("p2p: interrupted"));
    assert!(receiver.is_restored());
}
