use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use p2p_io_scheduler::ScheduledHandle;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{CloseError, ConnectionError, Direction, DisconnectionReason, Drain, wakers::Wakers};
use crate::{deadline, telemetry::Traffic};

/// How many reasons for closing are kept. The first ones tell, and whoever adds more in a loop shall not fill the memory.
const MAX_REASONS: usize = 16;

/// What the handles of a connection and its driver tell each other, whatever the messages.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) wakers: Arc<Wakers>,
    /// Cancelled by the user to end the connection at once.
    pub(crate) cancellation: CancellationToken,
    /// Whether nothing more will be received, and whether nothing more will be sent. Set by the driver.
    reading_ended: AtomicBool,
    writing_ended: AtomicBool,
    /// Notified when one of the two is set.
    ended: Notify,
    /// The transport as the scheduler sees it.
    pub(crate) scheduled: ScheduledHandle,
    pub(crate) traffic: Traffic,
    cause: OnceLock<ConnectionError>,
    /// Why sending failed, if it did before the connection ended.
    sending_failure: OnceLock<ConnectionError>,
    close_request: Mutex<Option<CloseRequest>>,
    outcome: OnceLock<Result<(), CloseError>>,
    reasons: Mutex<Vec<DisconnectionReason>>,
}

/// How to close, from when on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseRequest {
    pub(crate) drain: Drain,
    pub(crate) since: Instant,
}

impl CloseRequest {
    pub(crate) fn deadline(&self) -> Instant {
        deadline::after(self.since, self.limit())
    }

    pub(crate) fn limit(&self) -> Duration {
        match self.drain {
            Drain::Discard => Duration::ZERO,
            Drain::Flush(limit) => limit,
        }
    }
}

impl Status {
    pub(crate) fn new(scheduled: ScheduledHandle, cancellation: CancellationToken) -> Self {
        Self {
            wakers: Arc::default(),
            cancellation,
            reading_ended: AtomicBool::new(false),
            writing_ended: AtomicBool::new(false),
            ended: Notify::new(),
            scheduled,
            traffic: Traffic::new(),
            cause: OnceLock::new(),
            sending_failure: OnceLock::new(),
            close_request: Mutex::new(None),
            outcome: OnceLock::new(),
            reasons: Mutex::new(Vec::new()),
        }
    }

    /// Asks the driver to close. To discard overrules to flush, and the nearer deadline the farther one.
    pub(crate) fn request_close(&self, drain: Drain) {
        let request = CloseRequest {
            drain,
            since: Instant::now(),
        };
        {
            let mut current = lock(&self.close_request);
            if current.is_none_or(|current| request.deadline() < current.deadline()) {
                *current = Some(request);
            }
        }
        self.wakers.wake_driver();
    }

    /// Closes, unless someone has said already how to: whoever stops because the connection is being closed must
    /// not keep the queued messages from being sent.
    pub(crate) fn all_handles_dropped(&self) {
        lock(&self.close_request).get_or_insert_with(|| CloseRequest {
            drain: Drain::Discard,
            since: Instant::now(),
        });
        self.wakers.wake_driver();
    }

    pub(crate) fn close_request(&self) -> Option<CloseRequest> {
        *lock(&self.close_request)
    }

    /// Records why the connection ended; the first cause counts.
    pub(crate) fn set_cause(&self, cause: ConnectionError) {
        let _ = self.cause.set(cause);
    }

    pub(crate) fn cause(&self) -> ConnectionError {
        self.cause.get().cloned().unwrap_or(ConnectionError::ClosedLocally)
    }

    /// Sending has failed. What the remote sent before may still be received.
    pub(crate) fn set_sending_failure(&self, error: ConnectionError) {
        let _ = self.sending_failure.set(error);
    }

    /// Why nothing can be sent any more.
    pub(crate) fn sending_cause(&self) -> ConnectionError {
        self.sending_failure.get().cloned().unwrap_or_else(|| self.cause())
    }

    /// Records how closing went, and ends both directions.
    pub(crate) fn finish(&self, outcome: Result<(), CloseError>) {
        self.set_cause(ConnectionError::ClosedLocally);
        let _ = self.outcome.set(outcome);
        self.end(Direction::Receiving);
        self.end(Direction::Sending);
    }

    /// Nothing more will go this way.
    pub(crate) fn end(&self, direction: Direction) {
        self.has_ended(direction).store(true, SeqCst);
        self.ended.notify_waiters();
    }

    pub(crate) fn is_ended(&self, direction: Direction) -> bool {
        self.has_ended(direction).load(SeqCst)
    }

    /// Resolves when nothing more will go this way. Cancel safe.
    pub(crate) async fn wait_for_end(&self, direction: Direction) {
        loop {
            // In this order: whoever is notified in between has not missed it.
            let ended = self.ended.notified();
            if self.is_ended(direction) {
                return;
            }
            ended.await;
        }
    }

    fn has_ended(&self, direction: Direction) -> &AtomicBool {
        match direction {
            Direction::Receiving => &self.reading_ended,
            Direction::Sending => &self.writing_ended,
        }
    }

    pub(crate) fn outcome(&self) -> Result<(), CloseError> {
        self.outcome.get().cloned().unwrap_or(Ok(()))
    }

    pub(crate) fn add_reason(&self, reason: DisconnectionReason) {
        self.scheduled.add_closing_reason((&reason).into());
        let mut reasons = lock(&self.reasons);
        if reasons.len() < MAX_REASONS {
            reasons.push(reason);
        }
    }

    pub(crate) fn reasons(&self) -> Vec<DisconnectionReason> {
        lock(&self.reasons).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
