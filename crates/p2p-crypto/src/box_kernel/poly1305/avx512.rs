//! Eight blocks at a time, of one message or of eight messages, with the 52-bit multiplication of IFMA.

use std::arch::x86_64::*;

use super::super::Message;
use super::{BLOCK, BLOCK_END, CLAMP, Limbs, MASK_42, MASK_44, State, carried, product};
use crate::aligned::align_stack;

/// Blocks taken at a time.
const LANES: usize = 8;

/// Messages taken at a time: two vectors.
pub(in super::super) const MESSAGES: usize = 2 * LANES;

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

/// The tags of several messages, each under its own key. A message may be empty.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(in super::super) fn tags_of(messages: &[Message<'_>], tags: &mut [[u8; BLOCK]]) {
    align_stack();
    for (messages, tags) in messages.chunks(MESSAGES).zip(tags.chunks_mut(MESSAGES)) {
        if messages.len() > LANES {
            in_lanes::<2>(messages, tags);
        } else {
            in_lanes::<1>(messages, tags);
        }
    }
}

/// The tags of up to `N` times as many messages as there are lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn in_lanes<const N: usize>(messages: &[Message<'_>], tags: &mut [[u8; BLOCK]]) {
    // With loops: a closure with vectors in it would not become part of the function that calls it.
    let mut bytes = [[&[][..]; LANES]; N];
    let mut masks = [[_mm512_setzero_si512(); 2]; N];
    let mut factors = [with_twentyfold([_mm512_setzero_si512(); 3]); N];
    for (vector, messages) in messages.chunks(LANES).take(N).enumerate() {
        let mut keys = [&[][..]; LANES];
        for (lane, message) in messages.iter().enumerate() {
            (keys[lane], bytes[vector][lane]) = (message.key, message.bytes);
        }
        let [low, high, mask_low, mask_high, ..] = columns(keys);
        masks[vector] = [mask_low, mask_high];
        factors[vector] = with_twentyfold(split(
            _mm512_and_si512(low, splat(CLAMP as u64)),
            _mm512_and_si512(high, splat((CLAMP >> 64) as u64)),
        ));
    }
    let sums = side_by_side(bytes, &factors);
    for ((sum, mask), tags) in sums.into_iter().zip(masks).zip(tags.chunks_mut(LANES)) {
        for (tag, finished) in tags.iter_mut().zip(finished(sum, mask)) {
            *tag = finished;
        }
    }
}

/// The polynomial of one message in each lane of each vector. One vector alone would wait for its own products.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn side_by_side<const N: usize>(messages: [[&[u8]; LANES]; N], factors: &[Factors; N]) -> [[__m512i; 3]; N] {
    let mut sums = [[_mm512_setzero_si512(); 3]; N];
    let mut left = [_mm512_setzero_si512(); N];
    for (left, messages) in left.iter_mut().zip(&messages) {
        *left = gather(messages.map(|message| message.len() as u64));
    }
    let longest = messages
        .iter()
        .flatten()
        .map(|message| message.len())
        .max()
        .unwrap_or(0);
    for start in (0..longest).step_by(COLUMNS) {
        let mut columns_of = [[_mm512_setzero_si512(); 8]; N];
        for (columns_of, messages) in columns_of.iter_mut().zip(&messages) {
            let mut rest = *messages;
            for message in &mut rest {
                *message = message.get(start..).unwrap_or_default();
            }
            *columns_of = columns(rest);
        }
        let blocks = (longest - start).div_ceil(BLOCK).min(COLUMNS / BLOCK);
        for block in 0..blocks {
            for vector in 0..N {
                let (sum, left) = (&mut sums[vector], &mut left[vector]);
                let (low, high) = (columns_of[vector][2 * block], columns_of[vector][2 * block + 1]);
                let next = times(plus(*sum, split_ended(low, high, *left)), &factors[vector]);
                // A message that was over stays as it is.
                let taking = _mm512_cmpgt_epi64_mask(*left, _mm512_setzero_si512());
                for (limb, next) in sum.iter_mut().zip(next) {
                    *limb = _mm512_mask_mov_epi64(*limb, taking, next);
                }
                *left = _mm512_sub_epi64(*left, splat(BLOCK as u64));
            }
        }
    }
    sums
}

/// Bytes of each message that [`columns`] takes.
const COLUMNS: usize = 64;

/// The first 64 bytes of each message as eight words, word by word. What is beyond the end of a message is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn columns(messages: [&[u8]; LANES]) -> [__m512i; 8] {
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, message) in rows.iter_mut().zip(messages) {
        let there = u64::MAX
            .checked_shr((COLUMNS - message.len().min(COLUMNS)) as u32)
            .unwrap_or(0);
        // SAFETY: the load touches no byte whose bit in the mask is not set, and those are within the message. It
        // wants no alignment.
        *row = unsafe { _mm512_maskz_loadu_epi8(there, message.as_ptr().cast()) };
    }
    // Pairs of messages first: pairs[2 * p] has the even words of the messages 2 * p and 2 * p + 1.
    let mut pairs = [_mm512_setzero_si512(); 8];
    for pair in 0..4 {
        pairs[2 * pair] = _mm512_unpacklo_epi64(rows[2 * pair], rows[2 * pair + 1]);
        pairs[2 * pair + 1] = _mm512_unpackhi_epi64(rows[2 * pair], rows[2 * pair + 1]);
    }
    let mut columns = [_mm512_setzero_si512(); 8];
    for odd in 0..2 {
        let [a, b, c, d] = [pairs[odd], pairs[odd + 2], pairs[odd + 4], pairs[odd + 6]];
        // Quarters 0 and 2, then 1 and 3, of four messages each.
        let (even_first, even_second) = (_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0x88>(c, d));
        let (odd_first, odd_second) = (_mm512_shuffle_i64x2::<0xdd>(a, b), _mm512_shuffle_i64x2::<0xdd>(c, d));
        columns[odd] = _mm512_shuffle_i64x2::<0x88>(even_first, even_second);
        columns[odd + 2] = _mm512_shuffle_i64x2::<0x88>(odd_first, odd_second);
        columns[odd + 4] = _mm512_shuffle_i64x2::<0xdd>(even_first, even_second);
        columns[odd + 6] = _mm512_shuffle_i64x2::<0xdd>(odd_first, odd_second);
    }
    columns
}

/// Numbers of 128 bits as limbs.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn split(low: __m512i, high: __m512i) -> [__m512i; 3] {
    let mask = splat(MASK_44);
    let middle = _mm512_or_si512(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<20>(high));
    [
        _mm512_and_si512(low, mask),
        _mm512_and_si512(middle, mask),
        _mm512_srli_epi64::<24>(high),
    ]
}

/// Blocks as limbs, with the one that ends them: behind the `left` bytes of the message, but behind the block at most.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn split_ended(low: __m512i, high: __m512i, left: __m512i) -> [__m512i; 3] {
    let bits = _mm512_slli_epi64::<3>(left);
    // A shift by 64 or more, as an unsigned number, gives zero.
    let low = _mm512_or_si512(low, _mm512_sllv_epi64(splat(1), bits));
    let high = _mm512_or_si512(high, _mm512_sllv_epi64(splat(1), _mm512_sub_epi64(bits, splat(64))));
    let [a, b, c] = split(low, high);
    let whole = _mm512_cmpge_epi64_mask(left, splat(BLOCK as u64));
    [a, b, _mm512_mask_or_epi64(c, whole, c, splat(BLOCK_END))]
}

/// The same as [`tag`](super::tag) in each lane; the mask comes in halves.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn finished(sum: [__m512i; 3], mask: [__m512i; 2]) -> [[u8; BLOCK]; LANES] {
    let (mask_44, mask_42) = (splat(MASK_44), splat(MASK_42));
    let carried = |[a, b, c]: [__m512i; 3]| {
        let b = _mm512_add_epi64(b, _mm512_srli_epi64::<44>(a));
        let c = _mm512_add_epi64(c, _mm512_srli_epi64::<44>(b));
        let back = _mm512_srli_epi64::<42>(c);
        let back = _mm512_add_epi64(back, _mm512_slli_epi64::<2>(back));
        let a = _mm512_add_epi64(_mm512_and_si512(a, mask_44), back);
        [
            _mm512_and_si512(a, mask_44),
            _mm512_add_epi64(_mm512_and_si512(b, mask_44), _mm512_srli_epi64::<44>(a)),
            _mm512_and_si512(c, mask_42),
        ]
    };
    let [a, b, c] = carried(carried(sum));
    // What is left if 2^130 - 5 goes in once: one less than 2^130 if it does not.
    let d = _mm512_add_epi64(a, splat(5));
    let e = _mm512_add_epi64(b, _mm512_srli_epi64::<44>(d));
    let f = _mm512_add_epi64(c, _mm512_srli_epi64::<44>(e));
    let fits = _mm512_cmpgt_epi64_mask(f, mask_42);
    let a = _mm512_mask_and_epi64(a, fits, d, mask_44);
    let b = _mm512_mask_and_epi64(b, fits, e, mask_44);
    let c = _mm512_mask_and_epi64(c, fits, f, mask_42);

    // The second limb may have a bit more than its place, so the halves are added up and not only put together.
    let (from_a, from_b) = (a, _mm512_slli_epi64::<44>(b));
    let low = _mm512_add_epi64(from_a, from_b);
    let high = _mm512_add_epi64(_mm512_srli_epi64::<20>(b), _mm512_slli_epi64::<24>(c));
    let tag_low = _mm512_add_epi64(low, mask[0]);
    let tag_high = _mm512_add_epi64(high, mask[1]);
    let one_more = _mm512_cmplt_epu64_mask(tag_low, low);
    let tag_high = _mm512_mask_add_epi64(tag_high, one_more, tag_high, splat(1));

    let even = spread(_mm512_unpacklo_epi64(tag_low, tag_high));
    let odd = spread(_mm512_unpackhi_epi64(tag_low, tag_high));
    std::array::from_fn(|lane| [even, odd][lane % 2][lane / 2])
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
    let sixteenth = product(eighth, eighth);
    let steps = [
        product(sixteenth, sixteenth),
        product(sixteenth, eighth),
        sixteenth,
        eighth,
    ];
    let [four, three, two, one] = steps.map(|step| factors([step; LANES]));

    let (first, fours) = groups.split_at(groups.len() % 4);
    let mut sum = [_mm512_setzero_si512(); 3];
    for group in first {
        sum = plus(times(sum, &one), blocks(group));
    }
    for [a, b, c, d] in fours.as_chunks().0 {
        // Four products are added up before anything is carried. The last is the only one that waits for the round
        // before.
        let mut products = none();
        add_product(&mut products, blocks(a), &three);
        add_product(&mut products, blocks(b), &two);
        add_product(&mut products, blocks(c), &one);
        add_product(&mut products, sum, &four);
        sum = plus(carried_products(products), blocks(d));
    }
    // Each lane lacks as many factors as there are blocks behind it, its own included; see `blocks` for their order.
    let [a, b, c] = times(
        sum,
        &factors([eighth, fourth, seventh, third, sixth, second, fifth, factor]),
    );
    carried([total(a), total(b), total(c)])
}

/// A number of three limbs in each lane, and twenty times all but its first.
#[derive(Clone, Copy)]
struct Factors {
    limbs: [__m512i; 3],
    twentyfold: [__m512i; 3],
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn factors(lanes: [Limbs; LANES]) -> Factors {
    let limb = |limb: usize| gather(lanes.map(|lane| lane[limb]));
    with_twentyfold([limb(0), limb(1), limb(2)])
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn with_twentyfold(limbs: [__m512i; 3]) -> Factors {
    let twentyfold = limbs.map(|limb| _mm512_add_epi64(_mm512_slli_epi64::<2>(limb), _mm512_slli_epi64::<4>(limb)));
    Factors { limbs, twentyfold }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
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
fn spread(words: __m512i) -> [[u8; BLOCK]; 4] {
    let mut quarters = [[0; BLOCK]; 4];
    // SAFETY: the quarters are 64 bytes long, and the store wants no alignment.
    unsafe { _mm512_storeu_si512(quarters.as_mut_ptr().cast(), words) };
    quarters
}

/// The blocks 0, 4, 1, 5, 2, 6, 3 and 7, one in each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn blocks(group: &[u8; GROUP]) -> [__m512i; 3] {
    let place = group.as_ptr().cast::<__m512i>();
    // SAFETY: the group is 128 bytes long, and the loads want no alignment.
    let (left, right) = unsafe { (_mm512_loadu_si512(place), _mm512_loadu_si512(place.add(1))) };
    let (low, high) = (_mm512_unpacklo_epi64(left, right), _mm512_unpackhi_epi64(left, right));
    let [a, b, c] = split(low, high);
    [a, b, _mm512_or_si512(c, splat(BLOCK_END))]
}

/// The products lane by lane, with limbs that are 44, 45 and 42 bits. Those of `left` may have 46.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn times(left: [__m512i; 3], right: &Factors) -> [__m512i; 3] {
    let mut products = none();
    add_product(&mut products, left, right);
    carried_products(products)
}

/// Sums of products. Each product comes in two parts, below 2^52 and from there on.
struct Products {
    low: [__m512i; 3],
    high: [__m512i; 3],
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn none() -> Products {
    let zero = _mm512_setzero_si512();
    Products {
        low: [zero; 3],
        high: [zero; 3],
    }
}

/// Adds `left * right`. The limbs of `left` may have 46 bits.
#[expect(
    clippy::needless_range_loop,
    reason = "the places in three arrays are computed from both numbers"
)]
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_product(sum: &mut Products, left: [__m512i; 3], right: &Factors) {
    // Limb by limb as on paper; what goes beyond 2^132 comes back twenty times as great.
    for row in 0..3 {
        for limb in 0..3 {
            let factor = if limb < row {
                right.twentyfold[limb + 3 - row]
            } else {
                right.limbs[limb - row]
            };
            sum.low[limb] = _mm512_madd52lo_epu64(sum.low[limb], left[row], factor);
            sum.high[limb] = _mm512_madd52hi_epu64(sum.high[limb], left[row], factor);
        }
    }
}

/// The sum of up to four products, with limbs that are 44, 45 and 42 bits.
///
/// A limb of four products is a sum of twelve: below 2^56 in the lower part and, since a factor is below 2^50, below
/// 2^48 in the upper. So nothing here goes beyond 2^61.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn carried_products(Products { low, high }: Products) -> [__m512i; 3] {
    let mask_44 = splat(MASK_44);
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
        _mm512_and_si512(c, splat(MASK_42)),
    ]
}
