//! `cargo xtask layering`: imports between crates run only downward.
//!
//! Three looks at the same promise: what the manifests declare, what the sources name (code that is
//! configured away included), and, for the layers that know no socket, clock or task, what cargo would
//! really link.

use crate::source::{self, SourceFile};
use crate::workspace::{Package, Workspace};
use crate::{Outcome, no_arguments, process};

/// A crate, and what it may know.
struct Layer {
    name: &'static str,
    /// The sibling crates that it may import, in tests and examples too.
    may_use: &'static [&'static str],
    /// Whether it may know sockets, clocks and tasks.
    may_do_io: bool,
}

/// The house, from the bottom to the top. A new crate needs a row.
const LAYERS: &[Layer] = &[
    Layer {
        name: "p2p-crypto",
        may_use: &[],
        may_do_io: false,
    },
    Layer {
        name: "p2p-framing",
        may_use: &["p2p-crypto"],
        may_do_io: false,
    },
    Layer {
        name: "p2p-io-scheduler",
        may_use: &[],
        may_do_io: true,
    },
    Layer {
        name: "p2p-socket",
        may_use: &["p2p-crypto", "p2p-framing", "p2p-io-scheduler"],
        may_do_io: true,
    },
    Layer {
        name: "p2p-cli",
        may_use: &["p2p-crypto", "p2p-framing", "p2p-io-scheduler", "p2p-socket"],
        may_do_io: true,
    },
];

/// Features of tokio that bring a socket, a clock or a task along. `sync`, `io-util` and `macros` do not.
const TOKIO_IO_FEATURES: &[&str] = &[
    "fs",
    "io-std",
    "net",
    "process",
    "rt",
    "rt-multi-thread",
    "signal",
    "test-util",
    "time",
];

/// Packages that exist to talk to the operating system's sockets.
const SOCKET_PACKAGES: &[&str] = &["async-io", "mio", "polling", "socket2"];

/// Names of sockets, clocks and tasks in the text of a source file.
const IO_NAMES: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "tokio::net",
    "tokio::runtime",
    "tokio::spawn",
    "tokio::task",
    "tokio::time",
];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    check(&Workspace::load()?)
}

pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let members: Vec<&str> = workspace.packages.iter().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in workspace.crates() {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            violations.push(format!("{}: has no row in xtask/src/layering.rs", package.name));
            continue;
        };
        violations.extend(declared_violations(layer, package, &members));
        for file in source::rust_files(&package.directory)? {
            violations.extend(import_violations(layer, &file, &members));
            if !layer.may_do_io && file.path.starts_with("src") {
                violations.extend(io_violations(layer, &file));
            }
        }
        if !layer.may_do_io {
            violations.extend(linked_violations(layer.name, &linked_packages(layer.name)?));
        }
    }
    if !violations.is_empty() {
        return Err(format!(
            "imports must run downward only:\n  {}",
            violations.join("\n  ")
        ));
    }
    println!("{} crates import only downward", workspace.crates().count());
    Ok(())
}

/// What the manifest declares.
fn declared_violations(layer: &Layer, package: &Package, members: &[&str]) -> Vec<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| !layer.allows(dependency, members))
        .map(|dependency| format!("{}: its Cargo.toml depends on {dependency}", layer.name))
        .collect()
}

/// What a source file names.
fn import_violations(layer: &Layer, file: &SourceFile, members: &[&str]) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, line) in code_lines(&file.text) {
        for word in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            // Only crates of this family: `benches` is a word that code may use for other things.
            if word.starts_with("p2p_") && !layer.allows(&word.replace('_', "-"), members) {
                violations.push(format!("{}: {}:{number} names {word}", layer.name, file.path.display()));
            }
        }
    }
    violations
}

/// Sockets, clocks and tasks in a source file of a layer that knows none. Unit tests may use them.
fn io_violations(layer: &Layer, file: &SourceFile) -> Vec<String> {
    if file.path.ends_with("tests.rs") || file.path.components().any(|part| part.as_os_str() == "tests") {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (number, line) in code_lines(without_tests(&file.text)) {
        for name in IO_NAMES.iter().filter(|name| line.contains(**name)) {
            violations.push(format!("{}: {}:{number} names {name}", layer.name, file.path.display()));
        }
    }
    violations
}

/// What `cargo tree` says is linked into `name` with all its features, on any platform, tests left out:
/// one package a line, with the features that are on. `cargo metadata` will not do, because it mixes the
/// features that all members of the workspace ask for.
fn linked_packages(name: &str) -> Result<String, String> {
    process::capture(process::cargo().args([
        "tree",
        "--package",
        name,
        "--all-features",
        "--target",
        "all",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}|{f}",
    ]))
}

fn linked_violations(layer: &str, linked: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for line in linked.lines() {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split_whitespace().next().unwrap_or_default();
        if SOCKET_PACKAGES.contains(&name) {
            violations.push(format!("{layer}: links {name}"));
        }
        if name == "tokio" {
            let features = features.trim_end_matches(" (*)").split(',');
            violations.extend(
                features
                    .filter(|feature| TOKIO_IO_FEATURES.contains(feature))
                    .map(|feature| format!("{layer}: links tokio with its feature `{feature}`")),
            );
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

impl Layer {
    /// Packages from outside the workspace are none of this check's business.
    fn allows(&self, package: &str, members: &[&str]) -> bool {
        package == self.name || self.may_use.contains(&package) || !members.contains(&package)
    }
}

/// The lines with their numbers, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = |line| str::split(line, "//").next().unwrap_or_default();
    text.lines()
        .enumerate()
        .map(move |(index, line)| (index + 1, code(line)))
}

/// The text before a unit test module that closes the file. A module in a file of its own hides nothing.
fn without_tests(text: &str) -> &str {
    let opens_module = |rest: &str| rest.lines().nth(1).is_some_and(|line| line.ends_with('{'));
    text.match_indices("#[cfg(test)]\nmod ")
        .find(|(start, _)| opens_module(&text[*start..]))
        .map_or(text, |(start, _)| &text[..start])
}

#[cfg(test)]
mod tests;
