//! Runs the binary and reads what it says.

// Not every test file needs everything.
#![allow(dead_code, unreachable_pub)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    thread::{self, JoinHandle},
};

use serde_json::Value;
use tokio::net::TcpSocket;

/// How long anything of a run may take, where a test is not about that: longer than the busiest machine needs.
const PATIENCE: &str = "5min";

/// The binary with these arguments.
pub fn p2p<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_p2p"));
    command.args(arguments);
    command
}

/// A program in the same environment on every machine.
pub fn program(name: &str) -> Command {
    // What else makes a difference to output.
    const OUTPUT: [&str; 5] = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"];
    let mut command = Command::new(name);
    // Whoever runs the tests may use the tool.
    for (variable, _) in std::env::vars_os() {
        if variable
            .to_str()
            .is_some_and(|variable| variable.starts_with("P2P_") || OUTPUT.contains(&variable))
        {
            command.env_remove(variable);
        }
    }
    for variable in ["P2P_TIMEOUT", "P2P_CLOSE_TIMEOUT"] {
        command.env(variable, PATIENCE);
    }
    // Tests need little of a disk, and get it also of a small one.
    command.env("P2P_KEEP_FREE", "0");
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Finished {
    Finished::from(p2p(arguments).output().unwrap())
}

/// What a run has left.
#[derive(Debug)]
pub struct Finished {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Fails unless the status is this one, with one clear sentence on standard error that contains `text`.
    #[track_caller]
    pub fn expect_error(&self, status: i32, text: &str) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.contains(text), "{self:?}");
    }

    /// Fails unless all went well in silence.
    #[track_caller]
    pub fn expect_success(&self) {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
    }

    /// The JSON events of this name.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let events = self
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == name).collect()
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A run that goes on, ended with the test.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// Read all the time, so that the run never waits for that.
    stderr: Option<JoinHandle<String>>,
    seen: String,
}

impl Running {
    /// Starts it with `--json` and a standard input that stays open.
    pub fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::spawn(p2p(["--json"].into_iter().chain(arguments)))
    }

    /// Starts a listener on a free port after the shell has done something to its limits, and gives its address.
    #[cfg(unix)]
    pub fn listen_after<'a>(limits: &str, arguments: impl IntoIterator<Item = &'a str>) -> (Self, String) {
        let mut command = program("sh");
        command.args(["-c", &format!("{limits}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_p2p")]);
        command
            .args(["--json", "listen", "--bind", "127.0.0.1:0"])
            .args(arguments);
        Self::spawn(command).listening()
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: Some(thread::spawn(move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).unwrap();
                text
            })),
            child,
            seen: String::new(),
        }
    }

    /// Starts a listener on a free port, and gives its address.
    pub fn listen<'a>(arguments: impl IntoIterator<Item = &'a str>) -> (Self, String) {
        Self::start(["listen", "--bind", "127.0.0.1:0"].into_iter().chain(arguments)).listening()
    }

    fn listening(mut self) -> (Self, String) {
        let address = self.wait_for("listening")["address"].as_str().unwrap().to_owned();
        (self, address)
    }

    /// Reads to the next event of this name.
    #[track_caller]
    pub fn wait_for(&mut self, name: &str) -> Value {
        self.wait_for_any(&[name])
    }

    /// Reads to the next event of one of these names.
    #[track_caller]
    pub fn wait_for_any(&mut self, names: &[&str]) -> Value {
        loop {
            let event = self.next();
            if names.iter().any(|name| event["event"] == *name) {
                return event;
            }
        }
    }

    /// The next event.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it ended without what was waited for: {}", self.seen);
        self.seen.push_str(&line);
        serde_json::from_str(&line).unwrap()
    }

    /// Writes to its standard input.
    pub fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    /// Writes bytes that need not be text.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Ends it without a chance to say anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Presses Ctrl-C once it listens to that.
    #[cfg(target_os = "linux")]
    pub fn interrupt(&self) {
        interrupt(self.child.id());
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        self.stdout.read_to_string(&mut self.seen).unwrap();
        Finished {
            status: self.child.wait().unwrap().code(),
            stdout: std::mem::take(&mut self.seen),
            stderr: self.stderr.take().unwrap().join().unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An address on loopback where nobody listens, as long as this lives.
pub struct Nobody {
    pub address: String,
    /// Bound, so that nobody else can listen there.
    _socket: TcpSocket,
}

pub fn nobody() -> Nobody {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Nobody {
        address: socket.local_addr().unwrap().to_string(),
        _socket: socket,
    }
}

/// Presses Ctrl-C once the process of this id listens to it.
#[cfg(target_os = "linux")]
pub fn interrupt(id: u32) {
    use rustix::process::{Pid, Signal, kill_process};

    // The second and the fifteenth bit: SIGINT and SIGTERM.
    const HANDLERS: u64 = 1 << 1 | 1 << 14;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & HANDLERS == HANDLERS {
            break;
        }
        thread::yield_now();
    }
    let pid = Pid::from_raw(id.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}
