use std::fmt;

use crate::proof_of_work_hash::ProofOfWorkHash;
use crate::{Difficulty, PublicKey, Stamp};

/// The greatest proof-of-work hash that passes: a 256-bit integer, computed from a [`Difficulty`] exactly as all
/// other nodes do.
///
/// The greater target is the easier one; targets are ordered as the integers they are.
///
/// ```
/// use p2p_crypto::{Difficulty, PublicKey, Stamp};
///
/// let target = Difficulty::MAINNET.target();
/// assert_eq!(target.as_bytes()[..5], [0x00, 0x00, 0x00, 0x3f, 0xff]);
///
/// let public_key = PublicKey::from_bytes([7; 32]);
/// let stamp = Stamp::from_bytes([0; 24]);
/// assert!(!target.accepts(&public_key, &stamp));
/// assert!(Difficulty::NONE.target().accepts(&public_key, &stamp));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target([u8; 32]);

impl Target {
    /// Takes a target of any value, a big-endian integer.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The target as a big-endian integer.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `stamp` is a proof of work for `public_key` at this target.
    #[must_use]
    pub fn accepts(&self, public_key: &PublicKey, stamp: &Stamp) -> bool {
        self.accepts_hash(&ProofOfWorkHash::new(public_key, stamp))
    }

    pub(crate) fn accepts_hash(&self, hash: &ProofOfWorkHash) -> bool {
        hash.as_bytes() <= &self.0
    }

    /// The 64 most significant bits. A hash whose own ones are greater never passes.
    pub(crate) fn most_significant_word(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl From<Difficulty> for Target {
    /// The target is an integer of 54 bits, the mantissa, moved to where the whole part of the difficulty wants it.
    /// All bits behind it are ones; bits that would lie behind bit 0 are dropped.
    ///
    /// The reference computes the mantissa in double precision, and so must we: its rounding decides bits of the
    /// target. One oddity comes with that. For a tiny fraction, 54 less the fraction rounds to 54, which makes the
    /// target one step greater than that of no fraction at all.
    fn from(difficulty: Difficulty) -> Self {
        let whole = difficulty.value().floor();
        let fraction = difficulty.value() - whole;
        let mantissa = if fraction == 0.0 {
            GREATEST_MANTISSA
        } else {
            (54.0 - fraction).exp2() as u128
        };

        let ones = |bits: u32| (1_u128 << bits) - 1;
        let whole = whole as u32;
        let (high, low) = match TOP_SHIFT.saturating_sub(whole) {
            // Below difficulty 1, the oddity would need a bit 256. Every hash passes then, and here just so.
            TOP_SHIFT => (
                mantissa.min(GREATEST_MANTISSA) << (TOP_SHIFT - 128) | ones(TOP_SHIFT - 128),
                u128::MAX,
            ),
            shift @ 128.. => (mantissa << (shift - 128) | ones(shift - 128), u128::MAX),
            shift @ 1.. => (mantissa >> (128 - shift), mantissa << shift | ones(shift)),
            0 => (0, mantissa >> (whole - TOP_SHIFT)),
        };

        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&high.to_be_bytes());
        bytes[16..].copy_from_slice(&low.to_be_bytes());
        Self(bytes)
    }
}

/// How far left the mantissa of difficulty 0 stands: its 54 bits are the first of 256.
const TOP_SHIFT: u32 = 256 - 54;

/// The mantissa of a difficulty without fraction: 54 ones.
const GREATEST_MANTISSA: u128 = (1 << 54) - 1;

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(difficulty: f64) -> Target {
        Difficulty::try_from(difficulty).unwrap().target()
    }

    /// 2^(256 - zeros) - 1
    fn leading_zeros(zeros: usize) -> Target {
        let mut bytes = [0; 32];
        for bit in zeros..256 {
            bytes[bit / 8] |= 0x80 >> (bit % 8);
        }
        Target(bytes)
    }

    #[test]
    fn whole_difficulties_are_leading_zeros() {
        for zeros in 0..=256 {
            assert_eq!(target(zeros as f64), leading_zeros(zeros), "{zeros}");
        }
    }

    #[test]
    fn falls_as_the_difficulty_grows() {
        let steps = 256 * 64;
        for step in 0..steps {
            let easier = target(f64::from(step) / 64.0);
            let harder = target(f64::from(step + 1) / 64.0);
            // Near the hardest end few integers are left, so neighbours may share one.
            if step < 190 * 64 {
                assert!(easier > harder, "{step}");
            } else {
                assert!(easier >= harder, "{step}");
            }
        }
    }

    #[test]
    fn a_tiny_fraction_rounds_up_as_in_the_reference() {
        assert_eq!(target(f64::MIN_POSITIVE), Target([0xff; 32]));
        let mut above_one = [0xff; 32];
        above_one[..7].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0x01]);
        assert_eq!(target(1.0_f64.next_up()), Target(above_one));
    }

    #[test]
    fn the_target_itself_passes_and_one_more_does_not() {
        let target = target(16.0);
        let mut digest = [0xff; 32];
        digest[30..].fill(0);
        assert!(target.accepts_hash(&ProofOfWorkHash::from_digest(digest)));
        let mut digest = [0; 32];
        digest[30] = 1;
        assert!(!target.accepts_hash(&ProofOfWorkHash::from_digest(digest)));
    }

    #[test]
    fn prints_as_hexadecimal() {
        let text = format!("{:?}", target(26.0));
        assert_eq!(text, format!("Target(0000003f{})", "f".repeat(56)));
    }
}
