use std::{fmt, io};

use p2p_crypto::{NoncesExhausted, PeerId};
use p2p_framing::{ChunkError, ClearFrameTooLarge, DecodeError, PointList, SealError};
use p2p_io_scheduler::SchedulerClosed;

use super::End;
use crate::{ConnectionId, InvalidOptions, MemoryBudgetExhausted, RejectionMotive};

/// A step of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeStep {
    /// The connection messages, in the clear.
    ConnectionMessage,
    /// The metadata, the first sealed chunk.
    Metadata,
    /// The ack or nack.
    Ack,
}

impl fmt::Display for HandshakeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionMessage => "connection message",
            Self::Metadata => "metadata",
            Self::Ack => "ack",
        })
    }
}

/// Why a remote was not authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// The deadline passed. Octez: `Timeout`.
    #[error("timeout while waiting for the {step} of the remote")]
    Timeout {
        /// What we were waiting for.
        step: HandshakeStep,
    },
    /// The cancellation token of the configuration was cancelled. Octez: `Canceled`.
    #[error("cancelled while waiting for the {step} of the remote")]
    Cancelled {
        /// What we were waiting for.
        step: HandshakeStep,
    },
    /// The remote closed. Octez: `Connection_closed`.
    #[error("the remote closed the connection before its {step} was complete")]
    ConnectionClosed {
        /// What we were waiting for.
        step: HandshakeStep,
    },
    /// The transport failed.
    #[error("input or output failed while waiting for the {step} of the remote")]
    Io {
        /// What we were waiting for.
        step: HandshakeStep,
        /// What failed.
        source: io::Error,
    },
    /// The remote's connection message is longer than
    /// [`ConnectionMessage::MAX_SIZE`](crate::ConnectionMessage::MAX_SIZE).
    #[error("the remote's connection message is too long")]
    ConnectionMessageTooLarge(#[source] ClearFrameTooLarge),
    /// The connection message or the metadata do not decode. Octez: `Decoding_error`.
    #[error("decoding error in the {step} of the remote")]
    Decoding {
        /// What does not decode.
        step: HandshakeStep,
        /// Why.
        source: DecodeError,
    },
    /// The stamp of the remote does not reach the required difficulty. Octez: `Not_enough_proof_of_work`.
    #[error("not enough proof of work by {peer_id}")]
    NotEnoughProofOfWork {
        /// Who the remote says to be.
        peer_id: PeerId,
    },
    /// The public key of the remote is of low order: a channel key of it would be known to everyone. The reference
    /// raises an exception without a type.
    #[error("the public key of {peer_id} is weak")]
    WeakPublicKey {
        /// Who the remote says to be.
        peer_id: PeerId,
    },
    /// A chunk below the size of its tag. Octez: `Invalid_incoming_ciphertext_size`.
    #[error("invalid incoming ciphertext size {size}")]
    InvalidCiphertextSize {
        /// What the header said, in bytes.
        size: usize,
    },
    /// The metadata is not authentic: the remote does not have the secret of the key that it shows.
    /// Octez: `Decipher_error`.
    #[error("decipher error: the metadata of the remote is not authentic")]
    Decipher,
    /// The remote is ourselves, secret key included. Octez: `Myself`.
    #[error("the remote at {connection_id} is ourselves")]
    Myself {
        /// Where we found ourselves.
        connection_id: ConnectionId,
    },
    /// The connection message that we would send is too long: the chain name is.
    #[error("our connection message is too long")]
    LocalMessageTooLarge(#[source] ClearFrameTooLarge),
    /// The metadata that we would send does not fit into one chunk.
    #[error("our metadata is too long")]
    LocalMetadataTooLarge(#[source] SealError),
    /// The scheduler takes no connections any more.
    #[error(transparent)]
    SchedulerClosed(#[from] SchedulerClosed),
}

impl AuthenticateError {
    /// Whether the remote broke the protocol or let the deadline pass. A lost connection or something on our side is no
    /// offence.
    #[must_use]
    pub fn is_offence(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::ConnectionMessageTooLarge(_)
            | Self::Decoding { .. }
            | Self::NotEnoughProofOfWork { .. }
            | Self::WeakPublicKey { .. }
            | Self::InvalidCiphertextSize { .. }
            | Self::Decipher => true,
            Self::Cancelled { .. }
            | Self::ConnectionClosed { .. }
            | Self::Io { .. }
            | Self::Myself { .. }
            | Self::LocalMessageTooLarge(_)
            | Self::LocalMetadataTooLarge(_)
            | Self::SchedulerClosed(_) => false,
        }
    }

    pub(super) fn chunk(error: ChunkError) -> Self {
        match error {
            ChunkError::InvalidCiphertextSize { size } => Self::InvalidCiphertextSize { size },
            _ => Self::Decipher,
        }
    }

    pub(super) fn end(step: HandshakeStep, end: End) -> Self {
        match end {
            End::Closed => Self::ConnectionClosed { step },
            End::Io(source) => match scheduler_closed(&source) {
                Some(closed) => Self::SchedulerClosed(closed),
                None => Self::Io { step, source },
            },
            End::Cancelled => Self::Cancelled { step },
        }
    }
}

/// A scheduler that was shut down says so inside of an I/O error.
pub(crate) fn scheduler_closed(error: &io::Error) -> Option<SchedulerClosed> {
    error.get_ref()?.downcast_ref().copied()
}

/// Why an authenticated remote did not become a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The deadline passed. Octez: `Timeout`.
    #[error("timeout while waiting for the answer of the remote")]
    Timeout,
    /// The cancellation token of the configuration was cancelled. Octez: `Canceled`.
    #[error("cancelled while waiting for the answer of the remote")]
    Cancelled,
    /// The remote closed instead of answering. Octez: `Rejected_socket_connection`.
    #[error("rejected: the remote closed the connection instead of answering")]
    RejectedSocketConnection {
        /// What the transport reported, if it was not an orderly end.
        source: Option<io::Error>,
    },
    /// The answer is not authentic. Octez: `Invalid_auth`.
    #[error("invalid authentication: the answer of the remote is not authentic")]
    InvalidAuthentication,
    /// A chunk below the size of its tag. Octez: `Invalid_incoming_ciphertext_size`.
    #[error("invalid incoming ciphertext size {size}")]
    InvalidCiphertextSize {
        /// What the header said, in bytes.
        size: usize,
    },
    /// The answer is neither ack nor nack. Octez: `Decoding_error`.
    #[error("decoding error in the answer of the remote")]
    Decoding(#[source] DecodeError),
    /// The remote refuses us. Octez: `Rejected_by_nack`.
    #[error("rejected by the remote: {motive}")]
    RejectedByNack {
        /// Why.
        motive: RejectionMotive,
        /// Other peers that it recommends. A nack of p2p version 0 has no list, which is not the same as an empty
        /// one.
        points: Option<PointList>,
    },
    /// The options contradict each other. Nothing was sent.
    #[error(transparent)]
    InvalidOptions(#[from] InvalidOptions),
    /// The remote was refused: too many connections share the memory budget.
    #[error(transparent)]
    MemoryBudgetExhausted(#[from] MemoryBudgetExhausted),
    /// Every nonce of our direction has been used.
    #[error(transparent)]
    NoncesExhausted(#[from] NoncesExhausted),
}

impl AcceptError {
    /// Whether the remote broke the protocol or let the deadline pass. To refuse us is its right, and a lost connection
    /// or something on our side is no offence.
    #[must_use]
    pub fn is_offence(&self) -> bool {
        match self {
            Self::Timeout | Self::InvalidAuthentication | Self::InvalidCiphertextSize { .. } | Self::Decoding(_) => {
                true
            }
            Self::Cancelled
            | Self::RejectedSocketConnection { .. }
            | Self::RejectedByNack { .. }
            | Self::InvalidOptions(_)
            | Self::MemoryBudgetExhausted(_)
            | Self::NoncesExhausted(_) => false,
        }
    }
}

/// Why a nack was not delivered. The connection is closed all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NackError {
    /// The deadline passed. Octez: `Timeout`.
    #[error("timeout while sending the nack")]
    Timeout,
    /// The cancellation token of the configuration was cancelled. Octez: `Canceled`.
    #[error("cancelled while sending the nack")]
    Cancelled,
    /// The transport failed, or the remote had closed. Octez: `Connection_closed`.
    #[error("input or output failed while sending the nack")]
    Io(#[from] io::Error),
    /// Every nonce of our direction has been used.
    #[error(transparent)]
    NoncesExhausted(#[from] NoncesExhausted),
}
