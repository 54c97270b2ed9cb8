//! Rates and limits.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::size::{ByteSize, ParseByteSizeError};

/// How fast all connections of a scheduler together may go. `None` means: no limit.
///
/// ```
/// use p2p_io_scheduler::{BytesPerSecond, Limits};
///
/// let limits = Limits { download: Some(BytesPerSecond::try_from(1_000_000)?), ..Limits::default() };
/// assert_eq!(limits.upload, None);
/// # Ok::<(), p2p_io_scheduler::ParseBytesPerSecondError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Limits {
    /// The limit on everything that is read.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub download: Option<BytesPerSecond>,
    /// The limit on everything that is written.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub upload: Option<BytesPerSecond>,
}

/// A rate of at least one byte per second.
///
/// Its text form is that of a [`ByteSize`] and an optional `/s`: `1200`, `500kB`, `1.5MB/s`, `20 MiB/s`.
///
/// ```
/// use p2p_io_scheduler::BytesPerSecond;
///
/// let rate: BytesPerSecond = "20MiB/s".parse()?;
/// assert_eq!(rate.get(), 20 * 1024 * 1024);
/// assert_eq!(rate.to_string(), "20 MiB/s");
/// # Ok::<(), p2p_io_scheduler::ParseBytesPerSecondError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesPerSecond(NonZeroU64);

impl BytesPerSecond {
    /// A rate that is known not to be zero.
    #[must_use]
    pub const fn new(rate: NonZeroU64) -> Self {
        Self(rate)
    }

    /// The number of bytes per second.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// Why a number or text is no [`BytesPerSecond`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseBytesPerSecondError {
    /// A rate of zero would let nothing through; leave the limit out to have none.
    #[error("a rate must be at least one byte per second")]
    Zero,
    /// There is no decimal number at the start.
    #[error("a rate starts with a decimal number, such as 500 or 1.5")]
    InvalidNumber,
    /// The unit is not known.
    #[error("unknown unit {0:?}; the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB")]
    UnknownUnit(String),
    /// The rate does not fit in 64 bits.
    #[error("the rate is greater than {} bytes per second", u64::MAX)]
    TooLarge,
}

impl TryFrom<u64> for BytesPerSecond {
    type Error = ParseBytesPerSecondError;

    fn try_from(rate: u64) -> Result<Self, Self::Error> {
        NonZeroU64::new(rate).map(Self).ok_or(ParseBytesPerSecondError::Zero)
    }
}

impl From<ParseByteSizeError> for ParseBytesPerSecondError {
    fn from(error: ParseByteSizeError) -> Self {
        match error {
            ParseByteSizeError::InvalidNumber => Self::InvalidNumber,
            ParseByteSizeError::UnknownUnit(unit) => Self::UnknownUnit(unit),
            ParseByteSizeError::TooLarge => Self::TooLarge,
        }
    }
}

impl From<NonZeroU64> for BytesPerSecond {
    fn from(rate: NonZeroU64) -> Self {
        Self(rate)
    }
}

impl fmt::Display for BytesPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize::new(self.get()))
    }
}

impl FromStr for BytesPerSecond {
    type Err = ParseBytesPerSecondError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let text = text
            .strip_suffix(['s', 'S'])
            .and_then(|text| text.strip_suffix('/'))
            .unwrap_or(text);
        Self::try_from(text.parse::<ByteSize>()?.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_size_and_perhaps_per_second() {
        for (text, rate) in [
            ("1", 1),
            ("1.5MB/s", 1_500_000),
            (" 20 MiB/s ", 20 << 20),
            ("20MIB/S", 20 << 20),
            ("20mib", 20 << 20),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(
                text.parse::<BytesPerSecond>().map(BytesPerSecond::get),
                Ok(rate),
                "{text:?}"
            );
        }
    }

    #[test]
    fn texts_that_are_no_rates() {
        use ParseBytesPerSecondError::{InvalidNumber, TooLarge, UnknownUnit, Zero};
        for (text, error) in [
            ("0", Zero),
            ("0.4", Zero),
            ("", InvalidNumber),
            ("/s", InvalidNumber),
            ("-1", InvalidNumber),
            ("bogus", InvalidNumber),
            ("1Mbit", UnknownUnit("Mbit".into())),
            ("1s", UnknownUnit("s".into())),
            ("18446744073709551616", TooLarge),
        ] {
            assert_eq!(text.parse::<BytesPerSecond>(), Err(error), "{text:?}");
        }
        assert_eq!(BytesPerSecond::try_from(0), Err(Zero));
    }

    #[test]
    fn display_reads_back() {
        for rate in [1, 1000, 1025, 1_500_000, 20 << 20, u64::MAX] {
            let rate = BytesPerSecond::try_from(rate).unwrap();
            assert_eq!(rate.to_string().parse(), Ok(rate), "{rate}");
        }
        assert_eq!(BytesPerSecond::try_from(1_500_000).unwrap().to_string(), "1500 kB/s");
    }
}
