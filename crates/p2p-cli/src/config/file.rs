//! The file of `--config`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::PathBuf,
};

use clap::{Arg, Command, error::ErrorKind};
use toml::{Table, Value};

use super::{is_flag, options, sentence};
use crate::failure::Failure;

/// The largest file that is read, in bytes: a hundred times what an example with every option has. A wrong file must not
/// fill the memory.
const MAX_SIZE: u64 = 1024 * 1024;

/// What a file says.
pub(super) struct ConfigFile {
    path: PathBuf,
    table: Table,
}

/// Options that hold for a command and those below it, each with where it stands.
type Values = BTreeMap<String, (Value, String)>;

impl ConfigFile {
    pub(super) fn read(path: PathBuf) -> Result<Self, Failure> {
        let shown = path.display();
        let failed = |name, why: &dyn std::fmt::Display| {
            let message = format!("can not read the configuration {shown}: {why}");
            Failure::new("config", name, message).with_exit_status(Failure::EXIT_USAGE)
        };
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut text))
            .map_err(|error| failed("unreadable_config", &error))?;
        if text.len() as u64 > MAX_SIZE {
            return Err(failed("invalid_config", &"it is far too long for one"));
        }
        let table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| span.start);
            let line = text.get(..line).unwrap_or_default().matches('\n').count() + 1;
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            failed("invalid_config", &format_args!("line {line} is no TOML: {why}"))
        })?;
        Ok(Self { path, table })
    }

    /// Puts what the file says in the place of defaults.
    pub(super) fn apply(&self, command: Command) -> Result<Command, Failure> {
        apply(command, Some(&self.table), &Values::new(), "").map_err(|why| {
            let message = format!("{}: {why}", self.path.display());
            Failure::new("config", "invalid_config", message).with_exit_status(Failure::EXIT_USAGE)
        })
    }
}

fn apply(mut command: Command, table: Option<&Table>, inherited: &Values, section: &str) -> Result<Command, String> {
    let mut values = inherited.clone();
    let known = names(&command);
    for (key, value) in table.into_iter().flatten() {
        let place = |key: &str| match section {
            "" => key.to_owned(),
            section => format!("{key} in [{section}]"),
        };
        if let Value::Table(_) = value {
            if command.find_subcommand(key).is_none() {
                let commands = command.get_subcommands().map(Command::get_name);
                return Err(format!(
                    "there is no command for [{}]{}",
                    join(section, key),
                    suggestion(key, commands)
                ));
            }
        } else if known.contains(key) {
            values.insert(key.clone(), (value.clone(), place(key)));
        } else {
            let known = known.iter().map(String::as_str);
            return Err(format!("there is no option {}{}", place(key), suggestion(key, known)));
        }
    }
    let own: Vec<_> = options(&command)
        .filter_map(|(long, arg)| {
            let (value, place) = values.get(long)?;
            Some((arg.clone(), value, place))
        })
        .collect();
    for (arg, value, place) in own {
        let text = text(&command, &arg, value).map_err(|why| format!("{place}: {why}"))?;
        command = command.mut_arg(arg.get_id(), |arg| arg.required(false).default_value(text));
    }
    let below: Vec<_> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    for name in below {
        let table = table.and_then(|table| table.get(&name)).and_then(Value::as_table);
        let mut applied = Ok(());
        command = command.mut_subcommand(&name, |below| {
            apply(below.clone(), table, &values, &join(section, &name)).unwrap_or_else(|why| {
                applied = Err(why);
                below
            })
        });
        applied?;
    }
    Ok(command)
}

/// The options of a command and of all below it.
pub(super) fn names(command: &Command) -> BTreeSet<String> {
    let own = options(command).map(|(long, _)| long.to_owned());
    own.chain(command.get_subcommands().flat_map(names)).collect()
}

/// A value as it would be typed, if the option takes it.
fn text(command: &Command, arg: &Arg, value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(set) => set.to_string(),
        _ => return Err("one text, number, true or false is expected".to_owned()),
    };
    if is_flag(arg) {
        return match value {
            Value::Boolean(_) => Ok(text),
            _ => Err("true or false is expected".to_owned()),
        };
    }
    // As if it were typed. That something else is missing then does not matter.
    let typed = format!("--{}={text}", arg.get_long().unwrap_or_default());
    match command.clone().try_get_matches_from([command.get_name(), &typed]) {
        Err(error) if [ErrorKind::ValueValidation, ErrorKind::InvalidValue].contains(&error.kind()) => {
            Err(sentence(&error))
        }
        _ => Ok(text),
    }
}

fn join(section: &str, name: &str) -> String {
    match section {
        "" => name.to_owned(),
        section => format!("{section}.{name}"),
    }
}

/// What may have been meant.
fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    crate::suggestion::closest(word, known).map_or_else(
        || "; `p2p config` shows all there are".to_owned(),
        |closest| format!("; did you mean {closest}?"),
    )
}
