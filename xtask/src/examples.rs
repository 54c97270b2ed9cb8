//! `cargo xtask examples`: the examples of the library crates do not only compile, they work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::programs::{self, Program};
use crate::workspace::Workspace;
use crate::{Outcome, no_arguments, process};

/// An example ends by itself within seconds; one that takes this long on the slowest machine waits for something that never
/// comes.
const TIME_LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    check(&Workspace::load()?)
}

pub(crate) fn check(workspace: &Workspace) -> Outcome {
    // The same selection of packages and features as the tests, so that nothing is compiled twice.
    let messages = process::capture(process::cargo().args([
        "build",
        "--workspace",
        "--all-features",
        "--examples",
        "--message-format=json-render-diagnostics",
    ]))?;
    let examples = programs::built("example", &messages)?;
    refuse_shared_names(&examples)?;
    for package in workspace.libraries() {
        let mut own = examples
            .iter()
            .filter(|example| example.source.starts_with(&package.directory))
            .peekable();
        if own.peek().is_none() {
            println!("{}: no examples", package.name);
        }
        for example in own {
            let started = Instant::now();
            process::run_quietly_within(
                TIME_LIMIT,
                std::process::Command::new(&example.executable).current_dir(&workspace.root),
            )?;
            let seconds = started.elapsed().as_secs_f32();
            println!("{}: {} ended well after {seconds:.1} s", package.name, example.name);
        }
    }
    Ok(())
}

/// Cargo puts all examples of a workspace into one directory: of two with one name, only one would run.
fn refuse_shared_names(examples: &[Program]) -> Outcome {
    let mut seen = BTreeMap::new();
    for example in examples {
        if let Some(earlier) = seen.insert(&example.executable, &example.source) {
            return Err(format!(
                "{} and {} need different names: cargo writes both to {}",
                earlier.display(),
                example.source.display(),
                example.executable.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_examples_with_one_name_are_refused() {
        let example = |package: &str, name: &str| Program {
            source: format!("/h/crates/{package}/examples/{name}.rs").into(),
            name: name.to_owned(),
            executable: format!("/t/examples/{name}").into(),
        };
        assert_eq!(
            refuse_shared_names(&[example("a", "hello"), example("a", "bye")]),
            Ok(())
        );
        let error = refuse_shared_names(&[example("a", "hello"), example("b", "hello")]).unwrap_err();
        assert!(error.contains("need different names"), "{error}");
    }
}
