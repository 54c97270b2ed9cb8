//! `cargo xtask examples`: the examples of the library crates do not only compile, they work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::workspace::Workspace;
use crate::{Outcome, no_arguments, process};

/// An example ends by itself within seconds; one that takes this long waits for something that never comes.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq)]
pub(crate) struct Example {
    /// The example's own source file, which tells the crate that it belongs to.
    source: PathBuf,
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
}

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
    let examples = parse(&messages)?;
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

/// The examples in what `cargo build --message-format=json` prints, one JSON object a line.
pub(crate) fn parse(messages: &str) -> Result<Vec<Example>, String> {
    let mut examples = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line)
            .map_err(|error| format!("`cargo build` printed something other than JSON: {error}"))?;
        let target = &message["target"];
        let is_example = target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"));
        if let (true, Some(executable), Some(source), Some(name)) = (
            is_example,
            message["executable"].as_str(),
            target["src_path"].as_str(),
            target["name"].as_str(),
        ) {
            examples.push(Example {
                source: source.into(),
                name: name.to_owned(),
                executable: executable.into(),
            });
        }
    }
    examples.sort_by(|left, right| left.source.cmp(&right.source));
    Ok(examples)
}

/// Cargo puts all examples of a workspace into one directory: of two with one name, only one would run.
fn refuse_shared_names(examples: &[Example]) -> Outcome {
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

    fn message(kind: &str, source: &str, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","executable":{executable},
               "target":{{"kind":["{kind}"],"name":"hello","src_path":"{source}"}}}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn only_programs_among_the_examples_are_run() {
        let messages = [
            message("lib", "/h/crates/a/src/lib.rs", "null"),
            message("bin", "/h/crates/b/src/main.rs", r#""/t/b""#),
            message("example", "/h/crates/a/examples/hello.rs", r#""/t/examples/hello""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let examples = parse(&messages.join("\n")).unwrap();
        assert_eq!(
            examples,
            [Example {
                source: "/h/crates/a/examples/hello.rs".into(),
                name: "hello".to_owned(),
                executable: "/t/examples/hello".into(),
            }]
        );
        assert_eq!(refuse_shared_names(&examples), Ok(()));
    }

    #[test]
    fn two_examples_with_one_name_are_refused() {
        let messages = [
            message("example", "/h/crates/a/examples/hello.rs", r#""/t/examples/hello""#),
            message("example", "/h/crates/b/examples/hello.rs", r#""/t/examples/hello""#),
        ];
        let error = refuse_shared_names(&parse(&messages.join("\n")).unwrap()).unwrap_err();
        assert!(error.contains("need different names"), "{error}");
    }
}
