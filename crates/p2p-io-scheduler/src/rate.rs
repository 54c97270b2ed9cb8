//! Rates and limits.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

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
pub struct Limits {
    /// The limit on everything that is read.
    pub download: Option<BytesPerSecond>,
    /// The limit on everything that is written.
    pub upload: Option<BytesPerSecond>,
}

/// A rate of at least one byte per second.
///
/// Its text form is a number, an optional unit and an optional `/s`: `1200`, `500kB`, `1.5MB/s`, `20 MiB/s`. Units are
/// `B`, `kB`, `MB`, `GB` (powers of 1000) and `KiB`, `MiB`, `GiB` (powers of 1024); upper and lower case are the same.
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
    pub const fn new(rate: NonZeroU64) -> Self {
        Self(rate)
    }

    /// The number of bytes per second.
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
    #[error("unknown unit {0:?}; the units are B, kB, MB, GB, KiB, MiB and GiB")]
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

impl From<NonZeroU64> for BytesPerSecond {
    fn from(rate: NonZeroU64) -> Self {
        Self(rate)
    }
}

/// The unit of `Display` is the largest one that gives a whole number, so that the text reads back as the same rate.
const DISPLAY_UNITS: [(&str, u64); 6] = [
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("kB", 1000),
    ("KiB", 1 << 10),
];

impl fmt::Display for BytesPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.get();
        let (unit, size) = DISPLAY_UNITS
            .into_iter()
            .find(|(_, size)| rate.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        write!(f, "{} {unit}/s", rate / size)
    }
}

impl FromStr for BytesPerSecond {
    type Err = ParseBytesPerSecondError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let text = text
            .strip_suffix(['s', 'S'])
            .and_then(|text| text.strip_suffix('/'))
            .unwrap_or(text)
            .trim_end();
        let end_of_number = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end_of_number);
        if number.is_empty() {
            return Err(ParseBytesPerSecondError::InvalidNumber);
        }
        let unit = unit.trim_start();
        let size: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return Err(ParseBytesPerSecondError::UnknownUnit(unit.to_owned())),
        };
        Self::try_from(scaled(number, size)?)
    }
}

/// `number * size` in whole bytes, rounded down, without floating point.
fn scaled(number: &str, size: u64) -> Result<u64, ParseBytesPerSecondError> {
    use ParseBytesPerSecondError::{InvalidNumber, TooLarge};

    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // More digits could not change a rate by a whole byte, as the largest unit is 2^30.
    let fraction = fraction.get(..12).unwrap_or(fraction);
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(InvalidNumber);
    }
    let whole: u64 = whole.parse().map_err(|_| TooLarge)?;
    let denominator = 10_u128.pow(fraction.len() as u32);
    let fraction: u128 = fraction.parse().map_err(|_| InvalidNumber)?;
    let bytes = u128::from(whole) * u128::from(size) + fraction * u128::from(size) / denominator;
    u64::try_from(bytes).map_err(|_| TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_their_rates() {
        for (text, rate) in [
            ("1", 1),
            ("1200B", 1200),
            ("500kB", 500_000),
            ("1.5MB/s", 1_500_000),
            (" 20 MiB/s ", 20 << 20),
            ("20mib", 20 << 20),
            ("20MIB/S", 20 << 20),
            ("0.5KiB", 512),
            ("3GB/s", 3_000_000_000),
            ("1.0000000000000000001kB", 1000),
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
            (".5MB", InvalidNumber),
            ("1.MB", InvalidNumber),
            ("1.2.3", InvalidNumber),
            ("-1", InvalidNumber),
            ("bogus", InvalidNumber),
            ("1Mbit", UnknownUnit("Mbit".into())),
            ("18446744073709551616", TooLarge),
            ("99999999999GiB", TooLarge),
        ] {
            assert_eq!(text.parse::<BytesPerSecond>(), Err(error), "{text:?}");
        }
        assert_eq!(BytesPerSecond::try_from(0), Err(Zero));
    }

    #[test]
    fn display_reads_back() {
        for rate in [1, 999, 1000, 1024, 1025, 1_500_000, 20 << 20, 1 << 30, u64::MAX] {
            let rate = BytesPerSecond::try_from(rate).unwrap();
            assert_eq!(rate.to_string().parse(), Ok(rate), "{rate}");
        }
        assert_eq!(BytesPerSecond::try_from(1_500_000).unwrap().to_string(), "1500 kB/s");
    }
}
