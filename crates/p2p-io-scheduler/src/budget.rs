//! One direction's fair queue, driven by tokio's clock.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::fair_queue::{Acquired, FairQueue, FlowKey};
use crate::handle::Weight;
use crate::rate::BytesPerSecond;

/// How long the pacer stays when nobody waits, to spare a steady trickle of transfers a new task each.
const LINGER: Duration = Duration::from_millis(100);

/// What all connections may transfer in one direction.
///
/// While connections wait, one task, the pacer, wakes them as bytes become available. It is started by the first one
/// that has to wait, ends when nobody has waited for [`LINGER`], and is aborted when the budget is closed.
pub(crate) struct Budget {
    /// Whether there is a limit: without one, nothing else here is touched.
    limited: AtomicBool,
    epoch: Instant,
    state: Mutex<State>,
    poke: Notify,
}

struct State {
    queue: FairQueue<Waker>,
    pacer: PacerState,
    /// Of the latest pacer.
    abort: Option<AbortHandle>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PacerState {
    Absent,
    /// Sleeps until the next bytes are due.
    Pacing,
    /// Waits for someone to wait.
    Lingering,
}

impl Budget {
    pub(crate) fn new(rate: Option<BytesPerSecond>, epoch: Instant) -> Self {
        let queue = FairQueue::new(rate, epoch.elapsed());
        Self {
            limited: AtomicBool::new(rate.is_some()),
            epoch,
            state: Mutex::new(State {
                queue,
                pacer: PacerState::Absent,
                abort: None,
            }),
            poke: Notify::new(),
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(Relaxed)
    }

    /// Waits until the flow may transfer some of the `wanted > 0` bytes, and takes them. `now` is the time since the epoch.
    ///
    /// # Panics
    /// Outside a tokio runtime, if the flow has to wait.
    pub(crate) fn poll_acquire(
        self: &Arc<Self>,
        key: FlowKey,
        wanted: usize,
        now: Duration,
        cx: &Context<'_>,
    ) -> Poll<usize> {
        let mut state = self.lock();
        let first = match state.queue.acquire(key, wanted as u64, now) {
            // What is granted is at most what was wanted.
            Acquired::Granted(bytes) => return Poll::Ready(bytes as usize),
            Acquired::Queued { first } => first,
        };
        let replaced = state.queue.set_waker(key, cx.waker().clone());
        let pacer = std::mem::replace(&mut state.pacer, PacerState::Pacing);
        drop(state);
        // Dropping a waker and starting a task can run foreign code, so neither happens under the lock.
        drop(replaced);
        match pacer {
            PacerState::Absent => {
                let pacer = tokio::spawn(pace(PacerGuard {
                    budget: Arc::clone(self),
                    is_over: false,
                }));
                self.lock().abort = Some(pacer.abort_handle());
            }
            PacerState::Lingering => self.poke.notify_one(),
            PacerState::Pacing if first => self.poke.notify_one(),
            PacerState::Pacing => {}
        }
        Poll::Pending
    }

    /// Returns acquired bytes that were not transferred; see [`FairQueue::give_back`].
    pub(crate) fn give_back(&self, key: FlowKey, unused: usize, is_ready: bool) {
        let mut state = self.lock();
        state.queue.give_back(key, unused as u64, is_ready);
        if state.queue.someone_waits() {
            self.poke.notify_one();
        }
    }

    /// Changes the rate, and returns who is to be woken because there is no limit any more.
    pub(crate) fn set_rate(&self, rate: Option<BytesPerSecond>) -> Vec<Waker> {
        let mut woken = Vec::new();
        let mut state = self.lock();
        state.queue.set_rate(rate, self.epoch.elapsed(), &mut woken);
        self.limited.store(rate.is_some(), Relaxed);
        drop(state);
        self.poke.notify_one();
        woken
    }

    pub(crate) fn insert(&self, weight: Weight) -> FlowKey {
        self.lock().queue.insert(weight)
    }

    pub(crate) fn set_weight(&self, key: FlowKey, weight: Weight) {
        self.lock().queue.set_weight(key, weight);
    }

    pub(crate) fn remove(&self, key: FlowKey) {
        let mut state = self.lock();
        let waker = state.queue.remove(key);
        if state.queue.someone_waits() {
            self.poke.notify_one();
        }
        drop(state);
        drop(waker);
    }

    pub(crate) fn wake_all(&self) {
        let mut woken = Vec::new();
        self.lock().queue.wake_all(&mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Ends the pacer.
    pub(crate) fn close(&self) {
        let pacer = self.lock().abort.take();
        if let Some(pacer) = pacer {
            pacer.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limited", &self.is_limited())
            .finish_non_exhaustive()
    }
}

/// Deals bytes out whenever they are due.
async fn pace(mut guard: PacerGuard) {
    let budget = &*Arc::clone(&guard.budget);
    let mut woken = Vec::new();
    loop {
        let next = budget.lock().queue.tick(budget.epoch.elapsed(), &mut woken);
        woken.drain(..).for_each(Waker::wake);
        let poked = budget.poke.notified();
        match next {
            Some(at) => {
                // A time too far away to be represented is as good as a year.
                let at = at.min(budget.epoch.elapsed() + Duration::from_secs(365 * 24 * 3600));
                let _ = tokio::time::timeout_at(budget.epoch + at, poked).await;
            }
            None => {
                if budget.leave(PacerState::Lingering)
                    && tokio::time::timeout(LINGER, poked).await.is_err()
                    && budget.leave(PacerState::Absent)
                {
                    guard.is_over = true;
                    return;
                }
            }
        }
    }
}

impl Budget {
    /// Stops pacing, unless someone waits.
    fn leave(&self, pacer: PacerState) -> bool {
        let mut state = self.lock();
        let leaves = !state.queue.someone_waits();
        if leaves {
            state.pacer = pacer;
        }
        leaves
    }
}

/// Makes room for another pacer when this one ends, be it that its runtime was shut down while connections of another
/// one wait: they are woken and start it again.
struct PacerGuard {
    budget: Arc<Budget>,
    /// It ended by itself, and another one may be there already.
    is_over: bool,
}

impl Drop for PacerGuard {
    fn drop(&mut self) {
        if !self.is_over {
            self.budget.lock().pacer = PacerState::Absent;
            self.budget.wake_all();
        }
    }
}
