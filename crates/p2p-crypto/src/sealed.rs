use std::fmt;

use thiserror::Error;
use zeroize::ZeroizeOnDrop;

use crate::{ChannelKey, Nonce, cipher};

/// Length of a [`Tag`] in bytes, fixed by Poly1305.
pub const TAG_SIZE: usize = 16;

/// What proves that sealed data is whole and comes from a holder of the channel key.
///
/// It can be neither compared nor checked by hand: [`Opener::open`] does it, in constant time.
#[derive(Clone, Copy)]
pub struct Tag([u8; TAG_SIZE]);

impl Tag {
    /// Takes the 16 bytes of a tag.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; TAG_SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes of the tag, as they go on the wire before the ciphertext.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TAG_SIZE] {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", hex::encode(self.0))
    }
}

/// The sending direction of a session: seals one piece of data after the other, each with the next nonce.
///
/// Sealing a piece consumes its nonce. A sealer can not be cloned or set back, so no nonce is used twice.
///
/// ```
/// use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
///
/// let (key, nonce) = (ChannelKey::from_bytes([7; 32]), Nonce::from_bytes([1; 24]));
/// let mut sealer = Sealer::new(key.clone(), nonce);
/// let mut opener = Opener::new(key, nonce);
///
/// let mut data = *b"attack at dawn";
/// let tag = sealer.seal(&mut data)?;
/// assert_ne!(&data, b"attack at dawn");
/// opener.open(&mut data, &tag)?;
/// assert_eq!(&data, b"attack at dawn");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sealer {
    key: ChannelKey,
    nonces: NonceSequence,
}

impl Sealer {
    /// A sealer whose first piece takes the nonce `first`.
    #[must_use]
    pub const fn new(key: ChannelKey, first: Nonce) -> Self {
        Self {
            key,
            nonces: NonceSequence::new(first),
        }
    }

    /// Encrypts `data` in place with XSalsa20-Poly1305 and gives the tag that belongs to it. Any length will do,
    /// zero included. Octez: `Crypto_box.fast_box_noalloc`.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`] if this sealer has used up its nonces; `data` is untouched then.
    pub fn seal(&mut self, data: &mut [u8]) -> Result<Tag, NoncesExhausted> {
        let nonce = self.nonces.take()?;
        Ok(Tag(cipher::seal(self.key.expose_bytes(), nonce.as_bytes(), data)))
    }

    /// The nonce that the next piece will take.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonces.next
    }
}

/// The only secret in it is the key, which wipes itself.
impl ZeroizeOnDrop for Sealer {}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("nonce", &self.nonce())
            .finish_non_exhaustive()
    }
}

/// The receiving direction of a session: opens one piece of data after the other, each with the next nonce.
///
/// A piece that does not open ends the direction for good, since neither the bytes nor their order can be trusted any
/// more. The example stands at [`Sealer`].
pub struct Opener {
    key: ChannelKey,
    nonces: NonceSequence,
    failed: bool,
}

impl Opener {
    /// An opener whose first piece takes the nonce `first`.
    #[must_use]
    pub const fn new(key: ChannelKey, first: Nonce) -> Self {
        Self {
            key,
            nonces: NonceSequence::new(first),
            failed: false,
        }
    }

    /// Checks that `tag` belongs to `data`, and only then decrypts `data` in place. Octez:
    /// `Crypto_box.fast_box_open_noalloc`.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Forged`] if key, nonce, data and tag do not belong together;
    /// - [`OpenError::AfterFailure`] for everything after that;
    /// - [`OpenError::NoncesExhausted`] if this opener has used up its nonces.
    ///
    /// `data` is untouched after any of them.
    pub fn open(&mut self, data: &mut [u8], tag: &Tag) -> Result<(), OpenError> {
        if self.failed {
            return Err(OpenError::AfterFailure);
        }
        let nonce = self.nonces.take()?;
        cipher::open(self.key.expose_bytes(), nonce.as_bytes(), data, &tag.0).map_err(|cipher::Forged| {
            self.failed = true;
            OpenError::Forged
        })
    }

    /// The nonce that the next piece will take.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonces.next
    }
}

/// The only secret in it is the key, which wipes itself.
impl ZeroizeOnDrop for Opener {}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("nonce", &self.nonce())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Why an [`Opener`] did not open a piece of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data was changed, cut or reordered on its way, or sealed by someone without the key. Octez:
    /// `Decipher_error`.
    #[error("the data does not match its tag")]
    Forged,
    /// An earlier piece was forged, so nothing after it is looked at.
    #[error("an earlier piece of the same direction was forged")]
    AfterFailure,
    /// See [`NoncesExhausted`].
    #[error(transparent)]
    NoncesExhausted(#[from] NoncesExhausted),
}

/// One direction has used 2^64 - 1 nonces.
///
/// No session gets there: at a hundred million chunks a second it takes more than five thousand years. The limit keeps
/// the runs of nonces that start at random from meeting: two runs of this length do so with a chance of 2^-127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("all nonces of this direction are used up")]
pub struct NoncesExhausted;

/// Gives out consecutive nonces, each once.
struct NonceSequence {
    next: Nonce,
    remaining: u64,
}

impl NonceSequence {
    const fn new(first: Nonce) -> Self {
        Self {
            next: first,
            remaining: u64::MAX,
        }
    }

    fn take(&mut self) -> Result<Nonce, NoncesExhausted> {
        self.remaining = self.remaining.checked_sub(1).ok_or(NoncesExhausted)?;
        let nonce = self.next;
        self.next = nonce.incremented();
        Ok(nonce)
    }
}

#[cfg(test)]
mod tests;
