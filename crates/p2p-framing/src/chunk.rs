#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};
use p2p_crypto::{NoncesExhausted, OpenError, Opener, Sealer, TAG_SIZE, Tag};

use crate::ChunkSize;

/// The length header of a chunk, in bytes. It counts the tag and the ciphertext, not itself.
pub const CHUNK_HEADER_SIZE: usize = 2;

/// What a chunk adds to its plaintext, in bytes: the length header and the tag.
pub const CHUNK_OVERHEAD: usize = CHUNK_HEADER_SIZE + TAG_SIZE;

/// The largest chunk that is accepted, in bytes on the wire: every value of the length header from 16 up is.
///
/// A sender stays two bytes below ([`ChunkSize::MAX`]).
pub const MAX_RECEIVED_CHUNK_SIZE: usize = CHUNK_HEADER_SIZE + u16::MAX as usize;

/// Cuts plaintext into chunks and seals them, straight into the caller's output buffer.
///
/// ```
/// use bytes::BytesMut;
/// use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
/// use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize};
///
/// let key = || ChannelKey::from_bytes([7; 32]);
/// let nonce = Nonce::from_bytes([0; 24]);
/// let mut sealer = ChunkSealer::new(Sealer::new(key(), nonce), ChunkSize::MAX);
/// let mut opener = ChunkOpener::new(Opener::new(key(), nonce));
///
/// let mut wire = BytesMut::new();
/// sealer.seal_run([&b"two messages, "[..], b"one chunk"], &mut wire)?;
///
/// let mut stream = Vec::new();
/// let consumed = opener.open_complete(&mut wire, |plaintext| stream.extend_from_slice(plaintext))?;
/// assert_eq!((consumed, &stream[..]), (wire.len(), &b"two messages, one chunk"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ChunkSealer {
    sealer: Sealer,
    chunk_size: ChunkSize,
}

impl ChunkSealer {
    /// Seals chunks of at most `chunk_size` with `sealer`.
    pub fn new(sealer: Sealer, chunk_size: ChunkSize) -> Self {
        Self { sealer, chunk_size }
    }

    /// The size that chunks are filled up to.
    pub fn chunk_size(&self) -> ChunkSize {
        self.chunk_size
    }

    /// Changes the size from the next chunk on.
    pub fn set_chunk_size(&mut self, chunk_size: ChunkSize) {
        self.chunk_size = chunk_size;
    }

    /// Appends `plaintext` to `out` as one chunk, also when it is empty.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLarge`] if it does not fit into one chunk, and nothing was appended.
    pub fn seal_one(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        let maximum = self.chunk_size.max_plaintext();
        if plaintext.len() > maximum {
            return Err(SealError::TooLarge {
                size: plaintext.len(),
                maximum,
            });
        }
        let start = out.len();
        begin_chunk(out, plaintext.len());
        out.put_slice(plaintext);
        Ok(self.finish_chunk(out, start)?)
    }

    /// Appends the concatenation of `pieces` to `out`, in as few chunks as it takes. Empty pieces add nothing.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`]; what was sealed before stays in `out`.
    pub fn seal_run<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        out: &mut BytesMut,
    ) -> Result<(), NoncesExhausted> {
        let capacity = self.chunk_size.max_plaintext();
        let mut open_chunk = None;
        for mut piece in pieces {
            while !piece.is_empty() {
                let start = *open_chunk.get_or_insert_with(|| {
                    let start = out.len();
                    begin_chunk(out, piece.len().min(capacity));
                    start
                });
                let filled = out.len().saturating_sub(start.saturating_add(CHUNK_OVERHEAD));
                let room = capacity.saturating_sub(filled);
                let (head, tail) = piece.split_at(piece.len().min(room));
                out.put_slice(head);
                piece = tail;
                if head.len() == room {
                    self.finish_chunk(out, start)?;
                    open_chunk = None;
                }
            }
        }
        open_chunk.map_or(Ok(()), |start| self.finish_chunk(out, start))
    }

    /// How many bytes [`seal_run`](Self::seal_run) appends for this many bytes of plaintext.
    pub fn sealed_size(&self, plaintext: usize) -> usize {
        let chunks = plaintext.div_ceil(self.chunk_size.max_plaintext());
        chunks.saturating_mul(CHUNK_OVERHEAD).saturating_add(plaintext)
    }

    /// Seals everything behind the overhead that [`begin_chunk`] left at `start`, and fills that in.
    fn finish_chunk(&mut self, out: &mut BytesMut, start: usize) -> Result<(), NoncesExhausted> {
        let sealed = out.get_mut(start..).and_then(|chunk| {
            let (header, body) = chunk.split_first_chunk_mut::<CHUNK_HEADER_SIZE>()?;
            *header = u16::try_from(body.len()).ok()?.to_be_bytes();
            body.split_first_chunk_mut::<TAG_SIZE>()
        });
        let Some((tag, plaintext)) = sealed else {
            unreachable!("a begun chunk has its overhead, and at most ChunkSize::MAX bytes");
        };
        match self.sealer.seal(plaintext) {
            Ok(sealed) => *tag = *sealed.as_bytes(),
            Err(error) => {
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }
}

fn begin_chunk(out: &mut BytesMut, plaintext: usize) {
    out.reserve(plaintext.saturating_add(CHUNK_OVERHEAD));
    out.put_bytes(0, CHUNK_OVERHEAD);
}

/// Finds chunks in received bytes and opens them in place.
///
/// It holds no bytes: what is not a complete chunk yet stays with the caller. After the first failure every further
/// call fails, because the two sides no longer agree on the stream.
#[derive(Debug)]
pub struct ChunkOpener {
    opener: Opener,
}

impl ChunkOpener {
    /// Opens chunks with `opener`.
    pub fn new(opener: Opener) -> Self {
        Self { opener }
    }

    /// How many bytes the chunk at the beginning of `input` lacks: 0 if all of it is there. Before the two bytes of
    /// the header are, how many those lack.
    ///
    /// # Errors
    ///
    /// [`ChunkError::InvalidCiphertextSize`] as soon as the header is there.
    pub fn bytes_missing(input: &[u8]) -> Result<usize, ChunkError> {
        let Some((header, body)) = input.split_first_chunk::<CHUNK_HEADER_SIZE>() else {
            return Ok(CHUNK_HEADER_SIZE.saturating_sub(input.len()));
        };
        let size = usize::from(u16::from_be_bytes(*header));
        if size < TAG_SIZE {
            return Err(ChunkError::InvalidCiphertextSize { size });
        }
        Ok(size.saturating_sub(body.len()))
    }

    /// Opens the chunk at the beginning of `input` in place, if all of it is there.
    ///
    /// # Errors
    ///
    /// See [`ChunkError`]. The header is checked as soon as its two bytes are there.
    pub fn open_first<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<OpenedChunk<'a>>, ChunkError> {
        if Self::bytes_missing(input)? > 0 {
            return Ok(None);
        }
        let body = input
            .split_first_chunk_mut::<CHUNK_HEADER_SIZE>()
            .and_then(|(header, rest)| {
                let size = usize::from(u16::from_be_bytes(*header));
                rest.get_mut(..size)?.split_first_chunk_mut::<TAG_SIZE>()
            });
        let Some((tag, plaintext)) = body else {
            return Ok(None);
        };
        self.opener.open(plaintext, &Tag::from_bytes(*tag))?;
        Ok(Some(OpenedChunk {
            wire_size: plaintext.len().saturating_add(CHUNK_OVERHEAD),
            plaintext,
        }))
    }

    /// Opens every complete chunk of `input` in place, hands each plaintext to `sink`, and returns how many bytes
    /// of `input` are done with. The rest is the beginning of a chunk.
    ///
    /// # Errors
    ///
    /// See [`ChunkError`]; `sink` has had every plaintext in front of the chunk that failed.
    pub fn open_complete(&mut self, input: &mut [u8], mut sink: impl FnMut(&mut [u8])) -> Result<usize, ChunkError> {
        let mut consumed: usize = 0;
        while let Some(chunk) = self.open_first(input.get_mut(consumed..).unwrap_or_default())? {
            consumed = consumed.saturating_add(chunk.wire_size);
            sink(chunk.plaintext);
        }
        Ok(consumed)
    }
}

/// A chunk that [`ChunkOpener::open_first`] opened.
#[derive(Debug)]
pub struct OpenedChunk<'a> {
    /// How many bytes it took on the wire, header and tag included.
    pub wire_size: usize,
    /// The authenticated plaintext, in the place of the ciphertext.
    pub plaintext: &'a mut [u8],
}

/// Why plaintext could not be sealed as one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// More than one chunk carries. Octez: `Invalid_message_size`.
    #[error("{size} bytes do not fit into one chunk, which carries at most {maximum}")]
    TooLarge {
        /// Bytes of plaintext.
        size: usize,
        /// Bytes of plaintext that fit.
        maximum: usize,
    },
    /// Every nonce of this direction has been used.
    #[error(transparent)]
    NoncesExhausted(#[from] NoncesExhausted),
}

/// Why a chunk could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The length header is below the 16 bytes of the tag. Octez: `Invalid_incoming_ciphertext_size`.
    #[error("invalid incoming ciphertext size {size}: a chunk has at least {TAG_SIZE} bytes")]
    InvalidCiphertextSize {
        /// What the header said, in bytes.
        size: usize,
    },
    /// The chunk is not authentic, or one before it was not. Octez: `Decipher_error`.
    #[error("decipher error")]
    Decipher(#[from] OpenError),
}
