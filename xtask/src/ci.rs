//! `cargo xtask ci`: everything that must hold before a change is accepted, cheapest check first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use crate::workspace::{Package, Workspace};
use crate::{Outcome, dependencies, examples, file_size, fuzz, layering, links, process};

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Outcome,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        about: "the code is formatted",
        run: format,
    },
    Step {
        name: "file-size",
        about: "no source file is too long",
        run: file_size::check,
    },
    Step {
        name: "layering",
        about: "imports between crates run only downward",
        run: layering::check,
    },
    Step {
        name: "dependencies",
        about: "each third-party crate is explained",
        run: dependencies::check,
    },
    Step {
        name: "links",
        about: "links between the documents lead somewhere",
        run: links::check,
    },
    Step {
        name: "deny",
        about: "licences and sources of all dependencies",
        run: deny,
    },
    Step {
        name: "clippy",
        about: "no warnings, with all features",
        run: clippy,
    },
    Step {
        name: "clippy-bare",
        about: "no warnings, crate by crate without default features",
        run: clippy_bare,
    },
    Step {
        name: "test",
        about: "tests and doc tests, with all features",
        run: test,
    },
    Step {
        name: "examples",
        about: "the examples run to their end",
        run: examples::check,
    },
    Step {
        name: "test-bare",
        about: "tests and doc tests, crate by crate without default features",
        run: test_bare,
    },
    Step {
        name: "fuzz",
        about: "a short run of each fuzz target finds nothing",
        run: fuzz::check,
    },
    Step {
        name: "docs",
        about: "the documentation builds without warnings",
        run: docs,
    },
    Step {
        name: "package",
        about: "each library crate builds from its own package",
        run: package,
    },
];

/// The first cargo that packages several crates that need one another without a registry between them.
const PACKAGING_CARGO: (u32, u32) = (1, 90);

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments == ["--list"] {
        for step in STEPS {
            println!("{:<14}{}", step.name, step.about);
        }
        return Ok(());
    }
    let steps = select(arguments)?;
    let workspace = Workspace::load()?;
    let started = Instant::now();
    for (index, step) in steps.iter().enumerate() {
        println!("\n[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.about);
        let step_started = Instant::now();
        (step.run)(&workspace).map_err(|error| {
            format!(
                "step `{}` failed after {}; repeat it alone with `cargo xtask ci {}`\n{error}",
                step.name,
                seconds(step_started.elapsed()),
                step.name
            )
        })?;
        println!(
            "[{}/{}] {} took {}",
            index + 1,
            steps.len(),
            step.name,
            seconds(step_started.elapsed())
        );
    }
    println!(
        "\nall steps passed in {}; a step that was skipped says so above",
        seconds(started.elapsed())
    );
    Ok(())
}

/// The steps named, in their usual order; all of them if none is named.
fn select(names: &[String]) -> Result<Vec<&'static Step>, String> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(format!(
            "there is no step `{unknown}`; `cargo xtask ci --list` names them"
        ));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn format(_: &Workspace) -> Outcome {
    needs("fmt", "rustup component add rustfmt")?;
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn deny(_: &Workspace) -> Outcome {
    if !process::succeeds(process::cargo().args(["deny", "--version"])) {
        println!("SKIPPED: cargo-deny is not installed; `cargo install --locked cargo-deny` brings it");
        return Ok(());
    }
    // Not the advisories: they come from the network, and a new one would fail a commit that was fine the day before.
    let checks = ["bans", "licenses", "sources"];
    process::run(
        process::cargo()
            .args(["deny", "--workspace", "--all-features", "check"])
            .args(checks),
    )
}

/// Everything with all features, except for the benches: theirs would build libsodium, which takes more than a compiler.
const ALL_BUT_BENCHES: &[&str] = &["--workspace", "--exclude", "benches", "--all-features"];
const BENCHES: &[&str] = &["--package", "benches"];

fn clippy(_: &Workspace) -> Outcome {
    needs("clippy", "rustup component add clippy")?;
    for selection in [ALL_BUT_BENCHES, BENCHES] {
        let mut command = process::cargo();
        command
            .arg("clippy")
            .args(selection)
            .args(["--all-targets", "--", "--deny=warnings"]);
        process::run(&mut command)?;
    }
    Ok(())
}

/// One crate at a time: together, the crates would switch on one another's features.
fn clippy_bare(workspace: &Workspace) -> Outcome {
    needs("clippy", "rustup component add clippy")?;
    for package in workspace.crates() {
        let arguments = ["clippy", "--package", &package.name, "--no-default-features"];
        let deny_warnings = ["--", "--deny=warnings"];
        // First without the dependencies that only tests have, because these may lend features that
        // the crate forgot to ask for.
        process::run(process::cargo().args(arguments).args(deny_warnings))?;
        process::run(
            process::cargo()
                .args(arguments)
                .arg("--all-targets")
                .args(deny_warnings),
        )?;
    }
    Ok(())
}

fn test(_: &Workspace) -> Outcome {
    for selection in [ALL_BUT_BENCHES, BENCHES] {
        process::run(process::cargo().arg("test").args(selection))?;
    }
    Ok(())
}

fn test_bare(workspace: &Workspace) -> Outcome {
    for package in workspace.libraries() {
        if package.has_features {
            process::run(process::cargo().args(["test", "--package", &package.name, "--no-default-features"]))?;
        } else {
            println!("{}: has no features to switch off", package.name);
        }
    }
    Ok(())
}

fn docs(_: &Workspace) -> Outcome {
    for selection in [ALL_BUT_BENCHES, BENCHES] {
        let mut command = process::cargo();
        command.args(["doc", "--no-deps"]).args(selection);
        process::run(command.env("RUSTDOCFLAGS", "--deny=warnings"))?;
    }
    Ok(())
}

/// All library crates at once, because each is built from its package against the packages of its siblings.
fn package(workspace: &Workspace) -> Outcome {
    let version = process::capture(process::cargo().arg("--version"))?;
    if parse_version(&version).is_some_and(|version| version < PACKAGING_CARGO) {
        let (major, minor) = PACKAGING_CARGO;
        println!(
            "SKIPPED: this needs cargo {major}.{minor} or newer; here is {}",
            version.trim()
        );
        return Ok(());
    }
    forget_packages(workspace).map_err(|error| format!("can not clear cargo's caches: {error}"))?;
    let command = || {
        let mut command = process::cargo();
        // Work that is not committed yet can be checked too.
        command.args(["package", "--allow-dirty", "--target-dir"]);
        command.arg(workspace.root.join(PACKAGES_TARGET));
        for package in workspace.libraries() {
            command.args(["--package", &package.name]);
        }
        command
    };
    let mut build = command();
    // Otherwise cargo asks the registry for news, although the steps before have brought all that is needed.
    if process::succeeds(command().args(["--offline", "--no-verify"])) {
        build.arg("--offline");
    }
    process::run(&mut build)
}

/// Where packages are built, apart from everything else.
const PACKAGES_TARGET: &str = "target/packages";

/// Removes what cargo has unpacked and built of our packages before. It takes them for published ones, which never
/// change under the same version, and would build each package against its siblings of an earlier run.
fn forget_packages(workspace: &Workspace) -> io::Result<()> {
    remove_ours(
        workspace,
        &workspace.root.join(PACKAGES_TARGET).join("debug/.fingerprint"),
    )?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let Some(home) = home.or_else(|| Some(env::home_dir()?.join(".cargo"))) else {
        return Ok(());
    };
    let Ok(registries) = fs::read_dir(home.join("registry/src")) else {
        return Ok(());
    };
    for registry in registries {
        let registry = registry?;
        // Those without a host in their name are folders of this machine.
        if registry.file_name().to_string_lossy().starts_with('-') {
            remove_ours(workspace, &registry.path())?;
        }
    }
    Ok(())
}

/// Removes the folders of library crates in `directory`, if there is one.
fn remove_ours(workspace: &Workspace, directory: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = |package: &Package| name.starts_with(&format!("{}-", package.name));
        if workspace.libraries().any(ours) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn needs(subcommand: &str, remedy: &str) -> Outcome {
    if process::succeeds(process::cargo().args([subcommand, "--version"])) {
        Ok(())
    } else {
        Err(format!("`cargo {subcommand}` is not installed; `{remedy}` brings it"))
    }
}

/// Major and minor number in `cargo 1.90.0 (…)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &[&Step]) -> Vec<&'static str> {
        steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn without_a_name_every_step_runs() {
        assert_eq!(select(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn named_steps_run_once_each_in_their_usual_order() {
        let wanted = ["test", "format", "test"].map(str::to_owned);
        assert_eq!(names(&select(&wanted).unwrap()), ["format", "test"]);
    }

    #[test]
    fn an_unknown_step_is_refused_before_anything_runs() {
        let error = select(&["format".to_owned(), "tset".to_owned()]).err().unwrap();
        assert!(error.contains("`tset`"), "{error}");
    }

    #[test]
    fn cargo_versions_are_compared_by_number() {
        assert_eq!(parse_version("cargo 1.90.0 (840b83a10 2025-07-30)\n"), Some((1, 90)));
        assert_eq!(parse_version("cargo 1.89.0-beta.2"), Some((1, 89)));
        assert!(parse_version("cargo 1.100.0").unwrap() > PACKAGING_CARGO);
        assert_eq!(parse_version("something else"), None);
    }
}
