//! Eight blocks at a time.

use std::arch::x86_64::*;

use super::super::{Source, wipe, xor};
use super::{BLOCK, CONSTANTS, KEY_PLACES, Position, QUADS, Subkey, further, words};
use crate::aligned::{Aligned, align_stack};

/// Blocks that are computed together.
pub(in super::super) const LANES: usize = 8;

words! {
    #[target_feature(enable = "avx2")]
    lanes: 8,
    vector: __m256i,
    splat: splat,
    add: _mm256_add_epi32,
    xor: _mm256_xor_si256,
    rotate: rotate,
    gather: gather,
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn rotate<const LEFT: i32, const RIGHT: i32>(words: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(words), _mm256_srli_epi32::<RIGHT>(words))
}

/// Writes the blocks at the `positions` one after the other.
#[target_feature(enable = "avx2")]
pub(in super::super) fn keystream(subkey: &Subkey, positions: &[Position], out: &mut [u8]) {
    align_stack();
    for (positions, out) in positions.chunks(LANES).zip(out.chunks_mut(LANES * BLOCK)) {
        let rows = rows(words(subkey, positions));
        for (row, out) in rows.into_iter().zip(out.as_chunks_mut().0) {
            store(row, out);
        }
    }
}

/// Adds the keystream from the `first` position on to the `source`, into `data`. Its number is a multiple of [`LANES`].
#[target_feature(enable = "avx2")]
pub(in super::super) fn xor_run(subkey: &Subkey, first: Position, mut source: Source<'_>, data: &mut [u8]) {
    let mut position = first;
    let (groups, rest) = data.as_chunks_mut::<{ LANES * BLOCK }>();
    for group in groups {
        let elsewhere = source.next(group);
        let rows = rows(mixed(&state(subkey, consecutive(position))));
        for (index, (row, block)) in rows.into_iter().zip(group.as_chunks_mut().0).enumerate() {
            let bytes = match elsewhere {
                Some(bytes) => load(&bytes.as_chunks().0[index]),
                None => load(block),
            };
            store(
                [_mm256_xor_si256(bytes[0], row[0]), _mm256_xor_si256(bytes[1], row[1])],
                block,
            );
        }
        position = further(position, LANES);
    }
    if !rest.is_empty() {
        source.fill(rest);
        let mut keystream = Aligned([0; LANES * BLOCK]);
        let rows = rows(mixed(&state(subkey, consecutive(position))));
        for (row, block) in rows.into_iter().zip(keystream.0.as_chunks_mut().0) {
            store(row, block);
        }
        xor(rest, &keystream.0);
        wipe(&mut keystream.0);
    }
}

/// The positions of so many blocks in a row, word by word. The first is a multiple of their number, so the upper word
/// of the number is the same for all.
#[inline]
#[target_feature(enable = "avx2")]
fn consecutive([low, high, block, above]: Position) -> [__m256i; 4] {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    [
        splat(low),
        splat(high),
        _mm256_add_epi32(splat(block), lanes),
        splat(above),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather(words: [u32; LANES]) -> __m256i {
    // SAFETY: the words are 32 bytes long, and the load wants no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// The blocks themselves, in two halves, out of vectors of their words.
#[inline]
#[target_feature(enable = "avx2")]
fn rows(words: [__m256i; 16]) -> [[__m256i; 2]; LANES] {
    let (first, second) = words.split_at(8);
    let (first, second) = (transposed(first), transposed(second));
    std::array::from_fn(|lane| [first[lane], second[lane]])
}

/// Eight vectors of eight words, columns for rows.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(words: &[__m256i]) -> [__m256i; 8] {
    // Pairs of words, then fours; what is left are halves of vectors in the wrong place.
    let mut pairs = [_mm256_setzero_si256(); 8];
    for group in 0..4 {
        pairs[2 * group] = _mm256_unpacklo_epi32(words[2 * group], words[2 * group + 1]);
        pairs[2 * group + 1] = _mm256_unpackhi_epi32(words[2 * group], words[2 * group + 1]);
    }
    let mut fours = [_mm256_setzero_si256(); 8];
    for half in 0..2 {
        for pair in 0..2 {
            let (left, right) = (pairs[4 * half + pair], pairs[4 * half + pair + 2]);
            fours[4 * half + 2 * pair] = _mm256_unpacklo_epi64(left, right);
            fours[4 * half + 2 * pair + 1] = _mm256_unpackhi_epi64(left, right);
        }
    }
    let mut rows = [_mm256_setzero_si256(); 8];
    for row in 0..4 {
        rows[row] = _mm256_permute2x128_si256::<0x20>(fours[row], fours[row + 4]);
        rows[row + 4] = _mm256_permute2x128_si256::<0x31>(fours[row], fours[row + 4]);
    }
    rows
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &[u8; BLOCK]) -> [__m256i; 2] {
    let place = block.as_ptr().cast::<__m256i>();
    // SAFETY: the block is 64 bytes long, and the load wants no alignment.
    unsafe { [_mm256_loadu_si256(place), _mm256_loadu_si256(place.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(row: [__m256i; 2], block: &mut [u8; BLOCK]) {
    let place = block.as_mut_ptr().cast::<__m256i>();
    // SAFETY: the block is 64 bytes long, and the store wants no alignment.
    unsafe {
        _mm256_storeu_si256(place, row[0]);
        _mm256_storeu_si256(place.add(1), row[1]);
    }
}
