//! XSalsa20-Poly1305 with vector instructions: many blocks of one piece side by side, or blocks of many short pieces.
//!
//! Below the rounds everything works on a subkey, which HSalsa20 makes of the channel key and the first 16 bytes of a
//! nonce. Consecutive nonces share it. The end of a nonce, its last 8 bytes, is one big-endian integer here.
#![allow(unsafe_code)]

mod batch;
mod poly1305;
mod salsa20;
mod source;

use std::hint::black_box;

use subtle::ConstantTimeEq;

use crate::TAG_SIZE;
use crate::aligned::Aligned;
use crate::instruction_set::{InstructionSet, Kind};
use salsa20::{BLOCK, Position, position};

pub(crate) use salsa20::Subkey;
pub(crate) use source::Source;

/// Bytes of the first block of keystream that key the tag; the data begins behind them.
const TAG_KEY: usize = 32;

/// How many blocks of keystream are computed for a single short piece.
const FEW: usize = salsa20::few::BLOCKS;

/// The longest piece for which these are enough.
const FEW_DATA: usize = FEW * BLOCK - TAG_KEY;

/// The kernels for one set of instructions. A value proves that the processor has them.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// Whether there is AVX-512, all of its parts that [`InstructionSet`] names, beside AVX2.
    has_avx512: bool,
}

impl Kernels {
    /// `None` if the set has nothing that could be used here.
    pub(crate) fn of(set: InstructionSet) -> Option<Self> {
        match set.0 {
            Kind::Baseline => None,
            Kind::Avx2 => Some(Self { has_avx512: false }),
            Kind::Avx512 => Some(Self { has_avx512: true }),
        }
    }

    /// Encrypts `data` in place and gives its tag.
    pub(crate) fn seal(self, subkey: &Subkey, nonce_end: u64, data: &mut [u8]) -> [u8; TAG_SIZE] {
        self.seal_from(subkey, nonce_end, Source::InPlace, data)
    }

    /// Encrypts as many bytes of the `source` as `data` has room for into it, and gives their tag.
    pub(crate) fn seal_from(
        self,
        subkey: &Subkey,
        nonce_end: u64,
        mut source: Source<'_>,
        data: &mut [u8],
    ) -> [u8; TAG_SIZE] {
        if data.len() <= FEW_DATA {
            source.fill(data);
            let mut keystream = Aligned([0; FEW * BLOCK]);
            self.few(subkey, nonce_end, &mut keystream.0);
            xor(data, &keystream.0[TAG_KEY..]);
            let tag = poly1305::tag_of(tag_key(&keystream.0), data);
            wipe(&mut keystream.0);
            return tag;
        }
        let mut head = Head::EMPTY;
        head.fill(self, subkey, nonce_end, data.len());
        self.xor(subkey, nonce_end, &head, source, data);
        self.tag_of(head.tag_key(), data)
    }

    /// Decrypts `data` in place if `tag` is its tag, and says whether it is.
    pub(crate) fn open(self, subkey: &Subkey, nonce_end: u64, data: &mut [u8], tag: &[u8; TAG_SIZE]) -> bool {
        if data.len() <= FEW_DATA {
            let mut keystream = Aligned([0; FEW * BLOCK]);
            self.few(subkey, nonce_end, &mut keystream.0);
            let authentic = is_equal(&poly1305::tag_of(tag_key(&keystream.0), data), tag);
            if authentic {
                xor(data, &keystream.0[TAG_KEY..]);
            }
            wipe(&mut keystream.0);
            return authentic;
        }
        let mut head = Head::EMPTY;
        head.fill(self, subkey, nonce_end, data.len());
        let authentic = is_equal(&self.tag_of(head.tag_key(), data), tag);
        if authentic {
            self.xor(subkey, nonce_end, &head, Source::InPlace, data);
        }
        authentic
    }

    /// Decrypts `sealed` into `data`, which is as long, if `tag` is its tag, and says whether it is.
    pub(crate) fn open_into(
        self,
        subkey: &Subkey,
        nonce_end: u64,
        sealed: &[u8],
        tag: &[u8; TAG_SIZE],
        data: &mut [u8],
    ) -> bool {
        let mut head = Head::EMPTY;
        head.fill(self, subkey, nonce_end, sealed.len());
        let authentic = is_equal(&self.tag_of(head.tag_key(), sealed), tag);
        if authentic {
            self.xor(subkey, nonce_end, &head, Source::pieces(&[sealed]), data);
        }
        authentic
    }

    fn xor(self, subkey: &Subkey, nonce_end: u64, head: &Head, mut source: Source<'_>, data: &mut [u8]) {
        let keystream = &head.keystream()[TAG_KEY..];
        let (front, rest) = data.split_at_mut(data.len().min(keystream.len()));
        source.fill(front);
        xor(front, keystream);
        if !rest.is_empty() {
            self.xor_run(subkey, position(nonce_end, head.blocks as u64), source, rest);
        }
    }

    /// Writes the blocks of keystream at the `positions` one after the other.
    fn keystream(self, subkey: &Subkey, positions: &[Position], out: &mut [u8]) {
        if self.has_avx512 {
            // SAFETY: AVX2 and AVX-512 F and BW are there, as `self` proves.
            unsafe { salsa20::avx512::keystream(subkey, positions, out) }
        } else {
            // SAFETY: AVX2 is there, as `self` proves.
            unsafe { salsa20::avx2::keystream(subkey, positions, out) }
        }
    }

    /// Writes the first blocks of keystream under a nonce, with the shortest way from the first to the last round.
    fn few(self, subkey: &Subkey, nonce_end: u64, out: &mut [u8; FEW * BLOCK]) {
        if self.has_avx512 {
            // SAFETY: AVX2 and AVX-512 F and VL are there, as `self` proves.
            unsafe { salsa20::few::avx512::keystream(subkey, nonce_end, out) }
        } else {
            // SAFETY: AVX2 is there, as `self` proves.
            unsafe { salsa20::few::avx2::keystream(subkey, nonce_end, out) }
        }
    }

    /// Adds the keystream from `first` on to the `source`, into `data`.
    fn xor_run(self, subkey: &Subkey, first: Position, source: Source<'_>, data: &mut [u8]) {
        if self.has_avx512 {
            // SAFETY: AVX2 and AVX-512 F and BW are there, as `self` proves.
            unsafe { salsa20::avx512::xor_run(subkey, first, source, data) }
        } else {
            // SAFETY: AVX2 is there, as `self` proves.
            unsafe { salsa20::avx2::xor_run(subkey, first, source, data) }
        }
    }

    /// The tag of a message under its one-time key.
    fn tag_of(self, key: &[u8; TAG_KEY], message: &[u8]) -> [u8; TAG_SIZE] {
        if self.has_avx512 {
            // SAFETY: AVX-512 F and IFMA are there, as `self` proves.
            unsafe { poly1305::avx512::tag_of(key, message) }
        } else {
            // SAFETY: AVX2 is there, as `self` proves.
            unsafe { poly1305::avx2::tag_of(key, message) }
        }
    }

    /// The tags of several messages.
    fn tags_of(self, messages: &[Message<'_>], tags: &mut [[u8; TAG_SIZE]]) {
        if self.has_avx512 {
            // SAFETY: AVX-512 F, BW and IFMA are there, as `self` proves.
            unsafe { poly1305::avx512::tags_of(messages, tags) }
        } else {
            poly1305::tags_of(messages, tags);
        }
    }
}

/// What is authenticated, and its one-time key.
#[derive(Clone, Copy)]
struct Message<'a> {
    key: &'a [u8; TAG_KEY],
    bytes: &'a [u8],
}

impl Message<'_> {
    const NONE: Self = Self {
        key: &[0; TAG_KEY],
        bytes: &[],
    };
}

/// The first blocks of keystream for one piece, in which the key of its tag is. Wiped when dropped.
struct Head {
    bytes: Aligned<[u8; Head::BLOCKS * BLOCK]>,
    blocks: usize,
}

impl Head {
    /// Those of the widest vector.
    const BLOCKS: usize = salsa20::avx512::LANES;

    const EMPTY: Self = Self {
        bytes: Aligned([0; _]),
        blocks: 0,
    };

    fn fill(&mut self, kernels: Kernels, subkey: &Subkey, nonce_end: u64, data: usize) {
        self.blocks = blocks_for(data).min(Self::BLOCKS);
        let mut positions = Aligned([Position::default(); Self::BLOCKS]);
        for (block, place) in positions.0[..self.blocks].iter_mut().enumerate() {
            *place = position(nonce_end, block as u64);
        }
        kernels.keystream(subkey, &positions.0[..self.blocks], &mut self.bytes.0);
    }

    fn keystream(&self) -> &[u8] {
        &self.bytes.0[..self.blocks * BLOCK]
    }

    fn tag_key(&self) -> &[u8; TAG_KEY] {
        tag_key(&self.bytes.0)
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        wipe(&mut self.bytes.0);
    }
}

/// How many blocks of keystream it takes for a piece with so many bytes of data.
const fn blocks_for(data: usize) -> usize {
    (TAG_KEY + data).div_ceil(BLOCK)
}

/// The first half of the first block.
fn tag_key(keystream: &[u8]) -> &[u8; TAG_KEY] {
    keystream.first_chunk().expect("keystream comes in whole blocks")
}

/// Whether two tags are the same, in constant time. As one number each, they are compared once and not byte by byte.
fn is_equal(left: &[u8; TAG_SIZE], right: &[u8; TAG_SIZE]) -> bool {
    u128::from_ne_bytes(*left).ct_eq(&u128::from_ne_bytes(*right)).into()
}

/// Adds the keystream to `data`, which is not longer.
fn xor(data: &mut [u8], keystream: &[u8]) {
    let (words, rest) = data.as_chunks_mut();
    let (keystream, keystream_rest) = keystream.split_at(words.len() * 16);
    for (word, key) in words.iter_mut().zip(keystream.as_chunks().0) {
        *word = (u128::from_ne_bytes(*word) ^ u128::from_ne_bytes(*key)).to_ne_bytes();
    }
    let (words, rest) = rest.as_chunks_mut();
    let (keystream, keystream_rest) = keystream_rest.split_at(words.len() * 4);
    for (word, key) in words.iter_mut().zip(keystream.as_chunks().0) {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(*key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(keystream_rest) {
        *byte ^= key;
    }
}

/// Overwrites keystream, which would open what it has sealed, in fewer and wider stores than `zeroize` has for bytes.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // The compiler may not leave out stores to what is looked at afterwards.
    black_box(bytes);
}

#[cfg(test)]
mod tests;
