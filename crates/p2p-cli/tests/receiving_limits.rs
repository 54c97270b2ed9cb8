//! A receiver takes as much as it wants, and no sender can fill its disk.

mod common;
mod held_line;

use std::{fs, path::PathBuf};

use common::{Running, names, run, text};
use held_line::{HeldLine, PASSES};
use tempfile::TempDir;

/// Files to send, and a directory to receive them.
struct Directories {
    from: TempDir,
    to: TempDir,
}

impl Directories {
    fn new() -> Self {
        Self {
            from: tempfile::tempdir().unwrap(),
            to: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, size: usize) -> PathBuf {
        let path = self.from.path().join(format!("{size}"));
        fs::write(&path, vec![7; size]).unwrap();
        path
    }

    fn listen(&self, limits: &[&str]) -> (Running, String) {
        Running::listen(
            ["--receive", text(self.to.path())]
                .into_iter()
                .chain(limits.iter().copied()),
        )
    }

    fn received(&self) -> Vec<String> {
        names(self.to.path())
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_and_the_others_go_on() {
    let directories = Directories::new();
    let (mut listener, address) = directories.listen(&["--max-file", "1MB"]);
    let other = directories.file(900_000);
    let mut other = Running::start(["send", &address, text(&other), "--max-upload", "1MB"]);
    other.wait_for("transfer_started");
    let large = directories.file(1_000_001);
    let refused = run(["send", &address, text(&large)]);
    refused.expect_error(1, "the receiver gave up: it takes no files of more than 1 MB");
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "file_too_large", "{error}");
    assert!(error["message"].as_str().unwrap().contains("--max-file"), "{error}");
    other.finish().expect_success();
    run(["send", &address, text(&directories.file(1_000_000))]).expect_success();
    assert_eq!(directories.received(), ["1000000", "900000"]);
}

#[test]
fn no_more_is_taken_in_a_run_than_the_user_wants() {
    let directories = Directories::new();
    let (mut listener, address) = directories.listen(&["--max-received", "1MB"]);
    let send = |size| run(["send", &address, text(&directories.file(size))]);
    send(600_000).expect_success();
    send(400_001).expect_error(1, "the receiver gave up: it has taken as much as it wants");
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "received_enough", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("400000 bytes are left"),
        "{error}"
    );
    send(400_000).expect_success();
    send(1).expect_error(1, "as much as it wants");
    // It takes nothing.
    send(0).expect_success();
    assert_eq!(directories.received(), ["0", "400000", "600000"]);
}

#[test]
fn files_that_come_at_a_time_are_no_more_together_and_leave_nothing_behind() {
    let directories = Directories::new();
    let file = directories.file(2 * PASSES);
    // For all of one when as much as passes has come of the other, but not for all of both.
    let (_listener, address) = directories.listen(&["--max-received", &format!("{}", 3 * PASSES + 1)]);
    let lines = [(); 2].map(|()| HeldLine::to(&address));
    let mut senders = lines
        .each_ref()
        .map(|line| Running::start(["send", &line.address, text(&file)]));
    for sender in &mut senders {
        // Each of them is welcome when it begins, and none ends before both have begun.
        sender.wait_for("transfer_started");
    }
    lines.iter().for_each(HeldLine::open);
    let ended = senders.map(Running::finish);
    assert!(ended.iter().any(|sender| sender.status == Some(1)), "{ended:?}");
    for sender in &ended {
        assert!(
            sender.status == Some(0) || sender.stderr.contains("as much as it wants"),
            "{sender:?}"
        );
    }
    let arrived = ended.iter().filter(|sender| sender.status == Some(0)).count();
    assert_eq!(directories.received().len(), arrived);
    // What was given up does not count.
    run(["send", &address, text(&directories.file(PASSES + 1))]).expect_success();
}

#[cfg(unix)]
#[test]
fn the_disk_keeps_what_is_to_stay_free() {
    let directories = Directories::new();
    let (mut listener, address) = directories.listen(&["--keep-free", "18000000000GB"]);
    let refused = run(["send", &address, text(&directories.file(1))]);
    refused.expect_error(1, "the receiver gave up: it has no room for the file");
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "disk_too_full", "{error}");
    assert!(error["message"].as_str().unwrap().contains("--keep-free"), "{error}");
    assert_eq!(directories.received(), [""; 0]);
    // Some is to even if the user says nothing of it.
    let help = run(["listen", "--help"]);
    let words = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("--keep-free <SIZE>") && words.contains("[default: 1GB]"),
        "{words}"
    );
}
