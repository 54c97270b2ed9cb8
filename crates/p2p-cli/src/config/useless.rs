//! Options that do nothing, because of another one that is missing or there.

use clap::{ArgMatches, Command, error::ErrorKind, parser::ValueSource};

/// When an option does nothing.
#[derive(Clone, Copy)]
enum When {
    Without(&'static str),
    Beside(&'static str),
}

use When::{Beside, Without};

/// The options of which commands do nothing when.
const RULES: &[(&[&str], &[&str], When)] = &[
    (EXCHANGE, &["max-file", "max-received", "keep-free"], Without("receive")),
    (EXCHANGE, &["linger", "max-message"], Beside("receive")),
    (EXCHANGE, &["linger"], Beside("echo")),
    (EXCHANGE, &["linger"], Beside("expect")),
    (&["listen"], &["interval"], Without("top")),
    (&["bench"], &["bind", "max-clients", "client-time"], Without("serve")),
    (&["bench"], &["duration", "message-size", "parallel"], Beside("serve")),
    (&["probe", "crawl"], &["difficulty"], Beside("identity")),
];

const EXCHANGE: &[&str] = &["listen", "dial"];

/// Fails if something was typed that does nothing: whoever typed it expects something of it. What comes from the environment
/// or from a file is also for other commands, and there for those that it concerns.
pub(super) fn check(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, matches)) = matches.subcommand() else {
        return Ok(());
    };
    let rules = RULES.iter().filter(|(commands, ..)| commands.contains(&name));
    for (long, when) in rules.flat_map(|(_, options, when)| options.iter().map(move |long| (long, when))) {
        let why = match when {
            Without(other) if !is_given(matches, other) => format!("without --{other}"),
            Beside(other) if is_given(matches, other) => format!("beside --{other}"),
            _ => continue,
        };
        if matches.value_source(&id(long)) == Some(ValueSource::CommandLine) {
            return Err(command.error(ErrorKind::ArgumentConflict, format!("--{long} does nothing {why}")));
        }
    }
    Ok(())
}

/// Whether an option has a value, or a flag is set, wherever that comes from.
fn is_given(matches: &ArgMatches, long: &str) -> bool {
    match matches.try_get_one::<bool>(&id(long)) {
        Ok(set) => set.is_some_and(|set| *set),
        Err(_) => matches.contains_id(&id(long)),
    }
}

/// What the command line calls the option of this long name.
fn id(long: &str) -> String {
    long.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(words: &[&str]) -> Option<String> {
        let mut command = crate::config::command();
        let matches = command
            .clone()
            .try_get_matches_from(["p2p"].iter().chain(words))
            .unwrap();
        let error = check(&mut command, &matches).err()?;
        Some(crate::config::sentence(&error))
    }

    #[test]
    fn every_rule_is_of_options_that_there_are() {
        let command = crate::config::command();
        for (commands, options, when) in RULES {
            let (Without(other) | Beside(other)) = when;
            for name in *commands {
                let command = command.find_subcommand(name).unwrap();
                for long in options.iter().chain([other]) {
                    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(long));
                    assert_eq!(arg.unwrap().get_id().as_str(), id(long), "{name}");
                }
            }
        }
    }

    #[test]
    fn what_is_typed_for_nothing_is_told() {
        for (words, told) in [
            (
                &["listen", "--max-file", "1MB"][..],
                "--max-file does nothing without --receive",
            ),
            (
                &["dial", "a:1", "--keep-free=1MB"],
                "--keep-free does nothing without --receive",
            ),
            (
                &["listen", "--receive", ".", "--linger", "0"],
                "--linger does nothing beside --receive",
            ),
            (
                &["bench", "a:1", "--max-clients", "1"],
                "--max-clients does nothing without --serve",
            ),
        ] {
            assert_eq!(complaint(words).as_deref(), Some(told), "{words:?}");
        }
        for words in [
            &["listen"][..],
            &["listen", "--receive", ".", "--max-file", "1MB", "--keep-free", "0"],
            &["listen", "--top", "--interval", "2s"],
            &["listen", "--difficulty", "1", "--identity", "a"],
            &["demo"],
        ] {
            assert_eq!(complaint(words), None, "{words:?}");
        }
    }
}
