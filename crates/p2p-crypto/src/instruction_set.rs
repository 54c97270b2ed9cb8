use std::fmt;

/// A set of vector instructions that this processor has, to seal, open and search with.
///
/// [`widest`](Self::widest) is what everything here uses by itself. The others are for measurements and tests: each
/// gives the same bytes, only slower.
///
/// A value can only be had from this processor's own list, so holding one proves that the instructions are there.
///
/// ```
/// use p2p_crypto::InstructionSet;
///
/// for set in InstructionSet::available() {
///     println!("{set}");
/// }
/// assert_eq!(InstructionSet::available().last(), Some(InstructionSet::widest()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InstructionSet(pub(crate) Kind);

/// What an [`InstructionSet`] is, for the kernels to choose by. Outside of tests, only [`InstructionSet::available`]
/// puts one in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    Baseline,
    #[cfg(all(feature = "fast", target_arch = "x86_64"))]
    Avx2,
    #[cfg(all(feature = "fast", target_arch = "x86_64"))]
    Avx512,
}

impl InstructionSet {
    /// What every processor of this architecture has.
    pub(crate) const BASELINE: Self = Self(Kind::Baseline);

    /// The sets that this processor has and this crate knows how to use, the narrowest first.
    ///
    /// On x86-64 these are AVX2, and AVX-512 where F, BW, DQ, VL and IFMA come together; behind them all stands what
    /// every processor has, which is also all there is without the feature `fast`.
    pub fn available() -> impl Iterator<Item = Self> {
        [
            Some(Self::BASELINE),
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            has_avx2().then_some(Self(Kind::Avx2)),
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            has_avx512().then_some(Self(Kind::Avx512)),
        ]
        .into_iter()
        .flatten()
    }

    /// The widest set that this processor has.
    #[must_use]
    pub fn widest() -> Self {
        #[cfg(all(feature = "fast", target_arch = "x86_64"))]
        {
            if has_avx512() {
                return Self(Kind::Avx512);
            }
            if has_avx2() {
                return Self(Kind::Avx2);
            }
        }
        Self::BASELINE
    }
}

#[cfg(all(feature = "fast", target_arch = "x86_64"))]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(all(feature = "fast", target_arch = "x86_64"))]
fn has_avx512() -> bool {
    has_avx2()
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512ifma")
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            Kind::Baseline => "baseline",
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            Kind::Avx2 => "AVX2",
            #[cfg(all(feature = "fast", target_arch = "x86_64"))]
            Kind::Avx512 => "AVX-512",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_is_the_last_of_the_available() {
        assert_eq!(InstructionSet::available().last(), Some(InstructionSet::widest()));
        assert_eq!(InstructionSet::available().next(), Some(InstructionSet::BASELINE));
        assert!(InstructionSet::available().is_sorted());
    }

    #[cfg(not(feature = "fast"))]
    #[test]
    fn without_the_feature_there_is_only_the_baseline() {
        assert_eq!(InstructionSet::widest().to_string(), "baseline");
    }
}
