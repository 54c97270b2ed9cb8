//! Chunks: pieces of a stream that are sealed one by one, each behind its size.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod opener;
mod sealer;

use std::mem;

use p2p_crypto::{Piece, TAG_SIZE};

pub use self::{
    opener::{ChunkError, ChunkOpener, OpenedChunk},
    sealer::{ChunkSealer, SealError},
};

/// The length header of a chunk, in bytes. It counts the tag and the ciphertext, not itself.
pub const CHUNK_HEADER_SIZE: usize = 2;

/// What a chunk adds to its plaintext, in bytes: the length header and the tag.
pub const CHUNK_OVERHEAD: usize = CHUNK_HEADER_SIZE + TAG_SIZE;

/// The largest chunk that is accepted, in bytes on the wire: every value of the length header from 16 up is.
///
/// A sender stays two bytes below ([`ChunkSize::MAX`](crate::ChunkSize::MAX)).
pub const MAX_RECEIVED_CHUNK_SIZE: usize = CHUNK_HEADER_SIZE + u16::MAX as usize;

/// From how many bytes on what lies in a buffer is sealed, or opened, before more is added: enough for many short chunks
/// to share the vectors, and little enough that they are still in the nearest cache.
const WORTH_A_BATCH: usize = 16 * 1024;

/// How many chunks are sealed or opened together at most. Short ones of 100 bytes share the work of twenty or so.
const BATCH: usize = 64;

/// From how many bytes of plaintext on a chunk gains nothing by others beside it, and is worth sparing the copy.
const LONG: usize = 4096;
/// Takes the chunk at the beginning of `input` off, if all of it is there.
fn split_chunk<'a>(input: &mut &'a mut [u8]) -> Option<Piece<'a>> {
    let size = chunk_size(input)?;
    let (chunk, rest) = mem::take(input).split_at_mut(size);
    *input = rest;
    let (tag, data) = chunk.get_mut(CHUNK_HEADER_SIZE..)?.split_first_chunk_mut()?;
    Some(Piece { data, tag })
}

/// How many bytes the chunk at the beginning of `input` takes, if all of it is there.
fn chunk_size(input: &[u8]) -> Option<usize> {
    let header = input.first_chunk::<CHUNK_HEADER_SIZE>()?;
    let size = usize::from(u16::from_be_bytes(*header)).checked_add(CHUNK_HEADER_SIZE)?;
    (CHUNK_OVERHEAD..=input.len()).contains(&size).then_some(size)
}

/// How many bytes a chunk takes on the wire.
fn wire_size(piece: &Piece<'_>) -> usize {
    piece.data.len().saturating_add(CHUNK_OVERHEAD)
}
