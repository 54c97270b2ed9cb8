use arrayvec::ArrayVec;
use bytes::{BufMut, BytesMut};
use p2p_crypto::{OpenError, Opener, Piece, TAG_SIZE, Tag};

use super::{BATCH, CHUNK_HEADER_SIZE, CHUNK_OVERHEAD, LONG, WORTH_A_BATCH, chunk_size, split_chunk, wire_size};

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
                && size < WORTH_A_BATCH
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

    /// Opens every complete chunk of `input`, appends their plaintext to `stream`, and returns how many bytes of `input`
    /// are done with. The rest is the beginning of a chunk.
    ///
    /// What is in `input` then has no meaning: short chunks are opened in place and copied, long ones opened into
    /// `stream`. That grows once, and by no more than has arrived.
    ///
    /// # Errors
    ///
    /// See [`ChunkError`]; `stream` has every plaintext in front of the chunk that failed.
    pub fn open_onto(&mut self, mut input: &mut [u8], stream: &mut BytesMut) -> Result<usize, ChunkError> {
        let (size, plaintext) = complete_sizes(input);
        stream.reserve(plaintext);
        let mut consumed: usize = 0;
        while consumed < size {
            let short = short_chunks(input);
            if short > 0 {
                let (chunks, rest) = input.split_at_mut(short);
                self.open_complete(chunks, |plaintext| stream.put_slice(plaintext))?;
                (input, consumed) = (rest, consumed.saturating_add(short));
            } else if let Some(piece) = split_chunk(&mut input) {
                self.open_long(&piece, stream)?;
                consumed = consumed.saturating_add(wire_size(&piece));
            }
        }
        Self::bytes_missing(input)?;
        Ok(consumed)
    }

    fn open_long(&mut self, piece: &Piece<'_>, stream: &mut BytesMut) -> Result<(), OpenError> {
        let start = stream.len();
        stream.put_bytes(0, piece.data.len());
        let plaintext = stream.get_mut(start..).unwrap_or_default();
        let opened = self
            .opener
            .open_into(piece.data, &Tag::from_bytes(*piece.tag), plaintext);
        if opened.is_err() {
            stream.truncate(start);
        }
        opened
    }
}

/// The sizes of the chunks at the beginning of `input`, as far as they are complete.
fn complete_chunks(mut input: &[u8]) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let size = chunk_size(input)?;
        input = input.get(size..)?;
        Some(size)
    })
}

/// How many bytes the complete chunks take, and how many of plaintext they carry.
fn complete_sizes(input: &[u8]) -> (usize, usize) {
    complete_chunks(input).fold((0, 0), |(wire, plaintext): (usize, usize), size| {
        let carried = size.saturating_sub(CHUNK_OVERHEAD);
        (wire.saturating_add(size), plaintext.saturating_add(carried))
    })
}

/// How many bytes the complete chunks take that come before a long one.
fn short_chunks(input: &[u8]) -> usize {
    let short = complete_chunks(input).take_while(|size| *size < LONG);
    short.fold(0, usize::saturating_add)
}

/// A chunk that [`ChunkOpener::open_first`] opened.
#[derive(Debug)]
pub struct OpenedChunk<'a> {
    /// How many bytes it took on the wire, header and tag included.
    pub wire_size: usize,
    /// The authenticated plaintext, in the place of the ciphertext.
    pub plaintext: &'a mut [u8],
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
