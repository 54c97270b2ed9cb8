use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::proof_of_work_hash::ProofOfWorkHash;
use crate::{Nonce, PublicKey};

/// A proof-of-work stamp: 24 bytes that, hashed behind a public key, give a small number.
///
/// It shows that somebody spent work on that key. Its text form is 48 lower-case hexadecimal digits; either case
/// is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp([u8; Stamp::SIZE]);

impl Stamp {
    /// Length of a stamp in bytes.
    pub const SIZE: usize = 24;

    /// A stamp from its bytes, as they stand in a connection message.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes, as they stand in a connection message.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// A random stamp, for a search to start from.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        Self(*Nonce::generate().as_bytes())
    }

    /// The difficulty that this stamp reaches for `public_key`, from 0 to 256: `256 - log2(hash + 1)`.
    ///
    /// The result is rounded to double precision. It is meant for people to read; whether a stamp passes is
    /// decided exactly by [`Target::accepts`](crate::Target::accepts).
    #[must_use]
    pub fn difficulty_reached(&self, public_key: &PublicKey) -> f64 {
        ProofOfWorkHash::new(public_key, self).difficulty()
    }

    /// The stamp so many behind this one: the bytes are one big-endian integer modulo 2^192, like those of a nonce.
    pub(crate) fn plus(self, count: u64) -> Self {
        Self(*Nonce::from_bytes(self.0).plus(count).as_bytes())
    }
}

impl FromStr for Stamp {
    type Err = InvalidStamp;

    fn from_str(text: &str) -> Result<Self, InvalidStamp> {
        if text.len() != 2 * Self::SIZE {
            return Err(InvalidStamp::Length { bytes: text.len() });
        }
        let mut bytes = [0; Self::SIZE];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(hex::FromHexError::InvalidHexCharacter { index, .. }) => Err(InvalidStamp::Digit { index }),
            Err(_) => Err(InvalidStamp::Length { bytes: text.len() }),
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp({self})")
    }
}

/// Why a text is not a [`Stamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidStamp {
    /// The text does not have 48 digits.
    #[error("a proof-of-work stamp has 48 hexadecimal digits, not {bytes} bytes of text")]
    Length {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// Something in the text is not a hexadecimal digit.
    #[error("a proof-of-work stamp is written in hexadecimal digits, and byte {index} of the text is none")]
    Digit {
        /// Place of its first byte in the text, the first being 0.
        index: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let text = "000102030405060708090a0b0c0d0e0f1011121314151617";
        let stamp: Stamp = text.parse().unwrap();
        assert_eq!(stamp.as_bytes()[23], 0x17);
        assert_eq!(stamp.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(stamp));
    }

    #[test]
    fn refuses_other_text() {
        for bytes in [0, 2, 47, 49, 50] {
            assert_eq!("0".repeat(bytes).parse::<Stamp>(), Err(InvalidStamp::Length { bytes }));
        }
        let text = format!("{}g", "0".repeat(47));
        assert_eq!(text.parse::<Stamp>(), Err(InvalidStamp::Digit { index: 47 }));
        let text = format!("00\u{e9}{}", "0".repeat(44));
        assert_eq!(text.parse::<Stamp>(), Err(InvalidStamp::Digit { index: 2 }));
    }

    #[test]
    fn increments_big_endian_and_wraps() {
        let mut bytes = [0xff; 24];
        bytes[0] = 0;
        let mut carried = [0; 24];
        carried[0] = 1;
        assert_eq!(Stamp(bytes).plus(1), Stamp(carried));
        assert_eq!(Stamp([0xff; 24]).plus(1), Stamp([0; 24]));
    }

    #[test]
    fn two_random_stamps_differ() {
        assert_ne!(Stamp::generate(), Stamp::generate());
    }
}
