use std::{fmt, sync::Arc, time::Duration};

use p2p_io_scheduler::{ScheduledHandle, Stat};
use tokio_util::sync::CancellationToken;

use super::{CloseError, Direction, DisconnectionReason, Status};
use crate::PeerInfo;

/// What one wants of a connection beside its messages: who it is, how it fares, how to close it. Cheap to clone, and
/// does not keep the connection open.
pub struct Control<D> {
    info: Arc<PeerInfo<D>>,
    status: Arc<Status>,
}

/// What to do with queued messages when closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Throw them away and close at once. The remote may see the end within a message.
    Discard,
    /// Send them first, then end our direction and wait for the remote to end its own; give up after this time.
    ///
    /// It succeeds when everything was written and both directions have ended in order. A remote that reads until our
    /// end has everything then, as every connection of this crate does. One that had ended its direction before may
    /// not have read to the end: whether it has taken notice, only an answer tells. Neither says that the program over
    /// there has received anything.
    ///
    /// # Security
    ///
    /// A remote that never reads holds the connection no longer than this.
    Flush(Duration),
}

impl<D> Control<D> {
    pub(super) fn new(info: Arc<PeerInfo<D>>, status: Arc<Status>) -> Self {
        Self { info, status }
    }

    /// Who the remote is and what it says about itself.
    /// Octez: `P2p_socket.info`, `local_metadata`, `remote_metadata`, `private_node`.
    #[must_use]
    pub fn info(&self) -> &PeerInfo<D> {
        &self.info
    }

    /// Bytes and flow in both directions, as they are on the wire. Octez: `P2p_socket.stat`.
    #[must_use]
    pub fn stat(&self) -> Stat {
        self.status.scheduled.stat()
    }

    /// The transport as the scheduler sees it: its weight can be changed there.
    #[must_use]
    pub fn scheduled(&self) -> &ScheduledHandle {
        &self.status.scheduled
    }

    /// The token that ends the connection at once: nothing is flushed. Octez: `canceler`.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.status.cancellation
    }

    /// Adds to the record why the connection ends. The first reason is the cause; of more than 16 the first are kept.
    /// Octez: `P2p_socket.add_closing_reason`.
    pub fn set_closing_reason(&self, reason: DisconnectionReason) {
        self.status.add_reason(reason);
    }

    /// Why the connection has ended or will: what was said first.
    #[must_use]
    pub fn closing_reason(&self) -> Option<DisconnectionReason> {
        self.closing_reasons().into_iter().next()
    }

    /// Everything that was said about why the connection ends, in the order in which it was said.
    #[must_use]
    pub fn closing_reasons(&self) -> Vec<DisconnectionReason> {
        self.status.reasons()
    }

    /// Closes the connection, and waits until it is. Octez: `P2p_socket.close`.
    ///
    /// Messages that were received already can still be taken. Closing twice is harmless: of two requests the more
    /// urgent one counts.
    ///
    /// # Errors
    ///
    /// When it should flush: [`CloseError`] if not everything was sent, or if it may not have arrived. The connection is
    /// closed all the same.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the connection is closed all the same.
    pub async fn close(&self, reason: DisconnectionReason, drain: Drain) -> Result<(), CloseError> {
        self.status.add_reason(reason);
        self.status.request_close(drain);
        self.closed().await;
        match drain {
            Drain::Discard => Ok(()),
            Drain::Flush(_) => self.status.outcome(),
        }
    }

    /// Resolves when the connection has ended in both directions.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.status.wait_for_end(Direction::Receiving).await;
        self.status.wait_for_end(Direction::Sending).await;
    }

    /// Whether the connection has ended in both directions.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.status.is_ended(Direction::Receiving) && self.status.is_ended(Direction::Sending)
    }
}

impl<D> Clone for Control<D> {
    fn clone(&self) -> Self {
        Self {
            info: self.info.clone(),
            status: self.status.clone(),
        }
    }
}

/// Two are equal if they are of the same connection. Octez: `P2p_socket.equal`.
impl<D> PartialEq for Control<D> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.status, &other.status)
    }
}

impl<D> Eq for Control<D> {}

impl<D: fmt::Debug> fmt::Debug for Control<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("info", &self.info)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
