//! Finding stamps that may pass: several BLAKE2b hashes at once, of which only the word that decides is computed.
//!
//! All kernels come from one macro, and differ in the vector they hand to it. The only `unsafe` is in calling those
//! whose instructions not every processor has, and around one instruction that the compiler would not choose.
#![allow(unsafe_code)]

#[cfg(all(feature = "fast", target_arch = "x86_64"))]
mod avx2;
#[cfg(all(feature = "fast", target_arch = "x86_64"))]
mod avx512;
mod lanes;
mod portable;

use crate::instruction_set::{InstructionSet, Kind};
use crate::{PublicKey, Stamp};
use lanes::Prefix;

/// The stamps from one on that share its first 16 bytes.
pub(crate) struct Candidates {
    prefix: Prefix,
    counter: u64,
}

impl Candidates {
    pub(crate) fn new(public_key: &PublicKey, first: &Stamp) -> Self {
        let mut words = [0; 7];
        let bytes = public_key.as_bytes().iter().chain(first.as_bytes());
        for (place, &byte) in bytes.enumerate() {
            words[place / 8] |= u64::from(byte) << (8 * (place % 8));
        }
        let [m0, m1, m2, m3, m4, m5, m6] = words;
        Self {
            prefix: Prefix::new([m0, m1, m2, m3, m4, m5]),
            counter: m6.swap_bytes(),
        }
    }

    /// How many stamps there are before the first 16 bytes change, at most `u64::MAX`.
    pub(crate) fn available(&self) -> u64 {
        (u64::MAX - self.counter).saturating_add(1)
    }

    /// Of the first `count` stamps: how many stand before the first whose hash has a most significant word of at
    /// most `greatest`. No more than are [`available`](Self::available) are looked at.
    pub(crate) fn first(&self, set: InstructionSet, count: u64, greatest: u64) -> Option<u64> {
        let count = count.min(self.available());
        match set.0 {
            Kind::Baseline => portable::first_candidate(&self.prefix, self.counter, count, greatest),
            // SAFETY: there is an `InstructionSet` of AVX2 only where AVX2 was detected.
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            Kind::Avx2 => unsafe { avx2::first_candidate(&self.prefix, self.counter, count, greatest) },
            // SAFETY: there is an `InstructionSet` of AVX-512 only where all its parts were detected, F and BW included.
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            Kind::Avx512 => unsafe { avx512::first_candidate(&self.prefix, self.counter, count, greatest) },
        }
    }
}

#[cfg(test)]
mod tests;
