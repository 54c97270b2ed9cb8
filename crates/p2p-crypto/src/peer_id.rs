use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The name of a peer in the network: the BLAKE2b digest, 16 bytes, of its public key.
///
/// Its text form is Base58Check behind a prefix that makes every id start with `id` and have 30 characters.
/// Octez: `P2p_peer.Id`, `Crypto_box.Public_key_hash`.
///
/// ```
/// use p2p_crypto::{InvalidPeerId, PeerId};
///
/// let peer_id: PeerId = "idtJVUJ7L3MDsdMR65SyFU9JjHGCAn".parse()?;
/// assert_eq!(peer_id.to_string(), "idtJVUJ7L3MDsdMR65SyFU9JjHGCAn");
///
/// let mistyped = "idtJVUJ7L3MDsdMR65SyFU9JjHGCAm".parse::<PeerId>();
/// assert_eq!(mistyped, Err(InvalidPeerId::Checksum));
/// # Ok::<(), InvalidPeerId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; PeerId::SIZE]);

impl PeerId {
    /// Length of a peer id in bytes.
    pub const SIZE: usize = 16;

    /// Length of the text form in characters, the same for every id.
    pub const TEXT_LENGTH: usize = 30;

    /// Takes the 16 bytes of an id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

/// What stands before the digest in the text form. It makes the text begin with `id`.
const PREFIX: [u8; 2] = [0x99, 0x67];

/// Bytes of the double SHA-256 behind the digest in the text form.
const CHECKSUM_SIZE: usize = 4;

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut prefixed = [0; PREFIX.len() + Self::SIZE];
        let (prefix, digest) = prefixed.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(&PREFIX);
        digest.copy_from_slice(&self.0);
        f.pad(&bs58::encode(prefixed).with_check().into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != Self::TEXT_LENGTH {
            return Err(InvalidPeerId::Length { bytes: text.len() });
        }
        let mut buffer = [0; PREFIX.len() + Self::SIZE + CHECKSUM_SIZE];
        let decoded = bs58::decode(text).with_check(None).onto(&mut buffer);
        let size = decoded.map_err(InvalidPeerId::of_base58)?;
        let digest = buffer
            .get(..size)
            .and_then(|prefixed| prefixed.strip_prefix(&PREFIX))
            .and_then(|digest| digest.try_into().ok());
        digest.map(Self).ok_or(InvalidPeerId::Prefix)
    }
}

/// Why a text is not a [`PeerId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidPeerId {
    /// The text does not have 30 characters.
    #[error("a peer id has 30 characters, not {bytes} bytes of text")]
    Length {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// A character in the text is not one of Base58.
    #[error("a peer id is written in Base58, and character {index} is not of it")]
    Character {
        /// Place of the character, the first being 0.
        index: usize,
    },
    /// The checksum is not that of the rest: most likely a typing mistake.
    #[error("the checksum of the peer id is wrong")]
    Checksum,
    /// The text is sound Base58Check, but names something other than a peer.
    #[error("a peer id starts with `id`, and this text names something else")]
    Prefix,
}

impl InvalidPeerId {
    fn of_base58(error: bs58::decode::Error) -> Self {
        use bs58::decode::Error;
        match error {
            Error::InvalidCharacter { index, .. } | Error::NonAsciiCharacter { index } => Self::Character { index },
            Error::InvalidChecksum { .. } | Error::NoChecksum => Self::Checksum,
            // The buffer has room for a peer id: what does not fit is none.
            _ => Self::Prefix,
        }
    }
}

#[cfg(test)]
mod tests;
