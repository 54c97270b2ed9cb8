//! How throughput changes with the size of messages and the number of connections.

use std::sync::Arc;

use benches::{
    contest::Effort,
    plot::{Axis, Panel, figure},
    report::Row,
};

use super::contest::{Contestant, Rates, Work};

/// From what little more than a length costs, to what takes many chunks.
pub(crate) const SIZES: [usize; 9] = [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];

pub(crate) const CONNECTIONS: [u64; 4] = [1, 10, 100, 1000];

const LARGE: usize = 64 * 1024;

/// Somebody with a name, and the instruction set if it is one of ours.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) isa: Option<String>,
    pub(crate) contestant: Arc<dyn Contestant>,
}

/// The rates of all entries in MB/s, at each size or number.
pub(crate) struct Curves {
    names: Vec<String>,
    isas: Vec<Option<String>>,
    points: Vec<(u64, Vec<f64>)>,
}

impl Curves {
    async fn measure(entries: &[Entry], works: impl Iterator<Item = (u64, Work, Effort)>) -> Self {
        let contestants: Vec<_> = entries.iter().map(|entry| entry.contestant.clone()).collect();
        let mut points = Vec::new();
        for (at, work, effort) in works {
            let (Work::OneWay { size } | Work::OverMany { size, .. }) = work else {
                unreachable!("curves are of bulk");
            };
            let rates = Rates::measure(&contestants, work, effort).await;
            let rate = |index| rates.of(index) * size as f64 / 1e6;
            points.push((at, (0..entries.len()).map(rate).collect()));
        }
        Self {
            names: entries.iter().map(|entry| entry.name.clone()).collect(),
            isas: entries.iter().map(|entry| entry.isa.clone()).collect(),
            points,
        }
    }

    /// One connection, messages of each size.
    pub(crate) async fn by_size(entries: &[Entry], sizes: &[usize], effort: Effort) -> Self {
        let works = sizes.iter().map(|&size| (size as u64, Work::OneWay { size }, effort));
        Self::measure(entries, works).await
    }

    /// Messages of 64 KiB over each number of connections.
    pub(crate) async fn by_connections(entries: &[Entry], effort: Effort) -> Self {
        let work = |connections| Work::OverMany {
            connections,
            size: LARGE,
        };
        let works = CONNECTIONS.map(|connections| (connections, work(connections), effort));
        Self::measure(entries, works.into_iter()).await
    }

    /// Each of ours beside each of the others at each point.
    pub(crate) fn rows(&self, layer: &str, work: impl Fn(u64) -> String) -> Vec<Row> {
        let mut rows = Vec::new();
        for (at, rates) in &self.points {
            for (ours, isa) in self.isas.iter().enumerate() {
                let Some(isa) = isa else { continue };
                for (theirs, _) in self.isas.iter().enumerate().filter(|(_, isa)| isa.is_none()) {
                    let row = Row::new(layer, work(*at), rates[ours], "MB/s").with(isa);
                    rows.push(row.beside(&self.names[theirs], rates[theirs]).as_point());
                }
            }
        }
        rows
    }

    /// Each of ours at each point, beside its own best.
    pub(crate) fn rows_beside_the_best(&self, layer: &str, least: f64, work: impl Fn(u64) -> String) -> Vec<Row> {
        let mut rows = Vec::new();
        for (index, isa) in self.isas.iter().enumerate() {
            let Some(isa) = isa else { continue };
            let best = self.points.iter().map(|(_, rates)| rates[index]).fold(0.0, f64::max);
            for (at, rates) in &self.points {
                let row = Row::new(layer, work(*at), rates[index], "MB/s").with(isa);
                rows.push(row.beside("ours, the best of these", best).at_least(least));
            }
        }
        rows
    }

    fn lines(&self) -> Vec<Vec<(f64, f64)>> {
        let line = |index: usize| {
            self.points
                .iter()
                .map(|(at, rates)| (*at as f64, rates[index]))
                .collect()
        };
        (0..self.names.len()).map(line).collect()
    }

    fn values(&self) -> Vec<f64> {
        self.points.iter().flat_map(|(_, rates)| rates).copied().collect()
    }
}

/// Both as SVG, for the same entries.
pub(crate) fn draw(by_size: &Curves, by_connections: &Curves) -> String {
    let sizes = by_size.points.iter().map(|(size, _)| (*size as f64, bytes(*size)));
    let numbers = by_connections
        .points
        .iter()
        .map(|(number, _)| (*number as f64, number.to_string()));
    let highest = by_connections.values().into_iter().fold(0.0, f64::max);
    let panels = [
        Panel {
            title: "one connection, by the size of messages".to_owned(),
            x: Axis::logarithmic("size of a message", sizes.collect()),
            y: Axis::decades("MB/s", &by_size.values()),
            lines: by_size.lines(),
            marks: true,
        },
        Panel {
            title: "messages of 64 KiB, by the number of connections".to_owned(),
            x: Axis::logarithmic("connections at the same time", numbers.collect()),
            y: Axis::linear("MB/s", highest),
            lines: by_connections.lines(),
            marks: true,
        },
    ];
    figure(
        "Throughput over loopback TCP, both ends on two cores",
        &by_size.names,
        &panels,
    )
}

fn bytes(size: u64) -> String {
    match size {
        ..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size >> 10),
        _ => format!("{} MiB", size >> 20),
    }
}
