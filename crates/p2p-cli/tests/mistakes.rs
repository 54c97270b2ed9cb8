//! A mistake in each command is one clear sentence, with the exit status that the help lists, and nothing is lost.

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    thread,
};

use common::{Finished, Running, nobody, run, text};

/// The commands that need a peer, each with what else they need.
fn callers<'a>(address: &'a str, file: &'a str) -> [Vec<&'a str>; 5] {
    [
        vec!["dial", address],
        vec!["send", address, file],
        vec!["bench", address],
        vec!["probe", address],
        vec!["crawl", address],
    ]
}

fn run_with(arguments: &[&str], more: &[&str]) -> Finished {
    run(arguments.iter().chain(more).copied())
}

fn write(directory: &Path, name: &str, contents: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, contents).unwrap();
    text(&path).to_owned()
}

#[test]
fn a_wrong_port() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    for port in ["0", "65536", "p2p", "-1"] {
        let address = format!("127.0.0.1:{port}");
        for caller in callers(&address, &file) {
            let finished = run_with(&caller, &[]);
            finished.expect_error(2, "1 to 65535");
        }
        if port != "0" {
            run(["listen", "--bind", &address]).expect_error(2, "--bind");
        }
    }
    // One where nobody is, and what each makes of it.
    let nobody = nobody();
    let address = nobody.address.as_str();
    for caller in callers(address, &file) {
        let finished = run_with(&caller, &[]);
        match caller[0] {
            "probe" => {
                assert_eq!(
                    (finished.status, finished.stderr.as_str()),
                    (Some(9), ""),
                    "{finished:?}"
                );
                assert!(finished.stdout.contains("Connection refused"), "{finished:?}");
            }
            "crawl" => {
                finished.expect_success();
                assert!(finished.stdout.contains("1 failed"), "{finished:?}");
            }
            _ => finished.expect_error(1, &format!("can not connect to {address}: Connection refused")),
        }
    }
}

#[test]
fn a_host_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    let address = "no.such.host.invalid:9732";
    for caller in callers(address, &file) {
        let finished = run_with(&caller, &["--timeout", "2s"]);
        match caller[0] {
            "probe" => {
                assert_eq!(finished.status, Some(9));
                assert!(finished.stdout.contains("no.such.host.invalid"), "{finished:?}");
            }
            "crawl" => finished.expect_error(9, "no.such.host.invalid"),
            _ => finished.expect_error(1, "no.such.host.invalid"),
        }
    }
    assert_eq!(fs::read(file).unwrap(), b"a");
}

#[test]
fn a_wrong_identity_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    let nobody = nobody();
    let empty = write(directory.path(), "empty.json", "{}");
    let (one, other) = (directory.path().join("one.json"), directory.path().join("other.json"));
    for path in [&one, &other] {
        run(["identity", "generate", "--difficulty", "0", "--output", text(path)]).expect_success();
    }
    // The peer id of the other one.
    let read = |path| serde_json::from_str::<serde_json::Value>(&fs::read_to_string(path).unwrap()).unwrap();
    let mut mixed = read(&one);
    mixed["peer_id"] = read(&other)["peer_id"].clone();
    let mixed = write(directory.path(), "mixed.json", &mixed.to_string());
    let listen = vec!["listen", "--bind", "127.0.0.1:0"];
    let serve = vec!["bench", "--serve", "--bind", "127.0.0.1:0"];
    for caller in callers(&nobody.address, &file).into_iter().chain([listen, serve]) {
        for (identity, status) in [("/does/not/exist", 3), (&empty, 4), (&file, 4), (&mixed, 5)] {
            run_with(&caller, &["--identity", identity]).expect_error(status, identity);
        }
    }
}

#[test]
fn a_listener_that_takes_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    let (_printing, address) = Running::listen([]);
    // Where the handshake takes longer than that, on a machine that stops for a while, it is tried again.
    let told = ["1s", "10s", "60s"].iter().any(|limit| {
        let finished = run(["send", &address, &file, "--timeout", limit]);
        assert_eq!(finished.status, Some(1), "{finished:?}");
        finished.stderr.contains("is it a `p2p listen --receive`?")
    });
    assert!(told);
    let (_echoing, address) = Running::listen(["--echo"]);
    run(["send", &address, &file]).expect_error(1, "does not belong to a file transfer");
}

#[test]
fn a_port_where_something_else_answers() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    for (greeting, protocol) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (b"<!DOCTYPE HTML>\n<html lang=\"en\">", "HTTP"),
        (&[0x15, 3, 3, 0, 2, 2, 70], "TLS"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
        (b"220 mail.example.org ESMTP\r\n", "SMTP or FTP"),
    ] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    let (mut stream, _) = server.accept().unwrap();
                    stream.write_all(greeting).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    // Closed with something unread, it would take back what it has said.
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            });
            let told = format!("what it says looks like {protocol}, not like a peer");
            for caller in callers(&address, &file) {
                match caller[0] {
                    "probe" => {
                        let finished = run_with(&caller, &[]);
                        assert!(finished.stdout.contains(&told), "{finished:?}");
                    }
                    "crawl" => {}
                    _ => run_with(&caller, &[]).expect_error(1, &told),
                }
            }
        });
    }
    // A browser that was sent to us.
    let (mut listener, address) = Running::listen(["--echo"]);
    let mut browser = TcpStream::connect(&address).unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    browser.shutdown(Shutdown::Write).unwrap();
    let error = listener.wait_for("error");
    assert!(
        error["message"].as_str().unwrap().contains("looks like HTTP"),
        "{error}"
    );
}

#[test]
fn a_bad_unit() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    for caller in callers("127.0.0.1:1", &file) {
        run_with(&caller, &["--timeout", "5 minutes"]).expect_error(2, "500ms, 5s, 2min or 1h");
        if !["probe", "crawl"].contains(&caller[0]) {
            run_with(&caller, &["--max-upload", "5 MBit"]).expect_error(2, "the units are B, kB, MB");
            run_with(&caller, &["--max-download", "0"]).expect_error(2, "at least one byte per second");
        }
    }
    run(["listen", "--interval", "often"]).expect_error(2, "500ms, 5s, 2min or 1h");
    run(["crawl", "127.0.0.1:1", "--interval=-1s"]).expect_error(2, "--interval");
}

#[test]
fn a_bad_network() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a", "a");
    let (_listener, address) = Running::listen(["--network", "OURS", "--receive", text(directory.path())]);
    let other = tempfile::tempdir().unwrap();
    let (_strange, strange) = Running::listen(["--network", "$(id)", "--receive", text(other.path())]);
    let option = "--network";
    for caller in callers(&address, &file) {
        run_with(&caller, &[option, "mainet"]).expect_error(2, "did you mean mainnet?");
        run_with(&caller, &[option, ""]).expect_error(2, option);
        let finished = run_with(&caller, &[option, "THEIRS"]);
        let told = "it announced the network OURS, and we THEIRS: --network OURS may do better";
        match caller[0] {
            "probe" => {
                finished.expect_success();
                assert!(finished.stdout.contains("unknown_chain_name"), "{finished:?}");
                assert!(finished.stdout.contains(told), "{finished:?}");
            }
            "crawl" => {
                finished.expect_success();
                assert!(finished.stdout.contains("1 refuse"), "{finished:?}");
            }
            _ => {
                finished.expect_error(1, told);
                run_with(&caller, &[option, "THEIRS", "--any-version"]).expect_error(1, told);
            }
        }
    }
    // It tells what people might copy into a shell, but not what does something there.
    for caller in callers(&strange, &file)
        .into_iter()
        .filter(|caller| caller[0] != "crawl")
    {
        let finished = run_with(&caller, &[]);
        let output = finished.stdout + &finished.stderr;
        assert!(
            output.contains("it announced the network $(id), and we TEZOS_MAINNET"),
            "{output}"
        );
        assert!(!output.contains("--network"), "{output}");
    }
    run(["listen", "--network", "mainet"]).expect_error(2, "did you mean mainnet?");
    run(["bench", "--serve", "--network", "mainet"]).expect_error(2, "did you mean mainnet?");
}

#[test]
fn a_directory_that_is_not_there_is_told_with_the_file_that_was_asked_for() {
    let nobody = nobody();
    let address = &nobody.address;
    for (arguments, status, message) in [
        (
            &["crawl", address, "--interval", "0", "--svg", "/does/not/exist"][..],
            1,
            "can not write the picture /does/not/exist: No such",
        ),
        (
            &["crawl", address, "--interval", "0", "--state", "/does/not/exist"],
            1,
            "can not use /does/not/exist for the state of a crawl: No such",
        ),
        (
            &["man", "--output", "/does/not"],
            1,
            "can not write the manual page /does/not/p2p-identity-generate.1: No such",
        ),
        (&["listen", "--receive", "/does/not"], 1, "/does/not is not a directory"),
        // Nobody can make a file there, not even root.
        #[cfg(target_os = "linux")]
        (
            &["listen", "--receive", "/proc"],
            1,
            "can not write into /proc: No such",
        ),
    ] {
        let finished = run(arguments.iter().copied());
        finished.expect_error(status, message);
        assert!(!finished.stderr.contains(" at path "), "{finished:?}");
    }
}

#[test]
fn a_directory_in_the_place_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = nobody();
    let (place, address) = (text(directory.path()), nobody.address.as_str());
    let identity = text(&directory.path().join("identity.json")).to_owned();
    run(["identity", "generate", "--difficulty", "0", "--output", &identity]).expect_success();
    let is_told = |arguments: &[&str], status, message: &str| {
        let finished = run(arguments.iter().copied());
        finished.expect_error(status, message);
        assert!(finished.stderr.contains(place), "{finished:?}");
        // Before anything has been done.
        assert_eq!(finished.stdout, "");
    };
    is_told(&["inspect", place, "--identity", &identity], 10, "is a directory");
    is_told(&["identity", "show", place], 3, "not a regular file");
    is_told(&["identity", "generate", "--output", place], 7, "exists");
    is_told(&["send", address, place], 1, "not a regular file");
    is_told(&["crawl", address, "--svg", place], 1, "is a directory");
    is_told(&["crawl", address, "--state", place], 1, "directory");
    is_told(&["--config", place, "demo"], 2, "directory");
}

#[cfg(target_os = "linux")]
#[test]
fn an_ipv6_address_in_brackets_and_without() {
    // Where there is no IPv6, there is nothing to try.
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let mut listener = Running::start(["listen", "--bind", "[::1]:0", "--connections", "3", "--linger", "0"]);
    let address = listener.wait_for("listening")["address"].as_str().unwrap().to_owned();
    assert!(address.starts_with("[::1]:"), "{address}");
    run(["dial", &address, "--linger", "0"]).expect_success();
    let probed = run(["--json", "probe", &address]);
    probed.expect_success();
    assert_eq!(probed.events("probed")[0]["address"], address);
    // The listener would leave it without an answer until its time is up.
    run(["crawl", "[::1]:1", "--interval", "0"]).expect_success();
    for wrong in ["[::1]", "[::1]:0", "[::1]:65536"] {
        run(["dial", wrong]).expect_error(2, "a port from 1 to 65535");
    }
    run(["probe", "[::1"]).expect_error(2, "IPv6 in brackets");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    use std::process::Stdio;

    let directory = tempfile::tempdir().unwrap();
    // What is written to a full disk fails, as here beyond a limit of no bytes.
    let limited = |arguments: &[&str]| {
        let mut command = common::program("sh");
        command.args([
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_p2p"),
        ]);
        Finished::from(command.args(arguments).output().unwrap())
    };
    let nobody = nobody();
    let at = |name: &str| text(&directory.path().join(name)).to_owned();
    let identity = limited(&[
        "identity",
        "generate",
        "--difficulty",
        "0",
        "--output",
        &at("identity.json"),
    ]);
    identity.expect_error(8, "identity.json: ");
    let crawl = |option, path: &str| limited(&["crawl", &nobody.address, option, path, "--interval", "0"]);
    let state = crawl("--state", &at("state"));
    state.expect_error(1, "for the state of a crawl: ");
    let picture = crawl("--svg", &at("crawl.svg"));
    picture.expect_error(1, "can not write the picture");
    for told in [identity, state, picture] {
        // No word of the temporary files that nobody has asked for.
        assert!(!told.stderr.contains(" at path "), "{told:?}");
    }
    limited(&["man", "--output", text(directory.path())]).expect_error(1, "can not write the manual page");
    // Not even an empty file is left.
    assert_eq!(common::names(directory.path()), [""; 0]);

    // Standard output, of each command that says something at once.
    let (_listener, address) = Running::listen(["--echo"]);
    for arguments in [
        &["demo"][..],
        &["config"],
        &["probe", &address],
        &["listen", "--bind", "127.0.0.1:0"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = common::p2p(arguments.iter().copied())
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains("can not write to standard output: No space left"),
            "{arguments:?}: {error}"
        );
    }
}
