//! Four blocks of keystream, of one nonce, as soon as they can be had.
//!
//! Here a vector holds a diagonal of the state, once for each of two blocks, rather than one word of many blocks. That
//! takes four instructions where the other way takes sixteen, and turning the diagonals in between is cheap.

use super::{BLOCK, CONSTANTS, Subkey, position};

/// How many blocks there are.
pub(in super::super) const BLOCKS: usize = 4;

/// Writes `keystream` for one way to rotate words.
macro_rules! keystream {
    ($feature:literal, $rotate:ident) => {
        use std::arch::x86_64::*;

        use super::{BLOCK, BLOCKS, CONSTANTS, Subkey, position};

        /// Writes the first blocks under a nonce with this end.
        #[target_feature(enable = $feature)]
        pub(in super::super::super) fn keystream(subkey: &Subkey, nonce_end: u64, out: &mut [u8; BLOCKS * BLOCK]) {
            let first = [load(subkey, nonce_end, 0), load(subkey, nonce_end, 2)];
            let mut pairs = first;
            // A row round is a column round on the turned diagonals.
            for _ in 0..20 {
                for pair in &mut pairs {
                    let [mut a, mut b, mut c, mut d] = *pair;
                    b = _mm256_xor_si256(b, $rotate::<7, 25>(_mm256_add_epi32(a, d)));
                    c = _mm256_xor_si256(c, $rotate::<9, 23>(_mm256_add_epi32(b, a)));
                    d = _mm256_xor_si256(d, $rotate::<13, 19>(_mm256_add_epi32(c, b)));
                    a = _mm256_xor_si256(a, $rotate::<18, 14>(_mm256_add_epi32(d, c)));
                    *pair = [
                        a,
                        _mm256_shuffle_epi32::<0b00_11_10_01>(d),
                        _mm256_shuffle_epi32::<0b01_00_11_10>(c),
                        _mm256_shuffle_epi32::<0b10_01_00_11>(b),
                    ];
                }
            }
            for ((pair, first), out) in pairs.into_iter().zip(first).zip(out.as_chunks_mut().0) {
                let [a, b, c, d] = pair;
                let [e, f, g, h] = first;
                store(
                    [
                        _mm256_add_epi32(a, e),
                        _mm256_add_epi32(b, f),
                        _mm256_add_epi32(c, g),
                        _mm256_add_epi32(d, h),
                    ],
                    out,
                );
            }
        }

        /// The diagonals of the block and of the next: words 0, 5, 10 and 15 of the state, then 4, 9, 14 and 3, then
        /// 8, 13, 2 and 7, then 12, 1, 6 and 11. The quarter rounds of a column round go through them side by side.
        #[inline]
        #[target_feature(enable = $feature)]
        fn load(subkey: &Subkey, nonce_end: u64, block: i32) -> [__m256i; 4] {
            let [a, b, c, d, e, f, g, h] = subkey.0.map(u32::cast_signed);
            let [low, high, ..] = position(nonce_end, 0).map(u32::cast_signed);
            let [i, j, k, l] = CONSTANTS.map(u32::cast_signed);
            [
                _mm256_setr_epi32(i, j, k, l, i, j, k, l),
                _mm256_setr_epi32(d, 0, h, c, d, 0, h, c),
                _mm256_setr_epi32(block, g, b, high, block + 1, g, b, high),
                _mm256_setr_epi32(f, a, low, e, f, a, low, e),
            ]
        }

        /// Writes the rows of both blocks.
        #[inline]
        #[target_feature(enable = $feature)]
        fn store(diagonals: [__m256i; 4], out: &mut [u8; 2 * BLOCK]) {
            let [a, b, c, d] = diagonals;
            // Each row has one word of each diagonal.
            let (ad, cb) = (
                _mm256_blend_epi32::<0b1010_1010>(a, d),
                _mm256_blend_epi32::<0b1010_1010>(c, b),
            );
            let (ba, dc) = (
                _mm256_blend_epi32::<0b1010_1010>(b, a),
                _mm256_blend_epi32::<0b1010_1010>(d, c),
            );
            let first = _mm256_blend_epi32::<0b1100_1100>(ad, cb);
            let second = _mm256_blend_epi32::<0b1100_1100>(ba, dc);
            let third = _mm256_blend_epi32::<0b1100_1100>(cb, ad);
            let fourth = _mm256_blend_epi32::<0b1100_1100>(dc, ba);
            let halves = [
                _mm256_permute2x128_si256::<0x20>(first, second),
                _mm256_permute2x128_si256::<0x20>(third, fourth),
                _mm256_permute2x128_si256::<0x31>(first, second),
                _mm256_permute2x128_si256::<0x31>(third, fourth),
            ];
            for (half, out) in halves.into_iter().zip(out.as_chunks_mut::<32>().0) {
                // SAFETY: this half of a block is 32 bytes long, and the store wants no alignment.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), half) }
            }
        }
    };
}

pub(in super::super) mod avx2 {
    //! Rotating with two shifts.
    keystream!("avx2", rotate);

    use super::super::avx2::rotate;
}

pub(in super::super) mod avx512 {
    //! Rotating in one.
    keystream!("avx2,avx512f,avx512vl", rotate);

    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn rotate<const LEFT: i32, const RIGHT: i32>(words: __m256i) -> __m256i {
        _mm256_rol_epi32::<LEFT>(words)
    }
}
