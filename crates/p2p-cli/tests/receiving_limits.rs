//! A receiver takes as much as it wants, and no sender can fill its disk.

mod common;
mod held_line;

use std::{fs, path::PathBuf, thread, time::Duration};

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
        error["message"].as_str().unwrap().contains("400000 bytes left"),
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
    let file = directories.file(5 * PASSES);
    // For all of one when as much as passes has come of the other, and as much again is kept for it, but not for all of both.
    let (_listener, address) = directories.listen(&["--max-received", &format!("{}", 8 * PASSES)]);
    let lines = [(); 2].map(|()| HeldLine::to(&address));
    let mut senders = lines
        .each_ref()
        .map(|line| Running::start(["send", &line.address, text(&file)]));
    for sender in &mut senders {
        // Each of them is welcome when it begins.
        sender.wait_for("transfer_started");
    }
    lines.iter().for_each(HeldLine::open);
    let ended = senders.map(Running::finish);
    let (arrived, refused): (Vec<_>, Vec<_>) = ended.iter().partition(|sender| sender.status == Some(0));
    assert_eq!((arrived.len(), refused.len()), (1, 1), "{ended:?}");
    let told = ["as much as it wants", "of which more has come"];
    assert!(told.iter().any(|told| refused[0].stderr.contains(told)), "{refused:?}");
    assert_eq!(directories.received().len(), 1);
    // What was given up does not count.
    run(["send", &address, text(&directories.file(3 * PASSES))]).expect_success();
}

/// Begins a file of `size` bytes, and says no more once `sent` of them are on the disk.
fn begin(address: &str, directories: &Directories, size: u64, sent: usize) -> Running {
    let mut sender = Running::start(["dial", address]);
    sender.wait_for("accepted");
    let offer = [&[1, 2][..], &size.to_be_bytes(), &[7; 32], b"stranger"].concat();
    for message in [offer, [&[2][..], &vec![b'x'; sent]].concat()] {
        assert!(!message.contains(&b'\n'));
        sender.write_bytes(&[&message[..], b"\n"].concat());
    }
    let is_there = |name: &String| {
        let path = directories.to.path().join(name);
        name.starts_with(".stranger.") && fs::metadata(path).is_ok_and(|part| part.len() == sent as u64)
    };
    while !directories.received().iter().any(is_there) {
        thread::sleep(Duration::from_millis(5));
    }
    sender
}

#[test]
fn a_file_gives_way_to_one_of_which_more_has_come_even_if_nothing_comes_of_it() {
    let directories = Directories::new();
    let (mut listener, address) = directories.listen(&["--max-received", "1MB"]);
    let line = HeldLine::to(&address);
    let mut honest = Running::start(["send", &line.address, text(&directories.file(950_000))]);
    honest.wait_for("transfer_started");
    let stranger = begin(&address, &directories, 100_000, 99_999);
    line.open();
    honest.finish().expect_success();
    let error = listener.wait_for("error");
    assert_eq!(error["error"], "gave_way", "{error}");
    assert_eq!(directories.received(), ["950000"]);
    // It was told, which does not wait for it to say anything.
    stranger.finish().expect_error(1, "the remote closed the connection");
    run(["send", &address, text(&directories.file(50_000))]).expect_success();
}

#[cfg(unix)]
#[test]
fn two_do_not_receive_into_one_directory() {
    let directories = Directories::new();
    let (mut listener, address) = directories.listen(&[]);
    let told = "another p2p receives files into ";
    let directory = directories.to.path();
    run(["listen", "--bind", "127.0.0.1:0", "--receive", text(directory)]).expect_error(1, told);
    run(["dial", &address, "--receive", text(&directory.join("."))]).expect_error(1, told);
    run(["send", &address, text(&directories.file(1))]).expect_success();
    // However it ends.
    listener.kill();
    let (_listener, address) = directories.listen(&[]);
    run(["send", &address, text(&directories.file(2))]).expect_success();
    assert_eq!(directories.received(), ["1", "2"]);
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
