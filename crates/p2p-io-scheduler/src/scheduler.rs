//! The scheduler: limits, registration, the end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::Budget;
use crate::closing::{ClosingReason, Direction, SchedulerClosed};
use crate::connection::ScheduledIo;
use crate::handle::{Connection, RegisterOptions, ScheduledHandle};
use crate::rate::{BytesPerSecond, Limits};
use crate::stat::{Meter, Stat};

/// Regulates the reads and writes of its connections against one download and one upload limit (Octez:
/// `P2p_io_scheduler.t`).
///
/// Clones are the same scheduler. The default one has no limits.
///
/// ```
/// use p2p_io_scheduler::{IoScheduler, Limits, RegisterOptions, Weight};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scheduler = IoScheduler::default();
/// scheduler.set_limits(Limits { download: Some("20MB/s".parse()?), upload: Some("5MB/s".parse()?) });
///
/// let (near, _far) = tokio::io::duplex(1024);
/// let weight = Weight::new(5).ok_or("a weight is positive")?;
/// let connection = scheduler.register_with(near, RegisterOptions { weight, ..RegisterOptions::default() })?;
/// assert_eq!(scheduler.connections().len(), 1);
///
/// drop(connection);
/// assert_eq!(scheduler.connections().len(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IoScheduler {
    shared: Arc<Shared>,
}

/// What a scheduler and its connections share.
pub(crate) struct Shared {
    epoch: Instant,
    receiving: Lane,
    sending: Lane,
    registry: Mutex<Registry>,
    /// Notified when the last connection has gone.
    emptied: Notify,
    /// Whether reads and writes fail.
    closed: AtomicBool,
}

/// One direction of all connections together.
pub(crate) struct Lane {
    pub(crate) budget: Arc<Budget>,
    pub(crate) meter: Meter,
}

struct Registry {
    limits: Limits,
    connections: BTreeMap<u64, Arc<Connection>>,
    next_id: u64,
    is_open: bool,
}

impl IoScheduler {
    /// A scheduler with these limits. The limits, counters and averages live by tokio's clock.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let epoch = Instant::now();
        Self {
            shared: Arc::new(Shared {
                epoch,
                receiving: Lane::new(limits.download, epoch),
                sending: Lane::new(limits.upload, epoch),
                registry: Mutex::new(Registry {
                    limits,
                    connections: BTreeMap::new(),
                    next_id: 0,
                    is_open: true,
                }),
                emptied: Notify::new(),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Makes a stream a connection of this scheduler, with weight 1 and no queues.
    ///
    /// # Errors
    /// [`SchedulerClosed`] after [`IoScheduler::shutdown`] was called.
    pub fn register<T: AsyncRead + AsyncWrite + Unpin>(&self, io: T) -> Result<ScheduledIo<T>, SchedulerClosed> {
        self.register_with(io, RegisterOptions::default())
    }

    /// Makes a stream a connection of this scheduler.
    ///
    /// # Errors
    /// [`SchedulerClosed`] after [`IoScheduler::shutdown`] was called.
    pub fn register_with<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: T,
        options: RegisterOptions,
    ) -> Result<ScheduledIo<T>, SchedulerClosed> {
        let mut registry = self.shared.registry();
        if !registry.is_open {
            return Err(SchedulerClosed);
        }
        let id = registry.next_id;
        registry.next_id += 1;
        let connection = Arc::new(Connection::new(id, Arc::clone(&self.shared), options));
        registry.connections.insert(id, Arc::clone(&connection));
        Ok(ScheduledIo::new(io, connection, options))
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.registry().limits
    }

    /// Changes the limits at once, also for those who are waiting now.
    pub fn set_limits(&self, limits: Limits) {
        let mut registry = self.shared.registry();
        registry.limits = limits;
        let mut woken = self.shared.receiving.budget.set_rate(limits.download);
        woken.extend(self.shared.sending.budget.set_rate(limits.upload));
        drop(registry);
        // Foreign code may run here, so not under the lock.
        woken.into_iter().for_each(Waker::wake);
    }

    /// Bytes and flows of all connections together, also those that are gone.
    #[must_use]
    pub fn global_stat(&self) -> Stat {
        let Shared { receiving, sending, .. } = &*self.shared;
        Stat::read(&receiving.meter, &sending.meter, self.shared.now())
    }

    /// The connections that are open now, in the order of their registration.
    pub fn connections(&self) -> Vec<ScheduledHandle> {
        self.shared
            .registry()
            .connections
            .values()
            .cloned()
            .map(ScheduledHandle::new)
            .collect()
    }

    /// Ends the scheduler: nothing can be registered from now on; open connections have until `deadline` to finish and
    /// be dropped; then whatever is still open is given the reason [`ClosingReason::SchedulerShutDown`], and its reads
    /// and writes fail with [`SchedulerClosed`], also those that are waiting. Returns as soon as no connection is open,
    /// or at the deadline.
    ///
    /// Calling it again is harmless; a shorter deadline wins.
    ///
    /// # Cancel safety
    /// If it is cancelled, registration stays closed and the connections stay open. Call it again to go on.
    ///
    /// # Panics
    /// Outside a tokio runtime with a timer, unless no connection is open.
    pub async fn shutdown(&self, deadline: Duration) {
        self.shared.registry().is_open = false;
        if !deadline.is_zero() {
            // Not to be there in time is what the deadline is for.
            let _ = tokio::time::timeout(deadline, self.shared.emptied()).await;
        }
        self.shared.close();
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(crate) fn lane(&self, direction: Direction) -> &Lane {
        match direction {
            Direction::Receiving => &self.receiving,
            Direction::Sending => &self.sending,
        }
    }

    /// Drops a connection from the list.
    pub(crate) fn forget(&self, id: u64) {
        let mut registry = self.registry();
        registry.connections.remove(&id);
        if registry.connections.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.registry().connections.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn close(&self) {
        self.closed.store(true, Relaxed);
        let connections: Vec<_> = self.registry().connections.values().cloned().collect();
        for connection in connections {
            connection.add_closing_reason(ClosingReason::SchedulerShutDown);
            connection.wake();
        }
        self.receiving.budget.wake_all();
        self.sending.budget.wake_all();
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn new(rate: Option<BytesPerSecond>, epoch: Instant) -> Self {
        Self {
            budget: Arc::new(Budget::new(rate, epoch)),
            meter: Meter::default(),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.receiving.budget.close();
        self.sending.budget.close();
    }
}

impl Default for IoScheduler {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl fmt::Debug for IoScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.shared.registry();
        f.debug_struct("IoScheduler")
            .field("limits", &registry.limits)
            .field("connections", &registry.connections.len())
            .field("is_open", &registry.is_open)
            .finish_non_exhaustive()
    }
}
