//! Salsa20 keystream, one block in each lane of a vector.

pub(super) mod avx2;
pub(super) mod avx512;
pub(super) mod few;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of one block of keystream.
pub(super) const BLOCK: usize = 64;

/// The key of Salsa20 as its words: what HSalsa20 makes of the channel key and the first 16 bytes of a nonce.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Subkey([u32; 8]);

impl Subkey {
    /// Overwrites the key where it is: one that is moved into its place would leave a copy behind.
    pub(crate) fn set(&mut self, bytes: &[u8; 32]) {
        for (word, bytes) in self.0.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
}

/// Which block of keystream a lane computes, as words 6 to 9 of the state: the last 8 bytes of the nonce, then the
/// number of the block.
pub(super) type Position = [u32; 4];

/// The position of block number `block` under a nonce with this end.
pub(super) fn position(nonce_end: u64, block: u64) -> Position {
    let nonce = nonce_end.swap_bytes();
    [nonce as u32, (nonce >> 32) as u32, block as u32, (block >> 32) as u32]
}

/// The position so many blocks further on.
pub(super) fn further([low, high, block, above]: Position, count: usize) -> Position {
    let block = (u64::from(block) | u64::from(above) << 32).wrapping_add(count as u64);
    [low, high, block as u32, (block >> 32) as u32]
}

/// The constants of the state, "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Where each word of the key stands in the state.
const KEY_PLACES: [usize; 8] = [1, 2, 3, 4, 11, 12, 13, 14];

/// The words that the quarter rounds of a column round and of a row round work on.
const QUADS: [[[usize; 4]; 4]; 2] = [
    [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]],
    [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]],
];

/// Writes `words`, which computes one block in each lane, out of the operations on a vector.
macro_rules! words {
    (
        $(#[$attribute:meta])*
        lanes: $lanes:literal,
        vector: $vector:ty,
        splat: $splat:expr,
        add: $add:expr,
        xor: $xor:expr,
        rotate: $rotate:ident,
        gather: $gather:expr $(,)?
    ) => {
        /// Word by word, the blocks at the `positions`; lanes beyond those repeat the first.
        #[inline]
        $(#[$attribute])*
        fn words(subkey: &Subkey, positions: &[Position]) -> [$vector; 16] {
            let mut columns = [[0; $lanes]; 4];
            for (lane, position) in positions.iter().take($lanes).enumerate() {
                for (column, word) in columns.iter_mut().zip(position) {
                    column[lane] = *word;
                }
            }
            let [low, high, block, above] = columns;
            mixed(&state(subkey, [$gather(low), $gather(high), $gather(block), $gather(above)]))
        }

        /// The state in front of the rounds.
        #[inline]
        $(#[$attribute])*
        fn state(subkey: &Subkey, position: [$vector; 4]) -> [$vector; 16] {
            let mut state = [$splat(0); 16];
            for (index, constant) in CONSTANTS.into_iter().enumerate() {
                state[5 * index] = $splat(constant);
            }
            for (place, word) in KEY_PLACES.into_iter().zip(subkey.0) {
                state[place] = $splat(word);
            }
            state[6..10].copy_from_slice(&position);
            state
        }

        /// Four quarter rounds in step, so that there is always one whose operands are ready.
        #[inline]
        $(#[$attribute])*
        fn round<const ROUND: usize>(x: &mut [$vector; 16]) {
            for i in 0..4 {
                let [a, b, _, d] = QUADS[ROUND][i];
                x[b] = $xor(x[b], $rotate::<7, 25>($add(x[a], x[d])));
            }
            for i in 0..4 {
                let [a, b, c, _] = QUADS[ROUND][i];
                x[c] = $xor(x[c], $rotate::<9, 23>($add(x[b], x[a])));
            }
            for i in 0..4 {
                let [_, b, c, d] = QUADS[ROUND][i];
                x[d] = $xor(x[d], $rotate::<13, 19>($add(x[c], x[b])));
            }
            for i in 0..4 {
                let [a, _, c, d] = QUADS[ROUND][i];
                x[a] = $xor(x[a], $rotate::<18, 14>($add(x[d], x[c])));
            }
        }

        /// Ten double rounds.
        #[inline]
        $(#[$attribute])*
        fn rounds(mut words: [$vector; 16]) -> [$vector; 16] {
            for _ in 0..10 {
                round::<0>(&mut words);
                round::<1>(&mut words);
            }
            words
        }

        /// The words after the rounds plus those of the state.
        #[inline]
        $(#[$attribute])*
        fn sums(mut words: [$vector; 16], state: &[$vector; 16]) -> [$vector; 16] {
            for (word, first) in words.iter_mut().zip(state) {
                *word = $add(*word, *first);
            }
            words
        }

        #[inline]
        $(#[$attribute])*
        fn mixed(state: &[$vector; 16]) -> [$vector; 16] {
            sums(rounds(*state), state)
        }
    };
}

use words;
