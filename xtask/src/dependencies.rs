//! `cargo xtask dependencies`: docs/dependencies.md says of each third-party crate why it is there.

use std::collections::BTreeSet;
use std::fs;

use crate::workspace::Workspace;
use crate::{Outcome, no_arguments};

const DOCUMENT: &str = "docs/dependencies.md";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    check(&Workspace::load()?)
}

pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let read = |name: &str| {
        let path = workspace.root.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{} could not be read: {error}", path.display()))
    };
    let (manifest, document) = (read("Cargo.toml")?, read(DOCUMENT)?);
    let members = workspace.packages.iter().map(|package| package.name.as_str()).collect();
    let declared = &declared(&manifest) - &members;
    compare(&declared, &explained(&document))?;
    println!("{} third-party crates, each explained", declared.len());
    Ok(())
}

fn compare(declared: &BTreeSet<&str>, explained: &BTreeSet<&str>) -> Outcome {
    let missing = declared
        .difference(explained)
        .map(|name| format!("  {DOCUMENT} does not explain {name}"));
    let stale = explained
        .difference(declared)
        .map(|name| format!("  {DOCUMENT} explains {name}, which Cargo.toml no longer has"));
    let complaints: Vec<String> = missing.chain(stale).collect();
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(format!("each dependency needs its reason:\n{}", complaints.join("\n")))
    }
}

/// The crates in `[workspace.dependencies]`: lines that begin with a name and an equals sign.
fn declared(manifest: &str) -> BTreeSet<&str> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim_end())
        .filter(|name| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
        })
        .collect()
}

/// The crates with a row in a table: the name stands in backticks at its beginning.
fn explained(document: &str) -> BTreeSet<&str> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
[workspace]
members = ["crates/*"]

[workspace.dependencies]
# text
bytes = "1.10"
tokio-util = { version = "0.7", features = [
    "codec",
] }

[workspace.lints.rust]
missing_docs = "deny"
"#;

    #[test]
    fn only_the_dependency_section_is_read() {
        assert_eq!(declared(MANIFEST), BTreeSet::from(["bytes", "tokio-util"]));
        assert_eq!(declared("[package]\nname = \"x\"\n"), BTreeSet::new());
    }

    #[test]
    fn a_table_row_explains_a_crate() {
        let document = "Not `hex`.\n\n| crate | for |\n|---|---|\n| `bytes` | buffers, not `hex` |\n";
        assert_eq!(explained(document), BTreeSet::from(["bytes"]));
    }

    #[test]
    fn missing_and_stale_explanations_are_refused() {
        let both = BTreeSet::from(["bytes", "tokio-util"]);
        let one = BTreeSet::from(["bytes"]);
        assert_eq!(compare(&both, &both), Ok(()));
        assert!(
            compare(&both, &one)
                .unwrap_err()
                .contains("does not explain tokio-util")
        );
        assert!(compare(&one, &both).unwrap_err().contains("explains tokio-util"));
    }
}
