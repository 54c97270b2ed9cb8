//! What every command has: help with examples, completions, manual pages, a log.

mod common;

use std::{fs, process::Stdio};

use common::{Running, p2p, run, text};

const COMMANDS: [&[&str]; 16] = [
    &["identity", "generate"],
    &["identity", "show"],
    &["identity", "check"],
    &["listen"],
    &["dial"],
    &["send"],
    &["bench"],
    &["probe"],
    &["crawl"],
    &["testnet"],
    &["inspect"],
    &["demo"],
    &["replay"],
    &["config"],
    &["completions"],
    &["man"],
];

#[test]
fn every_command_has_examples_and_its_exit_statuses_in_its_help() {
    for command in COMMANDS {
        let help = run(command.iter().copied().chain(["--help"]));
        help.expect_success();
        for text in ["Examples:\n  ", "Exit status: "] {
            assert!(help.stdout.contains(text), "{command:?} lacks {text}");
        }
        let example = format!("p2p {}", command.join(" "));
        let json_example = format!("p2p --json {}", command.join(" "));
        assert!(
            help.stdout.contains(&example) || help.stdout.contains(&json_example),
            "{command:?}"
        );
    }
    let help = run(["--help"]);
    help.expect_success();
    for status in ["    2  wrong usage", "  130  interrupted", "NO_COLOR", "Examples:"] {
        assert!(help.stdout.contains(status), "{}", help.stdout);
    }
    for command in COMMANDS {
        assert!(help.stdout.contains(&format!("\n  {} ", command[0])), "{command:?}");
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(["completions", shell]);
        script.expect_success();
        for word in ["probe", "concurrency"] {
            assert!(script.stdout.contains(word), "{shell} lacks {word}");
        }
    }
    run(["completions", "nushell"]).expect_error(2, "nushell");
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    run(["man", "--output", text(directory.path())]).expect_success();
    for command in COMMANDS {
        let page = directory.path().join(format!("p2p-{}.1", command.join("-")));
        assert!(
            fs::read_to_string(&page).unwrap().contains("Examples:"),
            "{}",
            page.display()
        );
    }
    let page = run(["man"]);
    page.expect_success();
    assert!(page.stdout.contains(".TH p2p 1"));
    run(["man", "--output", "/does/not/exist"]).expect_error(1, "can not write the manual page /does/not/exist/p2p");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    for command in [&["completions", "bash"][..], &["man"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = p2p(command.iter().copied()).stdout(Stdio::from(full)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains("can not write to standard output: No space left"),
            "{error}"
        );
    }
}

#[test]
fn the_log_tells_what_the_library_does_as_lines_or_json() {
    let (_listener, address) = Running::listen([]);
    let silent = run(["probe", &address]);
    silent.expect_success();
    let told = run(["-v", "probe", &address]);
    assert_eq!(told.status, Some(0));
    assert!(
        told.stderr.contains("DEBUG") && told.stderr.contains("authenticated"),
        "{told:?}"
    );
    assert!(!told.stderr.contains('\u{1b}'), "no colours but on a terminal");
    let json = run(["probe", &address, "--log-json"]);
    assert!(json.stderr.lines().count() > 0, "{json:?}");
    for line in json.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["level"], "DEBUG", "{line}");
    }
    let by_variable = p2p(["probe", &address])
        .env("P2P_LOG", "p2p_socket=debug")
        .output()
        .unwrap();
    assert!(String::from_utf8(by_variable.stderr).unwrap().contains("authenticated"));
    let wrong = p2p(["demo"]).env("P2P_LOG", "p2p_socket=loud").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

/// What turns the direction of writing, and what some terminals obey.
const HARMFUL: [char; 4] = ['\u{202e}', '\u{2066}', '\u{9b}', '\u{7f}'];

#[cfg(target_os = "linux")]
#[test]
fn json_has_no_character_that_does_something_to_a_terminal() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = format!("film{}gpj.exe", String::from_iter(HARMFUL));
    let file = from.path().join(&name);
    fs::write(&file, "x").unwrap();
    let (_listener, address) = Running::listen(["--receive", text(to.path())]);
    let sent = run(["--json", "send", &address, text(&file), "--log-json"]);
    assert_eq!(sent.status, Some(0), "{sent:?}");
    let missing = run(["--json", "identity", "show", &name]);
    missing.expect_error(3, "can not read");
    for output in [&sent.stdout, &sent.stderr, &missing.stdout] {
        assert!(!output.is_empty() && !output.contains(HARMFUL), "{output:?}");
    }
    // And means the same.
    assert_eq!(sent.events("transfer_started")[0]["name"], name);
    assert_eq!(sent.events("file_sent")[0]["file"], text(&file));
    assert!(missing.events("error")[0]["message"].as_str().unwrap().contains(&name));
}
