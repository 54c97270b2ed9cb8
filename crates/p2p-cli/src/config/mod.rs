//! Options from a file and from the environment. What is typed comes first, then the environment, then the file, then the
//! default.
//!
//! Both stand on the description of the command line: each option has a variable, and what is in the file takes the place of
//! its default. So they are named, checked and complained about in the same way.

mod environment;
mod example;
mod file;
mod useless;

use std::{env, ffi::OsString, path::PathBuf};

use clap::{
    Arg, ArgAction, Command, CommandFactory, FromArgMatches,
    builder::BoolishValueParser,
    error::{ContextKind, ContextValue},
};

pub(crate) use self::example::ConfigExample;
use self::file::ConfigFile;
use crate::{Arguments, failure::Failure};

/// The option with the path of the file.
const CONFIG: &str = "config";

/// Why the command line is not understood.
pub(crate) enum Refusal {
    /// What was typed is wrong, or asks for help.
    Typed(clap::Error),
    /// The file is.
    File(Failure),
}

/// The whole command line, with its environment variables.
pub(crate) fn command() -> Command {
    with_variables(Arguments::command())
}

/// Understands what was typed, with the environment and the file.
pub(crate) fn parse(typed: &[OsString]) -> Result<Arguments, Refusal> {
    let mut command = command();
    if let Some(path) = path(typed, env::var_os(variable(CONFIG))) {
        let file = ConfigFile::read(path).map_err(Refusal::File)?;
        command = file.apply(command).map_err(Refusal::File)?;
    }
    let matches = command.try_get_matches_from_mut(typed).map_err(Refusal::Typed)?;
    useless::check(&mut command, &matches).map_err(Refusal::Typed)?;
    Arguments::from_arg_matches(&matches).map_err(Refusal::Typed)
}

/// Tells of variables in the environment that are misspelt, if there are some.
pub(crate) fn unknown_variables() -> Option<Failure> {
    environment::unknown(&command(), env::vars_os().map(|(name, _)| name))
}

/// Where the file is, which `variable` may tell, too. It has to be known before the rest can be understood.
fn path(typed: &[OsString], variable: Option<OsString>) -> Option<PathBuf> {
    let option = format!("--{CONFIG}");
    let mut typed = typed.iter().skip(1).take_while(|word| *word != "--");
    let mut path = variable.filter(|path| !path.is_empty());
    while let Some(word) = typed.next() {
        if *word == *option {
            path = typed.next().cloned().or(path);
        } else if let Some(value) = word
            .to_str()
            .and_then(|word| word.strip_prefix(&option)?.strip_prefix('='))
        {
            path = Some(value.into());
        }
    }
    path.map(PathBuf::from)
}

fn with_variables(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_long() {
            Some(long) => {
                let variable = variable(long);
                let arg = arg.env(variable).hide_env_values(true);
                if is_flag(&arg) {
                    // As people set variables: P2P_JSON=1.
                    arg.value_parser(BoolishValueParser::new())
                } else {
                    arg
                }
            }
            None => arg,
        })
        .mut_subcommands(with_variables)
}

/// The variable of an option: `P2P_MAX_UPLOAD` for `--max-upload`.
fn variable(long: &str) -> String {
    format!("P2P_{}", long.replace('-', "_").to_ascii_uppercase())
}

/// The options of a command that a file or the environment may set, by their long names.
fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg)))
        .filter(|(long, _)| ![CONFIG, "help", "version"].contains(long))
}

/// Whether an option has no value but is there or not.
fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The sentence of a complaint about what was typed, without its usage, and what may have been meant.
pub(crate) fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let sentence = lines.collect::<Vec<_>>().join(" ");
    let sentence = in_plain_words(sentence.strip_prefix("error: ").unwrap_or(&sentence));
    let meant = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ]
    .into_iter()
    .find_map(|kind| match error.get(kind)? {
        ContextValue::String(meant) => Some(meant),
        // The best of them is the last.
        ContextValue::Strings(all) => all.last(),
        _ => None,
    });
    match meant {
        Some(meant) => format!("{sentence}; did you mean {meant}?"),
        None => sentence,
    }
}

/// The sentence of a complaint about the command line. What was not typed but set in the environment is told as that.
pub(crate) fn complaint(error: &clap::Error, typed: &[OsString]) -> String {
    let sentence = sentence(error);
    match of_variable(error, typed, |name| env::var_os(name)) {
        Some((option, variable)) => sentence.replacen(&format!("'{option}'"), &variable, 1),
        None => sentence,
    }
}

/// The option whose value is wrong, as `error` names it, and its variable, if the value comes from there.
fn of_variable(
    error: &clap::Error,
    typed: &[OsString],
    set: impl Fn(&str) -> Option<OsString>,
) -> Option<(String, String)> {
    let text = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    };
    let (option, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let long = option.strip_prefix("--")?;
    let end = long.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let variable = variable(long.get(..end.unwrap_or(long.len()))?);
    let assigned = format!("={value}");
    let was_typed = typed.iter().skip(1).any(|word| {
        let word = word.to_string_lossy();
        word == value.as_str() || word.ends_with(&assigned)
    });
    let is_set = set(&variable)?.to_string_lossy() == value.as_str();
    (is_set && !was_typed).then(|| (option.clone(), variable))
}

/// What programmers say of numbers and flags, for those who have typed one.
fn in_plain_words(sentence: &str) -> String {
    const NUMBER: &str = "a whole number is expected, and not too large a one";
    let sentence = [
        ("invalid digit found in string", NUMBER),
        ("cannot parse integer from empty string", NUMBER),
        ("number too large to fit in target type", NUMBER),
        ("number too small to fit in target type", NUMBER),
        ("value was not a boolean", "1 or 0, true or false is expected"),
    ]
    .iter()
    .fold(sentence.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
    sentence
        .rsplit_once(" is not in ")
        .and_then(|(before, range)| {
            let (least, most) = range.split_once("..=")?;
            Some(format!("{before} is not from {least} to {most}"))
        })
        .unwrap_or(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_wherever_it_is_named() {
        let path_beside = |variable: Option<&str>, words: &[&str]| {
            let typed: Vec<_> = ["p2p"].iter().chain(words).map(OsString::from).collect();
            super::path(&typed, variable.map(OsString::from))
        };
        let path = |words: &[&str]| path_beside(None, words);
        assert_eq!(path(&["demo"]), None);
        assert_eq!(path(&["--config", "a", "demo"]), Some("a".into()));
        assert_eq!(path(&["demo", "--config=a=b"]), Some("a=b".into()));
        assert_eq!(path(&["--config", "a", "demo", "--config", "b"]), Some("b".into()));
        assert_eq!(path(&["demo", "--", "--config", "a"]), None);
        assert_eq!(path(&["demo", "--config"]), None);
        assert_eq!(path_beside(Some("a"), &["demo"]), Some("a".into()));
        assert_eq!(path_beside(Some("a"), &["--config", "b", "demo"]), Some("b".into()));
        assert_eq!(path_beside(Some(""), &["demo"]), None);
    }

    #[test]
    fn a_wrong_value_is_told_with_where_it_comes_from() {
        let complaint = |words: &[&str], set: &str| {
            let typed: Vec<_> = ["p2p"].iter().chain(words).map(OsString::from).collect();
            let error = command().try_get_matches_from(&typed).unwrap_err();
            of_variable(&error, &typed, |name| (name == "P2P_DURATION").then(|| set.into()))
        };
        let typed = ["bench", "--serve", "--duration", "soon"];
        let assigned = ["bench", "--serve", "--duration=soon"];
        for words in [&typed[..], &assigned] {
            // Both may be wrong, and what is typed comes first.
            for set in ["later", "soon"] {
                assert_eq!(complaint(words, set), None, "{words:?}");
            }
        }
    }

    #[test]
    fn ranges_are_told_in_words() {
        assert_eq!(
            in_plain_words("invalid value 'a is not in 1..=2' for '<N>': 0 is not in 1..=10"),
            "invalid value 'a is not in 1..=2' for '<N>': 0 is not from 1 to 10"
        );
        assert_eq!(in_plain_words("it is not in the file"), "it is not in the file");
    }

    #[test]
    fn the_command_line_is_sound_and_every_option_has_a_variable_of_its_own() {
        let mut command = command();
        command.build();
        assert_eq!(variable("max-upload"), "P2P_MAX_UPLOAD");
        let listen = command.find_subcommand("listen").unwrap();
        for (long, arg) in options(listen) {
            assert_eq!(arg.get_env().unwrap().to_str(), Some(&*variable(long)));
            // It is the filter of the log.
            assert_ne!(variable(long), "P2P_LOG");
        }
    }
}
