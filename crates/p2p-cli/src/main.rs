//! The command-line tool `p2p`: talks to Tezos peers, sends files, shows what the library does.

mod awake;
mod bars;
mod bench;
mod config;
mod crawl;
mod demo;
mod dial;
mod endpoint;
mod errors;
mod events;
mod exchange;
mod failure;
mod help;
mod identity;
mod inspect;
mod json;
mod lines;
mod listen;
mod log;
mod manual;
mod message_text;
mod network;
mod outbox;
mod peer_options;
mod places;
mod probe;
mod replay;
mod report;
mod screen;
mod search_progress;
mod server;
mod session;
mod suggestion;
mod table;
mod testnet;
mod transfer;
mod units;
mod visit;
mod whole_file;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, thread, time::Duration};

use clap::{ArgAction, Parser, Subcommand, ValueHint, error::ErrorKind};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Refusal,
    failure::Failure,
    report::{Format, Report},
};

/// Talk to peers of the Tezos network: identities, encrypted connections, files.
///
/// An error is one sentence on standard error and a non-zero exit status.
#[derive(Debug, Parser)]
#[command(name = "p2p", version, max_term_width = 100, after_help = help::ALL)]
struct Arguments {
    /// Write one JSON object a line, with a field `event`, in place of readable text.
    #[arg(long, global = true)]
    json: bool,
    /// Tell on standard error what the libraries do; twice tells more, three times everything.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Write what `-v` tells as one JSON object a line; implies `-v`.
    #[arg(long, global = true)]
    log_json: bool,
    /// Take options that are not typed from this file; `p2p config` writes one to begin with.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, show and check identities.
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Wait for peers: print what they send, echo it, or take files.
    #[command(after_help = help::LISTEN)]
    Listen(Box<listen::Listen>),
    /// Connect to a peer: send each line of standard input as a message, print what comes.
    #[command(after_help = help::DIAL)]
    Dial(Box<dial::Dial>),
    /// Send a file to a `p2p listen --receive`.
    #[command(after_help = help::SEND)]
    Send(Box<transfer::Send>),
    /// Measure what a connection to somewhere else can do: throughput, messages, handshakes, latency.
    Bench(Box<bench::Bench>),
    /// Call on nodes: tell who they are, what they speak, how fast they answer, and whether they would take us.
    Probe(Box<probe::Probe>),
    /// Walk through a network from node to node, politely, and tell what it is made of.
    Crawl(Box<crawl::Crawl>),
    /// Run a network of nodes on loopback, good ones and bad ones, to try things on.
    Testnet(testnet::Testnet),
    /// Open a captured session offline, with the identity of one side.
    Inspect(inspect::Inspect),
    /// Show in one process what two peers do with each other.
    #[command(after_help = help::DEMO)]
    Demo,
    /// Replay recorded sessions: read them, and send every byte of both sides again.
    #[command(after_help = help::REPLAY)]
    Replay(replay::Replay),
    /// Write an example of a file with options.
    Config(config::ConfigExample),
    /// Write completions for a shell.
    Completions(manual::Completions),
    /// Write the manual pages.
    Man(manual::Man),
}

impl Command {
    /// Ends early, in good order, when `interrupt` is cancelled.
    async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        match self {
            Self::Identity(command) => command.run(report, interrupt).await,
            Self::Listen(command) => command.run(report, interrupt).await,
            Self::Dial(command) => command.run(report, interrupt).await,
            Self::Send(command) => command.run(report, interrupt).await,
            Self::Bench(command) => command.run(report, interrupt).await,
            Self::Probe(command) => command.run(report, interrupt).await,
            Self::Crawl(command) => command.run(report, interrupt).await,
            Self::Testnet(command) => command.run(report, interrupt).await,
            Self::Inspect(command) => command.run(report, interrupt).await,
            Self::Demo => demo::run(report).await,
            Self::Replay(command) => command.run(report, interrupt).await,
            Self::Config(command) => {
                command.run(report);
                Ok(ExitCode::SUCCESS)
            }
            Self::Completions(command) => Ok(command.run(report)),
            Self::Man(command) => command.run(report),
        }
    }
}

/// How long a command may take to end in good order after it was interrupted: much longer than it ever needs, also on a
/// machine that is busy. Who does not want to wait for one that is stuck interrupts once more, and is told nothing then.
const END_AFTER_INTERRUPT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let arguments = match config::parse(&typed) {
        Ok(arguments) => arguments,
        Err(refusal) => return explain(refusal, &typed),
    };
    let report = Report::new(if arguments.json { Format::Json } else { Format::Text });
    if let Some(unknown) = config::unknown_variables() {
        report.warning(&unknown);
    }
    if let Err(failure) = log::start(arguments.verbose, arguments.log_json) {
        report.error(&failure);
        return ExitCode::from(failure.exit_status);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.error(&Failure::new("start", "no_runtime", format!("can not start: {error}")));
            return ExitCode::FAILURE;
        }
    };
    let exit_code = runtime.block_on(run(arguments.command, &report));
    // A read of standard input can not be interrupted, and nobody waits for it.
    runtime.shutdown_background();
    exit_code
}

/// Prints the help that was asked for, or one sentence of what is wrong with the arguments.
fn explain(refusal: Refusal, typed: &[OsString]) -> ExitCode {
    let failure = match refusal {
        Refusal::Typed(error)
            if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            error.exit()
        }
        Refusal::Typed(error) => {
            let message = format!("{} (see --help)", config::complaint(&error, typed));
            Failure::new("usage", "wrong_usage", message).with_exit_status(Failure::EXIT_USAGE)
        }
        Refusal::File(failure) => failure,
    };
    let json = typed.iter().any(|argument| argument == "--json");
    let report = Report::new(if json { Format::Json } else { Format::Text });
    // What is missing may be in one of them.
    if let Some(unknown) = config::unknown_variables() {
        report.warning(&unknown);
    }
    report.error(&failure);
    ExitCode::from(failure.exit_status)
}

async fn run(command: Command, report: &Report) -> ExitCode {
    let interrupt = CancellationToken::new();
    watch_signals(interrupt.clone());
    let mut command = Box::pin(command.run(report, &interrupt));
    let result = tokio::select! {
        result = &mut command => match result {
            // It ended because of that.
            _ if interrupt.is_cancelled() => Err(Failure::interrupted("interrupt")),
            result => result,
        },
        () = report.output_failed() => Ok(ExitCode::FAILURE),
        () = interrupt.cancelled() => {
            awake::within(END_AFTER_INTERRUPT, &mut command).await;
            Err(Failure::interrupted("interrupt"))
        }
    };
    // A live view gives the terminal back before anything else is told.
    drop(command);
    let exit_code = result.unwrap_or_else(|failure| {
        report.error(&failure);
        ExitCode::from(failure.exit_status)
    });
    report.output_failure().unwrap_or(exit_code)
}

/// Cancels `interrupt` when the process is told to end, and ends it if that does not help, or when it is told again.
///
/// It has a thread of its own: all others may be stuck in writing to an output that nobody reads.
fn watch_signals(interrupt: CancellationToken) {
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            let mut signals = Signals::listen();
            signals.next().await;
            interrupt.cancel();
            awake::within(2 * END_AFTER_INTERRUPT, signals.next()).await;
        });
        screen::restore();
        std::process::exit(Failure::EXIT_INTERRUPTED.into());
    });
}

/// What tells the process to end: Ctrl-C, and on Unix the signal to terminate.
#[cfg(unix)]
struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// From here on none is missed. A signal that can not be listened to ends the process, as it does by default.
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn next(&mut self) {
        let next = async |signal: &mut Option<tokio::signal::unix::Signal>| match signal {
            Some(signal) => signal.recv().await.unwrap_or(()),
            None => std::future::pending().await,
        };
        tokio::select! {
            () = next(&mut self.interrupt) => {}
            () = next(&mut self.terminate) => {}
        }
    }
}

/// What tells the process to end: Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the signal ends the process, as it does by default.
            std::future::pending::<()>().await;
        }
    }
}
