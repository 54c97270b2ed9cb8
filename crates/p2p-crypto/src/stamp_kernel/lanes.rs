//! BLAKE2b-256 of one block, several blocks side by side, with everything left out that is the same for all.

/// The part of the compression that no stamp with the same first 16 bytes changes.
///
/// A block is the public key, words 0 to 3, then the stamp, words 4 to 6, then zeros. Searching changes word 6. It
/// enters the first round in the last of the four columns, so the other three are computed once.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    /// The constant words of the message; word 6 is the caller's.
    pub(super) message: [u64; 6],
    /// The state after those three columns, with the first addition of the last one done.
    pub(super) state: [u64; 16],
}

impl Prefix {
    pub(super) fn new(message: [u64; 6]) -> Self {
        let mut state = [0; 16];
        state[..8].copy_from_slice(&IV);
        state[8..].copy_from_slice(&IV);
        state[0] ^= DIGEST_PARAMETERS;
        state[12] ^= BLOCK_BYTES;
        state[14] = !state[14];
        let [m0, m1, m2, m3, m4, m5] = message;
        for (column, first, second) in [(0, m0, m1), (1, m2, m3), (2, m4, m5)] {
            let [mut a, mut b, mut c, mut d] = [0, 4, 8, 12].map(|row| state[column + row]);
            for (word, right_d, right_b) in [(first, 32, 24), (second, 16, 63)] {
                a = a.wrapping_add(b).wrapping_add(word);
                d = (d ^ a).rotate_right(right_d);
                c = c.wrapping_add(d);
                b = (b ^ c).rotate_right(right_b);
            }
            for (row, value) in [(0, a), (4, b), (8, c), (12, d)] {
                state[column + row] = value;
            }
        }
        state[3] = state[3].wrapping_add(state[7]);
        Self { message, state }
    }
}

/// The initial state of BLAKE2b, RFC 7693 section 2.6.
pub(super) const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Fan-out 1, depth 1, no key, a digest of 32 bytes.
const DIGEST_PARAMETERS: u64 = 0x0101_0020;

/// What is hashed: a key of 32 bytes and a stamp of 24.
const BLOCK_BYTES: u64 = 56;

/// Writes `first_candidate` for one width of vector, out of the operations on it.
macro_rules! first_candidate {
    (
        $(#[$attribute:meta])*
        lanes: $lanes:literal,
        vector: $vector:ty,
        splat: $splat:expr,
        counted: $counted:expr,
        add: $add:expr,
        xor: $xor:expr,
        rotate: $rotate32:expr, $rotate24:expr, $rotate16:expr, $rotate63:expr,
        not_above: $not_above:expr $(,)?
    ) => {
        use $crate::stamp_kernel::lanes::{IV, Prefix};

        /// Of the `count` stamps whose last eight bytes are `counter`, `counter + 1`, …: how many stand before the
        /// first whose hash has a most significant word of at most `greatest`. The counter must not overflow.
        $(#[$attribute])*
        pub(super) fn first_candidate(prefix: &Prefix, counter: u64, count: u64, greatest: u64) -> Option<u64> {
            $crate::aligned::align_stack();
            let [m0, m1, m2, m3, m4, m5] = prefix.message.map(|word| $splat(word));
            let state = prefix.state.map(|word| $splat(word));
            let greatest = $splat(greatest);
            let digest_word = $splat(IV[3]);
            let mut done = 0;
            while done < count {
                let m = [m0, m1, m2, m3, m4, m5, $counted(counter.wrapping_add(done))];
                let mut v = state;
                // What is left of the first column step, and the first diagonal step, whose words are all zero.
                last_column(&mut v, m[6]);
                diagonals::<8, 9, 10, 11, 12, 13, 14, 15>(&mut v, &m);
                round::<14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3>(&mut v, &m);
                round::<11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4>(&mut v, &m);
                round::<7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8>(&mut v, &m);
                round::<9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13>(&mut v, &m);
                round::<2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9>(&mut v, &m);
                round::<12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11>(&mut v, &m);
                round::<13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10>(&mut v, &m);
                round::<6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5>(&mut v, &m);
                round::<10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0>(&mut v, &m);
                round::<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(&mut v, &m);
                columns::<14, 10, 4, 8, 9, 15, 13, 6>(&mut v, &m);
                // The compiler drops what comes of the last step and is not used.
                diagonals::<1, 15, 0, 2, 11, 7, 5, 3>(&mut v, &m);
                let word = $xor(digest_word, $xor(v[3], v[11]));
                if let Some(lane) = $not_above(word, greatest) {
                    // A lane beyond the count was not asked for, and no lane before it passes.
                    return Some(done + lane).filter(|position| *position < count);
                }
                done += $lanes;
            }
            None
        }

        /// The last column of the first round; its first addition is part of the prefix, and its second word is zero.
        #[inline]
        $(#[$attribute])*
        fn last_column(v: &mut [$vector; 16], word: $vector) {
            v[3] = $add(v[3], word);
            v[15] = $rotate32($xor(v[15], v[3]));
            v[11] = $add(v[11], v[15]);
            v[7] = $rotate24($xor(v[7], v[11]));
            v[3] = $add(v[3], v[7]);
            v[15] = $rotate16($xor(v[15], v[3]));
            v[11] = $add(v[11], v[15]);
            v[7] = $rotate63($xor(v[7], v[11]));
        }

        #[inline]
        $(#[$attribute])*
        fn round<
            const S0: usize, const S1: usize, const S2: usize, const S3: usize,
            const S4: usize, const S5: usize, const S6: usize, const S7: usize,
            const S8: usize, const S9: usize, const S10: usize, const S11: usize,
            const S12: usize, const S13: usize, const S14: usize, const S15: usize,
        >(v: &mut [$vector; 16], m: &[$vector; 7]) {
            columns::<S0, S1, S2, S3, S4, S5, S6, S7>(v, m);
            diagonals::<S8, S9, S10, S11, S12, S13, S14, S15>(v, m);
        }

        #[inline]
        $(#[$attribute])*
        fn columns<
            const S0: usize, const S1: usize, const S2: usize, const S3: usize,
            const S4: usize, const S5: usize, const S6: usize, const S7: usize,
        >(v: &mut [$vector; 16], m: &[$vector; 7]) {
            half::<false, 0, 0, 0, S0, S2, S4, S6>(v, m);
            half::<true, 0, 0, 0, S1, S3, S5, S7>(v, m);
        }

        #[inline]
        $(#[$attribute])*
        fn diagonals<
            const S0: usize, const S1: usize, const S2: usize, const S3: usize,
            const S4: usize, const S5: usize, const S6: usize, const S7: usize,
        >(v: &mut [$vector; 16], m: &[$vector; 7]) {
            half::<false, 1, 2, 3, S0, S2, S4, S6>(v, m);
            half::<true, 1, 2, 3, S1, S3, S5, S7>(v, m);
        }

        /// Half of BLAKE2b's G, on all four columns or diagonals in step, so that there is always one whose operands are
        /// ready: `B`, `C` and `D` say how far the diagonals are shifted in the rows, and `S0` to `S3` are the words of
        /// the message. From word 7 on they are zero, and not added.
        #[inline]
        $(#[$attribute])*
        fn half<
            const SECOND: bool, const B: usize, const C: usize, const D: usize,
            const S0: usize, const S1: usize, const S2: usize, const S3: usize,
        >(v: &mut [$vector; 16], m: &[$vector; 7]) {
            let words = [S0, S1, S2, S3];
            let quads: [[usize; 4]; 4] =
                std::array::from_fn(|i| [i, 4 + (i + B) % 4, 8 + (i + C) % 4, 12 + (i + D) % 4]);
            for [a, b, _, _] in quads {
                v[a] = $add(v[a], v[b]);
            }
            for ([a, ..], word) in quads.into_iter().zip(words) {
                if word < 7 {
                    v[a] = $add(v[a], m[word]);
                }
            }
            for [a, _, _, d] in quads {
                v[d] = $xor(v[d], v[a]);
            }
            for [_, _, _, d] in quads {
                v[d] = if SECOND { $rotate16(v[d]) } else { $rotate32(v[d]) };
            }
            for [_, _, c, d] in quads {
                v[c] = $add(v[c], v[d]);
            }
            for [_, b, c, _] in quads {
                v[b] = $xor(v[b], v[c]);
            }
            for [_, b, _, _] in quads {
                v[b] = if SECOND { $rotate63(v[b]) } else { $rotate24(v[b]) };
            }
        }
    };
}

pub(super) use first_candidate;
