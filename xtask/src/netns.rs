//! `cargo xtask netns`: one host sends to four others, at different distances, under one upload cap.
//!
//! The hosts are network namespaces, each joined by a veth pair to a bridge in a namespace of its own, so nothing
//! leaves them. Delay and loss come from `tc netem`. Needs root, `ip` and `tc`, and a kernel that has all of it.
//! Where it can't run, it says why and exits with status 77, which means "skipped" to many test harnesses.
//!
//! All namespaces are named after this process. They are deleted by a *janitor*, a shell that waits for the end of a
//! pipe that we hold: however this process ends (done, failed, panicked, interrupted, killed), the pipe ends with it.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Outcome, process, programs};

const EXIT_CANNOT_RUN: i32 = 77;

/// What all names of namespaces begin with, before the process id.
const PREFIX: &str = "p2p-netns-";

const RATE_BYTES_PER_SECOND: f64 = 1e6;
const DEFAULT_SECONDS: f64 = 10.0;

/// Far enough apart that a scheduler which served whoever is ready first would favour the near ones. At a quarter of
/// the cap each and with this loss, TCP itself can still fill every share.
const ROUND_TRIP_MILLISECONDS: [u32; 4] = [2, 10, 40, 80];
const LOSS_PERCENT: f64 = 0.1;

const PORT: u16 = 4000;

/// The sender stops within a millisecond or so, and its writes are granted ahead by less than a quantum.
const CAP_USED_PERCENT: std::ops::RangeInclusive<f64> = 97.0..=101.0;
const LEAST_JAIN: f64 = 0.999;

/// Deletes the namespaces of the process whose id is its argument when its input ends. `ip netns pids` names only
/// what runs inside of them.
const JANITOR: &str = r#"trap '' HUP INT TERM
cat > /dev/null
for name in $(ip netns list | cut -d' ' -f1); do
  case "$name" in "$0"*) ip netns pids "$name" | xargs -r kill -9; ip netns delete "$name" ;; esac
done"#;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    match measure(&options) {
        Ok(result) => {
            println!("{result}");
            result.check()
        }
        Err(Failure::Failed(message)) => Err(message),
        Err(Failure::CannotRun(reason)) => {
            eprintln!("netns can't run here: {reason}");
            std::process::exit(EXIT_CANNOT_RUN);
        }
    }
}

#[derive(Debug, PartialEq)]
struct Options {
    seconds: f64,
    /// Without delay and loss, for kernels without netem.
    plain_links: bool,
}

enum Failure {
    CannotRun(String),
    Failed(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

fn measure(options: &Options) -> Result<Measured, Failure> {
    require_tools()?;
    let program = build()?;
    delete_leftovers()?;
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let _janitor = Janitor::start(&prefix)?;
    for (position, command) in plan(&prefix, options.plain_links).iter().enumerate() {
        ip_or_tc(command).map_err(|error| match (position, command.contains("netem")) {
            (0, _) => Failure::CannotRun(format!("no permission to make network namespaces ({error})")),
            (_, true) => Failure::CannotRun(format!(
                "this kernel has no netem for delay and loss ({error}); `--plain-links` goes without"
            )),
            _ => Failure::CannotRun(format!("the network can't be built ({error})")),
        })?;
    }

    let mut receivers = Vec::new();
    for host in 1..=ROUND_TRIP_MILLISECONDS.len() {
        let address = address(host);
        receivers.push(Receiver::start(&program, &prefix, host, &address)?);
    }
    let mut sender = inside(&prefix, 0, &program);
    sender.args([
        "send",
        &format!("{RATE_BYTES_PER_SECOND}B/s"),
        &options.seconds.to_string(),
    ]);
    let sent = process::capture(sender.args((1..=receivers.len()).map(address)))?;
    let seconds = number_in(&sent, "sent for ")?;
    let received = receivers.into_iter().map(Receiver::finish).collect::<Result<_, _>>()?;
    Ok(Measured {
        seconds,
        received,
        plain_links: options.plain_links,
    })
}

fn require_tools() -> Result<(), Failure> {
    for (tool, argument) in [("ip", "-V"), ("tc", "-V")] {
        if !process::succeeds(Command::new(tool).arg(argument)) {
            return Err(Failure::CannotRun(format!(
                "there is no `{tool}`; the package iproute2 has it"
            )));
        }
    }
    let user = process::capture(Command::new("id").arg("-u"))?;
    if user.trim() == "0" {
        Ok(())
    } else {
        Err(Failure::CannotRun("only root may make network namespaces".to_owned()))
    }
}

fn build() -> Result<PathBuf, Failure> {
    let messages = process::capture(process::cargo().args([
        "build",
        "--release",
        "--package",
        "p2p-io-scheduler",
        "--example",
        "netns_peer",
        "--message-format=json-render-diagnostics",
    ]))?;
    let built = programs::built("example", &messages)?
        .into_iter()
        .find(|example| example.name == "netns_peer");
    Ok(built.ok_or("cargo built no netns_peer".to_owned())?.executable)
}

/// Deletes what a process left behind whose janitor was killed as well.
fn delete_leftovers() -> Result<(), Failure> {
    let names = process::capture(Command::new("ip").args(["netns", "list"]))?;
    for name in leftovers(&names, |process| Path::new("/proc").join(process).exists()) {
        ip_or_tc(&format!("ip netns delete {name}"))?;
    }
    Ok(())
}

/// Our namespaces of processes that are no more.
fn leftovers(names: &str, is_alive: impl Fn(&str) -> bool) -> Vec<&str> {
    let names = names.lines().filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| {
            let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
            process.is_some_and(|(process, _)| !is_alive(process))
        })
        .collect()
}

/// What builds the network: host 0 is the sender, the others are receivers.
fn plan(prefix: &str, plain_links: bool) -> Vec<String> {
    let switch = format!("{prefix}switch");
    let mut commands = vec![
        format!("ip netns add {switch}"),
        format!("ip -n {switch} link add bridge0 type bridge"),
        format!("ip -n {switch} link set bridge0 up"),
    ];
    for host in 0..=ROUND_TRIP_MILLISECONDS.len() {
        let namespace = format!("{prefix}{host}");
        commands.extend([
            format!("ip netns add {namespace}"),
            format!("ip -n {switch} link add port{host} type veth peer name eth0 netns {namespace}"),
            format!("ip -n {switch} link set port{host} master bridge0 up"),
            format!("ip -n {namespace} address add {}/24 dev eth0", address_of(host)),
            format!("ip -n {namespace} link set lo up"),
            format!("ip -n {namespace} link set eth0 up"),
        ]);
        if let (Some(distance), false) = (host.checked_sub(1), plain_links) {
            // Half of the way there and half of the way back; what is lost is data, not acknowledgements.
            let delay = f64::from(ROUND_TRIP_MILLISECONDS[distance]) / 2.0;
            commands.extend([
                format!("tc -n {switch} qdisc add dev port{host} root netem delay {delay}ms loss {LOSS_PERCENT}%"),
                format!("tc -n {namespace} qdisc add dev eth0 root netem delay {delay}ms"),
            ]);
        }
    }
    commands
}

fn address_of(host: usize) -> String {
    format!("10.99.0.{}", host + 1)
}

fn address(host: usize) -> String {
    format!("{}:{PORT}", address_of(host))
}

/// Runs one line of a plan quietly.
fn ip_or_tc(line: &str) -> Outcome {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    let output = command
        .args(words)
        .output()
        .map_err(|error| format!("`{line}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    Err(format!("`{line}`: {complaint}"))
}

fn inside(prefix: &str, host: usize, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("{prefix}{host}")]).arg(program);
    command
}

struct Janitor(Child);

impl Janitor {
    fn start(prefix: &str) -> Result<Self, String> {
        let mut shell = Command::new("sh");
        // In a group of its own, an interrupt from the terminal does not reach it.
        shell
            .args(["-c", JANITOR, prefix])
            .stdin(Stdio::piped())
            .process_group(0);
        shell
            .spawn()
            .map(Self)
            .map_err(|error| format!("`sh` could not be started: {error}"))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // If it can't be awaited, it still does its work.
        let _ = self.0.wait();
    }
}

struct Receiver {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Receiver {
    /// Starts a receiver, and waits until it listens.
    fn start(program: &Path, prefix: &str, host: usize, address: &str) -> Result<Self, String> {
        let mut command = inside(prefix, host, program);
        let mut process = command
            .args(["receive", address])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("receiver {host} could not be started: {error}"))?;
        let output = process.stdout.take().ok_or("a receiver without output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output
            .read_line(&mut line)
            .map_err(|error| format!("receiver {host}: {error}"))?;
        if line == "listening\n" {
            Ok(Self { process, output })
        } else {
            Err(format!("receiver {host} does not listen: {line:?}"))
        }
    }

    /// Waits for its end, and returns how many bytes it got.
    fn finish(mut self) -> Result<f64, String> {
        let mut text = String::new();
        self.output
            .read_to_string(&mut text)
            .map_err(|error| format!("a receiver: {error}"))?;
        self.process.wait().map_err(|error| format!("a receiver: {error}"))?;
        number_in(&text, "received ")
    }
}

/// The number between `label` and the next space.
fn number_in(text: &str, label: &str) -> Result<f64, String> {
    let number = text
        .lines()
        .find_map(|line| line.strip_prefix(label)?.split(' ').next()?.parse().ok());
    number.ok_or_else(|| format!("no `{label}` in {text:?}"))
}

#[derive(Debug)]
struct Measured {
    seconds: f64,
    /// Bytes, by host.
    received: Vec<f64>,
    plain_links: bool,
}

impl Measured {
    fn cap_used_percent(&self) -> f64 {
        100.0 * self.received.iter().sum::<f64>() / (RATE_BYTES_PER_SECOND * self.seconds)
    }

    /// Jain's index of fairness: 1 if all have the same.
    fn jain(&self) -> f64 {
        let sum: f64 = self.received.iter().sum();
        let squares: f64 = self.received.iter().map(|bytes| bytes * bytes).sum();
        sum * sum / (self.received.len() as f64 * squares)
    }

    fn check(&self) -> Outcome {
        let mut missed = Vec::new();
        if !CAP_USED_PERCENT.contains(&self.cap_used_percent()) {
            let (least, most) = CAP_USED_PERCENT.into_inner();
            missed.push(format!(
                "{:.2} % of the cap, not {least} to {most} %",
                self.cap_used_percent()
            ));
        }
        // If nothing arrived, the index is no number.
        if self.jain().is_nan() || self.jain() < LEAST_JAIN {
            missed.push(format!("Jain's index {:.4}, not at least {LEAST_JAIN}", self.jain()));
        }
        if missed.is_empty() {
            Ok(())
        } else {
            Err(missed.join("; "))
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.received.iter().sum();
        writeln!(
            f,
            "{} MB/s to {} hosts for {:.2} s",
            RATE_BYTES_PER_SECOND / 1e6,
            self.received.len(),
            self.seconds
        )?;
        for ((bytes, round_trip), host) in self.received.iter().zip(ROUND_TRIP_MILLISECONDS).zip(1..) {
            let link = if self.plain_links {
                "plain link".to_owned()
            } else {
                format!("{round_trip} ms round trip, {LOSS_PERCENT} % loss")
            };
            writeln!(
                f,
                "host {host}: {bytes:>9} bytes, {:5.2} %, {link}",
                100.0 * bytes / total
            )?;
        }
        write!(
            f,
            "cap used: {:.2} %, Jain's index: {:.5}",
            self.cap_used_percent(),
            self.jain()
        )
    }
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            seconds: DEFAULT_SECONDS,
            plain_links: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--plain-links" => options.plain_links = true,
                "--seconds" => {
                    let seconds = arguments.next().and_then(|text| text.parse().ok());
                    // Shorter, TCP's slow start is all there is to see; longer, it is a mistyped number.
                    let is_sensible = |seconds: &f64| (1.0..=3600.0).contains(seconds);
                    options.seconds = seconds
                        .filter(is_sensible)
                        .ok_or("--seconds needs a number from 1 to 3600")?;
                }
                _ => return Err(format!("unexpected argument `{argument}`")),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests;
