//! Poly1305: one block after the other in plain registers, and several side by side in vectors.

pub(super) mod avx2;
pub(super) mod avx512;

use zeroize::Zeroize;

use super::Message;

/// Bytes of one block.
pub(super) const BLOCK: usize = 16;

/// A number modulo 2^130 - 5 in limbs of 44, 44 and 42 bits. The second may have one bit more.
type Limbs = [u64; 3];

const MASK_44: u64 = (1 << 44) - 1;
const MASK_42: u64 = (1 << 42) - 1;

/// 2^128 in the last limb: what every whole block ends with.
const BLOCK_END: u64 = 1 << 40;

/// What Poly1305 leaves of the first half of a key.
const CLAMP: u128 = 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;

/// The authenticator: the blocks so far, and the one-time key.
#[derive(Clone, Zeroize)]
struct State {
    /// The factor of the polynomial, clamped.
    factor: Limbs,
    sum: Limbs,
    /// Added at the end, modulo 2^128.
    mask: u128,
}

impl State {
    fn new(key: &[u8; 32]) -> Self {
        let (factor, mask) = halves(key);
        Self {
            factor: limbs(factor & CLAMP),
            sum: [0; 3],
            mask,
        }
    }

    /// Takes blocks up to the end of the message; the last may be short.
    fn finish(mut self, message: &[u8]) -> [u8; BLOCK] {
        let (blocks, rest) = message.as_chunks();
        for block in blocks {
            self.block(limbs(u128::from_le_bytes(*block)), BLOCK_END);
        }
        if !rest.is_empty() {
            self.block(limbs(ended(rest)), 0);
        }
        let tag = tag(self.sum, self.mask);
        self.zeroize();
        tag
    }

    #[inline]
    fn block(&mut self, block: Limbs, end: u64) {
        let [a, b, c] = self.sum;
        self.sum = product([a + block[0], b + block[1], c + block[2] + end], self.factor);
    }
}

/// The tag of `message` under the one-time `key`.
pub(super) fn tag_of(key: &[u8; 32], message: &[u8]) -> [u8; BLOCK] {
    State::new(key).finish(message)
}

/// The tags of several messages, two at a time, because one alone would wait for its own products.
pub(super) fn tags_of(messages: &[Message<'_>], tags: &mut [[u8; BLOCK]]) {
    for (messages, tags) in messages.chunks(2).zip(tags.chunks_mut(2)) {
        match (messages, tags) {
            ([first, second], [first_tag, second_tag]) => [*first_tag, *second_tag] = pair([*first, *second]),
            (messages, tags) => {
                for (message, tag) in messages.iter().zip(tags) {
                    *tag = tag_of(message.key, message.bytes);
                }
            }
        }
    }
}

fn pair([first, second]: [Message<'_>; 2]) -> [[u8; BLOCK]; 2] {
    let (mut first_state, mut second_state) = (State::new(first.key), State::new(second.key));
    let common = first.bytes.len().min(second.bytes.len()) / BLOCK * BLOCK;
    let (first, first_rest) = first.bytes.split_at(common);
    let (second, second_rest) = second.bytes.split_at(common);
    for (first, second) in first.as_chunks().0.iter().zip(second.as_chunks().0) {
        first_state.block(limbs(u128::from_le_bytes(*first)), BLOCK_END);
        second_state.block(limbs(u128::from_le_bytes(*second)), BLOCK_END);
    }
    [first_state.finish(first_rest), second_state.finish(second_rest)]
}

/// Both halves of a key as numbers.
fn halves(key: &[u8; 32]) -> (u128, u128) {
    let [low, high] = [0, 1].map(|half| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&key[16 * half..16 * half + 16]);
        u128::from_le_bytes(bytes)
    });
    (low, high)
}

/// The end of a message, shorter than a block, with the one that ends it.
#[inline]
fn ended(rest: &[u8]) -> u128 {
    // In the portions in which encryption has just written it, so that no load waits for several stores.
    let (words, bytes) = rest.as_chunks();
    let mut number = 0;
    let mut bits = 0;
    for word in words {
        number |= u128::from(u32::from_le_bytes(*word)) << bits;
        bits += 32;
    }
    for byte in bytes {
        number |= u128::from(*byte) << bits;
        bits += 8;
    }
    number | 1 << bits
}

#[inline]
fn limbs(number: u128) -> Limbs {
    [
        number as u64 & MASK_44,
        (number >> 44) as u64 & MASK_44,
        (number >> 88) as u64,
    ]
}

/// `left * right`. The limbs of `left` may be up to 2^46, and those of `right` as [`Limbs`] says.
#[inline]
fn product(left: Limbs, right: Limbs) -> Limbs {
    let [a, b, c] = left.map(u128::from);
    let [r, s, t] = right.map(u128::from);
    // 2^132 is 2^2 * 2^130, which is 4 * 5.
    let (s20, t20) = (20 * s, 20 * t);
    let low = a * r + b * t20 + c * s20;
    let middle = a * s + b * r + c * t20 + u128::from((low >> 44) as u64);
    let high = a * t + b * s + c * r + u128::from((middle >> 44) as u64);
    let low = (low as u64 & MASK_44) + 5 * (high >> 42) as u64;
    [
        low & MASK_44,
        (middle as u64 & MASK_44) + (low >> 44),
        high as u64 & MASK_42,
    ]
}

/// `sum`, reduced for good, plus `mask`.
fn tag(sum: Limbs, mask: u128) -> [u8; BLOCK] {
    let [mut a, mut b, mut c] = carried(carried(sum));
    // What is left if 2^130 - 5 goes in once: one less than 2^130 if it does not.
    let d = a + 5;
    let e = b + (d >> 44);
    let (f, fits) = (c + (e >> 44), 0_u64.wrapping_sub((c + (e >> 44)) >> 42));
    a = a & !fits | d & MASK_44 & fits;
    b = b & !fits | e & MASK_44 & fits;
    c = c & !fits | f & MASK_42 & fits;
    let number = u128::from(a) + (u128::from(b) << 44) + (u128::from(c) << 88);
    number.wrapping_add(mask).to_le_bytes()
}

/// The same number with limbs of their size, but for a bit in the second.
fn carried([a, b, c]: Limbs) -> Limbs {
    let b = b + (a >> 44);
    let c = c + (b >> 44);
    let a = (a & MASK_44) + 5 * (c >> 42);
    [a & MASK_44, (b & MASK_44) + (a >> 44), c & MASK_42]
}
