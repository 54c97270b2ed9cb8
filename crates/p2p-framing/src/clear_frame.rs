#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// A frame in the clear: a `u16` length and that many bytes. Only the connection message travels like this.
///
/// It keeps its bytes exactly as they were on the wire, prefix included, because the session nonces are derived
/// from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearFrame {
    wire: Bytes,
}

impl ClearFrame {
    /// The size of the length prefix, in bytes.
    pub const PREFIX_SIZE: usize = 2;

    /// Wraps `body`.
    ///
    /// # Errors
    ///
    /// [`ClearFrameTooLarge`] over 65535 bytes.
    pub fn new(body: &[u8]) -> Result<Self, ClearFrameTooLarge> {
        let maximum = usize::from(u16::MAX);
        let length = u16::try_from(body.len()).map_err(|_| ClearFrameTooLarge {
            size: body.len(),
            maximum,
        })?;
        let mut wire = BytesMut::with_capacity(body.len().saturating_add(Self::PREFIX_SIZE));
        wire.put_u16(length);
        wire.put_slice(body);
        Ok(Self { wire: wire.freeze() })
    }

    /// What is inside.
    pub fn body(&self) -> &[u8] {
        self.wire.get(Self::PREFIX_SIZE..).unwrap_or_default()
    }

    /// The frame as it is on the wire, with its length prefix.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }
}

/// Decodes [`ClearFrame`]s of at most a given size.
///
/// ```
/// use bytes::BytesMut;
/// use p2p_framing::{ClearFrame, ClearFrameCodec};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = ClearFrameCodec::new(100);
/// let mut wire = BytesMut::new();
/// codec.encode(ClearFrame::new(b"hello")?, &mut wire)?;
/// assert_eq!(codec.decode(&mut wire)?.unwrap().body(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// This is read before anything is known of the remote. Without a maximum of its own, everyone who can connect could
/// make us hold 64 KiB per connection; the length is checked before a byte of the body is kept.
#[derive(Clone, Copy, Debug)]
pub struct ClearFrameCodec {
    maximum: usize,
}

impl ClearFrameCodec {
    /// Refuses bodies of more than `maximum` bytes.
    #[must_use]
    pub fn new(maximum: usize) -> Self {
        Self { maximum }
    }
}

impl Encoder<ClearFrame> for ClearFrameCodec {
    type Error = ClearFrameError;

    fn encode(&mut self, frame: ClearFrame, out: &mut BytesMut) -> Result<(), ClearFrameError> {
        let size = frame.body().len();
        if size > self.maximum {
            return Err(ClearFrameTooLarge {
                size,
                maximum: self.maximum,
            }
            .into());
        }
        out.extend_from_slice(frame.as_wire());
        Ok(())
    }
}

impl Decoder for ClearFrameCodec {
    type Item = ClearFrame;
    type Error = ClearFrameError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<ClearFrame>, ClearFrameError> {
        let Some(prefix) = input.first_chunk::<{ ClearFrame::PREFIX_SIZE }>() else {
            return Ok(None);
        };
        let size = usize::from(u16::from_be_bytes(*prefix));
        if size > self.maximum {
            return Err(ClearFrameTooLarge {
                size,
                maximum: self.maximum,
            }
            .into());
        }
        let wire_size = size.saturating_add(ClearFrame::PREFIX_SIZE);
        if input.len() < wire_size {
            return Ok(None);
        }
        Ok(Some(ClearFrame {
            wire: input.split_to(wire_size).freeze(),
        }))
    }
}

/// A clear frame above the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a clear frame of {size} bytes: at most {maximum} are accepted")]
pub struct ClearFrameTooLarge {
    /// The size of the body that was declared, in bytes.
    pub size: usize,
    /// The largest body that is accepted, in bytes.
    pub maximum: usize,
}

/// Why a clear frame could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClearFrameError {
    /// Above the maximum.
    #[error(transparent)]
    TooLarge(#[from] ClearFrameTooLarge),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(maximum: usize, bytes: &[u8]) -> Result<Option<ClearFrame>, ClearFrameError> {
        ClearFrameCodec::new(maximum).decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn waits_for_the_whole_frame() {
        let frame = ClearFrame::new(b"abc").unwrap();
        for end in 0..frame.as_wire().len() {
            assert_eq!(decode(3, &frame.as_wire()[..end]).unwrap(), None);
        }
        assert_eq!(decode(3, frame.as_wire()).unwrap(), Some(frame));
    }

    #[test]
    fn refuses_at_the_header_what_is_above_the_maximum() {
        let error = decode(3, &[0, 4]).unwrap_err();
        assert!(matches!(
            error,
            ClearFrameError::TooLarge(ClearFrameTooLarge { size: 4, maximum: 3 })
        ));
        assert!(ClearFrame::new(&[0; 65536]).is_err());
        assert!(
            ClearFrameCodec::new(2)
                .encode(ClearFrame::new(b"abc").unwrap(), &mut BytesMut::new())
                .is_err()
        );
    }

    #[test]
    fn leaves_what_follows() {
        let mut input = BytesMut::from(&[0, 1, 7, 0, 0][..]);
        let mut codec = ClearFrameCodec::new(3);
        assert_eq!(codec.decode(&mut input).unwrap().unwrap().body(), [7]);
        assert!(codec.decode(&mut input).unwrap().unwrap().body().is_empty());
        assert!(input.is_empty());
    }
}
