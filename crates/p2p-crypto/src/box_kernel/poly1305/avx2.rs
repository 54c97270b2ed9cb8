//! Four blocks of a message at a time, in limbs of 26 bits.

use std::arch::x86_64::*;

use super::{BLOCK, Limbs, MASK_44, State, carried, product};

/// Bytes taken at a time.
const GROUP: usize = 4 * BLOCK;

/// From how many bytes on the powers of the factor are worth their time.
const WORTH: usize = 4 * GROUP;

const MASK_26: i64 = (1 << 26) - 1;

/// The same as [`tag_of`](super::tag_of).
#[target_feature(enable = "avx2")]
pub(in super::super) fn tag_of(key: &[u8; 32], message: &[u8]) -> [u8; BLOCK] {
    let mut state = State::new(key);
    let (groups, rest) = message.as_chunks::<GROUP>();
    if message.len() < WORTH {
        return state.finish(message);
    }
    state.sum = sum(state.factor, groups);
    state.finish(rest)
}

/// The polynomial of so many blocks.
#[target_feature(enable = "avx2")]
fn sum(factor: Limbs, groups: &[[u8; GROUP]]) -> Limbs {
    let second = product(factor, factor);
    let third = product(second, factor);
    let fourth = product(second, second);
    let eighth = product(fourth, fourth);
    let steps = [product(eighth, eighth), product(eighth, fourth), eighth, fourth];
    let [four, three, two, one] = steps.map(|step| factors([step; 4]));

    let (first, fours) = groups.split_at(groups.len() % 4);
    let mut sum = [_mm256_setzero_si256(); 5];
    for group in first {
        sum = plus(times(sum, &one), blocks(group));
    }
    for [a, b, c, d] in fours.as_chunks().0 {
        // Four products are added up before anything is carried. The last is the only one that waits for the round
        // before.
        let mut products = multiplied(blocks(a), &three);
        products = plus(products, multiplied(blocks(b), &two));
        products = plus(products, multiplied(blocks(c), &one));
        products = plus(products, multiplied(sum, &four));
        sum = plus(carried_products(products), blocks(d));
    }
    // Each lane lacks as many factors as there are blocks behind it, its own included; see `blocks` for their order.
    let sum = times(sum, &factors([fourth, second, third, factor]));
    joined(sum)
}

/// A number of five limbs in each lane, and five times all but its first.
struct Factors {
    limbs: [__m256i; 5],
    fivefold: [__m256i; 5],
}

#[inline]
#[target_feature(enable = "avx2")]
fn factors(lanes: [Limbs; 4]) -> Factors {
    let lanes = lanes.map(narrow);
    let mut limbs = [_mm256_setzero_si256(); 5];
    let mut fivefold = limbs;
    for limb in 0..5 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|lane: usize| lanes[lane][limb].cast_signed());
        limbs[limb] = _mm256_setr_epi64x(a, b, c, d);
        fivefold[limb] = _mm256_add_epi64(limbs[limb], _mm256_slli_epi64::<2>(limbs[limb]));
    }
    Factors { limbs, fivefold }
}

/// From limbs of 44 bits to limbs of 26.
fn narrow(limbs: Limbs) -> [u64; 5] {
    let [a, b, c] = carried(limbs);
    // The second limb may have a bit too much, which belongs to the third.
    let low = u128::from(a) + (u128::from(b) << 44);
    let c = c + (low >> 88) as u64;
    let low = low & ((1 << 88) - 1);
    let mask = MASK_26.cast_unsigned();
    [
        low as u64 & mask,
        (low >> 26) as u64 & mask,
        (low >> 52) as u64 & mask,
        (low >> 78) as u64 | c << 10 & mask,
        c >> 16,
    ]
}

/// The blocks 0, 2, 1 and 3, one in each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn blocks(group: &[u8; GROUP]) -> [__m256i; 5] {
    let place = group.as_ptr().cast::<__m256i>();
    // SAFETY: the group is 64 bytes long, and the loads want no alignment.
    let (left, right) = unsafe { (_mm256_loadu_si256(place), _mm256_loadu_si256(place.add(1))) };
    let (low, high) = (_mm256_unpacklo_epi64(left, right), _mm256_unpackhi_epi64(left, right));
    let mask = _mm256_set1_epi64x(MASK_26);
    [
        _mm256_and_si256(low, mask),
        _mm256_and_si256(_mm256_srli_epi64::<26>(low), mask),
        _mm256_and_si256(
            _mm256_or_si256(_mm256_srli_epi64::<52>(low), _mm256_slli_epi64::<12>(high)),
            mask,
        ),
        _mm256_and_si256(_mm256_srli_epi64::<14>(high), mask),
        _mm256_or_si256(_mm256_srli_epi64::<40>(high), _mm256_set1_epi64x(1 << 24)),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn plus(left: [__m256i; 5], right: [__m256i; 5]) -> [__m256i; 5] {
    let mut sum = left;
    for (limb, right) in sum.iter_mut().zip(right) {
        *limb = _mm256_add_epi64(*limb, right);
    }
    sum
}

/// The products lane by lane, with limbs that are 26 bits and a little more.
#[expect(
    clippy::needless_range_loop,
    reason = "the places in three arrays are computed from both numbers"
)]
#[inline]
#[target_feature(enable = "avx2")]
fn multiplied(left: [__m256i; 5], right: &Factors) -> [__m256i; 5] {
    // Limb by limb as on paper; what goes beyond 2^130 comes back five times as great.
    let mut d = [_mm256_setzero_si256(); 5];
    for limb in 0..5 {
        d[limb] = _mm256_mul_epu32(left[0], right.limbs[limb]);
    }
    for row in 1..5 {
        for limb in 0..5 {
            let factor = if limb < row {
                right.fivefold[limb + 5 - row]
            } else {
                right.limbs[limb - row]
            };
            d[limb] = _mm256_add_epi64(d[limb], _mm256_mul_epu32(left[row], factor));
        }
    }
    d
}

/// The sum of up to four products, which is below 2^61 in each limb, with limbs of 26 bits and little more.
#[inline]
#[target_feature(enable = "avx2")]
fn carried_products(mut d: [__m256i; 5]) -> [__m256i; 5] {
    // Two chains of carries, so that neither waits for the other.
    let mask = _mm256_set1_epi64x(MASK_26);
    for (from, to) in [(0, 1), (3, 4), (1, 2), (4, 0), (2, 3), (0, 1), (3, 4)] {
        let carry = _mm256_srli_epi64::<26>(d[from]);
        d[from] = _mm256_and_si256(d[from], mask);
        d[to] = _mm256_add_epi64(d[to], carry);
        if to == 0 {
            d[to] = _mm256_add_epi64(d[to], _mm256_slli_epi64::<2>(carry));
        }
    }
    d
}

/// The products lane by lane, with limbs like those.
#[inline]
#[target_feature(enable = "avx2")]
fn times(left: [__m256i; 5], right: &Factors) -> [__m256i; 5] {
    carried_products(multiplied(left, right))
}

/// The sum of the lanes, in limbs of 44 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn joined(lanes: [__m256i; 5]) -> Limbs {
    let [a, b, c, d, e] = lanes;
    let (a, b, c, d, e) = (total(a), total(b), total(c), total(d), total(e));
    let low = u128::from(a) + (u128::from(b) << 26) + (u128::from(c) << 52) + (u128::from(d) << 78);
    let high = (low >> 88) as u64 + (e << 16);
    carried([low as u64 & MASK_44, (low >> 44) as u64 & MASK_44, high])
}

#[inline]
#[target_feature(enable = "avx2")]
fn total(words: __m256i) -> u64 {
    let half = _mm_add_epi64(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
    (_mm_extract_epi64::<0>(half) + _mm_extract_epi64::<1>(half)).cast_unsigned()
}
