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
/// While connections wait, one task, the pacer, wakes them as bytes become available. It is started by the first one that
/// has to wait, ends when nobody has waited for [`LINGER`], and is aborted when the budget is closed.
pub(crate) struct Budget {
    /// Whether there is a limit: without one, nothing else here is touched.
    limited: AtomicBool,
    epoch: Instant,
    state: Mutex<State>,
    poke: Notify,
}

struct State {
    queue: FairQueue<Waker>,
    pacer: PacerTask,
}

enum PacerTask {
    Absent,
    /// Sleeps until the next bytes are due.
    Pacing(AbortHandle),
    /// Waits for someone to wait.
    Lingering(AbortHandle),
}

impl Budget {
    pub(crate) fn new(rate: Option<BytesPerSecond>, epoch: Instant) -> Self {
        let queue = FairQueue::new(rate, epoch.elapsed());
        Self {
            limited: AtomicBool::new(rate.is_some()),
            epoch,
            state: Mutex::new(State {
                queue,
                pacer: PacerTask::Absent,
            }),
            poke: Notify::new(),
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(Relaxed)
    }

    /// Waits until the flow may transfer some of the `wanted > 0` bytes, and takes them.
    ///
    /// # Panics
    /// Outside a tokio runtime, if the flow has to wait.
    pub(crate) fn poll_acquire(self: &Arc<Self>, key: FlowKey, wanted: usize, cx: &Context<'_>) -> Poll<usize> {
        let mut state = self.lock();
        let now = self.epoch.elapsed();
        match state.queue.acquire(key, wanted as u64, now, || cx.waker().clone()) {
            // What is granted is at most what was wanted.
            Acquired::Granted(bytes) => Poll::Ready(bytes as usize),
            Acquired::Queued { first } => {
                match &state.pacer {
                    PacerTask::Absent => {
                        let pacer = tokio::spawn(pace(PacerGuard(Arc::clone(self))));
                        state.pacer = PacerTask::Pacing(pacer.abort_handle());
                    }
                    PacerTask::Lingering(_) => self.poke.notify_one(),
                    PacerTask::Pacing(_) if first => self.poke.notify_one(),
                    PacerTask::Pacing(_) => {}
                }
                Poll::Pending
            }
        }
    }

    /// Returns acquired bytes that were not transferred; see [`FairQueue::give_back`].
    pub(crate) fn give_back(&self, key: FlowKey, unused: usize, is_ready: bool) {
        let mut state = self.lock();
        state.queue.give_back(key, unused as u64, is_ready);
        if state.queue.someone_waits() {
            self.poke.notify_one();
        }
    }

    pub(crate) fn set_rate(&self, rate: Option<BytesPerSecond>) {
        let mut woken = Vec::new();
        let mut state = self.lock();
        state.queue.set_rate(rate, self.epoch.elapsed(), &mut woken);
        self.limited.store(rate.is_some(), Relaxed);
        drop(state);
        self.poke.notify_one();
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn insert(&self, weight: Weight) -> FlowKey {
        self.lock().queue.insert(weight)
    }

    pub(crate) fn set_weight(&self, key: FlowKey, weight: Weight) {
        self.lock().queue.set_weight(key, weight);
    }

    pub(crate) fn remove(&self, key: FlowKey) {
        let mut state = self.lock();
        state.queue.remove(key);
        if state.queue.someone_waits() {
            self.poke.notify_one();
        }
    }

    pub(crate) fn wake_all(&self) {
        let mut woken = Vec::new();
        self.lock().queue.wake_all(&mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Ends the pacer.
    pub(crate) fn close(&self) {
        if let PacerTask::Pacing(pacer) | PacerTask::Lingering(pacer) = &self.lock().pacer {
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
async fn pace(guard: PacerGuard) {
    let budget = &*guard.0;
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
                if !budget.linger() {
                    continue;
                }
                let is_over = tokio::time::timeout(LINGER, poked).await.is_err();
                if budget.stop_lingering(is_over) {
                    return;
                }
            }
        }
    }
}

impl Budget {
    /// Notes that the pacer lingers, unless someone has come to wait.
    fn linger(&self) -> bool {
        let mut state = self.lock();
        if state.queue.someone_waits() {
            return false;
        }
        if let PacerTask::Pacing(pacer) = std::mem::replace(&mut state.pacer, PacerTask::Absent) {
            state.pacer = PacerTask::Lingering(pacer);
        }
        true
    }

    /// Whether the pacer is to end; if not, it is pacing again.
    fn stop_lingering(&self, is_over: bool) -> bool {
        let mut state = self.lock();
        let ends = is_over && !state.queue.someone_waits();
        if let PacerTask::Lingering(pacer) = std::mem::replace(&mut state.pacer, PacerTask::Absent)
            && !ends
        {
            state.pacer = PacerTask::Pacing(pacer);
        }
        ends
    }
}

/// Makes room for another pacer when this one ends, be it that its runtime was shut down while connections of another one
/// wait: they are woken and start it again.
struct PacerGuard(Arc<Budget>);

impl Drop for PacerGuard {
    fn drop(&mut self) {
        self.0.lock().pacer = PacerTask::Absent;
        self.0.wake_all();
    }
}
