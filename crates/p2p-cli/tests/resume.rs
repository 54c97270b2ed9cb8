//! A transfer that was cut goes on where it stopped, or leaves nothing but what it can go on from.

mod common;
mod held_line;

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use common::{Finished, Running, names, run, text};
use held_line::{HeldLine, ON_ITS_WAY, PASSES};
use serde_json::Value;
use tempfile::TempDir;

/// In bytes: much more than passes a line that holds.
const SIZE: usize = 3 * PASSES;

fn contents() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 37 + (i >> 8) * 5) as u8).collect()
}

/// In bytes: less than passes a line that holds, even if the rest of a message waits.
const PART: u64 = PASSES as u64 / 2;

/// A file to send, and a directory to receive it.
struct Transfer {
    from: TempDir,
    to: TempDir,
}

impl Transfer {
    fn new() -> Self {
        let new = Self {
            from: tempfile::tempdir().unwrap(),
            to: tempfile::tempdir().unwrap(),
        };
        fs::write(new.file(), contents()).unwrap();
        new
    }

    fn file(&self) -> PathBuf {
        self.from.path().join("film.bin")
    }

    fn to(&self) -> &Path {
        self.to.path()
    }

    fn listen(&self) -> (Running, String) {
        Running::listen(["--receive", text(self.to())])
    }

    fn send(&self, address: &str) -> Finished {
        run(["--json", "send", address, text(&self.file())])
    }

    fn start_sending(&self, address: &str) -> Running {
        Running::start(["send", address, text(&self.file())])
    }

    /// Waits until so many files have been written in part.
    fn wait_for_parts(&self, count: usize) {
        loop {
            let written = names(self.to()).into_iter().filter(|name| {
                let path = self.to().join(name);
                fs::metadata(path).is_ok_and(|metadata| metadata.len() > PART)
            });
            let written: Vec<_> = written.collect();
            assert!(written.iter().all(|name| name.ends_with(".part")), "{written:?}");
            if written.len() == count {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Fails unless the file has arrived, whole, and alone.
    fn expect_arrived(&self, contents: &[u8]) {
        assert_eq!(names(self.to()), ["film.bin"]);
        assert!(fs::read(self.to().join("film.bin")).unwrap() == contents);
    }

    /// Cuts a transfer by killing the sender.
    fn cut(&self, listener: &mut Running, address: &str) -> Value {
        let line = HeldLine::to(address);
        let mut sender = self.start_sending(&line.address);
        self.wait_for_parts(1);
        sender.kill();
        line.cut();
        listener.wait_for("error")
    }
}

fn resumed_from(finished: &Finished) -> u64 {
    finished.events("file_sent")[0]["resumed_from"].as_u64().unwrap()
}

#[test]
fn a_killed_sender_goes_on_where_it_stopped() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    let error = transfer.cut(&mut listener, &address);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("the transfer of film.bin was cut after "),
        "{message}"
    );
    let [part] = &names(transfer.to())[..] else {
        panic!("one part is left")
    };
    let held = fs::metadata(transfer.to().join(part)).unwrap().len();

    let sent = transfer.send(&address);
    sent.expect_success();
    assert_eq!(resumed_from(&sent), held);
    let received = listener.wait_for("file_received");
    assert_eq!(received["resumed_from"], held);
    assert_eq!(received["blake2b"], sent.events("file_sent")[0]["blake2b"]);
    let on_the_wire = sent.events("closed")[0]["bytes_sent"].as_u64().unwrap();
    assert!(
        on_the_wire < SIZE as u64 - held + 100_000,
        "{on_the_wire} bytes were sent"
    );
    transfer.expect_arrived(&contents());
    // There is nothing to go on from any more.
    assert_eq!(resumed_from(&transfer.send(&address)), 0);
}

#[test]
fn a_killed_receiver_goes_on_where_it_stopped_in_a_new_process() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    let line = HeldLine::to(&address);
    let sender = transfer.start_sending(&line.address);
    transfer.wait_for_parts(1);
    listener.kill();
    sender.finish().expect_error(1, "the transfer was cut: ");
    let (_listener, address) = transfer.listen();
    let sent = transfer.send(&address);
    sent.expect_success();
    assert!(resumed_from(&sent) > PART);
    transfer.expect_arrived(&contents());
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_of_either_side_loses_nothing() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    let line = HeldLine::to(&address);
    let sender = transfer.start_sending(&line.address);
    transfer.wait_for_parts(1);
    sender.interrupt();
    sender.finish().expect_error(130, "interrupted");
    line.cut();
    listener.wait_for("closed");

    let line = HeldLine::to(&address);
    let mut sender = transfer.start_sending(&line.address);
    let first = sender.wait_for("transfer_started")["resumed_from"].as_u64().unwrap();
    assert!(first > PART);
    listener.interrupt();
    let listener = listener.finish();
    assert_eq!(listener.status, Some(130));
    assert!(listener.stderr.ends_with("p2p: interrupted\n"), "{listener:?}");
    sender.finish().expect_error(1, "the transfer was cut");

    let (_listener, address) = transfer.listen();
    let sent = transfer.send(&address);
    sent.expect_success();
    assert!(resumed_from(&sent) >= first);
    transfer.expect_arrived(&contents());
}

#[test]
fn a_changed_file_begins_anew() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    transfer.cut(&mut listener, &address);
    let mut changed = contents();
    changed[100] ^= 1;
    fs::write(transfer.file(), &changed).unwrap();
    let sent = transfer.send(&address);
    sent.expect_success();
    assert_eq!(resumed_from(&sent), 0);
    assert!(fs::read(transfer.to().join("film.bin")).unwrap() == changed);
}

#[test]
fn a_change_that_hides_is_noticed() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    transfer.cut(&mut listener, &address);
    // Behind the beginning that identifies the file, and with the time of the old one.
    let mut changed = contents();
    changed[200_000] ^= 1;
    let modified = fs::metadata(transfer.file()).unwrap().modified().unwrap();
    fs::write(transfer.file(), &changed).unwrap();
    let file = OpenOptions::new().write(true).open(transfer.file()).unwrap();
    file.set_modified(modified).unwrap();
    let sent = transfer.send(&address);
    sent.expect_success();
    assert_eq!(resumed_from(&sent), 0);
    assert!(fs::read(transfer.to().join("film.bin")).unwrap() == changed);
}

#[test]
fn a_file_that_changes_while_it_is_sent_does_not_arrive() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    // More than the sender has read when the line holds.
    let large = vec![7; SIZE + ON_ITS_WAY];
    fs::write(transfer.file(), &large).unwrap();
    // Long ago, or on a disk that keeps no parts of seconds the change would seem to be as old.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let file = OpenOptions::new().write(true).open(transfer.file()).unwrap();
    file.set_modified(hour_ago).unwrap();
    drop(file);
    let line = HeldLine::to(&address);
    let sender = transfer.start_sending(&line.address);
    transfer.wait_for_parts(1);
    let mut file = OpenOptions::new().write(true).open(transfer.file()).unwrap();
    file.seek(SeekFrom::Start(10)).unwrap();
    file.write_all(b"another version").unwrap();
    drop(file);
    line.open();
    sender.finish().expect_error(1, "has changed while it was sent");
    assert_eq!(listener.wait_for("error")["error"], "withdrawn_by_sender");
    listener.wait_for("closed");
    assert_eq!(names(transfer.to()), [""; 0]);

    let line = HeldLine::to(&address);
    let sender = transfer.start_sending(&line.address);
    transfer.wait_for_parts(1);
    let file = OpenOptions::new().write(true).open(transfer.file()).unwrap();
    file.set_len(1_000).unwrap();
    line.open();
    sender.finish().expect_error(1, "has changed while it was sent");
    listener.wait_for("closed");
    assert_eq!(names(transfer.to()), [""; 0]);
}

#[test]
fn the_same_file_twice_at_a_time_arrives_twice() {
    let transfer = Transfer::new();
    let (_listener, address) = transfer.listen();
    let lines = [(); 2].map(|()| HeldLine::to(&address));
    let senders = lines.each_ref().map(|line| transfer.start_sending(&line.address));
    transfer.wait_for_parts(2);
    lines.iter().for_each(HeldLine::open);
    for sender in senders {
        sender.finish().expect_success();
    }
    assert_eq!(names(transfer.to()), ["film (1).bin", "film.bin"]);
    for name in names(transfer.to()) {
        assert!(fs::read(transfer.to().join(name)).unwrap() == contents());
    }
}

#[test]
fn parts_that_nobody_has_sent_for_long_are_removed() {
    let transfer = Transfer::new();
    let old = transfer.to().join(format!(".film.bin.{0}.{0}.part", "0".repeat(32)));
    let file = File::create(&old).unwrap();
    let month_ago = SystemTime::now() - Duration::from_secs(30 * 86_400);
    file.set_modified(month_ago).unwrap();
    drop(file);
    fs::write(transfer.to().join(".mine.part"), "mine").unwrap();
    let (_listener, _) = transfer.listen();
    assert_eq!(names(transfer.to()), [".mine.part"]);
}

/// What someone says who has read the protocol and means harm: each is a message of bytes without a newline.
fn harm(listener: &mut Running, address: &str, messages: &[&[u8]]) -> Value {
    let mut sender = Running::start(["dial", address]);
    sender.wait_for("accepted");
    for message in messages {
        assert!(!message.contains(&b'\n'));
        sender.write_bytes(&[message, &b"\n"[..]].concat());
    }
    let error = listener.wait_for("error");
    sender.kill();
    listener.wait_for("closed");
    error
}

fn offer(size: u64, name: &str) -> Vec<u8> {
    [&[1, 2][..], &size.to_be_bytes(), &[7; 32], name.as_bytes()].concat()
}

/// Begins a file in the name of an identity, and leaves it when so much of it is on the disk.
fn leave(listener: &mut Running, address: &str, identity: &Path, name: &str, size: usize, to: &Path) {
    let mut sender = Running::start(["dial", address, "--identity", text(identity)]);
    sender.wait_for("accepted");
    for message in [&offer(1 << 20, name)[..], &[&[2][..], &vec![b'x'; size]].concat()] {
        sender.write_bytes(&[message, &b"\n"[..]].concat());
    }
    let is_there = |begun: &String| {
        let metadata = fs::metadata(to.join(begun));
        begun.starts_with(&format!(".{name}.")) && metadata.is_ok_and(|part| part.len() == size as u64)
    };
    while !names(to).iter().any(is_there) {
        thread::sleep(Duration::from_millis(5));
    }
    sender.kill();
    listener.wait_for("closed");
}

#[test]
fn a_sender_that_leaves_many_parts_pushes_out_its_own_alone() {
    let transfer = Transfer::new();
    let (mut listener, address) = transfer.listen();
    let [honest, greedy] = ["honest", "greedy"].map(|name| {
        let file = transfer.from.path().join(name);
        run(["identity", "generate", "--difficulty", "0", "--output", text(&file)]).expect_success();
        file
    });
    leave(&mut listener, &address, &honest, "short", 70_000, transfer.to());
    for number in 0..20 {
        let name = format!("long{number}");
        leave(&mut listener, &address, &greedy, &name, 100_000 + number, transfer.to());
    }
    let left = names(transfer.to());
    assert_eq!(left.len(), 16, "{left:?}");
    assert!(left.iter().any(|name| name.starts_with(".short.")), "{left:?}");
    for number in 0..5 {
        assert!(
            !left.iter().any(|name| name.starts_with(&format!(".long{number}."))),
            "{left:?}"
        );
    }
}

#[test]
fn a_hostile_sender_reaches_nothing_but_its_own_file() {
    let transfer = Transfer::new();
    let precious = transfer.to.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::create_dir(transfer.to().join("in")).unwrap();
    let into = transfer.to().join("in");
    let (mut listener, address) = Running::listen(["--receive", text(&into)]);
    let data = |size: usize| [&[2][..], &vec![b'x'; size]].concat();

    // More than was offered, under a name outside.
    let error = harm(&mut listener, &address, &[&offer(3, "../precious"), &data(4)]);
    assert_eq!(error["error"], "wrong_size");
    // What would be a claim of an offset, if there were one to claim.
    for (claim, name) in [
        (&[4, 0, 0, 0, 0, 0, 0, 0, 1][..], "not_a_transfer"),
        (&[7, 0, 0, 0, 0, 0, 0, 0, 1], "not_a_transfer"),
        (&[8; 33], "not_a_transfer"),
        (&[3; 33], "wrong_size"),
    ] {
        let error = harm(&mut listener, &address, &[&offer(3, "../precious"), claim]);
        assert_eq!(error["error"], name, "{claim:?}");
    }
    // Data without an offer, and an offer of another version.
    assert_eq!(harm(&mut listener, &address, &[&data(1)])["error"], "not_a_transfer");
    let error = harm(&mut listener, &address, &[&[1, 3, 0, 0]]);
    assert_eq!(error["error"], "other_version");
    assert!(error["message"].as_str().unwrap().contains("of version 3"), "{error}");
    assert_eq!(names(&into), [""; 0]);

    // What someone else has begun is not for those who do not have it.
    let begun = [&offer(200_000, "a")[..], &data(100_000)];
    let mut owner = Running::start(["dial", &address]);
    owner.wait_for("accepted");
    for message in begun {
        owner.write_bytes(&[message, &b"\n"[..]].concat());
    }
    listener.wait_for("transfer_started");
    while !names(&into)
        .iter()
        .any(|name| fs::metadata(into.join(name)).unwrap().len() == 100_000)
    {
        thread::sleep(Duration::from_millis(5));
    }
    owner.kill();
    listener.wait_for("closed");
    let guess = [&[8][..], &[0; 32]].concat();
    let error = harm(
        &mut listener,
        &address,
        &[&offer(200_000, "a"), &guess, &data(200_001 - 100_000), &data(100_000)],
    );
    assert_eq!(error["error"], "wrong_size");
    let [part] = &names(&into)[..] else {
        panic!("{:?}", names(&into))
    };
    assert_eq!(fs::read(into.join(part)).unwrap(), vec![b'x'; 100_000]);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}
