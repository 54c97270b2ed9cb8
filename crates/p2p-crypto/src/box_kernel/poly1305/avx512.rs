//! Eight blocks at a time, of one message or of eight messages, with the 52-bit multiplication of IFMA.

use std::arch::x86_64::*;

use super::super::Message;
use super::{BLOCK, BLOCK_END, Limbs, MASK_42, MASK_44, State, carried, ended, limbs, product, tag};

/// Blocks taken at a time.
pub(in super::super) const LANES: usize = 8;

/// Bytes taken at a time.
const GROUP: usize = LANES * BLOCK;

/// From how many bytes on the powers of the factor are worth their time.
const WORTH: usize = 4 * GROUP;

/// The same as [`tag_of`](super::tag_of).
#[target_feature(enable = "avx512f,avx512ifma")]
pub(in super::super) fn tag_of(key: &[u8; 32], message: &[u8]) -> [u8; BLOCK] {
    let mut state = State::new(key);
    let (groups, rest) = message.as_chunks::<GROUP>();
    if message.len() < WORTH {
        return state.finish(message);
    }
    state.sum = sum(state.factor, groups);
    state.finish(rest)
}

/// The tags of up to eight messages, each under its own key. A message may be empty.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(in super::super) fn tags_of(messages: &[Message<'_>], tags: &mut [[u8; BLOCK]]) {
    for (messages, tags) in messages.chunks(LANES).zip(tags.chunks_mut(LANES)) {
        let messages: [Message<'_>; LANES] =
            std::array::from_fn(|lane| messages.get(lane).copied().unwrap_or(Message::NONE));
        let mut states = messages.map(|message| State::new(message.key));
        let messages = messages.map(|message| message.bytes);
        let factors = factors(std::array::from_fn(|lane| states[lane].factor));
        let mut sum = [_mm512_setzero_si512(); 3];
        let steps = messages
            .iter()
            .map(|message| message.len().div_ceil(BLOCK))
            .max()
            .unwrap_or(0);
        for step in 0..steps {
            let mut block = [[0; LANES]; 3];
            let mut taking = 0;
            for (lane, message) in messages.iter().enumerate() {
                let rest = message.get(step * BLOCK..).unwrap_or_default();
                let [a, b, c] = match rest.first_chunk() {
                    Some(whole) => {
                        let [a, b, c] = limbs(u128::from_le_bytes(*whole));
                        [a, b, c | BLOCK_END]
                    }
                    None if rest.is_empty() => continue,
                    None => limbs(u128::from_le_bytes(ended(rest))),
                };
                taking |= 1 << lane;
                block[0][lane] = a;
                block[1][lane] = b;
                block[2][lane] = c;
            }
            let [a, b, c] = block;
            let next = times(plus(sum, [gather(a), gather(b), gather(c)]), &factors);
            for (limb, next) in sum.iter_mut().zip(next) {
                *limb = _mm512_mask_mov_epi64(*limb, taking, next);
            }
        }
        let [a, b, c] = sum;
        let (a, b, c) = (spread(a), spread(b), spread(c));
        for (lane, (state, out)) in states.iter_mut().zip(tags).enumerate() {
            *out = tag([a[lane], b[lane], c[lane]], state.mask);
        }
        for state in &mut states {
            zeroize::Zeroize::zeroize(state);
        }
    }
}

/// The polynomial of so many blocks.
#[target_feature(enable = "avx512f,avx512ifma")]
fn sum(factor: Limbs, groups: &[[u8; GROUP]]) -> Limbs {
    let second = product(factor, factor);
    let third = product(second, factor);
    let fourth = product(second, second);
    let fifth = product(third, second);
    let sixth = product(third, third);
    let seventh = product(fourth, third);
    let eighth = product(fourth, fourth);
    let step = factors([product(eighth, eighth); LANES]);

    // Two sums in turns, so that neither waits for its own last product.
    let mut groups = groups;
    let mut sums = [[_mm512_setzero_si512(); 3]; 2];
    if let [first, rest @ ..] = groups
        && rest.len() % 2 == 0
    {
        sums[1] = blocks(first);
        groups = rest;
    }
    for [first, second] in groups.as_chunks().0 {
        sums[0] = plus(times(sums[0], &step), blocks(first));
        sums[1] = plus(times(sums[1], &step), blocks(second));
    }
    let sum = plus(times(sums[0], &factors([eighth; LANES])), sums[1]);
    // Each lane lacks as many factors as there are blocks behind it, its own included; see `blocks` for their order.
    let [a, b, c] = times(
        sum,
        &factors([eighth, fourth, seventh, third, sixth, second, fifth, factor]),
    );
    carried([total(a), total(b), total(c)])
}

/// A number of three limbs in each lane, and twenty times all but its first.
struct Factors {
    limbs: [__m512i; 3],
    twentyfold: [__m512i; 3],
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn factors(lanes: [Limbs; LANES]) -> Factors {
    let mut limbs = [_mm512_setzero_si512(); 3];
    let mut twentyfold = limbs;
    for limb in 0..3 {
        let mut words = [0; LANES];
        for (word, lane) in words.iter_mut().zip(&lanes) {
            *word = lane[limb];
        }
        limbs[limb] = gather(words);
        let (four, sixteen) = (_mm512_slli_epi64::<2>(limbs[limb]), _mm512_slli_epi64::<4>(limbs[limb]));
        twentyfold[limb] = _mm512_add_epi64(four, sixteen);
    }
    Factors { limbs, twentyfold }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn gather(words: [u64; LANES]) -> __m512i {
    // SAFETY: the words are 64 bytes long, and the load wants no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn total(words: __m512i) -> u64 {
    _mm512_reduce_add_epi64(words).cast_unsigned()
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn plus(left: [__m512i; 3], right: [__m512i; 3]) -> [__m512i; 3] {
    let [a, b, c] = left;
    let [d, e, f] = right;
    [_mm512_add_epi64(a, d), _mm512_add_epi64(b, e), _mm512_add_epi64(c, f)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn spread(words: __m512i) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: the lanes are 64 bytes long, and the store wants no alignment.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), words) };
    lanes
}

/// The blocks 0, 4, 1, 5, 2, 6, 3 and 7, one in each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn blocks(group: &[u8; GROUP]) -> [__m512i; 3] {
    let place = group.as_ptr().cast::<__m512i>();
    // SAFETY: the group is 128 bytes long, and the loads want no alignment.
    let (left, right) = unsafe { (_mm512_loadu_si512(place), _mm512_loadu_si512(place.add(1))) };
    let (low, high) = (_mm512_unpacklo_epi64(left, right), _mm512_unpackhi_epi64(left, right));
    let mask = _mm512_set1_epi64(MASK_44.cast_signed());
    [
        _mm512_and_si512(low, mask),
        _mm512_and_si512(
            _mm512_or_si512(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<20>(high)),
            mask,
        ),
        _mm512_or_si512(
            _mm512_srli_epi64::<24>(high),
            _mm512_set1_epi64(BLOCK_END.cast_signed()),
        ),
    ]
}

/// The products lane by lane, with limbs that are 44, 45 and 42 bits. Those of `left` may have 46.
#[expect(
    clippy::needless_range_loop,
    reason = "the places in three arrays are computed from both numbers"
)]
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn times(left: [__m512i; 3], right: &Factors) -> [__m512i; 3] {
    // Limb by limb as on paper; what goes beyond 2^132 comes back twenty times as great. Each product comes in two
    // parts, below 2^52 and from there on.
    let zero = _mm512_setzero_si512();
    let (mut low, mut high) = ([zero; 3], [zero; 3]);
    for row in 0..3 {
        for limb in 0..3 {
            let factor = if limb < row {
                right.twentyfold[limb + 3 - row]
            } else {
                right.limbs[limb - row]
            };
            low[limb] = _mm512_madd52lo_epu64(low[limb], left[row], factor);
            high[limb] = _mm512_madd52hi_epu64(high[limb], left[row], factor);
        }
    }
    let mask_44 = _mm512_set1_epi64(MASK_44.cast_signed());
    // 2^52 is 2^8 in the next limb, and in the last, of 42 bits, 2^10 in what comes back.
    let carry =
        |limb: __m512i, high: __m512i| _mm512_add_epi64(_mm512_srli_epi64::<44>(limb), _mm512_slli_epi64::<8>(high));
    let a = _mm512_and_si512(low[0], mask_44);
    let b = _mm512_add_epi64(low[1], carry(low[0], high[0]));
    let c = _mm512_add_epi64(low[2], carry(b, high[1]));
    let back = _mm512_add_epi64(_mm512_srli_epi64::<42>(c), _mm512_slli_epi64::<10>(high[2]));
    let a = _mm512_add_epi64(a, _mm512_add_epi64(back, _mm512_slli_epi64::<2>(back)));
    [
        _mm512_and_si512(a, mask_44),
        _mm512_add_epi64(_mm512_and_si512(b, mask_44), _mm512_srli_epi64::<44>(a)),
        _mm512_and_si512(c, _mm512_set1_epi64(MASK_42.cast_signed())),
    ]
}
