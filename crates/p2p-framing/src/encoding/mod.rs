//! How messages become bytes.
//!
//! A message encoding is a pair of tokio-util's [`Encoder`](tokio_util::codec::Encoder) and
//! [`Decoder`](tokio_util::codec::Decoder) that delimits its messages itself, because chunk borders mean nothing:
//! a message may span chunks, and a chunk may carry several messages. All of the encodings here share one outer form,
//! a `u32` byte length and that many bytes, and refuse a declared length above their maximum at once.

#[cfg(feature = "bincode")]
mod bincode;
mod control;
#[cfg(feature = "postcard")]
mod postcard;
mod raw;
mod sharing;

use bytes::{Buf, BufMut, BytesMut};

#[cfg(feature = "bincode")]
pub use self::bincode::BincodeEncoding;
#[cfg(feature = "postcard")]
pub use self::postcard::PostcardEncoding;
pub use self::{
    control::{ApplicationEncoding, ControlEncoding, ControlMessage, Swap, TaggedPayload, TaggedPayloadEncoding},
    raw::RawEncoding,
    sharing::encode_sharing,
};
use crate::{DecodeError, EncodeError};

const PREFIX_SIZE: usize = 4;

/// The default maximum of a message, in bytes without its length prefix.
///
/// # Security
///
/// It bounds what a remote can make us keep before a message is complete. The reference waits for up to a gigabyte;
/// the largest message a Tezos node really sends, a block's operations, is well below this.
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = 4 * 1024 * 1024;

/// Appends one message, or nothing if it is above `maximum`.
fn put_message(
    out: &mut BytesMut,
    maximum: usize,
    put_body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_u32(0);
    let result = put_body(out);
    let size = out.len() - start - PREFIX_SIZE;
    match (result, u32::try_from(size)) {
        (Ok(()), Ok(length)) if size <= maximum => {
            out[start..start + PREFIX_SIZE].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        (result, _) => {
            out.truncate(start);
            result.and(Err(EncodeError::TooLarge { size, maximum }))
        }
    }
}

/// How long the body of the message at the front of `input` is, once it is complete.
///
/// Nothing is reserved for a declared size: the buffer grows with what really arrives.
fn complete_message(input: &[u8], maximum: usize) -> Result<Option<usize>, DecodeError> {
    let Some((prefix, rest)) = input.split_first_chunk::<PREFIX_SIZE>() else {
        return Ok(None);
    };
    let declared = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
    if declared > maximum {
        return Err(DecodeError::TooLarge { declared, maximum });
    }
    Ok((rest.len() >= declared).then_some(declared))
}

/// Takes the body of one message from the front of `input`, once it is complete.
fn take_message(input: &mut BytesMut, maximum: usize) -> Result<Option<BytesMut>, DecodeError> {
    let size = complete_message(input, maximum)?;
    Ok(size.map(|size| {
        input.advance(PREFIX_SIZE);
        input.split_to(size)
    }))
}
