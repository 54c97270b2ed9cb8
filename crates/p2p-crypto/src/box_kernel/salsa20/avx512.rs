//! Sixteen blocks at a time.

use std::arch::x86_64::*;

use super::super::Source;
use super::{BLOCK, CONSTANTS, KEY_PLACES, Position, QUADS, Subkey, further, words};
use crate::aligned::align_stack;

/// Blocks that are computed together.
pub(in super::super) const LANES: usize = 16;

/// Bytes of so many blocks.
const GROUP: usize = LANES * BLOCK;

words! {
    #[target_feature(enable = "avx512f,avx512bw")]
    lanes: 16,
    vector: __m512i,
    splat: splat,
    add: _mm512_add_epi32,
    xor: _mm512_xor_si512,
    rotate: rotate,
    gather: gather,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const LEFT: i32, const RIGHT: i32>(words: __m512i) -> __m512i {
    _mm512_rol_epi32::<LEFT>(words)
}

/// Writes the blocks at the `positions` one after the other.
#[target_feature(enable = "avx2,avx512f,avx512bw")]
pub(in super::super) fn keystream(subkey: &Subkey, positions: &[Position], out: &mut [u8]) {
    align_stack();
    for (positions, out) in positions.chunks(LANES).zip(out.chunks_mut(GROUP)) {
        // Half a vector is not half the work, but two thirds of the time.
        if positions.len() <= LANES / 2 {
            super::avx2::keystream(subkey, positions, out);
            continue;
        }
        let words = match positions.first_chunk() {
            Some(whole) => mixed(&state(subkey, columns(whole))),
            None => words(subkey, positions),
        };
        for (row, out) in rows(words).into_iter().zip(out.as_chunks_mut().0) {
            store(row, out);
        }
    }
}

/// The positions of all lanes word by word. Vectors that were put together out of words in memory would have to wait
/// until those are written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn columns(positions: &[Position; LANES]) -> [__m512i; 4] {
    let fours = positions.as_ptr().cast::<__m512i>();
    // SAFETY: the positions are 4 * 64 bytes long, and the loads want no alignment.
    let [a, b, c, d] = unsafe { [0, 1, 2, 3].map(|four| _mm512_loadu_si512(fours.add(four))) };
    let (first, second) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (third, fourth) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    // Each quarter has one word of the positions that were in that quarter of the loads.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    [
        _mm512_unpacklo_epi64(first, third),
        _mm512_unpackhi_epi64(first, third),
        _mm512_unpacklo_epi64(second, fourth),
        _mm512_unpackhi_epi64(second, fourth),
    ]
    .map(|quarters| _mm512_permutexvar_epi32(order, quarters))
}

/// Adds keystream, what comes of the rounds and the state in front of them, to a group of blocks that lie elsewhere or in
/// their place. A macro, because sixteen vectors that a function takes go through memory.
macro_rules! xor_group {
    ($words:expr, $state:expr, $elsewhere:expr, $group:expr) => {
        let rows = rows(sums($words, $state));
        if let Some(elsewhere) = $elsewhere {
            for (row, (bytes, block)) in rows
                .into_iter()
                .zip(elsewhere.as_chunks().0.iter().zip($group.as_chunks_mut().0))
            {
                store(_mm512_xor_si512(load(bytes), row), block);
            }
        } else {
            for (row, block) in rows.into_iter().zip($group.as_chunks_mut().0) {
                store(_mm512_xor_si512(load(block), row), block);
            }
        }
    };
}

/// Adds the keystream from the `first` position on to the `source`, into `data`. Its number is a multiple of [`LANES`].
#[target_feature(enable = "avx2,avx512f,avx512bw")]
pub(in super::super) fn xor_run(subkey: &Subkey, first: Position, mut source: Source<'_>, data: &mut [u8]) {
    align_stack();
    let mut position = first;
    let (groups, rest) = data.as_chunks_mut::<GROUP>();
    let (pairs, single) = groups.as_chunks_mut();
    for [first, second] in pairs {
        let (first_elsewhere, second_elsewhere) = (source.next(first), source.next(second));
        let first_state = state(subkey, consecutive(position));
        position = further(position, LANES);
        let second_state = state(subkey, consecutive(position));
        position = further(position, LANES);
        // The rounds of one group wait for each other, so those of two take turns, even though their words do not all fit
        // into the registers.
        let (mut x, mut y) = (first_state, second_state);
        for _ in 0..10 {
            round::<0>(&mut x);
            round::<0>(&mut y);
            round::<1>(&mut x);
            round::<1>(&mut y);
        }
        xor_group!(x, &first_state, first_elsewhere, first);
        xor_group!(y, &second_state, second_elsewhere, second);
    }
    for group in single {
        let elsewhere = source.next(group);
        let state = state(subkey, consecutive(position));
        xor_group!(rounds(state), &state, elsewhere, group);
        position = further(position, LANES);
    }
    if !rest.is_empty() {
        super::avx2::xor_run(subkey, position, source, rest);
    }
}

/// The positions of so many blocks in a row, word by word. The first is a multiple of their number, so the upper word
/// of the number is the same for all.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn consecutive([low, high, block, above]: Position) -> [__m512i; 4] {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    [
        splat(low),
        splat(high),
        _mm512_add_epi32(splat(block), lanes),
        splat(above),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn gather(words: [u32; LANES]) -> __m512i {
    // SAFETY: the words are 64 bytes long, and the load wants no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// The blocks themselves, out of vectors of their words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rows(words: [__m512i; 16]) -> [__m512i; LANES] {
    // Pairs of words, then fours; what is left are quarters of vectors in the wrong place.
    let mut pairs = [_mm512_setzero_si512(); 16];
    for group in 0..8 {
        pairs[2 * group] = _mm512_unpacklo_epi32(words[2 * group], words[2 * group + 1]);
        pairs[2 * group + 1] = _mm512_unpackhi_epi32(words[2 * group], words[2 * group + 1]);
    }
    let mut fours = [_mm512_setzero_si512(); 16];
    for quarter in 0..4 {
        for pair in 0..2 {
            let (left, right) = (pairs[4 * quarter + pair], pairs[4 * quarter + pair + 2]);
            fours[4 * quarter + 2 * pair] = _mm512_unpacklo_epi64(left, right);
            fours[4 * quarter + 2 * pair + 1] = _mm512_unpackhi_epi64(left, right);
        }
    }
    // fours[4 * q + r] has words 4 * q to 4 * q + 3 of the blocks r, r + 4, r + 8 and r + 12.
    let mut rows = [_mm512_setzero_si512(); 16];
    for row in 0..4 {
        let [a, b, c, d] = [fours[row], fours[row + 4], fours[row + 8], fours[row + 12]];
        let (even_first, even_second) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
        let (odd_first, odd_second) = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
        rows[row] = _mm512_shuffle_i32x4::<0x88>(even_first, even_second);
        rows[row + 4] = _mm512_shuffle_i32x4::<0x88>(odd_first, odd_second);
        rows[row + 8] = _mm512_shuffle_i32x4::<0xdd>(even_first, even_second);
        rows[row + 12] = _mm512_shuffle_i32x4::<0xdd>(odd_first, odd_second);
    }
    rows
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: the block is 64 bytes long, and the load wants no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store(row: __m512i, block: &mut [u8; BLOCK]) {
    // SAFETY: the block is 64 bytes long, and the store wants no alignment.
    unsafe { _mm512_storeu_si512(block.as_mut_ptr().cast(), row) }
}
