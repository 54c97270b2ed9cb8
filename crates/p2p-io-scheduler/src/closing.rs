//! Why a connection ended.

use std::io;
use std::sync::Arc;

/// Why a connection was closed, as far as this layer or its user knows.
///
/// A connection keeps every reason it was given, in order; the first one is the cause and the others are what followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ClosingReason {
    /// The system reported an error (Octez: `Connection_lost`).
    #[error("connection lost while {direction}")]
    ConnectionLost {
        /// What the connection was doing.
        direction: Direction,
    },
    /// The remote ended or reset the connection (Octez: `Connection_closed_by_peer`).
    #[error("closed by peer while {direction}")]
    ClosedByPeer {
        /// What the connection was doing.
        direction: Direction,
    },
    /// The scheduler was shut down while the connection was open (Octez: `IO_scheduler_shutdown`).
    #[error("I/O scheduler shut down")]
    SchedulerShutDown,
    /// An operation was tried on a scheduler that was closed already (Octez: `IO_scheduler_closed`).
    #[error("I/O scheduler closed")]
    SchedulerClosed,
    /// A reason in the words of the user (Octez: `User`).
    #[error("{0}")]
    Other(Arc<str>),
}

/// The direction of a transfer, seen from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the remote to us: download.
    Receiving,
    /// From us to the remote: upload.
    Sending,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        })
    }
}

/// The scheduler was shut down: nothing can be registered, read or written any more.
///
/// Reads and writes report it inside an [`io::Error`] of kind [`io::ErrorKind::NotConnected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the I/O scheduler is shut down")]
pub struct SchedulerClosed;

impl From<SchedulerClosed> for io::Error {
    fn from(closed: SchedulerClosed) -> Self {
        Self::new(io::ErrorKind::NotConnected, closed)
    }
}

impl ClosingReason {
    /// What an error of the socket tells about the end of the connection.
    pub(crate) fn of_error(error: &io::Error, direction: Direction) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof, WriteZero};
        match error.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof | WriteZero => Self::ClosedByPeer { direction },
            _ => Self::ConnectionLost { direction },
        }
    }
}
