//! What is known of a connection, and what its stream and handles share.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::closing::{ClosingReason, Direction};
use crate::fair_queue::FlowKey;
use crate::scheduler::{Lane, Shared};
use crate::stat::{Meter, Stat};

/// Knows a connection without keeping it alive: its id, figures, weight and closing reasons, also after its end.
#[derive(Clone)]
pub struct ScheduledHandle {
    connection: Arc<Connection>,
}

/// Names a connection; unique within its scheduler and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduledId(u64);

/// How large a connection's share is in relation to the others': one of weight 2 gets twice what one of weight 1 gets.
///
/// From 1 to [`Weight::MAX`]. Shares are exact to 1 % when the least weight in use is at most 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(NonZeroU32);

/// How a connection is registered.
///
/// ```
/// use p2p_io_scheduler::RegisterOptions;
///
/// let options = RegisterOptions { write_queue: 64 << 10, ..RegisterOptions::default() };
/// assert_eq!(options.read_queue, 0);
/// assert_eq!(options.weight.get(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct RegisterOptions {
    /// The connection's share, in both directions. 1 by default.
    pub weight: Weight,
    /// How many bytes are accepted at most that can't be sent yet. 0 by default: nothing is queued. It is filled by the
    /// user only, and bounds what a remote that does not read can make this connection hold.
    #[cfg_attr(feature = "serde", serde(with = "crate::human::bytes"))]
    pub write_queue: usize,
    /// How many bytes are read ahead at most for a reader with a smaller buffer; 1 MiB at most in one read. 0 by default:
    /// nothing is read that nobody asked for. It bounds what a remote that sends can make this connection hold.
    #[cfg_attr(feature = "serde", serde(with = "crate::human::bytes"))]
    pub read_queue: usize,
}

/// What the handles and the stream of a connection share.
pub(crate) struct Connection {
    id: ScheduledId,
    shared: Arc<Shared>,
    share: Mutex<Share>,
    receiving: Half,
    sending: Half,
    closing_reasons: Mutex<Vec<ClosingReason>>,
}

/// A connection's part in the two queues.
struct Share {
    weight: Weight,
    /// Whether the flows are in the queues; afterwards their keys may name others.
    is_registered: bool,
}

/// One direction of a connection: what a transfer touches lies together.
pub(crate) struct Half {
    flow: FlowKey,
    meter: Meter,
    /// Who waits for the socket, to be told when the scheduler closes.
    waiting: Mutex<Option<Waker>>,
}

/// More reasons than this are not kept, so that a loop over a broken connection can't fill the memory.
const MAX_CLOSING_REASONS: usize = 16;

impl ScheduledHandle {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection's name.
    #[must_use]
    pub fn id(&self) -> ScheduledId {
        self.connection.id
    }

    /// Bytes and flows of this connection.
    #[must_use]
    pub fn stat(&self) -> Stat {
        let Connection {
            receiving,
            sending,
            shared,
            ..
        } = &*self.connection;
        Stat::read(&receiving.meter, &sending.meter, shared.now())
    }

    /// The connection's share.
    #[must_use]
    pub fn weight(&self) -> Weight {
        lock(&self.connection.share).weight
    }

    /// Changes the connection's share from the next grant on.
    pub fn set_weight(&self, weight: Weight) {
        let mut share = lock(&self.connection.share);
        share.weight = weight;
        if share.is_registered {
            for direction in [Direction::Receiving, Direction::Sending] {
                let (half, lane) = self.connection.half(direction);
                lane.budget.set_weight(half.flow, weight);
            }
        }
    }

    /// Adds a reason why the connection ends. It closes nothing by itself. A reason that is there already is not added
    /// again, and of more than 16 the first 16 are kept.
    pub fn add_closing_reason(&self, reason: ClosingReason) {
        self.connection.add_closing_reason(reason);
    }

    /// Why the connection ended, the cause first; empty while it has no reason to.
    #[must_use]
    pub fn closing_reasons(&self) -> Vec<ClosingReason> {
        lock(&self.connection.closing_reasons).clone()
    }
}

impl Connection {
    pub(crate) fn new(id: u64, shared: Arc<Shared>, options: RegisterOptions) -> Self {
        let RegisterOptions { weight, .. } = options;
        let now = shared.now();
        let half = |direction| Half {
            flow: shared.lane(direction).budget.insert(weight),
            meter: Meter::new(now),
            waiting: Mutex::default(),
        };
        Self {
            id: ScheduledId(id),
            share: Mutex::new(Share {
                weight,
                is_registered: true,
            }),
            receiving: half(Direction::Receiving),
            sending: half(Direction::Sending),
            closing_reasons: Mutex::default(),
            shared,
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn half(&self, direction: Direction) -> (&Half, &Lane) {
        let half = match direction {
            Direction::Receiving => &self.receiving,
            Direction::Sending => &self.sending,
        };
        (half, self.shared.lane(direction))
    }

    pub(crate) fn add_closing_reason(&self, reason: ClosingReason) {
        let mut reasons = lock(&self.closing_reasons);
        if reasons.len() < MAX_CLOSING_REASONS && !reasons.contains(&reason) {
            tracing::debug!(target: "p2p_io_scheduler", connection = self.id.0, %reason, "connection ends");
            reasons.push(reason);
        }
    }

    /// Takes the connection out of the scheduler.
    pub(crate) fn deregister(&self) {
        let mut share = lock(&self.share);
        share.is_registered = false;
        for direction in [Direction::Receiving, Direction::Sending] {
            let (half, lane) = self.half(direction);
            lane.budget.remove(half.flow);
            drop(lock(&half.waiting).take());
        }
        drop(share);
        self.shared.forget(self.id.0);
    }

    /// Tells operations that wait for the socket to look again.
    pub(crate) fn wake(&self) {
        for half in [&self.receiving, &self.sending] {
            let waker = lock(&half.waiting).take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Half {
    pub(crate) fn flow(&self) -> FlowKey {
        self.flow
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn wait(&self, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        match &mut *waiting {
            Some(waiting) => waiting.clone_from(waker),
            None => *waiting = Some(waker.clone()),
        }
    }
}

impl Weight {
    /// The weight of a connection that was given none.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// The greatest weight. It may not be much more: the least share that is dealt to one of weight 1 has to be worth
    /// calling the system for, and in the time in which it gets one, this one gets a thousand.
    pub const MAX: Self = match NonZeroU32::new(1000) {
        Some(weight) => Self(weight),
        None => unreachable!(),
    };

    /// A weight; `None` for 0 and above [`Weight::MAX`].
    #[must_use]
    pub const fn new(weight: u32) -> Option<Self> {
        match NonZeroU32::new(weight) {
            Some(number) if weight <= Self::MAX.get() => Some(Self(number)),
            _ => None,
        }
    }

    /// The weight as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A number that is no [`Weight`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a weight is a number from 1 to {}, not {value}", Weight::MAX.get())]
#[non_exhaustive]
pub struct InvalidWeight {
    /// The number.
    pub value: u32,
}

impl TryFrom<u32> for Weight {
    type Error = InvalidWeight;

    fn try_from(value: u32) -> Result<Self, InvalidWeight> {
        Self::new(value).ok_or(InvalidWeight { value })
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl ScheduledId {
    /// The id as a number; ids rise in the order of registration.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ScheduledId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ScheduledHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledHandle")
            .field("id", &self.id().get())
            .field("weight", &self.weight().get())
            .field("stat", &self.stat())
            .field("closing_reasons", &self.closing_reasons())
            .finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
