//! Eight stamps at a time, four in each of two vectors.
//!
//! One vector alone would leave the processor waiting for its own results.

use std::arch::{asm, x86_64::*};

super::lanes::first_candidate! {
    #[target_feature(enable = "avx2")]
    lanes: 8,
    vector: [__m256i; 2],
    splat: splat,
    counted: counted,
    add: add,
    xor: xor,
    rotate: rotate32, rotate24, rotate16, rotate63,
    not_above: not_above,
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u64) -> [__m256i; 2] {
    [_mm256_set1_epi64x(word.cast_signed()); 2]
}

/// The counter of each lane as a word of the message: the other way round.
#[inline]
#[target_feature(enable = "avx2")]
fn counted(first: u64) -> [__m256i; 2] {
    let lanes = [_mm256_setr_epi64x(0, 1, 2, 3), _mm256_setr_epi64x(4, 5, 6, 7)];
    let bytes = _mm256_setr_epi8(
        7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8,
    );
    add(splat(first), lanes).map(|counters| _mm256_shuffle_epi8(counters, bytes))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(left: [__m256i; 2], right: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_add_epi64(left[0], right[0]), _mm256_add_epi64(left[1], right[1])]
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(left: [__m256i; 2], right: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_xor_si256(left[0], right[0]), _mm256_xor_si256(left[1], right[1])]
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate32(words: [__m256i; 2]) -> [__m256i; 2] {
    words.map(|words| _mm256_shuffle_epi32::<0b10_11_00_01>(words))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate24(words: [__m256i; 2]) -> [__m256i; 2] {
    let bytes = _mm256_setr_epi8(
        3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
    );
    words.map(|words| _mm256_shuffle_epi8(words, bytes))
}

/// Which byte comes to which place when each word is rotated by 16 bits.
static ROTATED_16: [u8; 32] = [
    2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
];

#[inline]
#[target_feature(enable = "avx2")]
fn rotate16(words: [__m256i; 2]) -> [__m256i; 2] {
    words.map(|words| {
        let rotated: __m256i;
        // SAFETY: the instruction is part of AVX2, writes one register, and reads another and the 32 bytes of the
        // static, which need no alignment. Out of the intrinsic the compiler makes two instructions, which cost a tenth
        // of the speed.
        unsafe {
            asm!(
                "vpshufb {rotated}, {words}, ymmword ptr [rip + {places}]",
                rotated = lateout(ymm_reg) rotated,
                words = in(ymm_reg) words,
                places = sym ROTATED_16,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        rotated
    })
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate63(words: [__m256i; 2]) -> [__m256i; 2] {
    words.map(|words| _mm256_or_si256(_mm256_add_epi64(words, words), _mm256_srli_epi64::<63>(words)))
}

/// The first lane whose word, as an unsigned number, is not above `greatest`.
#[inline]
#[target_feature(enable = "avx2")]
fn not_above(words: [__m256i; 2], greatest: [__m256i; 2]) -> Option<u64> {
    // There are only signed comparisons; flipping the sign on both sides makes them unsigned.
    let sign = splat(1 << 63);
    let (words, greatest) = (xor(words, sign), xor(greatest, sign));
    let above = |half: usize| _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(words[half], greatest[half])));
    let not_above = !(above(0) | above(1) << 4) & 0b1111_1111;
    (not_above != 0).then(|| u64::from(not_above.trailing_zeros()))
}
