//! Numbers of bytes as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes with a text form for people: a decimal number and an optional unit, `1200`, `500kB`, `1.5 MB`, `64 KiB`.
///
/// Units are `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) and `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024); upper and lower
/// case are the same. A fraction of a byte is cut off. What `Display` writes reads back as the same number.
///
/// ```
/// use p2p_io_scheduler::ByteSize;
///
/// let queue: ByteSize = "64 KiB".parse()?;
/// assert_eq!(queue.get(), 65_536);
/// assert_eq!(queue.to_string(), "64 KiB");
/// assert_eq!(usize::try_from(queue)?, 65_536);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Why a text is no [`ByteSize`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseByteSizeError {
    /// There is no decimal number at the start.
    #[error("a size starts with a decimal number, such as 500 or 1.5")]
    InvalidNumber,
    /// The unit is not known.
    #[error("unknown unit {0:?}; the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB")]
    UnknownUnit(String),
    /// The size does not fit in 64 bits.
    #[error("the size is greater than {} bytes", u64::MAX)]
    TooLarge,
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<usize> for ByteSize {
    fn from(bytes: usize) -> Self {
        // Nothing in memory is greater than what 64 bits count.
        Self(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.0
    }
}

impl TryFrom<ByteSize> for usize {
    type Error = ParseByteSizeError;

    /// Fails only where `usize` has fewer than 64 bits.
    fn try_from(size: ByteSize) -> Result<Self, Self::Error> {
        Self::try_from(size.0).map_err(|_| ParseByteSizeError::TooLarge)
    }
}

/// The unit of `Display` is the largest one that gives a whole number.
const DISPLAY_UNITS: [(&str, u64); 8] = [
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("kB", 1000),
    ("KiB", 1 << 10),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = DISPLAY_UNITS
            .into_iter()
            .find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / size)
    }
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end_of_number = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end_of_number);
        if number.is_empty() {
            return Err(ParseByteSizeError::InvalidNumber);
        }
        let unit = unit.trim_start();
        let size: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(ParseByteSizeError::UnknownUnit(unit.to_owned())),
        };
        scaled(number, size).map(Self)
    }
}

/// `number * size` in whole bytes, rounded down, without floating point.
fn scaled(number: &str, size: u64) -> Result<u64, ParseByteSizeError> {
    use ParseByteSizeError::{InvalidNumber, TooLarge};

    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // More digits could not change a size by a whole byte, as the largest unit is 2^40.
    let fraction = fraction.get(..13).unwrap_or(fraction);
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
    fn texts_and_their_sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("0.4", 0),
            ("1", 1),
            ("1200B", 1200),
            ("500kB", 500_000),
            ("1.5MB", 1_500_000),
            (" 20 MiB ", 20 << 20),
            ("20mib", 20 << 20),
            ("0.5KiB", 512),
            ("3GB", 3_000_000_000),
            ("1.5 TB", 1_500_000_000_000),
            ("2TiB", 2 << 40),
            ("0.0000000000010TiB", 1),
            ("1.0000000000000000001kB", 1000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::new(bytes)), "{text:?}");
        }
    }

    #[test]
    fn texts_that_are_no_sizes() {
        use ParseByteSizeError::{InvalidNumber, TooLarge, UnknownUnit};
        for (text, error) in [
            ("", InvalidNumber),
            ("kB", InvalidNumber),
            (".5MB", InvalidNumber),
            ("1.MB", InvalidNumber),
            ("1.2.3", InvalidNumber),
            ("-1", InvalidNumber),
            ("1 MB/s", UnknownUnit("MB/s".into())),
            ("1Mbit", UnknownUnit("Mbit".into())),
            ("18446744073709551616", TooLarge),
            ("99999999999GiB", TooLarge),
        ] {
            assert_eq!(text.parse::<ByteSize>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn display_reads_back() {
        for bytes in [
            0,
            1,
            999,
            1000,
            1024,
            1025,
            1_500_000,
            20 << 20,
            1 << 30,
            3 << 40,
            u64::MAX,
        ] {
            let size = ByteSize::new(bytes);
            assert_eq!(size.to_string().parse(), Ok(size), "{size}");
        }
    }
}
