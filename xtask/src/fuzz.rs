//! `cargo xtask fuzz`: runs the targets of `fuzz/` under libFuzzer, with the stable compiler.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::{env, fs};

use crate::workspace::Workspace;
use crate::{Outcome, process};

/// What makes the compiler count which code an input reaches. cargo-fuzz passes the same, and asks for a nightly compiler
/// only because of the sanitizers that it adds for code with `unsafe`.
///
/// Only our own crates are compiled with it: a curve or a cipher of others is not what is under test. Whoever changes it
/// removes [`TARGET_DIRECTORY`]: cargo does not know of these flags.
const INSTRUMENTATION: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Ccodegen-units=1",
];

/// What reports both sides of each comparison, so that the fuzzer finds values that it would hardly guess.
const COMPARISONS: &str = "-Cllvm-args=-sanitizer-coverage-trace-compares";

/// The crate whose comparisons are not reported. Most are of counters within its ciphers, and would take half of the time; and
/// of tags, which the fuzzer should not learn.
const WITHOUT_COMPARISONS: &str = "p2p_crypto";

/// Set while cargo calls this program in place of the compiler.
const AS_COMPILER: &str = "XTASK_FUZZ_COMPILER";

/// Where the fuzzer is built, apart from everything that is not instrumented, and where new inputs are kept.
const TARGET_DIRECTORY: &str = "target/fuzz";

/// An input may take so long, in seconds: an endless loop is a finding, and a machine that stops for a while is none.
const TIMEOUT: u32 = 100;

/// The memory of a fuzzer in MiB: whatever allocates for a declared size is a finding.
const MEMORY: u32 = 1024;

/// The largest input in bytes.
const MAX_INPUT: u32 = 1024;

#[derive(Debug, PartialEq)]
struct Options {
    target: Option<String>,
    budget: Budget,
}

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Budget {
    /// What was found in earlier runs is built upon.
    Seconds(u64),
    /// For each target, the same inputs every time.
    Runs(u64),
}

impl Budget {
    /// The part of one target when so many run at a time.
    fn shared(self, workers: usize, targets: usize) -> Self {
        match self {
            Self::Seconds(seconds) => Self::Seconds((seconds * workers as u64 / targets.max(1) as u64).max(1)),
            Self::Runs(runs) => Self::Runs(runs),
        }
    }
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    let targets = targets(&workspace, options.target.as_deref())?;
    fuzz(&workspace, &targets, options.budget)
}

/// A short run of every target that does not depend on luck.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    const RUNS: u64 = 20_000;
    if !process::succeeds(Command::new("c++").arg("--version")) {
        println!("SKIPPED: libFuzzer needs a C++ compiler, and `c++` is not there");
        return Ok(());
    }
    fuzz(workspace, &targets(workspace, None)?, Budget::Runs(RUNS))
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    const DEFAULT: Budget = Budget::Seconds(60);
    let (mut target, mut budget) = (None, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("`{word}` needs a number, not `{value}`"))
        };
        match word.as_str() {
            "--target" => target = Some(value.clone()),
            "--seconds" => budget = Some(Budget::Seconds(number()?)),
            "--runs" => budget = Some(Budget::Runs(number()?)),
            _ => {
                return Err(format!(
                    "unexpected argument `{word}`; known are --target, --seconds and --runs"
                ));
            }
        }
    }
    Ok(Options {
        target,
        budget: budget.unwrap_or(DEFAULT),
    })
}

/// The names of the targets: each has a folder of seeds.
fn targets(workspace: &Workspace, only: Option<&str>) -> Result<Vec<String>, String> {
    let seeds = workspace.root.join("fuzz/seeds");
    let entries = fs::read_dir(&seeds).map_err(|error| format!("can not read {}: {error}", seeds.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    match only {
        None => Ok(names),
        Some(name) if names.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(format!("there is no target `{name}`, only: {}", names.join(", "))),
    }
}

fn fuzz(workspace: &Workspace, targets: &[String], budget: Budget) -> Outcome {
    let program = build(workspace)?;
    let directory = workspace.root.join(TARGET_DIRECTORY);
    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(targets.len());
    let budget = budget.shared(workers, targets.len());
    let (waiting, failed) = (Mutex::new(targets.iter()), Mutex::new(Vec::new()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = next() {
                    if let Err(error) = fuzz_one(workspace, &program, &directory, target, budget) {
                        println!("{target}: {error}");
                        failed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(target.as_str());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "inputs that break a promise were found for {}; they lie in {}",
        failed.join(", "),
        directory.join("findings").display()
    ))
}

/// Whether cargo has called this program to compile a crate of this workspace for the fuzzer.
pub(crate) fn is_compiler() -> bool {
    env::var_os(AS_COMPILER).is_some()
}

/// Runs the compiler that `arguments` begin with, with [`INSTRUMENTATION`].
pub(crate) fn compile(arguments: &[String]) -> ExitCode {
    let Some((compiler, arguments)) = arguments.split_first() else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(compiler);
    command.args(arguments).args(INSTRUMENTATION);
    if !arguments.iter().any(|argument| argument == WITHOUT_COMPARISONS) {
        command.arg(COMPARISONS);
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let compiler = process::capture(Command::new("rustc").arg("-vV"))?;
    // With a target of its own, the flags don't reach build scripts.
    let host = compiler
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or("rustc does not name its host")?;
    let directory = workspace.root.join(TARGET_DIRECTORY);
    let ourselves = env::current_exe().map_err(|error| format!("can not find this program: {error}"))?;
    process::run(
        process::cargo()
            .args(["build", "--quiet", "--package", "fuzz", "--profile", "fuzz"])
            .args(["--target", host, "--target-dir"])
            .arg(&directory)
            .env("RUSTFLAGS", "--cfg fuzzing")
            .env("RUSTC_WORKSPACE_WRAPPER", ourselves)
            .env(AS_COMPILER, "1"),
    )?;
    Ok(directory.join(host).join("fuzz/fuzz"))
}

fn fuzz_one(workspace: &Workspace, program: &Path, directory: &Path, target: &str, budget: Budget) -> Outcome {
    // New inputs go to the first of two folders. A run that is to be the same every time begins without any.
    let corpus = match budget {
        Budget::Seconds(_) => directory.join("corpus").join(target),
        Budget::Runs(_) => directory.join("fresh").join(target),
    };
    if matches!(budget, Budget::Runs(_)) && corpus.exists() {
        fs::remove_dir_all(&corpus).map_err(|error| format!("can not remove {}: {error}", corpus.display()))?;
    }
    let findings = directory.join("findings");
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder).map_err(|error| format!("can not create {}: {error}", folder.display()))?;
    }
    let mut command = Command::new(program);
    // Freed memory is kept, or every long stream would begin with page faults.
    let keep = 1 << 25;
    command.env("MALLOC_MMAP_THRESHOLD_", keep.to_string());
    command.env("MALLOC_TRIM_THRESHOLD_", keep.to_string());
    command.env("FUZZ_TARGET", target).args([
        format!("-timeout={TIMEOUT}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-max_len={MAX_INPUT}"),
        format!("-artifact_prefix={}/{target}-", findings.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    match budget {
        Budget::Seconds(seconds) => {
            // Inputs that take long are built upon less often: twice as many are tried.
            command.args([
                format!("-max_total_time={seconds}"),
                "-entropic_scale_per_exec_time=1".to_owned(),
            ]);
        }
        Budget::Runs(runs) => {
            command.args([format!("-runs={runs}"), "-seed=1".to_owned()]);
        }
    }
    command.arg(&corpus).arg(workspace.root.join("fuzz/seeds").join(target));
    let statistics = process::capture_both(&mut command)?;
    let number = |name: &str| {
        let line = statistics.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim).to_owned()
    };
    println!(
        "{target}: {} executions, {} a second, {} places reached, nothing found",
        number("stat::number_of_executed_units:"),
        number("stat::average_exec_per_sec:"),
        places_reached(&statistics)
    );
    Ok(())
}

/// How many places in the code have been reached, by the last line that tells it.
fn places_reached(log: &str) -> &str {
    let told = log.rsplit_once(" cov: ").map(|(_, behind)| behind);
    told.and_then(|behind| behind.split_whitespace().next()).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Options, String> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options = parsed("--seconds 600 --target ack").unwrap();
        assert_eq!(options.target.as_deref(), Some("ack"));
        assert_eq!(options.budget, Budget::Seconds(600));
        assert_eq!(parsed("--runs 7").unwrap().budget, Budget::Runs(7));
        for (text, part) in [
            ("--seconds", "value"),
            ("--seconds x", "`x`"),
            ("--depth 3", "`--depth`"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn targets_share_the_time_and_not_the_runs() {
        assert_eq!(Budget::Seconds(600).shared(2, 12), Budget::Seconds(100));
        assert_eq!(Budget::Seconds(1).shared(1, 12), Budget::Seconds(1));
        assert_eq!(Budget::Runs(7).shared(2, 12), Budget::Runs(7));
    }

    #[test]
    fn the_coverage_is_that_of_the_last_line() {
        let log = "#2\tINITED cov: 3 ft: 4 corp: 1/1b\n#9\tDONE   cov: 51 ft: 60 corp: 2/9b\nstat::peak_rss_mb: 7";
        assert_eq!(places_reached(log), "51");
        assert_eq!(places_reached("nothing of it"), "?");
    }

    #[test]
    fn an_unknown_target_is_told_which_there_are() {
        let workspace = Workspace::load().unwrap();
        assert!(targets(&workspace, None).unwrap().len() > 10);
        assert_eq!(targets(&workspace, Some("ack")).unwrap(), ["ack"]);
        assert!(targets(&workspace, Some("nack")).unwrap_err().contains("ack, "));
    }
}
