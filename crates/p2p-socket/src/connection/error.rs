use std::{error::Error, io, sync::Arc, time::Duration};

use p2p_crypto::NoncesExhausted;
use p2p_framing::{ChunkError, DecodeError};
use p2p_io_scheduler::SchedulerClosed;

use super::EncodedMessage;
use crate::handshake::scheduler_closed;

/// Why a connection has ended. Everyone who asks is told the same.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The remote closed, between two messages. Octez: `Connection_closed`.
    #[error("the remote closed the connection")]
    ClosedByPeer,
    /// The remote closed within a message. Octez: `Connection_closed`.
    #[error("the remote closed the connection within a message, of which {received} bytes had come")]
    Truncated {
        /// How many bytes of the unfinished message and chunk there were.
        received: usize,
    },
    /// We closed, or dropped the last handle.
    #[error("the connection was closed on our side")]
    ClosedLocally,
    /// The cancellation token was cancelled. Octez: `Canceled`.
    #[error("the connection was cancelled")]
    Cancelled,
    /// The transport failed. Octez: `Connection_closed`.
    #[error("input or output failed")]
    Io(#[source] Arc<io::Error>),
    /// The scheduler ended all connections. Octez: `Connection_closed`.
    #[error(transparent)]
    SchedulerClosed(#[from] SchedulerClosed),
    /// A chunk below the size of its tag. Octez: `Invalid_incoming_ciphertext_size`.
    #[error("invalid incoming ciphertext size {size}")]
    InvalidCiphertextSize {
        /// What the header said, in bytes.
        size: usize,
    },
    /// A chunk is not authentic. Octez: `Decipher_error`.
    #[error("decipher error: a chunk of the remote is not authentic")]
    Decipher,
    /// The bytes of the remote are no message. Octez: `Decoding_error`.
    #[error("decoding error")]
    Decoding(#[source] Arc<dyn Error + Send + Sync>),
    /// The remote began a message above the maximum. Octez has no maximum.
    #[error("the remote began a message of {size} bytes, at most {maximum} are accepted")]
    MessageTooLarge {
        /// The declared size in bytes, or what had come of it.
        size: usize,
        /// The maximum of the encoding, or the size of the incoming queue, in bytes.
        maximum: usize,
    },
    /// Every nonce of our direction has been used.
    #[error(transparent)]
    NoncesExhausted(#[from] NoncesExhausted),
}

impl ConnectionError {
    pub(crate) fn io(error: io::Error) -> Self {
        match scheduler_closed(&error) {
            Some(closed) => Self::SchedulerClosed(closed),
            None => Self::Io(Arc::new(error)),
        }
    }

    pub(crate) fn chunk(error: ChunkError) -> Self {
        match error {
            ChunkError::InvalidCiphertextSize { size } => Self::InvalidCiphertextSize { size },
            _ => Self::Decipher,
        }
    }

    pub(crate) fn decoding(error: impl Error + Send + Sync + 'static) -> Self {
        let error: Arc<dyn Error + Send + Sync> = Arc::new(error);
        match error.downcast_ref::<DecodeError>() {
            Some(DecodeError::TooLarge { declared, maximum }) => Self::MessageTooLarge {
                size: *declared,
                maximum: *maximum,
            },
            _ => Self::Decoding(error),
        }
    }
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended. Octez: `Connection_closed`.
    #[error(transparent)]
    Closed(#[from] ConnectionError),
    /// The message is above the maximum of its encoding, or does not fit into the outgoing queue.
    #[error("a message of {size} bytes: at most {maximum} can be sent")]
    TooLarge {
        /// The size of the encoded message, in bytes.
        size: usize,
        /// The largest possible, in bytes.
        maximum: usize,
    },
    /// The message does not encode. Octez: `Encoding_error`.
    #[error("encoding error")]
    Encoding(#[source] Box<dyn Error + Send + Sync>),
}

/// Why a message was not sent at once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError<M> {
    /// The outgoing queue has no room for it now. The encoded message comes back, for
    /// [`try_send_encoded`](super::Sender::try_send_encoded) later.
    #[error("the outgoing queue is full")]
    Full(EncodedMessage<M>),
    /// It will never be sent.
    #[error(transparent)]
    Failed(#[from] SendError),
}

/// Why no message was received at once.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// None is waiting.
    #[error("no message is waiting")]
    Empty,
    /// The connection has ended, and every message that came before has been received.
    #[error(transparent)]
    Closed(#[from] ConnectionError),
}

/// Why nobody can say that everything has arrived. The connection is closed all the same.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The deadline passed before everything was written.
    #[error("the queued messages were not sent within {limit:?}")]
    Timeout {
        /// The time that there was.
        limit: Duration,
    },
    /// Everything was written, but the remote did not end its own direction in time. What it had not read yet may have
    /// been destroyed: TCP resets a connection that is closed while there is something left to read.
    #[error("the queued messages were sent, but the remote did not close within {limit:?}")]
    Unconfirmed {
        /// The time that there was.
        limit: Duration,
    },
    /// The connection had failed, or did while it was being closed; or someone else had it closed without flushing.
    #[error("the connection ended before everything that was queued is known to have arrived")]
    Failed(#[source] ConnectionError),
}
