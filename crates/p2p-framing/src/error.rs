use std::{error::Error, io};

use crate::{InvalidPoint, TooManyPoints};

/// Why received bytes are not what they should be. Octez: `Decoding_error`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("not enough data")]
    NotEnoughData,
    /// The value ends before the bytes do.
    #[error("{count} bytes left over")]
    ExtraBytes {
        /// How many bytes are left.
        count: usize,
    },
    /// A tag that stands for nothing.
    #[error("unexpected tag {tag:#x}")]
    UnexpectedTag {
        /// The tag.
        tag: u16,
    },
    /// A declared message size above the maximum. Nothing was allocated for it.
    #[error("a message of {declared} bytes was declared, at most {maximum} are accepted")]
    TooLarge {
        /// The declared size in bytes.
        declared: usize,
        /// The largest accepted size in bytes.
        maximum: usize,
    },
    /// A point that is not `address:port`.
    #[error(transparent)]
    InvalidPoint(#[from] InvalidPoint),
    /// A list of too many points.
    #[error(transparent)]
    TooManyPoints(#[from] TooManyPoints),
    /// The bytes of an application message do not decode.
    #[error("undecodable message")]
    Payload(#[source] Box<dyn Error + Send + Sync>),
    /// The transport failed. Never made here: [`tokio_util::codec::Decoder`] asks for it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a value can not be encoded. Octez: `Encoding_error`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The encoded message is above the maximum.
    #[error("a message of {size} bytes: at most {maximum} are allowed")]
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The largest size in bytes.
        maximum: usize,
    },
    /// An application message claims a tag that belongs to the control messages.
    #[error("tag {tag:#x} is reserved: application messages begin at 0x10")]
    ReservedTag {
        /// The tag.
        tag: u16,
    },
    /// The message does not encode.
    #[error("unencodable message")]
    Payload(#[source] Box<dyn Error + Send + Sync>),
    /// The transport failed. Never made here: [`tokio_util::codec::Encoder`] asks for it.
    #[error(transparent)]
    Io(#[from] io::Error),
}
