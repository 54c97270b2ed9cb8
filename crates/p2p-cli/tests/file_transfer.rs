//! Files arrive whole, under a name of the receiver's choice, or not at all.

mod common;

use std::fs;

use common::{Running, names, run, text};

fn contents(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 37 + (i >> 8) * 5) as u8).collect()
}

#[test]
fn files_arrive_with_equal_digests() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut listener, address) = Running::listen(["--receive", text(to.path())]);
    for size in [0, 1, 128 * 1024, 128 * 1024 + 1, 3_000_000] {
        let name = format!("{size}.bin");
        let file = from.path().join(&name);
        fs::write(&file, contents(size)).unwrap();
        let sent = run(["--json", "send", &address, text(&file)]);
        sent.expect_success();
        let sent = &sent.events("file_sent")[0];
        let received = listener.wait_for("file_received");
        assert_eq!(sent["blake2b"], received["blake2b"]);
        assert_eq!((&sent["size"], &received["size"]), (&size.into(), &size.into()));
        assert_eq!(sent["remote_name"], name);
        assert_eq!(fs::read(to.path().join(&name)).unwrap(), contents(size));
    }
    assert_eq!(names(to.path()).len(), 5);
}

#[test]
fn a_taken_name_is_not_overwritten() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_listener, address) = Running::listen(["--receive", text(to.path())]);
    let file = from.path().join("a.txt");
    for contents in ["first", "second", "third"] {
        fs::write(&file, contents).unwrap();
        run(["send", &address, text(&file)]).expect_success();
    }
    assert_eq!(names(to.path()), ["a (1).txt", "a (2).txt", "a.txt"]);
    assert_eq!(fs::read(to.path().join("a.txt")).unwrap(), b"first");
    assert_eq!(fs::read(to.path().join("a (2).txt")).unwrap(), b"third");
}

#[test]
fn a_hidden_name_becomes_a_visible_one() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_listener, address) = Running::listen(["--receive", text(to.path())]);
    let file = from.path().join(".profile");
    fs::write(&file, "x").unwrap();
    run(["send", &address, text(&file)]).expect_success();
    assert_eq!(names(to.path()), ["_profile"]);
}

#[test]
fn a_receiver_that_can_not_write_says_so_and_goes_on() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut listener, address) = Running::listen(["--receive", text(to.path())]);
    let file = from.path().join("a");
    fs::write(&file, contents(3_000_000)).unwrap();
    let moved = to.path().with_extension("moved");
    fs::rename(to.path(), &moved).unwrap();
    run(["send", &address, text(&file)]).expect_error(1, "the receiver gave up: it can not write the file");
    assert_eq!(listener.wait_for("error")["error"], "disk_failed");
    fs::rename(&moved, to.path()).unwrap();
    run(["send", &address, text(&file)]).expect_success();
}

#[test]
fn something_else_than_a_file_is_told_before_anyone_is_called() {
    let directory = tempfile::tempdir().unwrap();
    run(["send", "127.0.0.1:1", "/does/not/exist"]).expect_error(1, "/does/not/exist");
    run(["send", "127.0.0.1:1", text(directory.path())]).expect_error(1, "not a regular file");
    run(["listen", "--receive", "/does/not/exist"]).expect_error(1, "not a directory");
}

#[test]
fn each_side_needs_the_other_to_transfer_files() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = from.path().join("a");
    fs::write(&file, "x").unwrap();
    let (_echo, address) = Running::listen(["--echo"]);
    run(["send", &address, text(&file)]).expect_error(1, "does not belong to a file transfer");

    let (mut listener, address) = Running::listen(["--receive", text(to.path())]);
    let mut dialler = Running::start(["dial", &address]);
    dialler.write("hello\n");
    assert_eq!(listener.wait_for("error")["error"], "not_a_transfer");
    dialler.finish().expect_error(1, "the remote closed the connection");
}
