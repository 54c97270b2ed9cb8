//! What a crawl has found, in numbers.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    frontier::RefusedAddresses,
    record::{CallResult, Record},
};
use crate::{
    report::Event,
    units::{counted, doing},
};

/// The numbers at the end of a crawl.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Addresses that were ever named.
    found: usize,
    /// Addresses that wait, because the crawl was interrupted.
    waiting: usize,
    /// Addresses that were named and not taken.
    refused_addresses: RefusedAddresses,
    taken: usize,
    refused: usize,
    failed: usize,
    /// How many different nodes, by their proved peer id.
    peers: usize,
    versions: BTreeMap<String, usize>,
    motives: BTreeMap<String, usize>,
    /// By the step and the error.
    failures: BTreeMap<String, usize>,
    connect: Option<Latencies>,
    handshake: Option<Latencies>,
}

/// Percentiles, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Latencies {
    median: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Summary {
    pub(super) fn new(records: &[Record], found: usize, waiting: usize, refused_addresses: RefusedAddresses) -> Self {
        let count = |result| records.iter().filter(|record| record.result == result).count();
        let mut peers: Vec<_> = records.iter().filter_map(|record| record.peer_id.as_ref()).collect();
        peers.sort();
        peers.dedup();
        let failures = records.iter().filter_map(|record| {
            let (step, error) = (record.step.as_ref()?, record.error.as_ref()?);
            Some(format!("{step}: {error}"))
        });
        Self {
            found,
            waiting,
            refused_addresses,
            taken: count(CallResult::Taken),
            refused: count(CallResult::Refused),
            failed: count(CallResult::Failed),
            peers: peers.len(),
            versions: tally(records.iter().filter_map(|record| record.version.clone())),
            motives: tally(records.iter().filter_map(|record| record.motive.clone())),
            failures: tally(failures),
            connect: Latencies::of(records.iter().filter_map(|record| record.connect_seconds)),
            handshake: Latencies::of(records.iter().filter_map(|record| record.handshake_seconds)),
        }
    }
}

fn tally(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for name in names {
        *tally.entry(name).or_insert(0) += 1;
    }
    tally
}

impl Latencies {
    fn of(times: impl Iterator<Item = f64>) -> Option<Self> {
        let mut times: Vec<_> = times.collect();
        times.sort_by(f64::total_cmp);
        // The smallest time that is not below so many of them.
        let percentile = |share: f64| {
            let place = (times.len() as f64 * share).ceil() as usize;
            times.get(place.saturating_sub(1)).copied()
        };
        Some(Self {
            median: percentile(0.5)?,
            p90: percentile(0.9)?,
            p99: percentile(0.99)?,
            max: percentile(1.0)?,
        })
    }
}

impl Event for Summary {
    const NAME: &'static str = "crawled";
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            found,
            waiting,
            refused_addresses,
            taken,
            refused,
            failed,
            peers,
            ..
        } = self;
        write!(
            f,
            "{}: {} us, {} us, {failed} failed",
            counted(*found, "address"),
            doing(*taken, "take"),
            doing(*refused, "refuse"),
        )?;
        if *waiting > 0 {
            write!(f, ", {waiting} not yet called")?;
        }
        write!(f, "; {}", counted(*peers, "different peer"))?;
        let RefusedAddresses {
            out_of_reach,
            beyond_share,
            too_many,
        } = refused_addresses;
        for (count, why) in [
            (out_of_reach, "not for that node to name"),
            (beyond_share, "beyond what nodes of one block of addresses may name"),
            (too_many, "more than --max-addresses"),
        ] {
            if *count > 0 {
                let addresses = counted(*count, "address");
                write!(f, "\n{addresses} named and not taken: {why}")?;
            }
        }
        for (title, tally) in [
            ("announced versions", &self.versions),
            ("motives of refusals", &self.motives),
            ("failures", &self.failures),
        ] {
            if !tally.is_empty() {
                write!(f, "\n{title}")?;
            }
            let mut rows: Vec<_> = tally.iter().collect();
            rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (name, count) in rows {
                write!(f, "\n{count:8}  {name}")?;
            }
        }
        for (title, latencies) in [("TCP connection", self.connect), ("handshake", self.handshake)] {
            if let Some(Latencies { median, p90, p99, max }) = latencies {
                let [median, p90, p99, max] = [median, p90, p99, max].map(|seconds| seconds * 1e3);
                write!(
                    f,
                    "\n{title}: median {median:.1} ms, 90 % {p90:.1} ms, 99 % {p99:.1} ms, most {max:.1} ms"
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        assert_eq!(Latencies::of([].into_iter()), None);
        let one = Latencies::of([2.0].into_iter()).unwrap();
        assert_eq!((one.median, one.max), (2.0, 2.0));
        let hundred = Latencies::of((1..=100).rev().map(f64::from)).unwrap();
        assert_eq!(
            (hundred.median, hundred.p90, hundred.p99, hundred.max),
            (50.0, 90.0, 99.0, 100.0)
        );
    }
}
