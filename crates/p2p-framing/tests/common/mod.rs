//! A pair of chunk layers that share a key.
#![allow(dead_code, reason = "every test program uses its own part of it")]

use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize};

pub(crate) fn sealer() -> Sealer {
    Sealer::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24]))
}

pub(crate) fn opener() -> Opener {
    Opener::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24]))
}

pub(crate) fn chunk_sealer(chunk_size: usize) -> ChunkSealer {
    ChunkSealer::new(sealer(), ChunkSize::new(chunk_size).unwrap())
}

pub(crate) fn chunk_opener() -> ChunkOpener {
    ChunkOpener::new(opener())
}

pub(crate) fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at + (at >> 8) * 5) as u8).collect()
}

/// A chunk as a sender of any plaintext up to 65519 bytes could make it.
pub(crate) fn chunk_of(sealer: &mut Sealer, plaintext: &[u8]) -> Vec<u8> {
    let mut data = plaintext.to_vec();
    let tag = sealer.seal(&mut data).unwrap();
    let mut chunk = u16::try_from(data.len() + 16).unwrap().to_be_bytes().to_vec();
    chunk.extend_from_slice(tag.as_bytes());
    chunk.extend_from_slice(&data);
    chunk
}
