//! Automation for this workspace: `cargo xtask COMMAND`.
//!
//! One file holds one command. To add a command, write `xtask/src/NAME.rs` with a
//! `pub(crate) fn run(arguments: &[String]) -> Outcome` and give it a row in [`COMMANDS`].

mod bench;
mod bench_compare;
mod ci;
mod dependencies;
mod examples;
mod file_size;
mod fuzz;
mod layering;
mod links;
mod netns;
mod process;
mod programs;
mod soak;
mod source;
mod workspace;

use std::process::ExitCode;

/// What a command or a check ends with: nothing to say, or one clear account of what is wrong.
type Outcome = Result<(), String>;

struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        about: "run every check, or only the steps named: ci [STEP…]; `ci --list` names them",
        run: ci::run,
    },
    Command {
        name: "layering",
        about: "check that imports between crates run only downward",
        run: layering::run,
    },
    Command {
        name: "examples",
        about: "build and run the examples of all library crates",
        run: examples::run,
    },
    Command {
        name: "dependencies",
        about: "check that docs/dependencies.md explains each third-party crate",
        run: dependencies::run,
    },
    Command {
        name: "links",
        about: "check that links between the documents lead somewhere",
        run: links::run,
    },
    Command {
        name: "file-size",
        about: "check that no source file has grown too long",
        run: file_size::run,
    },
    Command {
        name: "bench",
        about: "measure all layers, or one, beside their peers: bench [LAYER] [--quick] [--json FILE] [--plots DIRECTORY] [--document FILE]",
        run: bench::run,
    },
    Command {
        name: "bench-compare",
        about: "run the criterion benches of a commit and of the work tree: bench-compare BASE [LAYER]",
        run: bench_compare::run,
    },
    Command {
        name: "fuzz",
        about: "look for inputs that break a promise: fuzz [--seconds N | --runs N] [--target NAME]",
        run: fuzz::run,
    },
    Command {
        name: "netns",
        about: "measure caps and fairness between hosts in network namespaces, as root: netns [--plain-links] [--seconds N]",
        run: netns::run,
    },
    Command {
        name: "soak",
        about: "let many peers live together on real sockets: soak [--minutes N] [--peers N] [--seed N]",
        run: soak::run,
    },
    Command {
        name: "help",
        about: "print this list",
        run: help,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if fuzz::is_compiler() {
        return fuzz::compile(&arguments);
    }
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else {
        return help(&[]);
    };
    if matches!(name.as_str(), "-h" | "--help") {
        return help(&[]);
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => Err(format!(
            "there is no command `{name}`; `cargo xtask help` lists them all"
        )),
    }
}

fn help(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    println!("cargo xtask COMMAND\n");
    for command in COMMANDS {
        println!("  {:<15}{}", command.name, command.about);
    }
    Ok(())
}

/// Refuses arguments on behalf of a command that takes none.
fn no_arguments(arguments: &[String]) -> Outcome {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(format!("unexpected argument `{argument}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_commands_and_surplus_arguments_are_refused() {
        let unknown = dispatch(&["frobnicate".to_owned()]).unwrap_err();
        assert!(unknown.contains("frobnicate"), "{unknown}");

        let surplus = dispatch(&["help".to_owned(), "me".to_owned()]).unwrap_err();
        assert!(surplus.contains("`me`"), "{surplus}");
    }

    #[test]
    fn command_names_are_unique() {
        for (index, command) in COMMANDS.iter().enumerate() {
            assert!(COMMANDS[..index].iter().all(|earlier| earlier.name != command.name));
        }
    }
}
