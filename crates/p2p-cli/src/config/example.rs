//! `p2p config`: a file with every option, to begin with.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Args, Command};

use super::{is_flag, options, variable};
use crate::report::Report;

const AFTER_HELP: &str = "Examples:
  p2p config > p2p.toml                                  a file to begin with
  p2p --config p2p.toml listen --help                    the defaults that it gives
  P2P_CONFIG=p2p.toml P2P_MAX_UPLOAD=1MB p2p listen --receive downloads

What is typed comes first, then the environment, then the file, then the default.

Exit status: 0 if all is well, 2 for a wrong usage.";

/// What stands at the beginning of the example.
const INTRODUCTION: &str = "\
# Options of p2p, for --config FILE or P2P_CONFIG. Each is as on the command line, without the dashes; here they stand with
# their defaults, or with what kind of value they take. What is typed comes first, then the environment (P2P_MAX_UPLOAD for
# max-upload), then this file. Paths begin where p2p is started. Rates are written 500kB, 10 MB/s or 1MiB, times 500ms, 5s or
# 2min.

# For every command that has them. A command's own section, below, comes first.
";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ConfigExample {}

impl ConfigExample {
    pub(crate) fn run(&self, report: &Report) {
        report.raw(example(&super::command()).as_bytes());
    }
}

fn example(root: &Command) -> String {
    let mut commands = Vec::new();
    collect(root, "", &mut commands);
    let mut uses: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (long, arg) in commands.iter().flat_map(|(_, command)| options(command)) {
        uses.entry(long).or_default().push(entry(long, arg));
    }
    // What means the same to several commands is written once, for all of them.
    let is_shared = |section: &str, long: &str| {
        let uses = uses.get(long).map(Vec::as_slice).unwrap_or_default();
        let same = uses.iter().all(|entry| Some(entry) == uses.first());
        section.is_empty() || (uses.len() > 1 && same)
    };
    let mut text = INTRODUCTION.to_owned();
    let mut written = BTreeSet::new();
    for (section, command) in &commands {
        for (long, arg) in options(command) {
            if is_shared(section, long) && written.insert(long) {
                text.push_str(&entry(long, arg));
            }
        }
    }
    for (section, command) in &commands {
        let own: String = options(command)
            .filter(|(long, _)| !is_shared(section, long))
            .map(|(long, arg)| entry(long, arg))
            .collect();
        if !own.is_empty() {
            text.push_str(&format!("\n[{section}]\n{own}"));
        }
    }
    text
}

/// All commands below `command` and itself, each with its section.
fn collect<'a>(command: &'a Command, section: &str, commands: &mut Vec<(String, &'a Command)>) {
    commands.push((section.to_owned(), command));
    for below in command.get_subcommands() {
        let name = match section {
            "" => below.get_name().to_owned(),
            section => format!("{section}.{}", below.get_name()),
        };
        collect(below, &name, commands);
    }
}

/// An option behind comment signs.
fn entry(long: &str, arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let value = match arg.get_default_values() {
        _ if is_flag(arg) => "false".to_owned(),
        _ if !arg.get_action().takes_values() => "0".to_owned(),
        [default] => literal(&default.to_string_lossy()),
        _ => match arg.get_value_names() {
            Some([name, ..]) => literal(name),
            _ => "0".to_owned(),
        },
    };
    format!("\n# {help}\n# Environment: {}\n# {long} = {value}\n", variable(long))
}

/// A number as it is, everything else in quotes.
fn literal(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_valid_file_without_its_comments() {
        let example = example(&super::super::command());
        assert!(example.contains("\n[listen]\n") && example.contains("\n[identity.generate]\n"));
        let is_kind = |value: &str| value.chars().all(|c| c.is_ascii_uppercase() || c == '"');
        let lines = example.lines().map(|line| match line.strip_prefix("# ") {
            Some(entry) if entry.split_once(" = ").is_some_and(|(_, value)| !is_kind(value)) => entry,
            _ => line,
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(
            text.contains("\nbind = \"127.0.0.1:9732\"\n") && text.contains("\njson = false\n"),
            "{text}"
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p2p.toml");
        std::fs::write(&path, text).unwrap();
        let file = super::super::ConfigFile::read(path).unwrap_or_else(|failure| panic!("{failure}"));
        let command = file.apply(super::super::command());
        command.unwrap_or_else(|failure| panic!("{failure}")).build();
    }
}
