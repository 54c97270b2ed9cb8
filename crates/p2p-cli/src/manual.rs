//! `p2p completions` and `p2p man`: for the shell and the manual, made from the command line itself.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use clap_complete::Shell;

use crate::{config, failure::Failure, report::Report};

const COMPLETIONS_HELP: &str = "Examples:
  p2p completions bash > ~/.local/share/bash-completion/completions/p2p
  p2p completions zsh > ~/.zfunc/_p2p
  p2p completions fish > ~/.config/fish/completions/p2p.fish

Exit status: 0 if all is well, 2 for a wrong usage.";

const MAN_HELP: &str = "Examples:
  p2p man | man -l -                                       read the page of p2p
  p2p man --output /usr/local/share/man/man1               install all pages

Exit status: 0 if all is well, 1 if a page can not be written, 2 for a wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct Completions {
    /// The shell to write them for.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, report: &Report) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut config::command(), "p2p", &mut script);
        report.raw(&script);
        ExitCode::SUCCESS
    }
}

#[derive(Debug, Args)]
#[command(after_help = MAN_HELP)]
pub(crate) struct Man {
    /// Write a page for each command into this directory; without it, that of `p2p` goes to standard output.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, report: &Report) -> Result<ExitCode, Failure> {
        match &self.output {
            Some(directory) => clap_mangen::generate_to(config::command(), directory).map_err(|error| {
                let message = format!("can not write manual pages to {}: {error}", directory.display());
                Failure::new("man", "unwritable_page", message)
            })?,
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(config::command())
                    .render(&mut page)
                    .map_err(|error| Failure::caused_by("man", "unwritable_page", &error))?;
                report.raw(&page);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
