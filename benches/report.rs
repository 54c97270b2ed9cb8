//! What a report finds: rows of figures, to be read as a table or as JSON.

use serde::{Deserialize, Serialize};

/// One figure of ours, and that of what one would take instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The crate that did the work.
    pub layer: String,
    /// What was done.
    pub work: String,
    /// What ours is compared with, if with anything.
    pub peer: Option<String>,
    /// Our figure, in `unit`; none if it could not be measured.
    pub ours: Option<f64>,
    /// The peer's figure, in `unit`.
    pub theirs: Option<f64>,
    /// The unit of both figures.
    pub unit: String,
    /// How ours compares with the peer's, or with that of another row that `work` names.
    pub ratio: Option<f64>,
    /// The goal as text.
    pub goal: Option<String>,
    /// Whether ours reaches the goal.
    pub met: Option<bool>,
    /// The instruction set that ours worked with, or the widest that this processor offers.
    pub isa: String,
    /// A point of a plot: one of too many to be read in a table.
    #[serde(skip)]
    pub is_point: bool,
}

impl Row {
    /// A figure without a peer and without a goal.
    pub fn new(layer: &str, work: impl Into<String>, ours: f64, unit: &str) -> Self {
        Self {
            layer: layer.to_owned(),
            work: work.into(),
            peer: None,
            ours: Some(ours),
            theirs: None,
            unit: unit.to_owned(),
            ratio: None,
            goal: None,
            met: None,
            isa: isa().to_owned(),
            is_point: false,
        }
    }

    /// In the place of the rows of a part that could not be measured, and why.
    pub fn failed(layer: &str, part: &str, reason: &str) -> Self {
        let mut row = Self::new(layer, format!("{part}: {reason}"), 0.0, "").goal("can be measured", false);
        row.ours = None;
        row
    }

    /// Compares with a peer on the same work.
    #[must_use]
    pub fn beside(mut self, peer: &str, theirs: f64) -> Self {
        self.peer = Some(peer.to_owned());
        self.theirs = Some(theirs);
        self.ratio = self.ours.map(|ours| ours / theirs).filter(|ratio| ratio.is_finite());
        self
    }

    /// Sets the ratio to something other than that of the two figures.
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

    /// Keeps it out of tables.
    #[must_use]
    pub fn as_point(mut self) -> Self {
        self.is_point = true;
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

    /// In one line, as it is shown while the rest is being measured.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{} ({})", self.work, self.isa);
        if let Some(ours) = self.ours {
            line.push_str(&format!(": {} {}", figure(ours), self.unit));
        }
        if let (Some(peer), Some(theirs)) = (&self.peer, self.theirs) {
            line.push_str(&format!(", {peer} {}", figure(theirs)));
        }
        if let Some(ratio) = self.ratio {
            line.push_str(&format!(", ratio {}", figure(ratio)));
        }
        if let (Some(goal), Some(met)) = (&self.goal, self.met) {
            line.push_str(&format!(", goal {goal} {}", if met { "met" } else { "MISSED" }));
        }
        line
    }
}

/// The rows as a Markdown table, without the points of plots.
pub fn table<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut text = String::from(
        "| work | instructions | unit | ours | theirs | peer | ratio | goal | met |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows.into_iter().filter(|row| !row.is_point) {
        let number = |value: Option<f64>| value.map(figure).unwrap_or_default();
        let cells = [
            row.work.clone(),
            row.isa.clone(),
            row.unit.clone(),
            number(row.ours),
            number(row.theirs),
            row.peer.clone().unwrap_or_default(),
            number(row.ratio),
            row.goal.clone().unwrap_or_default(),
            row.met
                .map(|met| if met { "yes" } else { "**no**" }.to_owned())
                .unwrap_or_default(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

/// How many rows miss their goal.
pub fn missed<'a>(rows: impl IntoIterator<Item = &'a Row>) -> usize {
    rows.into_iter().filter(|row| row.met == Some(false)).count()
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

/// The goal of a row that has one for each instruction set, for the set of this name.
pub fn goal_for(isa: &str, avx512: f64, avx2: f64) -> Option<f64> {
    match isa {
        "AVX-512" => Some(avx512),
        "AVX2" => Some(avx2),
        _ => None,
    }
}

/// So many connections, in words.
pub fn connections(count: u64) -> String {
    format!("{count} connection{}", if count == 1 { "" } else { "s" })
}

/// The processor's name, where the system tells it.
pub fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Three or four significant digits; more only for what is near to 1, as shares are.
fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        size if (0.99..1.0).contains(&size) => 4,
        size if size < 0.1 => 4,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if decimals > 2 {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
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
        assert!(table([&row]).ends_with("| copy | AVX9 | MB/s | 98.0 | 100 | plain | 0.98 | ratio >= 0.97 | yes |\n"));
        let object = serde_json::to_value(&row).unwrap();
        let mut fields: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "goal", "isa", "layer", "met", "ours", "peer", "ratio", "theirs", "unit", "work"
            ]
        );
        assert_eq!(serde_json::from_value::<Row>(object).unwrap(), row);
        assert_eq!(missed([&row.clone().goal("more", false), &row]), 1);
        assert_eq!(table([&row.as_point()]), table([]));
    }

    #[test]
    fn a_failure_is_a_row_that_misses_its_goal() {
        let row = Row::failed("p2p-socket", "bulk", "no end after 60 s");
        assert_eq!((row.ours, row.met), (None, Some(false)));
        assert!(table([&row]).contains("| bulk: no end after 60 s |"));
        let object = serde_json::to_value(&row).unwrap();
        assert!(object["ours"].is_null());
        assert_eq!(serde_json::from_value::<Row>(object).unwrap(), row);
    }

    #[test]
    fn a_least_ratio_is_met_or_not() {
        let row = |ours| Row::new("x", "y", ours, "z").beside("w", 1.0).at_least(2.0);
        assert_eq!((row(2.0).met, row(1.9).met), (Some(true), Some(false)));
        assert_eq!(row(2.0).goal.as_deref(), Some(">= 2 x"));
        assert!(
            row(1.9)
                .line()
                .ends_with("1.90 z, w 1.00, ratio 1.90, goal >= 2 x MISSED")
        );
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert_eq!(Row::new("x", "y", 1.0, "z").beside("w", 0.0).ratio, None);
    }

    #[test]
    fn figures_have_as_many_digits_as_say_something() {
        let shown = [0.0, 0.0312, 0.447, 0.99984, 1.0, 7.481, 65.52, 152.3, 4324.4].map(figure);
        assert_eq!(
            shown,
            ["0", "0.0312", "0.447", "0.9998", "1.00", "7.48", "65.5", "152", "4324"]
        );
    }
}
