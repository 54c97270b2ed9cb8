//! `cargo xtask bench-compare BASE [LAYER]`: the criterion benches of a commit beside those of the work tree.
//!
//! The commit is checked out into a worktree of its own under `target/`. Layer by layer, both are built first and then
//! measured one right after the other, so that a busy moment of the machine does not meet one only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::workspace::Workspace;
use crate::{Outcome, process};

/// The criterion bench of each layer.
const LAYERS: [&str; 4] = ["crypto", "framing", "io_scheduler", "socket"];

/// Half of the time that criterion takes for a bench by itself: both sides of all layers are measured in ten minutes.
const CRITERION_OPTIONS: [&str; 5] = ["--noplot", "--warm-up-time", "1", "--measurement-time", "3"];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (base, layers) = plan(arguments)?;
    let root = Workspace::load()?.root;
    let scratch = root.join("target/bench-compare");
    let checkout = scratch.join("base");
    remove(&root, &checkout);
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let mut add = git(&root);
    process::run(
        add.args(["worktree", "add", "--force", "--detach"])
            .arg(&checkout)
            .arg(base),
    )?;

    let sides = [Side::new("old", &checkout, &scratch), Side::new("new", &root, &scratch)];
    let result = layers.iter().try_for_each(|layer| compare(layer, &sides));
    remove(&root, &checkout);
    result
}

/// One of the two commits.
struct Side {
    source: PathBuf,
    /// Where cargo builds.
    target: PathBuf,
    /// Where criterion leaves its figures.
    figures: PathBuf,
}

impl Side {
    fn new(name: &str, source: &Path, scratch: &Path) -> Self {
        Self {
            source: source.to_owned(),
            target: scratch.join("target").join(name),
            figures: scratch.join("criterion").join(name),
        }
    }

    fn bench(&self, layer: &str) -> Command {
        let mut command = process::cargo();
        command.current_dir(&self.source);
        command
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CRITERION_HOME", &self.figures);
        command.args(["bench", "--quiet", "--package", "benches", "--bench", layer]);
        command
    }
}

fn compare(layer: &str, sides: &[Side; 2]) -> Outcome {
    for side in sides {
        // Figures of an earlier run would pass for those of a bench that is gone.
        if let Err(error) = fs::remove_dir_all(&side.figures)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(format!("{}: {error}", side.figures.display()));
        }
        process::run(side.bench(layer).arg("--no-run"))?;
    }
    for side in sides {
        process::run(side.bench(layer).arg("--").args(CRITERION_OPTIONS))?;
    }
    let [old, new] = [read_figures(&sides[0].figures)?, read_figures(&sides[1].figures)?];
    println!("\n## {layer}\n\n{}", table(&old, &new));
    Ok(())
}

fn plan(arguments: &[String]) -> Result<(&str, Vec<&str>), String> {
    match arguments {
        [base] if !base.starts_with('-') => Ok((base, LAYERS.to_vec())),
        [base, layer] if !base.starts_with('-') => match LAYERS.iter().find(|name| *name == layer) {
            Some(layer) => Ok((base, vec![*layer])),
            None => Err(format!(
                "there are no benches of `{layer}`, only of: {}",
                LAYERS.join(", ")
            )),
        },
        _ => Err("bench-compare needs a commit, and takes a layer: bench-compare BASE [LAYER]".to_owned()),
    }
}

fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(root);
    command
}

/// Removes the worktree, if it is there.
fn remove(root: &Path, checkout: &Path) {
    process::succeeds(
        git(root)
            .args(["worktree", "remove", "--force"])
            .arg(checkout)
            .stderr(std::process::Stdio::null()),
    );
}

/// The median of each bench in nanoseconds, by its name.
fn read_figures(directory: &Path) -> Result<BTreeMap<String, f64>, String> {
    let mut figures = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let complain = |error: std::io::Error| format!("{}: {error}", directory.display());
        for entry in fs::read_dir(&directory).map_err(complain)? {
            let path = entry.map_err(complain)?.path();
            if path.is_dir() {
                directories.push(path);
            }
        }
        // The directory of a side may have the same name as that of a bench's latest figures.
        if directory.ends_with("new") && directory.join("benchmark.json").is_file() {
            let [bench, estimates] = ["benchmark.json", "estimates.json"].map(|file| read_json(&directory.join(file)));
            figures.extend(figure(&bench?, &estimates?));
        }
    }
    Ok(figures)
}

fn read_json(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Name and median out of criterion's two files for one bench.
fn figure(bench: &Value, estimates: &Value) -> Option<(String, f64)> {
    let name = bench["full_id"].as_str()?.to_owned();
    Some((name, estimates["median"]["point_estimate"].as_f64()?))
}

/// The benches that both have, then those that only one has.
fn table(old: &BTreeMap<String, f64>, new: &BTreeMap<String, f64>) -> String {
    let mut text = "| bench | old | new | times as fast |\n|---|---|---|---|\n".to_owned();
    for (name, new) in new {
        if let Some(old) = old.get(name) {
            text.push_str(&format!(
                "| {name} | {} | {} | {:.2} |\n",
                time(*old),
                time(*new),
                old / new
            ));
        }
    }
    for (name, new) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        text.push_str(&format!("| {name} | | {} | |\n", time(*new)));
    }
    for (name, old) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        text.push_str(&format!("| {name} | {} | | |\n", time(*old)));
    }
    text
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..1e3 => format!("{nanoseconds:.1} ns"),
        ..1e6 => format!("{:.2} µs", nanoseconds / 1e3),
        ..1e9 => format!("{:.2} ms", nanoseconds / 1e6),
        _ => format!("{:.2} s", nanoseconds / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_base_is_needed_and_a_layer_must_be_known() {
        assert_eq!(plan(&words("HEAD~1")), Ok(("HEAD~1", LAYERS.to_vec())));
        assert_eq!(plan(&words("main crypto")), Ok(("main", vec!["crypto"])));
        assert!(plan(&words("main crpyto")).unwrap_err().contains("`crpyto`"));
        for wrong in ["", "--quick", "a b c"] {
            assert!(plan(&words(wrong)).unwrap_err().contains("needs a commit"), "{wrong}");
        }
    }

    #[test]
    fn figures_are_found_where_criterion_leaves_them() {
        let scratch = std::env::temp_dir().join(format!("bench-compare-{}", std::process::id()));
        let directory = scratch.join("new");
        let bench = directory.join("seal/ours/100/new");
        fs::create_dir_all(&bench).unwrap();
        fs::create_dir_all(directory.join("seal/ours/100/base")).unwrap();
        fs::write(
            bench.join("benchmark.json"),
            json!({"full_id": "seal/ours/100"}).to_string(),
        )
        .unwrap();
        let estimates = json!({"median": {"point_estimate": 250.5}, "mean": {"point_estimate": 1.0}});
        fs::write(bench.join("estimates.json"), estimates.to_string()).unwrap();
        let figures = read_figures(&directory);
        fs::remove_dir_all(&scratch).unwrap();
        assert_eq!(figures, Ok(BTreeMap::from([("seal/ours/100".to_owned(), 250.5)])));
    }

    #[test]
    fn a_bench_that_only_one_side_has_is_no_comparison() {
        let old = BTreeMap::from([("both".to_owned(), 3000.0), ("gone".to_owned(), 5e6)]);
        let new = BTreeMap::from([("both".to_owned(), 1500.0), ("fresh".to_owned(), 12.0)]);
        let rows: Vec<String> = table(&old, &new).lines().skip(2).map(str::to_owned).collect();
        assert_eq!(
            rows,
            [
                "| both | 3.00 µs | 1.50 µs | 2.00 |",
                "| fresh | | 12.0 ns | |",
                "| gone | 5.00 ms | | |"
            ]
        );
    }
}
