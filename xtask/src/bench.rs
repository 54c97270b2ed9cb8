//! `cargo xtask bench [LAYER]`: measures the layers beside what one would take instead, and says which goals are missed.
//!
//! The measuring is done in `benches/`; this only builds the reports, runs them one after the other and sums up what they
//! find. They add to one JSON file part by part, so what was found stays found when something fails or is interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::programs::{self, Program};
use crate::workspace::Workspace;
use crate::{Outcome, process};

struct Report {
    layer: &'static str,
    /// The names of its bench targets.
    targets: &'static [&'static str],
}

const REPORTS: &[Report] = &[
    Report {
        layer: "crypto",
        targets: &["crypto_report"],
    },
    Report {
        layer: "framing",
        targets: &["framing_report"],
    },
    Report {
        layer: "scheduler",
        targets: &["scheduler_report"],
    },
    Report {
        layer: "socket",
        // The last one writes the tables of a document: its points of plots are not for those.
        targets: &["copies_report", "socket_report"],
    },
];

/// How long a report may take: several times what the longest does.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// What is to be run.
#[derive(Debug, Default)]
struct Plan {
    /// All if there is none.
    layer: Option<String>,
    quick: bool,
    /// Where the rows of all layers go, as one JSON array.
    json: Option<PathBuf>,
    /// The directory to draw plots in.
    plots: Option<PathBuf>,
    /// The document whose tables to write anew.
    document: Option<PathBuf>,
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    let reports = plan.reports()?;
    let targets: Vec<&str> = reports.iter().flat_map(|report| report.targets).copied().collect();
    let root = Workspace::load()?.root;
    let here = std::env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    let rows = match &plan.json {
        Some(file) => here.join(file),
        None => root.join("target/bench.json"),
    };
    fs::write(&rows, "[]\n").map_err(|error| format!("{}: {error}", rows.display()))?;
    let programs = build(&targets)?;

    let mut failures = Vec::new();
    for target in targets {
        println!("\n## {target}\n");
        let program = programs.iter().find(|program| program.name == target);
        let program = program.ok_or_else(|| format!("`{target}` was not built"))?;
        let mut command = std::process::Command::new(&program.executable);
        command.current_dir(&root).args(["--append", "--json"]).arg(&rows);
        if plan.quick {
            command.arg("--quick");
        }
        for (option, place) in [("--plots", &plan.plots), ("--document", &plan.document)] {
            if let Some(place) = place {
                command.arg(option).arg(here.join(place));
            }
        }
        failures.extend(process::run_within(LIMIT, &mut command).err());
    }
    println!("\n{}", summary(&read_rows(&rows)?));
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut place = || {
                let place = arguments.next().ok_or_else(|| format!("{argument} needs a path"))?;
                Ok::<_, String>(PathBuf::from(place))
            };
            match argument.as_str() {
                "--quick" => plan.quick = true,
                "--json" => plan.json = Some(place()?),
                "--plots" => plan.plots = Some(place()?),
                "--document" => plan.document = Some(place()?),
                layer if !layer.starts_with('-') && plan.layer.is_none() => plan.layer = Some(layer.to_owned()),
                _ => return Err(format!("unexpected argument `{argument}`")),
            }
        }
        Ok(plan)
    }

    fn reports(&self) -> Result<Vec<&'static Report>, String> {
        let wanted = |report: &&Report| self.layer.as_ref().is_none_or(|layer| report.layer == layer);
        let reports: Vec<&Report> = REPORTS.iter().filter(wanted).collect();
        match &self.layer {
            Some(layer) if reports.is_empty() => {
                let names: Vec<&str> = REPORTS.iter().map(|report| report.layer).collect();
                Err(format!(
                    "there is no report for `{layer}`, only for: {}",
                    names.join(", ")
                ))
            }
            _ => Ok(reports),
        }
    }
}

/// Builds the reports beforehand, so that none is measured or timed while it compiles.
fn build(targets: &[&str]) -> Result<Vec<Program>, String> {
    let mut command = process::cargo();
    command.args(["bench", "--no-run", "--package", "benches", "--features", "peers"]);
    command.arg("--message-format=json-render-diagnostics");
    for target in targets {
        command.args(["--bench", target]);
    }
    programs::built("bench", &process::capture(&mut command)?)
}

fn read_rows(file: &Path) -> Result<Vec<Value>, String> {
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| complain(&error))?;
    serde_json::from_str(&text).map_err(|error| complain(&error))
}

/// How many goals there are and which are missed. A missed goal is no failure of the measurement.
fn summary(rows: &[Value]) -> String {
    let with_goal: Vec<&Value> = rows.iter().filter(|row| row["met"].is_boolean()).collect();
    let missed: Vec<&&Value> = with_goal.iter().filter(|row| row["met"] == false).collect();
    let mut text = format!("{} of {} goals met", with_goal.len() - missed.len(), with_goal.len());
    for row in missed {
        let field = |name: &str| row[name].as_str().unwrap_or_default();
        let peer = row["peer"]
            .as_str()
            .map(|peer| format!(" beside {peer}"))
            .unwrap_or_default();
        let ratio = row["ratio"]
            .as_f64()
            .map(|ratio| format!(", ratio {ratio:.2}"))
            .unwrap_or_default();
        let (layer, work, isa, goal) = (field("layer"), field("work"), field("isa"), field("goal"));
        text.push_str(&format!(
            "\n  missed: {layer}, {work}{peer} ({isa}{ratio}), goal {goal}"
        ));
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
        let layers = plan.reports()?.into_iter().map(|report| report.layer).collect();
        Ok((plan, layers))
    }

    #[test]
    fn without_a_layer_all_reports_run() {
        let (plan, layers) = plan("--quick --json rows.json").unwrap();
        assert_eq!(layers.len(), REPORTS.len());
        assert_eq!((plan.quick, plan.json), (true, Some("rows.json".into())));
    }

    #[test]
    fn a_layer_is_known_or_refused() {
        assert_eq!(plan("crypto").unwrap().1, ["crypto"]);
        assert!(plan("sheduler").unwrap_err().contains("`sheduler`"));
        assert!(plan("crypto framing").unwrap_err().contains("`framing`"));
    }

    #[test]
    fn options_are_complete_and_known() {
        assert!(plan("--json").unwrap_err().contains("needs a path"));
        assert!(plan("--qiuck").unwrap_err().contains("`--qiuck`"));
        let plan = plan("scheduler --plots a --document b.md").unwrap().0;
        assert_eq!((plan.plots, plan.document), (Some("a".into()), Some("b.md".into())));
    }

    #[test]
    fn the_summary_names_what_is_missed() {
        let rows = [
            json!({"work": "a", "met": true}),
            json!({"layer": "l", "work": "b", "peer": "p", "met": false, "isa": "AVX2", "goal": ">= 2 x", "ratio": 1.5}),
            json!({"work": "c", "met": null}),
        ];
        assert_eq!(
            summary(&rows),
            "1 of 2 goals met\n  missed: l, b beside p (AVX2, ratio 1.50), goal >= 2 x"
        );
    }
}
