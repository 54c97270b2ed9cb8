#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::mem;

use arrayvec::ArrayVec;
use bytes::{BufMut, BytesMut};
use p2p_crypto::{NoncesExhausted, OpenError, Opener, Piece, Sealer, TAG_SIZE, Tag};

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
    #[must_use]
    pub fn new(sealer: Sealer, chunk_size: ChunkSize) -> Self {
        Self { sealer, chunk_size }
    }

    /// The size that chunks are filled up to.
    #[must_use]
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
        let mut run = Run::new(out);
        let start = begin_chunk(run.out, plaintext.len());
        run.out.put_slice(plaintext);
        write_header(run.out, start);
        Ok(self.seal_filled(&mut run)?)
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
        let mut run = Run::new(out);
        let mut chunk = None;
        for piece in pieces {
            chunk = self.fill(&mut run, chunk, piece)?;
        }
        self.seal_filled(&mut run)
    }

    /// Appends each of `pieces` to `out` in chunks of its own. Empty pieces add nothing.
    ///
    /// This is what the reference does with messages. It costs more bytes and more work than
    /// [`seal_run`](Self::seal_run), but short pieces are sealed side by side.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`]; what was sealed before stays in `out`.
    pub fn seal_each<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        out: &mut BytesMut,
    ) -> Result<(), NoncesExhausted> {
        let mut run = Run::new(out);
        for piece in pieces {
            self.fill(&mut run, None, piece)?;
        }
        self.seal_filled(&mut run)
    }

    /// Appends what `write` appends to `out`, in as few chunks as it takes: the same as [`seal_run`](Self::seal_run) of
    /// those bytes, without copying them. Only what does not fit into the first chunk is moved, to make room for the
    /// overhead of the others.
    ///
    /// ```
    /// use bytes::{Bytes, BytesMut};
    /// use p2p_crypto::{ChannelKey, Nonce, Sealer};
    /// use p2p_framing::{ChunkSealer, ChunkSize, EncodeError, encoding::RawEncoding};
    /// use tokio_util::codec::Encoder;
    ///
    /// let sealer = Sealer::new(ChannelKey::from_bytes([7; 32]), Nonce::from_bytes([0; 24]));
    /// let mut sealer = ChunkSealer::new(sealer, ChunkSize::MAX);
    /// let mut wire = BytesMut::new();
    /// let message = Bytes::from_static(b"encoded where it is sealed");
    /// sealer.seal_written(&mut wire, |out| RawEncoding::default().encode(message, out))??;
    /// assert_eq!(wire.len(), sealer.sealed_size(4 + 26));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`]; what was sealed before stays in `out`. The error of `write` is handed on, and nothing is
    /// appended then.
    ///
    /// # Panics
    ///
    /// If `write` removes what was in the buffer before.
    pub fn seal_written<E>(
        &mut self,
        out: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Result<(), E>, NoncesExhausted> {
        let mut run = Run::new(out);
        let start = begin_chunk(run.out, 0);
        let written = write(run.out);
        let size = run.out.len().checked_sub(start.saturating_add(CHUNK_OVERHEAD));
        let size = size.expect("the writer only appends");
        if written.is_err() || size == 0 {
            run.out.truncate(start);
            return Ok(written);
        }
        spread(run.out, start, size, self.chunk_size.max_plaintext());
        self.seal_filled(&mut run)?;
        Ok(Ok(()))
    }

    /// Copies `piece` behind what is in the open chunk, if there is one, and into new ones. Gives the start of the
    /// chunk that has room left. Whenever it is worth while, seals the chunks that are full.
    fn fill(
        &mut self,
        run: &mut Run<'_>,
        mut open: Option<usize>,
        mut piece: &[u8],
    ) -> Result<Option<usize>, NoncesExhausted> {
        let capacity = self.chunk_size.max_plaintext();
        while !piece.is_empty() {
            let start = match open {
                Some(start) => start,
                None => {
                    if run.out.len().saturating_sub(run.sealed) >= WORTH_SEALING {
                        self.seal_filled(run)?;
                    }
                    begin_chunk(run.out, piece.len().min(capacity))
                }
            };
            let filled = run.out.len().saturating_sub(start.saturating_add(CHUNK_OVERHEAD));
            let room = capacity.saturating_sub(filled);
            let (head, tail) = piece.split_at(piece.len().min(room));
            run.out.put_slice(head);
            write_header(run.out, start);
            piece = tail;
            open = (head.len() < room).then_some(start);
        }
        Ok(open)
    }

    /// Seals every chunk of the run that is not sealed yet.
    fn seal_filled(&mut self, run: &mut Run<'_>) -> Result<(), NoncesExhausted> {
        loop {
            let mut rest = run.out.get_mut(run.sealed..).unwrap_or_default();
            let mut batch = ArrayVec::<Piece<'_>, BATCH>::new();
            let mut size: usize = 0;
            while !batch.is_full()
                && let Some(piece) = split_chunk(&mut rest)
            {
                size = size.saturating_add(wire_size(&piece));
                batch.push(piece);
            }
            if batch.is_empty() {
                return Ok(());
            }
            let result = self.sealer.seal_batch(&mut batch);
            drop(batch);
            if let Err(error) = result {
                run.out.truncate(run.sealed);
                return Err(error);
            }
            run.sealed = run.sealed.saturating_add(size);
        }
    }

    /// How many bytes [`seal_run`](Self::seal_run) appends for this many bytes of plaintext.
    #[must_use]
    pub fn sealed_size(&self, plaintext: usize) -> usize {
        let chunks = plaintext.div_ceil(self.chunk_size.max_plaintext());
        chunks.saturating_mul(CHUNK_OVERHEAD).saturating_add(plaintext)
    }
}

/// Chunks that are being appended to a buffer. First they are filled and then they are sealed.
struct Run<'a> {
    out: &'a mut BytesMut,
    /// Where the chunks begin that are not sealed yet.
    sealed: usize,
}

impl<'a> Run<'a> {
    fn new(out: &'a mut BytesMut) -> Self {
        Self { sealed: out.len(), out }
    }
}

/// From how many bytes on full chunks are sealed before more are filled: enough for many short ones to share the
/// vectors, and little enough that they are still in the nearest cache.
const WORTH_SEALING: usize = 16 * 1024;

/// How many chunks are sealed or opened together at most. Short ones of 100 bytes share the work of twenty or so.
const BATCH: usize = 64;

/// Makes chunks of what stands in `out`: from `start` on room for one overhead, and then `size` bytes of plaintext, at
/// least one. Each chunk carries up to `capacity` of them.
fn spread(out: &mut BytesMut, start: usize, size: usize, capacity: usize) {
    let further = size.div_ceil(capacity).saturating_sub(1);
    out.put_bytes(0, further.saturating_mul(CHUNK_OVERHEAD));
    let chunk = capacity.saturating_add(CHUNK_OVERHEAD);
    // The last first, since each moves to where the next one was.
    for index in (0..=further).rev() {
        let from = start
            .saturating_add(CHUNK_OVERHEAD)
            .saturating_add(index.saturating_mul(capacity));
        let length = capacity.min(size.saturating_sub(index.saturating_mul(capacity)));
        let begin = start.saturating_add(index.saturating_mul(chunk));
        let to = begin.saturating_add(CHUNK_OVERHEAD);
        if index > 0 {
            out.copy_within(from..from.saturating_add(length), to);
        }
        let header = out.get_mut(begin..).and_then(<[u8]>::split_first_chunk_mut);
        if let (Some((header, _)), Ok(size)) = (header, u16::try_from(length.saturating_add(TAG_SIZE))) {
            *header = size.to_be_bytes();
        }
    }
}

/// Appends room for the overhead of a chunk, and gives its place.
fn begin_chunk(out: &mut BytesMut, plaintext: usize) -> usize {
    let start = out.len();
    out.reserve(plaintext.saturating_add(CHUNK_OVERHEAD));
    out.put_bytes(0, CHUNK_OVERHEAD);
    start
}

/// Writes the header of the chunk that reaches from `start` to the end.
fn write_header(out: &mut BytesMut, start: usize) {
    let chunk = out.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut);
    let Some((header, size)) = chunk.and_then(|(header, body)| Some((header, u16::try_from(body.len()).ok()?))) else {
        unreachable!("a begun chunk has its overhead, and at most ChunkSize::MAX bytes");
    };
    *header = size.to_be_bytes();
}

/// Takes the chunk at the beginning of `input` off, if all of it is there.
fn split_chunk<'a>(input: &mut &'a mut [u8]) -> Option<Piece<'a>> {
    let header = input.first_chunk::<CHUNK_HEADER_SIZE>()?;
    let size = usize::from(u16::from_be_bytes(*header)).checked_add(CHUNK_HEADER_SIZE)?;
    if size < CHUNK_OVERHEAD || size > input.len() {
        return None;
    }
    let (chunk, rest) = mem::take(input).split_at_mut(size);
    *input = rest;
    let (tag, data) = chunk.get_mut(CHUNK_HEADER_SIZE..)?.split_first_chunk_mut()?;
    Some(Piece { data, tag })
}

/// How many bytes a chunk takes on the wire.
fn wire_size(piece: &Piece<'_>) -> usize {
    piece.data.len().saturating_add(CHUNK_OVERHEAD)
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
    #[must_use]
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
        let mut rest = input;
        let Some(Piece { data, tag }) = split_chunk(&mut rest) else {
            return Ok(None);
        };
        self.opener.open(data, &Tag::from_bytes(*tag))?;
        Ok(Some(OpenedChunk {
            wire_size: data.len().saturating_add(CHUNK_OVERHEAD),
            plaintext: data,
        }))
    }

    /// Opens every complete chunk of `input` in place, hands each plaintext to `sink`, and returns how many bytes
    /// of `input` are done with. The rest is the beginning of a chunk.
    ///
    /// # Errors
    ///
    /// See [`ChunkError`]; `sink` has had every plaintext in front of the chunk that failed.
    pub fn open_complete(&mut self, input: &mut [u8], mut sink: impl FnMut(&mut [u8])) -> Result<usize, ChunkError> {
        let mut rest = input;
        let mut consumed: usize = 0;
        loop {
            let mut batch = ArrayVec::<Piece<'_>, BATCH>::new();
            let mut size: usize = 0;
            while !batch.is_full()
                && size < WORTH_SEALING
                && let Some(piece) = split_chunk(&mut rest)
            {
                size = size.saturating_add(wire_size(&piece));
                batch.push(piece);
            }
            if batch.is_empty() {
                Self::bytes_missing(rest)?;
                return Ok(consumed);
            }
            let result = self.opener.open_batch(&mut batch);
            let opened = result.as_ref().map_or_else(|failure| failure.opened, |()| batch.len());
            for piece in batch.into_iter().take(opened) {
                sink(piece.data);
            }
            result.map_err(|failure| failure.error)?;
            consumed = consumed.saturating_add(size);
        }
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
