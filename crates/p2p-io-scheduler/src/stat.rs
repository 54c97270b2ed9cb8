//! Counting bytes and averaging their flow.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Totals and flow of one connection, or of a whole scheduler.
///
/// The totals are what was really handed to and taken from the underlying stream. The flows are moving averages: every
/// full second of the scheduler's life, `average = 0.2 * bytes of that second + 0.8 * average`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stat {
    /// Bytes written since the start.
    pub total_sent: u64,
    /// Bytes read since the start.
    pub total_received: u64,
    /// Bytes per second written lately.
    pub current_outflow: u64,
    /// Bytes per second read lately.
    pub current_inflow: u64,
}

impl Stat {
    /// What two meters show.
    pub(crate) fn read(received: &Meter, sent: &Meter, now: Duration) -> Self {
        let (total_received, current_inflow) = received.read(now);
        let (total_sent, current_outflow) = sent.read(now);
        Self {
            total_sent,
            total_received,
            current_outflow,
            current_inflow,
        }
    }
}

/// How much of the average the latest second makes up; the value of the reference.
const LATEST_SECOND: f64 = 0.2;

/// Counts bytes and averages them per second. Seconds without bytes are made up for when someone looks, so an idle
/// meter costs nothing. The common case of [`Meter::add`] is two relaxed atomic operations.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    total: AtomicU64,
    /// The second that is being counted.
    second: AtomicU64,
    average: Mutex<Average>,
}

#[derive(Debug, Default)]
struct Average {
    bytes_per_second: f64,
    /// The total when the current second began.
    total_before: u64,
}

impl Meter {
    /// The meter of something that came to life at `now`.
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            second: AtomicU64::new(now.as_secs()),
            ..Self::default()
        }
    }

    pub(crate) fn add(&self, bytes: u64, now: Duration) {
        if self.second.load(Relaxed) < now.as_secs() {
            self.finish_seconds(now);
        }
        self.total.fetch_add(bytes, Relaxed);
    }

    fn read(&self, now: Duration) -> (u64, u64) {
        let average = self.finish_seconds(now);
        (self.total.load(Relaxed), average.round() as u64)
    }

    /// Brings the average up to the last full second before `now`.
    fn finish_seconds(&self, now: Duration) -> f64 {
        let mut average = self.average.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let second = self.second.load(Relaxed);
        let finished = now.as_secs().saturating_sub(second);
        if finished > 0 {
            let total = self.total.load(Relaxed);
            let bytes = (total - average.total_before) as f64;
            let first = LATEST_SECOND * bytes + (1.0 - LATEST_SECOND) * average.bytes_per_second;
            // All further seconds were empty, or `add` would have finished them.
            let empty = i32::try_from(finished - 1).unwrap_or(i32::MAX);
            average.bytes_per_second = first * (1.0 - LATEST_SECOND).powi(empty);
            average.total_before = total;
            self.second.store(now.as_secs(), Relaxed);
        }
        average.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_second_counts_when_it_is_over() {
        let meter = Meter::new(at(0.0));
        meter.add(1000, at(0.2));
        meter.add(500, at(0.9));
        assert_eq!(meter.read(at(0.999)), (1500, 0));
        assert_eq!(meter.read(at(1.0)), (1500, 300));
        assert_eq!(meter.read(at(1.9)), (1500, 300), "looking twice changes nothing");
    }

    #[test]
    fn the_average_follows_its_definition() {
        let meter = Meter::new(at(3.5));
        let mut expected = 0.0;
        for second in 4..30_u64 {
            let bytes = if second % 7 < 3 { second * 1000 } else { 0 };
            if bytes > 0 {
                meter.add(bytes, at(second as f64 + 0.5));
            }
            expected = 0.2 * bytes as f64 + 0.8 * expected;
        }
        assert_eq!(meter.read(at(30.0)).1, expected.round() as u64);
    }

    #[test]
    fn an_idle_meter_fades_without_being_looked_at() {
        let meter = Meter::new(at(0.0));
        meter.add(1_000_000, at(0.0));
        assert_eq!(meter.read(at(4.0)).1, (200_000.0 * 0.8_f64.powi(3)).round() as u64);
        assert_eq!(meter.read(at(1e9)), (1_000_000, 0));
    }

    #[test]
    fn time_that_goes_backwards_is_harmless() {
        let meter = Meter::new(at(5.0));
        meter.add(10, at(1.0));
        assert_eq!(meter.read(at(0.0)), (10, 0));
    }
}
