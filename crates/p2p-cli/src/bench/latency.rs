//! How long something takes that is done many times: percentiles.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Times with three exact digits, in nanoseconds.
pub(super) struct Latencies {
    histogram: Histogram<u64>,
}

/// The longest time that is told from longer ones: an hour.
const MAX: u64 = 3_600_000_000_000;

/// The percentiles of many times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99.9")]
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

impl Latencies {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, MAX, 3);
        Self {
            // The bounds are right: it can not fail. Without bounds, it grows by itself.
            histogram: histogram.unwrap_or_else(|_| Histogram::new(3).unwrap_or_else(|_| unreachable!())),
        }
    }

    pub(super) fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanoseconds);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.histogram.add(&other.histogram);
    }

    /// How many were recorded.
    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e9;
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.histogram.max() as f64 / 1e9,
        }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p90,
            p99,
            p99_9,
            max,
        } = self;
        let [p50, p90, p99, p99_9, max] = [p50, p90, p99, p99_9, max].map(|seconds| milliseconds(*seconds));
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p99_9}, max {max} ms")
    }
}

/// Three digits.
fn milliseconds(seconds: f64) -> String {
    let milliseconds = seconds * 1e3;
    let digits = match milliseconds {
        ..0.9995 => 3,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{milliseconds:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let (mut even, mut odd) = (Latencies::new(), Latencies::new());
        for microseconds in 1..=10_000_u64 {
            let latencies = if microseconds % 2 == 0 { &mut even } else { &mut odd };
            latencies.record(Duration::from_micros(microseconds));
        }
        even.merge(&odd);
        assert_eq!(even.count(), 10_000);
        let Percentiles {
            p50,
            p90,
            p99,
            p99_9,
            max,
        } = even.percentiles();
        for (value, expected) in [(p50, 0.005), (p90, 0.009), (p99, 0.0099), (p99_9, 0.00999), (max, 0.01)] {
            assert!((value - expected).abs() < expected * 2e-3, "{value} {expected}");
        }
        assert_eq!(
            even.percentiles().to_string(),
            "p50 5.00, p90 9.00, p99 9.90, p99.9 9.99, max 10.0 ms"
        );
        assert_eq!([0.000_12, 0.25].map(milliseconds), ["0.120", "250"]);
    }

    #[test]
    fn the_bounds_are_valid_and_nothing_is_lost_beyond_them() {
        assert!(Histogram::<u64>::new_with_bounds(1, MAX, 3).is_ok());
        let mut latencies = Latencies::new();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::MAX);
        assert_eq!(latencies.count(), 2);
        assert!(latencies.percentiles().max > 3_500.0);
    }
}
