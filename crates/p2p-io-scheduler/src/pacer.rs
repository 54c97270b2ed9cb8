//! How many bytes may flow now.
//!
//! A bucket of credit fills at the cap and is emptied by what is taken.
//!
//! Invariants:
//! - **Cap.** In every window of at least [`WINDOW`], the bytes taken are at most `cap * window + quantum`.
//! - **No burst.** A pacer starts empty, and while nobody waits its credit stops at one quantum.
//! - **Late timers cost nothing.** While someone waits, credit goes on growing for up to [`LATENESS`] beyond the quantum, so a tick that
//!   comes late deals out what it owes. That alone would break the cap, so the window is checked beside it.

use std::time::Duration;

use crate::rate::BytesPerSecond;

/// The shortest window over which the cap holds to within one quantum.
pub(crate) const WINDOW: Duration = Duration::from_millis(100);

/// How late a timer may come without costing throughput: tokio's timer and `epoll` each round up to a millisecond, and a busy
/// machine adds a few more.
const LATENESS: Duration = Duration::from_millis(5);

/// Bounds of the quantum. Below 256 bytes, calls cost more than the bytes; above 16 KiB, larger ones gain little and delay others.
const QUANTUM_BYTES: std::ops::RangeInclusive<u64> = 256..=16 * 1024;

/// The quantum is what flows in this time, within its bounds: twice the resolution of the timer.
const QUANTUM_TIME: Duration = Duration::from_millis(2);

/// The most bytes that one share ever has.
pub(crate) const MAX_SHARE_BYTES: u64 = *QUANTUM_BYTES.end() / 2;

const NANOSECONDS: u128 = 1_000_000_000;

/// Credit in bytes times 10^9, so that `rate * nanoseconds` is exact.
type Credit = u128;

/// The pace of one direction at one rate.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: u64,
    credit: Credit,
    updated: Duration,
}

impl Pacer {
    pub(crate) fn new(rate: BytesPerSecond, now: Duration) -> Self {
        Self {
            rate: rate.get(),
            credit: 0,
            updated: now,
        }
    }

    /// The unit in which bytes are dealt out: half a quantum, so that a tick can be late by the other half.
    pub(crate) fn share(&self) -> u64 {
        self.quantum() / 2
    }

    pub(crate) fn quantum(&self) -> u64 {
        let bytes = u128::from(self.rate) * QUANTUM_TIME.as_nanos() / NANOSECONDS;
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .clamp(*QUANTUM_BYTES.start(), *QUANTUM_BYTES.end())
    }

    /// Goes on at another rate; what was earned at the old one stays, up to one quantum of the new one.
    pub(crate) fn set_rate(&mut self, rate: BytesPerSecond, now: Duration) {
        self.update(now, false);
        self.rate = rate.get();
        self.update(now, false);
    }

    /// Earns credit for the time until `now`.
    pub(crate) fn update(&mut self, now: Duration, someone_waits: bool) {
        let earned = u128::from(self.rate) * now.saturating_sub(self.updated).as_nanos();
        let lateness = if someone_waits {
            u128::from(self.rate) * LATENESS.as_nanos()
        } else {
            0
        };
        let bound = u128::from(self.quantum()) * NANOSECONDS + lateness;
        self.credit = (self.credit + earned).min(bound);
        self.updated = self.updated.max(now);
    }

    /// Bytes that may be taken as of the last update.
    pub(crate) fn available(&self) -> u64 {
        u64::try_from(self.credit / NANOSECONDS).unwrap_or(u64::MAX)
    }

    /// Takes `bytes`, which are available.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_sub(u128::from(bytes) * NANOSECONDS);
    }

    /// Takes back bytes that were taken and not used.
    pub(crate) fn refund(&mut self, bytes: u64) {
        self.credit += u128::from(bytes) * NANOSECONDS;
    }

    /// When `bytes` will be available, if nobody takes any until then.
    pub(crate) fn time_of(&self, bytes: u64) -> Duration {
        let missing = (u128::from(bytes) * NANOSECONDS).saturating_sub(self.credit);
        let nanoseconds = missing.div_ceil(u128::from(self.rate));
        self.updated
            .saturating_add(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }
}
