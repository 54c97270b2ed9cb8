//! Sixteen stamps at a time, eight in each of two vectors.
//!
//! One vector alone would leave the processor waiting for its own results.

use std::arch::x86_64::*;

super::lanes::first_candidate! {
    #[target_feature(enable = "avx512f,avx512bw")]
    lanes: 16,
    vector: [__m512i; 2],
    splat: splat,
    counted: counted,
    add: add,
    xor: xor,
    rotate: rotate::<32>, rotate::<24>, rotate::<16>, rotate::<63>,
    not_above: not_above,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(word: u64) -> [__m512i; 2] {
    [_mm512_set1_epi64(word.cast_signed()); 2]
}

/// The counter of each lane as a word of the message: the other way round.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn counted(first: u64) -> [__m512i; 2] {
    let lanes = [
        _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7),
        _mm512_setr_epi64(8, 9, 10, 11, 12, 13, 14, 15),
    ];
    let bytes = _mm512_set4_epi32(0x0809_0a0b, 0x0c0d_0e0f, 0x0001_0203, 0x0405_0607);
    add(splat(first), lanes).map(|counters| _mm512_shuffle_epi8(counters, bytes))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(left: [__m512i; 2], right: [__m512i; 2]) -> [__m512i; 2] {
    [_mm512_add_epi64(left[0], right[0]), _mm512_add_epi64(left[1], right[1])]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor(left: [__m512i; 2], right: [__m512i; 2]) -> [__m512i; 2] {
    [_mm512_xor_si512(left[0], right[0]), _mm512_xor_si512(left[1], right[1])]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const BITS: i32>(words: [__m512i; 2]) -> [__m512i; 2] {
    words.map(|words| _mm512_ror_epi64::<BITS>(words))
}

/// The first lane whose word, as an unsigned number, is not above `greatest`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn not_above(words: [__m512i; 2], greatest: [__m512i; 2]) -> Option<u64> {
    let lanes = |half: usize| u32::from(_mm512_cmple_epu64_mask(words[half], greatest[half]));
    let lanes = lanes(0) | lanes(1) << 8;
    (lanes != 0).then(|| u64::from(lanes.trailing_zeros()))
}
