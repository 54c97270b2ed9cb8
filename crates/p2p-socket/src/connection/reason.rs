use std::{error::Error, fmt, sync::Arc};

use p2p_io_scheduler::{ClosingReason, Direction};

use super::ConnectionError;
use crate::{AcceptError, AuthenticateError, NoCommonProtocol, RejectionMotive};

/// Why a connection was closed, for the record. Octez: `P2p_disconnection_reason.t`, as far as it concerns this layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectionReason {
    /// The transport failed. Octez: `Connection_lost`.
    ConnectionLost(Direction),
    /// The remote closed. Octez: `Connection_closed_by_peer`.
    ClosedByPeer(Direction),
    /// Something that should not happen, like a remote that breaks the protocol.
    /// Octez: `Connection_closed_by_unexpected_error`.
    UnexpectedError(Arc<str>),
    /// The scheduler was shut down. Octez: `IO_scheduler_shutdown`.
    SchedulerShutDown,
    /// The remote's answer to our ack did not come. Octez: `Authentication_rejected_by_peer_error`.
    ErrorWhenReceivingAck(Arc<str>),
    /// The remote could not be authenticated. Octez: `Authentication_rejected_error`.
    AuthenticationRejected(Arc<str>),
    /// There is no version that both speak. Octez: `Authentication_rejected_no_common_protocol`.
    NoCommonProtocol(NoCommonProtocol),
    /// We refused the remote. Octez: `Authentication_rejected`.
    RejectedByUs(RejectionMotive),
    /// The remote refused us. Octez: `Authentication_rejected_by_peer`.
    RejectedByPeer(RejectionMotive),
    /// Someone on our side wanted it. Octez: `Explicit_RPC`.
    ExplicitRequest,
    /// What the user says. Octez: `User`.
    User(Arc<str>),
    /// Nobody said. Octez: `Unknown_reason`.
    Unknown,
}

impl DisconnectionReason {
    /// A reason in the words of the user.
    pub fn user(text: impl Into<Arc<str>>) -> Self {
        Self::User(text.into())
    }
}

impl From<&AuthenticateError> for DisconnectionReason {
    fn from(error: &AuthenticateError) -> Self {
        match error {
            AuthenticateError::ConnectionClosed { .. } => Self::ClosedByPeer(Direction::Receiving),
            AuthenticateError::Io { .. } => Self::ConnectionLost(Direction::Receiving),
            AuthenticateError::SchedulerClosed(_) => Self::SchedulerShutDown,
            AuthenticateError::Cancelled { .. } => Self::ExplicitRequest,
            other => Self::AuthenticationRejected(with_sources(other)),
        }
    }
}

impl From<&AcceptError> for DisconnectionReason {
    fn from(error: &AcceptError) -> Self {
        match error {
            AcceptError::RejectedByNack { motive, .. } => Self::RejectedByPeer(*motive),
            AcceptError::Cancelled => Self::ExplicitRequest,
            other => Self::ErrorWhenReceivingAck(with_sources(other)),
        }
    }
}

impl From<NoCommonProtocol> for DisconnectionReason {
    fn from(error: NoCommonProtocol) -> Self {
        Self::NoCommonProtocol(error)
    }
}

impl DisconnectionReason {
    pub(crate) fn of(error: &ConnectionError, direction: Direction) -> Self {
        match error {
            ConnectionError::ClosedByPeer | ConnectionError::Truncated { .. } => Self::ClosedByPeer(direction),
            ConnectionError::Io(_) => Self::ConnectionLost(direction),
            ConnectionError::SchedulerClosed(_) => Self::SchedulerShutDown,
            ConnectionError::ClosedLocally | ConnectionError::Cancelled => Self::ExplicitRequest,
            other => Self::UnexpectedError(with_sources(other)),
        }
    }
}

/// The error and what caused it, in one line.
fn with_sources(error: &dyn Error) -> Arc<str> {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.into()
}

impl fmt::Display for DisconnectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionLost(direction) => write!(f, "connection lost while {direction}"),
            Self::ClosedByPeer(direction) => write!(f, "closed by peer while {direction}"),
            Self::UnexpectedError(error) => write!(f, "closed by unexpected error: {error}"),
            Self::SchedulerShutDown => f.write_str("the scheduler was shut down"),
            Self::ErrorWhenReceivingAck(error) => write!(f, "error when receiving the ack: {error}"),
            Self::AuthenticationRejected(error) => write!(f, "authentication rejected: {error}"),
            Self::NoCommonProtocol(error) => write!(f, "authentication rejected: {error}"),
            Self::RejectedByUs(motive) => write!(f, "rejected by us: {motive}"),
            Self::RejectedByPeer(motive) => write!(f, "rejected by peer: {motive}"),
            Self::ExplicitRequest => f.write_str("explicit request"),
            Self::User(text) => f.write_str(text),
            Self::Unknown => f.write_str("unknown reason"),
        }
    }
}

/// What the scheduler keeps of it.
impl From<&DisconnectionReason> for ClosingReason {
    fn from(reason: &DisconnectionReason) -> Self {
        match reason {
            DisconnectionReason::ConnectionLost(direction) => Self::ConnectionLost { direction: *direction },
            DisconnectionReason::ClosedByPeer(direction) => Self::ClosedByPeer { direction: *direction },
            DisconnectionReason::SchedulerShutDown => Self::SchedulerShutDown,
            other => Self::Other(other.to_string().into()),
        }
    }
}
