use arrayvec::ArrayVec;
use bytes::{BufMut, BytesMut};
use p2p_crypto::{NoncesExhausted, Piece, Sealer, TAG_SIZE};

use super::{BATCH, CHUNK_OVERHEAD, LONG, WORTH_A_BATCH, split_chunk, wire_size};
use crate::ChunkSize;

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
        for piece in pieces {
            self.add(&mut run, piece)?;
        }
        self.end_chunk(&mut run)?;
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
            self.add(&mut run, piece)?;
            self.end_chunk(&mut run)?;
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
            return Ok(written);
        }
        spread(run.out, start, size, self.chunk_size.max_plaintext());
        self.seal_filled(&mut run)?;
        Ok(Ok(()))
    }

    /// Adds `piece` to what the open chunk is to carry. Ends each chunk that is full.
    fn add<'a>(&mut self, run: &mut Run<'_, 'a>, mut piece: &'a [u8]) -> Result<(), NoncesExhausted> {
        let capacity = self.chunk_size.max_plaintext();
        while !piece.is_empty() {
            let room = capacity.saturating_sub(run.size);
            let (head, tail) = piece.split_at(piece.len().min(room));
            run.size = run.size.saturating_add(head.len());
            piece = tail;
            if run.parts.try_push(head).is_err() {
                self.copy_parts(run)?;
                run.parts.push(head);
            }
            if head.len() == room {
                self.end_chunk(run)?;
            }
        }
        Ok(())
    }

    /// Completes the open chunk, if there is one. A long one is sealed straight out of its parts.
    fn end_chunk(&mut self, run: &mut Run<'_, '_>) -> Result<(), NoncesExhausted> {
        if run.open.is_some() || run.size < LONG {
            self.copy_parts(run)?;
        } else {
            self.seal_filled(run)?;
            let start = begin_chunk(run.out, run.size);
            run.out.put_bytes(0, run.size);
            write_header(run.out, start);
            let mut rest = run.out.get_mut(start..).unwrap_or_default();
            if let Some(Piece { data, tag }) = split_chunk(&mut rest) {
                *tag = *self.sealer.seal_gathered(&run.parts, data)?.as_bytes();
            }
            run.parts.clear();
            run.sealed = run.out.len();
        }
        (run.open, run.size) = (None, 0);
        Ok(())
    }

    /// Copies the parts of the open chunk to its place. Whenever it is worth while, seals the chunks that are full.
    fn copy_parts(&mut self, run: &mut Run<'_, '_>) -> Result<(), NoncesExhausted> {
        if run.parts.is_empty() {
            return Ok(());
        }
        let start = match run.open {
            Some(start) => start,
            None => {
                if run.out.len().saturating_sub(run.sealed) >= WORTH_A_BATCH {
                    self.seal_filled(run)?;
                }
                begin_chunk(run.out, run.size)
            }
        };
        for part in run.parts.drain(..) {
            run.out.put_slice(part);
        }
        write_header(run.out, start);
        run.open = Some(start);
        Ok(())
    }

    /// Seals every chunk of the run that is not sealed yet.
    fn seal_filled(&mut self, run: &mut Run<'_, '_>) -> Result<(), NoncesExhausted> {
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
            self.sealer.seal_batch(&mut batch)?;
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

/// How many parts of a long chunk may lie in different places. More are short, and cheap to copy.
const PARTS: usize = 16;

/// Chunks that are being appended to a buffer. First they are filled and then they are sealed.
struct Run<'out, 'parts> {
    out: &'out mut BytesMut,
    /// Where the chunks begin that are not sealed yet.
    sealed: usize,
    /// Where the open chunk begins, once something was copied into it.
    open: Option<usize>,
    /// What it is to carry, and is not in it yet.
    parts: ArrayVec<&'parts [u8], PARTS>,
    /// How many bytes it carries then.
    size: usize,
}

impl<'out> Run<'out, '_> {
    fn new(out: &'out mut BytesMut) -> Self {
        Self {
            sealed: out.len(),
            out,
            open: None,
            parts: ArrayVec::new(),
            size: 0,
        }
    }
}

/// Whatever ends a run before its time, an error or a panic of who gives the pieces, leaves no plaintext behind.
impl Drop for Run<'_, '_> {
    fn drop(&mut self) {
        self.out.truncate(self.sealed);
    }
}

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
