use std::io;

use bytes::{Buf, Bytes, BytesMut};
use p2p_crypto::{NoncesExhausted, Opener, Sealer};
use tokio_util::codec::{Decoder, Encoder};

use crate::{ChunkError, ChunkOpener, ChunkSealer, ChunkSize};

/// The chunk layer of one connection as a codec, for [`Framed`](tokio_util::codec::Framed).
///
/// Each encoded item is cut into as many chunks as it takes; each decoded item is the plaintext of one chunk. Where
/// throughput or memory matters, use [`ChunkSealer`] and [`ChunkOpener`]: they work on the caller's buffers.
///
/// ```
/// use bytes::BytesMut;
/// use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
/// use p2p_framing::{ChunkCodec, ChunkSize};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let key = || ChannelKey::from_bytes([7; 32]);
/// let (there, back) = (Nonce::from_bytes([1; 24]), Nonce::from_bytes([2; 24]));
/// let mut ours = ChunkCodec::new(Sealer::new(key(), there), Opener::new(key(), back), ChunkSize::MAX);
/// let mut theirs = ChunkCodec::new(Sealer::new(key(), back), Opener::new(key(), there), ChunkSize::MAX);
///
/// let mut wire = BytesMut::new();
/// ours.encode(&b"hello"[..], &mut wire)?;
/// assert_eq!(theirs.decode(&mut wire)?.unwrap(), &b"hello"[..]);
/// # Ok::<(), p2p_framing::ChunkCodecError>(())
/// ```
#[derive(Debug)]
pub struct ChunkCodec {
    sealer: ChunkSealer,
    opener: ChunkOpener,
}

impl ChunkCodec {
    /// Seals with `sealer` in chunks of at most `chunk_size`, opens with `opener`.
    #[must_use]
    pub fn new(sealer: Sealer, opener: Opener, chunk_size: ChunkSize) -> Self {
        Self {
            sealer: ChunkSealer::new(sealer, chunk_size),
            opener: ChunkOpener::new(opener),
        }
    }
}

impl Encoder<&[u8]> for ChunkCodec {
    type Error = ChunkCodecError;

    fn encode(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), ChunkCodecError> {
        out.reserve(self.sealer.sealed_size(plaintext.len()));
        Ok(self.sealer.seal_run([plaintext], out)?)
    }
}

impl Encoder<Bytes> for ChunkCodec {
    type Error = ChunkCodecError;

    fn encode(&mut self, plaintext: Bytes, out: &mut BytesMut) -> Result<(), ChunkCodecError> {
        self.encode(&plaintext[..], out)
    }
}

impl Decoder for ChunkCodec {
    type Item = BytesMut;
    type Error = ChunkCodecError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, ChunkCodecError> {
        let Some(chunk) = self.opener.open_first(input)? else {
            return Ok(None);
        };
        let (wire_size, plaintext) = (chunk.wire_size, chunk.plaintext.len());
        let mut chunk = input.split_to(wire_size);
        chunk.advance(wire_size - plaintext);
        Ok(Some(chunk))
    }

    fn decode_eof(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, ChunkCodecError> {
        match self.decode(input)? {
            None if !input.is_empty() => Err(ChunkCodecError::Truncated { bytes: input.len() }),
            item => Ok(item),
        }
    }
}

/// Why [`ChunkCodec`] gave up on a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkCodecError {
    /// A received chunk could not be opened.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The remote closed within a chunk.
    #[error("the stream ended {bytes} bytes into a chunk")]
    Truncated {
        /// How many bytes of the chunk had arrived.
        bytes: usize,
    },
    /// Every nonce of this direction has been used.
    #[error(transparent)]
    NoncesExhausted(#[from] NoncesExhausted),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
