//! `p2p completions` and `p2p man`: for the shell and the manual, made from the command line itself.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{config, failure::Failure, report::Report, whole_file::Draft};

const COMPLETIONS_HELP: &str = "Examples:
  p2p completions bash > ~/.local/share/bash-completion/completions/p2p
  p2p completions zsh > ~/.zfunc/_p2p
  p2p completions fish > ~/.config/fish/completions/p2p.fish

Exit status: 0 if all is well, 2 for a wrong usage.";

const MAN_HELP: &str = "Examples:
  p2p man | man -l -                                       read the page of p2p
  p2p man --output /usr/local/share/man/man1               install all pages

Exit status: 0 if all is well, 1 if a page can not be written, and then none is, 2 for a wrong usage.";

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
            Some(directory) => {
                let mut root = config::command().disable_help_subcommand(true);
                root.build();
                let mut drafts = Vec::new();
                draft_pages(&root, directory, &mut drafts)?;
                // Not before all are there: a full disk leaves what was there as it was.
                for (path, draft) in drafts {
                    draft.publish().map_err(|error| unwritable(&path, &error))?;
                }
            }
            None => report.raw(&page(&clap_mangen::Man::new(config::command()))?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the pages of a command and of all below it, without their names.
fn draft_pages(command: &Command, directory: &Path, drafts: &mut Vec<(PathBuf, Draft)>) -> Result<(), Failure> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        draft_pages(below, directory, drafts)?;
    }
    let manual = clap_mangen::Man::new(command.clone());
    let path = directory.join(manual.get_filename());
    let draft = Draft::write(&path, &page(&manual)?).map_err(|error| unwritable(&path, &error))?;
    drafts.push((path, draft));
    Ok(())
}

fn page(manual: &clap_mangen::Man) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let rendered = manual.render(&mut page);
    rendered.map_err(|error| Failure::caused_by("man", "unwritable_page", &error))?;
    Ok(page)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("can not write the manual page {}: {error}", path.display());
    Failure::new("man", "unwritable_page", message)
}
