use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_MESSAGE_SIZE, PREFIX_SIZE, complete_message, put_message};
use crate::{DecodeError, EncodeError};

/// Messages that are just bytes: a `u32` length and that many bytes. Octez: `Data_encoding.bytes`.
///
/// A connection need not copy long ones that are [`Bytes`]: see [`sharing`](Self::sharing).
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use p2p_framing::encoding::RawEncoding;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut encoding = RawEncoding::default();
/// let mut stream = BytesMut::new();
/// encoding.encode(Bytes::from_static(b"hi"), &mut stream)?;
/// assert_eq!(stream, &b"\0\0\0\x02hi"[..]);
/// assert_eq!(encoding.decode(&mut stream)?.unwrap(), &b"hi"[..]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RawEncoding {
    maximum: usize,
    is_sharing: bool,
}

impl RawEncoding {
    /// Messages of at most `maximum` bytes.
    #[must_use]
    pub fn new(maximum: usize) -> Self {
        Self {
            maximum,
            is_sharing: false,
        }
    }

    /// Leaves long [`Bytes`] where they are until they are sealed, and does not copy them into a queue: for who makes messages
    /// in buffers of their own. See [`encode_sharing`](super::encode_sharing).
    ///
    /// # Security
    ///
    /// A slice keeps the whole buffer alive that it is part of, and a queue counts only the slice. Received messages are
    /// slices of buffers of up to 256 KiB: who passes them on to peers that read slowly should let them be copied, or a
    /// remote that sends one long message among many short ones makes a queue hold up to twenty times its bound.
    #[must_use]
    pub fn sharing(self) -> Self {
        Self {
            is_sharing: true,
            ..self
        }
    }

    /// The largest message that may be left where it is, if any may.
    pub(super) fn largest_shared(&self) -> Option<usize> {
        self.is_sharing.then_some(self.maximum)
    }
}

/// Messages up to this size, in bytes, are copied out of the buffer; larger ones are slices of it.
///
/// # Security
///
/// Someone who keeps many short messages out of large buffers would otherwise hold many times their size.
const LARGEST_COPIED: usize = 4096;

impl Default for RawEncoding {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_MESSAGE_SIZE)
    }
}

impl Encoder<&[u8]> for RawEncoding {
    type Error = EncodeError;

    fn encode(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        if message.len() > self.maximum {
            return Err(EncodeError::TooLarge {
                size: message.len(),
                maximum: self.maximum,
            });
        }
        out.reserve(PREFIX_SIZE + message.len());
        put_message(out, self.maximum, |out| {
            out.put_slice(message);
            Ok(())
        })
    }
}

impl Encoder<Bytes> for RawEncoding {
    type Error = EncodeError;

    fn encode(&mut self, message: Bytes, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode(&message[..], out)
    }
}

impl Decoder for RawEncoding {
    type Item = Bytes;
    type Error = DecodeError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, DecodeError> {
        let Some(size) = complete_message(input, self.maximum)? else {
            return Ok(None);
        };
        input.advance(PREFIX_SIZE);
        Ok(Some(if size <= LARGEST_COPIED {
            // A slice would keep the whole buffer alive for the sake of a few bytes, and sharing it costs more.
            let message = Bytes::copy_from_slice(&input[..size]);
            input.advance(size);
            message
        } else {
            input.split_to(size).freeze()
        }))
    }
}
