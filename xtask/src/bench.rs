//! `cargo xtask bench LAYER`: measures a layer beside what one would take instead, and says which goals are missed.
//!
//! The measuring is done in `benches/`; this only finds and runs it.

use crate::{Outcome, process};

struct Report {
    layer: &'static str,
    /// The name of its bench target.
    target: &'static str,
}

const REPORTS: &[Report] = &[
    Report {
        layer: "scheduler",
        target: "scheduler_report",
    },
    Report {
        layer: "socket",
        target: "socket_report",
    },
];

/// Options whose value is a file. Benches run in their own directory, so they are told whole paths.
const FILE_OPTIONS: [&str; 2] = ["--json", "--plot"];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (report, options) = plan(arguments)?;
    let directory = std::env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    let options = with_whole_paths(options, |file| directory.join(file).to_string_lossy().into_owned());
    process::run(
        process::cargo()
            .args([
                "bench",
                "--quiet",
                "--package",
                "benches",
                "--bench",
                report.target,
                "--",
            ])
            .args(options),
    )
}

fn plan(arguments: &[String]) -> Result<(&'static Report, &[String]), String> {
    let layers = || REPORTS.iter().map(|report| report.layer).collect::<Vec<_>>().join(", ");
    let Some((layer, options)) = arguments.split_first() else {
        return Err(format!("bench needs a layer: {}", layers()));
    };
    let report = REPORTS
        .iter()
        .find(|report| report.layer == layer)
        .ok_or_else(|| format!("there is no report for `{layer}`, only for: {}", layers()))?;
    Ok((report, options))
}

fn with_whole_paths(options: &[String], whole: impl Fn(&str) -> String) -> Vec<String> {
    let mut is_file = false;
    let mut result = Vec::new();
    for option in options {
        result.push(if is_file { whole(option) } else { option.clone() });
        is_file = !is_file && FILE_OPTIONS.contains(&option.as_str());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_layer_must_be_named_and_have_a_report() {
        assert!(plan(&[]).err().unwrap().contains("scheduler"));
        assert!(plan(&words("sheduler")).err().unwrap().contains("`sheduler`"));
        let arguments = words("scheduler --quick");
        let (report, options) = plan(&arguments).ok().unwrap();
        assert_eq!((report.target, options), ("scheduler_report", &arguments[1..]));
    }

    #[test]
    fn only_files_become_whole_paths() {
        let options = with_whole_paths(&words("--quick --json a --plot --plot"), |file| format!("/here/{file}"));
        assert_eq!(options, ["--quick", "--json", "/here/a", "--plot", "/here/--plot"]);
    }
}
