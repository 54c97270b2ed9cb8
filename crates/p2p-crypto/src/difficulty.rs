use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::ParseFloatError;
use std::str::FromStr;

use thiserror::Error;

use crate::Target;

/// The difficulty of a proof of work: the binary logarithm of the number of stamps that one has to try on average.
///
/// A number from 0 (every stamp passes) to 256 (only the hash zero passes); fractions are allowed. A value of this
/// type is always valid.
///
/// ```
/// use p2p_crypto::Difficulty;
///
/// let difficulty: Difficulty = "20.5".parse()?;
/// assert_eq!(difficulty.value(), 20.5);
/// assert!(difficulty < Difficulty::MAINNET);
/// assert!(Difficulty::try_from(256.5).is_err());
/// # Ok::<(), p2p_crypto::InvalidDifficulty>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Difficulty(f64);

impl Difficulty {
    /// What nodes of the public networks demand of each other: 67 million attempts on average.
    pub const MAINNET: Self = Self(26.0);

    /// No work at all: every stamp passes.
    pub const NONE: Self = Self(0.0);

    /// The difficulty as a number from 0 to 256.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// The greatest hash that passes.
    #[must_use]
    pub fn target(self) -> Target {
        Target::from(self)
    }

    /// How many stamps a search has to try on average: two to the power of the difficulty.
    #[must_use]
    pub fn expected_attempts(self) -> f64 {
        self.0.exp2()
    }
}

impl TryFrom<f64> for Difficulty {
    type Error = InvalidDifficulty;

    fn try_from(value: f64) -> Result<Self, InvalidDifficulty> {
        if (0.0..=256.0).contains(&value) {
            // The absolute value turns -0 into 0, so that equal difficulties have equal bits.
            Ok(Self(value.abs()))
        } else {
            Err(InvalidDifficulty::OutOfRange(value))
        }
    }
}

impl FromStr for Difficulty {
    type Err = InvalidDifficulty;

    fn from_str(text: &str) -> Result<Self, InvalidDifficulty> {
        text.parse::<f64>().map_err(InvalidDifficulty::NotANumber)?.try_into()
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Difficulty({})", self.0)
    }
}

// A difficulty is never NaN, so the order of the numbers is total.
impl Eq for Difficulty {}

impl Ord for Difficulty {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Difficulty {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Difficulty {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A number or text that is no difficulty.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum InvalidDifficulty {
    /// The number is below 0, above 256, infinite or not a number.
    #[error("a difficulty is a number from 0 to 256, not {0}")]
    OutOfRange(f64),
    /// The text is no number.
    #[error("a difficulty is a number from 0 to 256")]
    NotANumber(#[source] ParseFloatError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_exactly_0_to_256() {
        for value in [0.0, f64::MIN_POSITIVE, 26.0, 255.999, 256.0] {
            assert_eq!(Difficulty::try_from(value).unwrap().value(), value);
        }
        for value in [
            -f64::MIN_POSITIVE,
            -1.0,
            256.0_f64.next_up(),
            257.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ] {
            assert!(matches!(
                Difficulty::try_from(value),
                Err(InvalidDifficulty::OutOfRange(_))
            ));
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        let zero = Difficulty::try_from(-0.0).unwrap();
        assert!(zero.value().is_sign_positive());
        assert_eq!(zero.cmp(&Difficulty::NONE), std::cmp::Ordering::Equal);
        assert_eq!("-0".parse::<Difficulty>().unwrap().to_string(), "0");
    }

    #[test]
    fn text_round_trips() {
        for text in ["0", "0.1", "26", "53.9", "256"] {
            assert_eq!(text.parse::<Difficulty>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_other_text() {
        for text in ["", " 1", "1 ", "one", "0x10", "1,5"] {
            assert!(matches!(
                text.parse::<Difficulty>(),
                Err(InvalidDifficulty::NotANumber(_))
            ));
        }
        for text in ["nan", "inf", "-1", "1e3"] {
            assert!(matches!(
                text.parse::<Difficulty>(),
                Err(InvalidDifficulty::OutOfRange(_))
            ));
        }
    }

    #[test]
    fn mainnet_takes_67_million_attempts() {
        assert_eq!(Difficulty::NONE.expected_attempts(), 1.0);
        assert_eq!(Difficulty::MAINNET.expected_attempts(), 67_108_864.0);
    }
}
