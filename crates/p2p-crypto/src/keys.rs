use std::fmt;
use std::str::FromStr;

use blake2::{Blake2b128, Digest};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{PeerId, cipher};

/// An X25519 secret key, 32 bytes.
///
/// The bytes are kept as they came. Clamping belongs to every use of the key and is not stored, so a key from an
/// identity file is written back unchanged.
///
/// The key is wiped from memory when dropped, compared in constant time and never printed. Octez:
/// `Crypto_box.secret_key`.
///
/// ```
/// use p2p_crypto::SecretKey;
///
/// let secret_key = SecretKey::generate();
/// println!("I am {}", secret_key.public_key().peer_id());
/// assert!(format!("{secret_key:?}").contains("redacted"));
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; SecretKey::SIZE]);

impl SecretKey {
    /// Length of a secret key in bytes, fixed by X25519.
    pub const SIZE: usize = 32;

    /// Takes the 32 bytes of a key as they are: every value is a valid X25519 secret.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh key from the operating system.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give. No key made without it would be worth having.
    #[must_use]
    pub fn generate() -> Self {
        let mut secret_key = Self([0; Self::SIZE]);
        getrandom::fill(&mut secret_key.0).expect("the operating system gives randomness");
        secret_key
    }

    /// The bytes of the key, for storing it. Whatever holds a copy must wipe it.
    #[must_use]
    pub const fn expose_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// The public key that belongs to this secret.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(cipher::public_key(&self.0))
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// An X25519 public key, 32 bytes. Its text form is 64 lowercase hexadecimal digits; reading takes either case.
///
/// Keys are compared byte by byte. X25519 itself ignores bit 255, but the peer id does not: two keys that differ
/// in that bit alone agree on the same channel key and are two different peers, as in Octez.
///
/// ```
/// use p2p_crypto::PublicKey;
///
/// let text = "9d5d49035fbf338ee0a84fb4004740ca2b15186a7f44af60047197a219ae1b71";
/// let public_key: PublicKey = text.parse()?;
/// assert_eq!(public_key.to_string(), text);
/// assert_eq!(public_key.peer_id().to_string(), "idqsgEHNtynyGJzMag4iA9DX3N85vA");
/// # Ok::<(), p2p_crypto::InvalidPublicKey>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; PublicKey::SIZE]);

impl PublicKey {
    /// Length of a public key in bytes, fixed by X25519.
    pub const SIZE: usize = 32;

    /// Takes the 32 bytes of a key as they are.
    ///
    /// Weak keys are accepted here and refused where they would do harm, by
    /// [`ChannelKey::agree`](crate::ChannelKey::agree).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key, as they go on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// The id by which the network knows the owner of this key: its BLAKE2b digest of 16 bytes.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        PeerId::from_bytes(Blake2b128::digest(self.0).into())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 2 * Self::SIZE {
            return Err(InvalidPublicKey::Length { bytes: text.len() });
        }
        let mut bytes = [0; Self::SIZE];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(hex::FromHexError::InvalidHexCharacter { index, .. }) => Err(InvalidPublicKey::Digit { index }),
            Err(_) => Err(InvalidPublicKey::Length { bytes: text.len() }),
        }
    }
}

/// Why a text is not a [`PublicKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidPublicKey {
    /// The text does not have 64 digits.
    #[error("a public key has 64 hexadecimal digits, not {bytes} bytes of text")]
    Length {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// Something in the text is not a hexadecimal digit.
    #[error("a public key is written in hexadecimal digits, and byte {index} of the text is none")]
    Digit {
        /// Place of its first byte in the text, the first being 0.
        index: usize,
    },
}

#[cfg(test)]
mod tests;
