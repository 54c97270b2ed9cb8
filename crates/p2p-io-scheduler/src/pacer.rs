//! How many bytes may flow now.
//!
//! A bucket of credit fills at the cap and is emptied by what is taken.
//!
//! Invariants:
//! - **Cap.** In every window of at least [`WINDOW`] without a change of the rate, the bytes taken are at most
//!   `cap * window + quantum`.
//! - **No burst.** A pacer starts empty, and while nobody wants bytes its credit stops at one quantum.
//! - **Late timers cost nothing.** While someone waits, and for [`LATENESS`] after, credit goes on growing for up to
//!   [`LATENESS`] beyond the quantum, so a tick that comes late deals out what it owes, and a reader that finds its
//!   socket empty for a moment loses nothing. That alone would break the cap, so the window is checked beside it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::rate::BytesPerSecond;

/// The shortest window over which the cap holds to within one quantum.
pub(crate) const WINDOW: Duration = Duration::from_millis(100);

/// How late a timer may come without costing throughput: tokio's timer and `epoll` each round up to a millisecond, and
/// a busy machine adds a few more.
const LATENESS: Duration = Duration::from_millis(5);

/// Bounds of the quantum. Below 256 bytes, calls cost more than the bytes; above 16 KiB, larger ones gain little and
/// delay others.
const QUANTUM_BYTES: std::ops::RangeInclusive<u64> = 256..=16 * 1024;

/// The quantum is what flows in this time, within its bounds: twice the resolution of the timer.
const QUANTUM_TIME: Duration = Duration::from_millis(2);

/// How long it may take to serve everyone who waits, if each share takes at least [`SERVING_TIME`].
const ROUND_TIME: Duration = Duration::from_millis(20);

/// What flows while one connection is served: its task is woken and calls the system. With smaller shares a round of
/// very many connections would be shorter, but the processor would spend more on the calls than on the bytes.
const SERVING_TIME: Duration = Duration::from_micros(16);

/// The least share at low rates, where calls are few anyway.
const MIN_SHARE_BYTES: u64 = 64;

const NANOSECONDS: i128 = 1_000_000_000;

/// Bytes times 10^9, so that `rate * nanoseconds` is exact. Credits are positive, lags can be negative.
type NanoBytes = i128;

/// The pace of one direction.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: u64,
    credit: NanoBytes,
    /// What was earned since the start, used or not, less what was taken: how far the transfer is behind the cap.
    lag: NanoBytes,
    history: LagHistory,
    updated: Duration,
    /// When someone last waited.
    waited: Option<Duration>,
}

impl Pacer {
    pub(crate) fn new(rate: BytesPerSecond, now: Duration) -> Self {
        Self {
            rate: rate.get(),
            credit: 0,
            lag: 0,
            history: LagHistory::default(),
            updated: now,
            waited: None,
        }
    }

    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// The unit in which bytes are dealt out to so many who wait: small enough for all of them to be served within
    /// [`ROUND_TIME`].
    pub(crate) fn share_of(&self, waiting: usize) -> u64 {
        let share = self.flows_in(ROUND_TIME) / (waiting as u64).max(1);
        share
            .max(self.flows_in(SERVING_TIME))
            .max(MIN_SHARE_BYTES)
            .min(self.share())
    }

    /// The largest share: three eighths of a quantum. Half of it is for a tick that is late, and the last eighth is the
    /// reserve. At high rates, where a tick is many quanta, a share is up to a whole one.
    pub(crate) fn share(&self) -> u64 {
        let quantum = self.quantum();
        (quantum * 3 / 8).max(self.flows_in(SERVING_TIME).min(quantum))
    }

    /// What those leave who want more than they get, for those who seldom want something: so these need not wait for the
    /// next tick. It is set aside once and not each time, so it costs no throughput.
    pub(crate) fn reserve(&self) -> u64 {
        self.flows_in(QUANTUM_TIME / 8).min(self.quantum() / 8)
    }

    /// What is dealt in one tick, unless it is late.
    pub(crate) fn per_tick(&self) -> u64 {
        self.flows_in(QUANTUM_TIME).clamp(self.quantum(), 1 << 31)
    }

    pub(crate) fn quantum(&self) -> u64 {
        self.flows_in(QUANTUM_TIME)
            .clamp(*QUANTUM_BYTES.start(), *QUANTUM_BYTES.end())
    }

    /// Goes on at another rate; what was earned at the old one stays, up to one quantum of the new one. Windows are counted
    /// from here on: after a large quantum at a high rate, a low one would have to wait very long to make up for it.
    pub(crate) fn set_rate(&mut self, rate: BytesPerSecond, now: Duration) {
        self.waited = None;
        self.update(now, false);
        self.rate = rate.get();
        self.update(now, false);
        self.history = LagHistory::default();
    }

    /// Earns credit for the time until `now`.
    pub(crate) fn update(&mut self, now: Duration, someone_waits: bool) {
        let earned = self.earned_in(now.saturating_sub(self.updated));
        if someone_waits {
            self.waited = Some(now.max(self.updated));
        }
        let wanted = self.waited.is_some_and(|waited| now.saturating_sub(waited) <= LATENESS);
        let lateness = if wanted { self.earned_in(LATENESS) } else { 0 };
        self.credit = (self.credit + earned).min(nano_bytes(self.quantum()) + lateness);
        self.lag += earned;
        self.updated = self.updated.max(now);
        self.history.pass_to(self.updated);
    }

    /// Bytes that may be taken as of the last update.
    pub(crate) fn available(&self) -> u64 {
        let room = self.rooms().map(|room| room.now).fold(self.credit, NanoBytes::min);
        u64::try_from(room / NANOSECONDS).unwrap_or(0)
    }

    /// Takes `bytes`, which are available.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.history.note(self.updated, self.lag);
        self.credit -= nano_bytes(bytes);
        self.lag -= nano_bytes(bytes);
    }

    /// Takes back bytes that were taken at `taken_at` and not used.
    pub(crate) fn refund(&mut self, bytes: u64, taken_at: Duration) {
        self.credit += nano_bytes(bytes);
        self.lag += nano_bytes(bytes);
        self.history.correct(nano_bytes(bytes), taken_at);
    }

    #[cfg(test)]
    pub(crate) fn whole_lag(&self) -> u64 {
        (self.lag / NANOSECONDS) as u64
    }

    /// When `bytes` will be available, if nobody takes any until then.
    pub(crate) fn time_of(&self, bytes: u64) -> Duration {
        let bytes = nano_bytes(bytes);
        let short_of_room = self
            .rooms()
            .filter(|room| room.now < bytes)
            .map(|room| bytes - room.growing);
        let missing = short_of_room.fold((bytes - self.credit).max(0), NanoBytes::max);
        let nanoseconds = missing.unsigned_abs().div_ceil(u128::from(self.rate));
        self.updated
            .saturating_add(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }

    /// What may be taken without breaking the cap over any window: the transfer may not have caught up by more than one
    /// quantum since any moment at least [`WINDOW`] ago. A moment that is not as long ago yet leaves what will be
    /// earned until it is.
    fn rooms(&self) -> impl Iterator<Item = Room> {
        let before = self.history.max_before_window.map(|lag| (WINDOW, lag));
        let recent = self
            .history
            .recent
            .iter()
            .map(|moment| (self.updated.saturating_sub(moment.start), moment.lag));
        before
            .into_iter()
            .chain(recent.take_while(|(age, _)| *age > WINDOW - LATENESS))
            .map(|(age, lag)| {
                let growing = self.lag - lag + nano_bytes(self.quantum());
                Room {
                    growing,
                    now: growing + self.earned_in(WINDOW.saturating_sub(age)),
                }
            })
    }

    /// Whole bytes.
    fn flows_in(&self, time: Duration) -> u64 {
        u64::try_from(self.earned_in(time) / NANOSECONDS).unwrap_or(u64::MAX)
    }

    fn earned_in(&self, time: Duration) -> NanoBytes {
        // At most 2^64 bytes per second for 2^64 seconds, so 2^128 / 10^9 * 10^9; saturating for times no clock shows.
        NanoBytes::from(self.rate).saturating_mul(time.as_nanos().min(u128::from(u64::MAX)) as NanoBytes)
    }
}

/// What may be taken as regards the windows that began at one moment.
struct Room {
    now: NanoBytes,
    /// What it grows from with the time to come, once the moment is [`WINDOW`] ago.
    growing: NanoBytes,
}

/// The lag at the moments when something was about to be taken. These are where a window holds the most, so no others
/// matter.
#[derive(Debug, Default)]
struct LagHistory {
    /// The greatest lag at least [`WINDOW`] ago.
    max_before_window: Option<NanoBytes>,
    /// Later ones, at most one per [`HISTORY_STEP`].
    recent: VecDeque<Moment>,
}

/// Moments so close together that they count as the first of them.
#[derive(Debug)]
struct Moment {
    start: Duration,
    latest: Duration,
    /// The greatest of theirs.
    lag: NanoBytes,
}

/// Moments closer together than this are kept as one.
const HISTORY_STEP: Duration = Duration::from_millis(1);

impl LagHistory {
    fn note(&mut self, now: Duration, lag: NanoBytes) {
        match self.recent.back_mut() {
            Some(moment) if now.saturating_sub(moment.start) < HISTORY_STEP => {
                moment.latest = now;
                moment.lag = moment.lag.max(lag);
            }
            _ => self.recent.push_back(Moment {
                start: now,
                latest: now,
                lag,
            }),
        }
    }

    fn pass_to(&mut self, now: Duration) {
        while let Some(moment) = self.recent.front()
            && now.saturating_sub(moment.start) >= WINDOW
        {
            self.max_before_window = self.max_before_window.max(Some(moment.lag));
            self.recent.pop_front();
        }
    }

    /// Something that was noted as taken never was.
    fn correct(&mut self, refund: NanoBytes, taken_at: Duration) {
        for moment in self
            .recent
            .iter_mut()
            .rev()
            .take_while(|moment| moment.latest > taken_at)
        {
            moment.lag += refund;
        }
    }
}

fn nano_bytes(bytes: u64) -> NanoBytes {
    NanoBytes::from(bytes) * NANOSECONDS
}

#[cfg(test)]
mod tests;
