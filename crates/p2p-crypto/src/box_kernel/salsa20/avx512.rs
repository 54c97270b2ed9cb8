//! Sixteen blocks at a time.

use std::arch::x86_64::*;

use super::super::Source;
use super::{BLOCK, CONSTANTS, KEY_PLACES, Position, QUADS, Subkey, align_stack, further, words};

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
    for (positions, out) in positions.chunks(2 * LANES).zip(out.chunks_mut(2 * GROUP)) {
        match positions.as_chunks() {
            ([first, second], _) => {
                let states = [state(subkey, columns(first)), state(subkey, columns(second))];
                write(mixed(&states), out);
            }
            (whole, part) => {
                let (whole_out, part_out) = out.split_at_mut(whole.len() * GROUP);
                if let [whole] = whole {
                    write(mixed(&[state(subkey, columns(whole))]), whole_out);
                }
                // Half a vector is not half the work, but two thirds of the time.
                if part.len() <= LANES / 2 {
                    super::avx2::keystream(subkey, part, part_out);
                } else {
                    write([words(subkey, part)], part_out);
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn write<const N: usize>(groups: [[__m512i; 16]; N], out: &mut [u8]) {
    for (words, out) in groups.into_iter().zip(out.chunks_mut(GROUP)) {
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

/// Adds the keystream from the `first` position on to the `source`, into `data`. Its number is a multiple of [`LANES`].
#[target_feature(enable = "avx2,avx512f,avx512bw")]
pub(in super::super) fn xor_run(subkey: &Subkey, first: Position, mut source: Source<'_>, data: &mut [u8]) {
    align_stack();
    let mut position = first;
    let (groups, rest) = data.as_chunks_mut();
    let (pairs, single) = groups.as_chunks_mut::<2>();
    for pair in pairs {
        xor_groups(subkey, &mut position, &mut source, pair);
    }
    for group in single {
        xor_groups(subkey, &mut position, &mut source, std::array::from_mut(group));
    }
    if !rest.is_empty() {
        super::avx2::xor_run(subkey, position, source, rest);
    }
}

/// The rounds of one group alone would wait for each other: two take less than twice as long.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor_groups<const N: usize>(
    subkey: &Subkey,
    position: &mut Position,
    source: &mut Source<'_>,
    groups: &mut [[u8; GROUP]; N],
) {
    let mut elsewhere = [None; N];
    let mut states = [[_mm512_setzero_si512(); 16]; N];
    for ((elsewhere, state_of), group) in elsewhere.iter_mut().zip(&mut states).zip(&mut *groups) {
        *elsewhere = source.next(group);
        *state_of = state(subkey, consecutive(*position));
        *position = further(*position, LANES);
    }
    for ((words, elsewhere), group) in mixed(&states).into_iter().zip(elsewhere).zip(groups) {
        for (index, (row, block)) in rows(words).into_iter().zip(group.as_chunks_mut().0).enumerate() {
            let bytes = match elsewhere {
                Some(bytes) => load(&bytes.as_chunks().0[index]),
                None => load(block),
            };
            store(_mm512_xor_si512(bytes, row), block);
        }
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
