//! The command-line tool `p2p`: talks to Tezos peers, sends files, shows what the library does.

mod failure;
mod identity;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    failure::Failure,
    report::{Format, Report},
};

/// Talk to peers of the Tezos network: identities, encrypted connections, files.
///
/// An error is one sentence on standard error and a non-zero exit status: 2 for a wrong usage, 130 when interrupted,
/// 141 when standard output was closed, others as the help of a command tells, 1 for everything else.
#[derive(Debug, Parser)]
#[command(name = "p2p", version, max_term_width = 100)]
struct Arguments {
    /// Write one JSON object a line, with a field `event`, in place of readable text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, show and check identities.
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
}

impl Command {
    async fn run(self, report: &Report) -> Result<(), Failure> {
        match self {
            Self::Identity(command) => command.run(report).await,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = Report::new(if arguments.json { Format::Json } else { Format::Text });
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.error(&Failure::new("start", "no_runtime", format!("can not start: {error}")));
            return ExitCode::FAILURE;
        }
    };
    let exit_code = runtime.block_on(async {
        tokio::select! {
            biased;
            result = arguments.command.run(&report) => match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => {
                    report.error(&failure);
                    ExitCode::from(failure.exit_status)
                }
            },
            exit_code = report.output_failed() => exit_code,
        }
    });
    // A read of standard input can not be interrupted, and nobody waits for it.
    runtime.shutdown_background();
    exit_code
}
