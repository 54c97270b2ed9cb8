//! `cargo xtask bench [LAYER]`: measures the layers beside what one would take instead, and says which goals are missed.
//!
//! The measuring is done in `benches/`; this only finds the reports, runs them and joins what they write.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::workspace::Workspace;
use crate::{Outcome, process};

struct Report {
    layer: &'static str,
    /// The name of its bench target.
    target: &'static str,
    /// The options that it knows beside `--quick` and `--json`.
    options: &'static [&'static str],
}

const REPORTS: &[Report] = &[
    Report {
        layer: "crypto",
        target: "crypto_report",
        options: &[],
    },
    Report {
        layer: "framing",
        target: "framing_report",
        options: &[],
    },
    Report {
        layer: "scheduler",
        target: "scheduler_report",
        options: &["--plot"],
    },
    Report {
        layer: "socket",
        target: "socket_report",
        options: &[],
    },
];

/// What is to be run.
#[derive(Debug, Default)]
struct Plan {
    /// All if there is none.
    layer: Option<String>,
    quick: bool,
    /// Where the rows of all layers go, as one JSON array.
    json: Option<PathBuf>,
    plot: Option<PathBuf>,
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    let reports = plan.reports()?;
    // Benches run in a directory of their own, so they are told whole paths.
    let here = std::env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    let scratch = Workspace::load()?.root.join("target/bench");
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;

    let mut rows = Vec::new();
    for report in reports {
        println!("\n## {}\n", report.layer);
        let file = scratch.join(report.layer).with_extension("json");
        let mut command = process::cargo();
        command.args(["bench", "--quiet", "--package", "benches", "--features", "peers"]);
        command.args(["--bench", report.target, "--", "--json"]).arg(&file);
        if plan.quick {
            command.arg("--quick");
        }
        if let Some(plot) = &plan.plot {
            command.arg("--plot").arg(here.join(plot));
        }
        process::run(&mut command)?;
        rows.extend(read_rows(&file)?);
    }
    println!("\n{}", summary(&rows));
    plan.json.map_or(Ok(()), |file| write_rows(&here.join(file), rows))
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut file = || {
                let file = arguments.next().ok_or_else(|| format!("{argument} needs a file"))?;
                Ok::<_, String>(PathBuf::from(file))
            };
            match argument.as_str() {
                "--quick" => plan.quick = true,
                "--json" => plan.json = Some(file()?),
                "--plot" => plan.plot = Some(file()?),
                layer if !layer.starts_with('-') && plan.layer.is_none() => plan.layer = Some(layer.to_owned()),
                _ => return Err(format!("unexpected argument `{argument}`")),
            }
        }
        Ok(plan)
    }

    fn reports(&self) -> Result<Vec<&'static Report>, String> {
        let names = || REPORTS.iter().map(|report| report.layer).collect::<Vec<_>>().join(", ");
        let wanted = |report: &&Report| self.layer.as_ref().is_none_or(|layer| report.layer == layer);
        let reports: Vec<&Report> = REPORTS.iter().filter(wanted).collect();
        match (&reports[..], &self.layer) {
            ([], Some(layer)) => Err(format!("there is no report for `{layer}`, only for: {}", names())),
            (reports, _) if self.plot.is_some() && !reports.iter().all(|report| report.options.contains(&"--plot")) => {
                Err("only `bench scheduler` draws a plot".to_owned())
            }
            _ => Ok(reports),
        }
    }
}

fn read_rows(file: &Path) -> Result<Vec<Value>, String> {
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| complain(&error))?;
    serde_json::from_str(&text).map_err(|error| complain(&error))
}

fn write_rows(file: &Path, rows: Vec<Value>) -> Outcome {
    fs::write(file, format!("{:#}\n", Value::Array(rows))).map_err(|error| format!("{}: {error}", file.display()))
}

/// How many goals there are and which are missed. A missed goal is no failure of the measurement.
fn summary(rows: &[Value]) -> String {
    let with_goal: Vec<&Value> = rows.iter().filter(|row| row["met"].is_boolean()).collect();
    let missed: Vec<&&Value> = with_goal.iter().filter(|row| row["met"] == false).collect();
    let mut text = format!("{} of {} goals met", with_goal.len() - missed.len(), with_goal.len());
    for row in missed {
        let field = |name: &str| row[name].as_str().unwrap_or_default();
        let ratio = row["ratio"]
            .as_f64()
            .map(|ratio| format!(", ratio {ratio:.2}"))
            .unwrap_or_default();
        let (layer, work, isa, goal) = (field("layer"), field("work"), field("isa"), field("goal"));
        text.push_str(&format!("\n  missed: {layer}, {work} ({isa}{ratio}), goal {goal}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(text: &str) -> Result<(Plan, Vec<&'static str>), String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let plan = Plan::parse(&words)?;
        let targets = plan.reports()?.into_iter().map(|report| report.target).collect();
        Ok((plan, targets))
    }

    #[test]
    fn without_a_layer_all_reports_run() {
        let (plan, targets) = plan("--quick --json rows.json").unwrap();
        assert_eq!(targets.len(), REPORTS.len());
        assert_eq!((plan.quick, plan.json), (true, Some("rows.json".into())));
    }

    #[test]
    fn a_layer_is_known_or_refused() {
        assert_eq!(plan("crypto").unwrap().1, ["crypto_report"]);
        assert!(plan("sheduler").unwrap_err().contains("`sheduler`"));
        assert!(plan("crypto framing").unwrap_err().contains("`framing`"));
    }

    #[test]
    fn options_are_complete_and_known() {
        assert!(plan("--json").unwrap_err().contains("needs a file"));
        assert!(plan("--qiuck").unwrap_err().contains("`--qiuck`"));
        assert_eq!(plan("scheduler --plot a.svg").unwrap().0.plot, Some("a.svg".into()));
        assert!(plan("--plot a.svg").unwrap_err().contains("only"));
    }

    #[test]
    fn the_summary_names_what_is_missed() {
        let rows = [
            json!({"work": "a", "met": true}),
            json!({"layer": "l", "work": "b", "met": false, "isa": "AVX2", "goal": ">= 2 x", "ratio": 1.5}),
            json!({"work": "c", "met": null}),
        ];
        assert_eq!(
            summary(&rows),
            "1 of 2 goals met\n  missed: l, b (AVX2, ratio 1.50), goal >= 2 x"
        );
    }
}
