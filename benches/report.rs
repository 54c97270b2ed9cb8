//! What a report found: a table to read, and the same as JSON.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::options::Options;

/// One figure of ours, and that of what one would take instead.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The crate that did the work.
    pub layer: &'static str,
    /// What was done.
    pub work: String,
    /// What ours is compared with, if with anything.
    pub peer: Option<&'static str>,
    /// Our figure, in `unit`.
    pub ours: f64,
    /// The peer's figure, in `unit`.
    pub theirs: Option<f64>,
    /// The unit of both figures.
    pub unit: &'static str,
    /// Our figure divided by the peer's, or by that of another row that `work` names.
    pub ratio: Option<f64>,
    /// The goal as text.
    pub goal: Option<String>,
    /// Whether ours reaches the goal.
    pub met: Option<bool>,
    /// The instruction set that ours worked with, or the widest that this processor offers.
    pub isa: String,
}

impl Row {
    /// A figure without a peer and without a goal.
    pub fn new(layer: &'static str, work: impl Into<String>, ours: f64, unit: &'static str) -> Self {
        Self {
            layer,
            work: work.into(),
            peer: None,
            ours,
            theirs: None,
            unit,
            ratio: None,
            goal: None,
            met: None,
            isa: isa().to_owned(),
        }
    }

    /// Compares with a peer on the same work.
    #[must_use]
    pub fn beside(mut self, peer: &'static str, theirs: f64) -> Self {
        self.peer = Some(peer);
        self.theirs = Some(theirs);
        self.ratio = Some(self.ours / theirs).filter(|ratio| ratio.is_finite());
        self
    }

    /// Sets the ratio to something other than the peer's figure.
    #[must_use]
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// Sets the instruction set that ours worked with.
    #[must_use]
    pub fn with(mut self, isa: impl Into<String>) -> Self {
        self.isa = isa.into();
        self
    }

    /// Sets the least ratio as the goal.
    #[must_use]
    pub fn at_least(self, ratio: f64) -> Self {
        let met = self.ratio.is_some_and(|reached| reached >= ratio);
        self.goal(format!(">= {ratio} x"), met)
    }

    /// Sets a goal, and whether it was reached.
    #[must_use]
    pub fn goal(mut self, goal: impl Into<String>, met: bool) -> Self {
        self.goal = Some(goal.into());
        self.met = Some(met);
        self
    }
}

/// Prints the rows, and writes them where the options say.
///
/// # Errors
/// When the file can't be written.
pub fn publish(rows: &[Row], options: &Options) -> Result<(), String> {
    println!("{}\n", processor());
    print!("{}", table(rows));
    println!("\n{} goals missed", missed(rows));
    match &options.json {
        Some(file) => write_json(file, rows).map_err(|error| format!("{}: {error}", file.display())),
        None => Ok(()),
    }
}

/// What a report ends with; a failure is told on standard error.
pub fn conclude(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The rows as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| work | peer | instructions | unit | ours | theirs | ratio | goal | met |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let cells = [
            row.work.clone(),
            row.peer.unwrap_or_default().to_owned(),
            row.isa.clone(),
            row.unit.to_owned(),
            figure(row.ours),
            row.theirs.map(figure).unwrap_or_default(),
            row.ratio.map(figure).unwrap_or_default(),
            row.goal.clone().unwrap_or_default(),
            row.met
                .map(|met| if met { "yes" } else { "**no**" }.to_owned())
                .unwrap_or_default(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

/// Writes the rows as a JSON array of objects with the fields of [`Row`].
///
/// # Errors
/// When the file can't be written.
pub fn write_json(path: &Path, rows: &[Row]) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(rows)?;
    std::fs::write(path, text + "\n")
}

/// How many rows miss their goal.
pub fn missed(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.met == Some(false)).count()
}

/// The middle one of the figures; the lower one of two in the middle.
///
/// # Panics
/// When there are none.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2]
}

/// Jain's index of fairness: 1 if all shares are equal, `1 / n` if one of `n` has everything.
pub fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares == 0.0 {
        0.0
    } else {
        sum * sum / (shares.len() as f64 * squares)
    }
}

/// The widest instruction set that this processor offers, as far as this project cares.
pub fn isa() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512ifma") {
            return "AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    std::env::consts::ARCH
}

/// The processor's name, where the system tells it.
pub fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Four significant digits, as far as they say something.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.4}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        size if size < 100.0 => format!("{value:.2}"),
        size if size < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_line_of_the_table_and_an_object() {
        let row = Row::new("p2p-io-scheduler", "copy", 98.0, "MB/s")
            .beside("plain", 100.0)
            .goal("ratio >= 0.97", true)
            .with("AVX9");
        assert!(
            table(std::slice::from_ref(&row))
                .ends_with("| copy | plain | AVX9 | MB/s | 98.00 | 100.0 | 0.98 | ratio >= 0.97 | yes |\n")
        );
        let json = serde_json::to_value(&row).unwrap();
        for field in [
            "layer", "work", "peer", "ours", "theirs", "unit", "ratio", "goal", "met", "isa",
        ] {
            assert!(json.get(field).is_some(), "{field}");
        }
        assert_eq!(missed(&[row.clone().goal("more", false), row]), 1);
    }

    #[test]
    fn a_least_ratio_is_met_or_not() {
        let row = |ours| Row::new("x", "y", ours, "z").beside("w", 1.0).at_least(2.0);
        assert_eq!((row(2.0).met, row(1.9).met), (Some(true), Some(false)));
        assert_eq!(row(2.0).goal.as_deref(), Some(">= 2 x"));
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert_eq!(Row::new("x", "y", 1.0, "z").beside("w", 0.0).ratio, None);
        assert_eq!(jain(&[0.0, 0.0]), 0.0);
    }

    #[test]
    fn jain_index_of_known_shares() {
        assert_eq!(jain(&[5.0, 5.0, 5.0]), 1.0);
        assert_eq!(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 1.0);
    }
}
