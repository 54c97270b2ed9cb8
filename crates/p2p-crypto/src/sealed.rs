use std::fmt;

use thiserror::Error;
use zeroize::ZeroizeOnDrop;

use crate::cipher::{self, SessionCipher};
use crate::{ChannelKey, InstructionSet, Nonce};

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

/// One piece of a batch: its data, and the place of its tag.
#[derive(Debug)]
pub struct Piece<'a> {
    /// What is sealed or opened in place.
    pub data: &'a mut [u8],
    /// Written when sealing, read when opening.
    pub tag: &'a mut [u8; TAG_SIZE],
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
    cipher: SessionCipher,
    nonces: NonceSequence,
}

impl Sealer {
    /// A sealer whose first piece takes the nonce `first`.
    #[must_use]
    pub fn new(key: ChannelKey, first: Nonce) -> Self {
        Self {
            cipher: SessionCipher::new(key, InstructionSet::widest()),
            nonces: NonceSequence::new(first),
        }
    }

    /// Seals with these instructions from now on, which changes nothing but the speed.
    #[must_use]
    pub fn with_instruction_set(mut self, instruction_set: InstructionSet) -> Self {
        self.cipher = self.cipher.with_instruction_set(instruction_set);
        self
    }

    /// Encrypts `data` in place with XSalsa20-Poly1305 and gives the tag that belongs to it. Any length will do,
    /// zero included. Octez: `Crypto_box.fast_box_noalloc`.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`] if this sealer has used up its nonces; `data` is untouched then.
    pub fn seal(&mut self, data: &mut [u8]) -> Result<Tag, NoncesExhausted> {
        let nonce = self.nonces.take()?;
        Ok(Tag(self.cipher.seal(&nonce, data)))
    }

    /// Encrypts the `pieces`, one after the other, into `sealed`, and gives their common tag: what
    /// [`seal`](Self::seal) would make of them if they had been put there before, without that copy.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`] if this sealer has used up its nonces; `sealed` is untouched then.
    ///
    /// # Panics
    ///
    /// If `sealed` is not as long as all the pieces.
    ///
    /// ```
    /// use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
    ///
    /// let (key, nonce) = (ChannelKey::from_bytes([7; 32]), Nonce::from_bytes([1; 24]));
    /// let (mut sealed, mut opened) = ([0; 14], [0; 14]);
    /// let tag = Sealer::new(key.clone(), nonce).seal_gathered(&[b"attack ", b"at ", b"dawn"], &mut sealed)?;
    /// Opener::new(key, nonce).open_into(&sealed, &tag, &mut opened)?;
    /// assert_eq!(&opened, b"attack at dawn");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal_gathered(&mut self, pieces: &[&[u8]], sealed: &mut [u8]) -> Result<Tag, NoncesExhausted> {
        let size = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        assert_eq!(size, sealed.len(), "the pieces do not fill their place");
        let nonce = self.nonces.take()?;
        Ok(Tag(self.cipher.seal_gathered(&nonce, pieces, sealed)))
    }

    /// Seals each of `pieces` with the next nonce, as [`seal`](Self::seal) would one after the other. Short pieces
    /// take a fraction of the time together.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`] if this sealer does not have a nonce for each; all pieces are untouched then.
    ///
    /// ```
    /// use p2p_crypto::{ChannelKey, Nonce, Opener, Piece, Sealer};
    ///
    /// let (key, nonce) = (ChannelKey::from_bytes([7; 32]), Nonce::from_bytes([1; 24]));
    /// let (mut data, mut tags) = ([*b"one", *b"two"], [[0; 16]; 2]);
    /// let mut pieces: Vec<Piece<'_>> =
    ///     data.iter_mut().zip(&mut tags).map(|(data, tag)| Piece { data, tag }).collect();
    /// Sealer::new(key.clone(), nonce).seal_batch(&mut pieces)?;
    /// Opener::new(key, nonce).open_batch(&mut pieces)?;
    /// assert_eq!(data, [*b"one", *b"two"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal_batch(&mut self, pieces: &mut [Piece<'_>]) -> Result<(), NoncesExhausted> {
        let first = self.nonces.take_run(pieces.len() as u64)?;
        self.cipher.seal_batch(first, pieces);
        Ok(())
    }

    /// The nonce that the next piece will take.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonces.next
    }
}

/// The only secrets in it are keys, which wipe themselves.
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
    cipher: SessionCipher,
    nonces: NonceSequence,
    failed: bool,
}

impl Opener {
    /// An opener whose first piece takes the nonce `first`.
    #[must_use]
    pub fn new(key: ChannelKey, first: Nonce) -> Self {
        Self {
            cipher: SessionCipher::new(key, InstructionSet::widest()),
            nonces: NonceSequence::new(first),
            failed: false,
        }
    }

    /// Opens with these instructions from now on, which changes nothing but the speed.
    #[must_use]
    pub fn with_instruction_set(mut self, instruction_set: InstructionSet) -> Self {
        self.cipher = self.cipher.with_instruction_set(instruction_set);
        self
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
        self.open_next(|cipher, nonce| cipher.open(nonce, data, &tag.0))
    }

    /// Checks that `tag` belongs to `sealed`, and only then decrypts that into `data`, as [`open`](Self::open) would
    /// in place. The example stands at [`Sealer::seal_gathered`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open). What is in `data` then has no meaning, but it is no plaintext.
    ///
    /// # Panics
    ///
    /// If `data` is not as long as `sealed`.
    pub fn open_into(&mut self, sealed: &[u8], tag: &Tag, data: &mut [u8]) -> Result<(), OpenError> {
        assert_eq!(sealed.len(), data.len(), "plaintext is as long as ciphertext");
        self.open_next(|cipher, nonce| cipher.open_into(nonce, sealed, &tag.0, data))
    }

    fn open_next(
        &mut self,
        open: impl FnOnce(&mut SessionCipher, &Nonce) -> Result<(), cipher::Forged>,
    ) -> Result<(), OpenError> {
        if self.failed {
            return Err(OpenError::AfterFailure);
        }
        let nonce = self.nonces.take()?;
        open(&mut self.cipher, &nonce).map_err(|cipher::Forged| {
            self.failed = true;
            OpenError::Forged
        })
    }

    /// Opens each of `pieces` with the next nonce, as [`open`](Self::open) would one after the other, up to the first
    /// that fails. Short pieces take a fraction of the time together.
    ///
    /// # Errors
    ///
    /// [`OpenBatchError`] tells how many pieces in front of the failing one are open. That one and all behind it are
    /// untouched.
    pub fn open_batch(&mut self, pieces: &mut [Piece<'_>]) -> Result<(), OpenBatchError> {
        let failed = |opened, error| Err(OpenBatchError { opened, error });
        if self.failed {
            return failed(0, OpenError::AfterFailure);
        }
        let count = pieces.len();
        let with_nonce = count.min(usize::try_from(self.nonces.remaining).unwrap_or(usize::MAX));
        let opened = self.cipher.open_batch(self.nonces.next, &mut pieces[..with_nonce]);
        self.failed = opened < with_nonce;
        // The piece that was forged has used its nonce up, too.
        let used = opened as u64 + u64::from(self.failed);
        match self.nonces.take_run(used) {
            Ok(_) if self.failed => failed(opened, OpenError::Forged),
            Ok(_) if opened == count => Ok(()),
            _ => failed(opened, NoncesExhausted.into()),
        }
    }

    /// The nonce that the next piece will take.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonces.next
    }
}

/// The only secrets in it are keys, which wipe themselves.
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

/// Why an [`Opener`] did not open all of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("piece {opened} of the batch did not open")]
pub struct OpenBatchError {
    /// How many pieces are open, and so the place of the one that failed, the first being 0.
    pub opened: usize,
    /// What is wrong with that one.
    #[source]
    pub error: OpenError,
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
        self.take_run(1)
    }

    /// Takes so many nonces, or none, and gives the first.
    fn take_run(&mut self, count: u64) -> Result<Nonce, NoncesExhausted> {
        self.remaining = self.remaining.checked_sub(count).ok_or(NoncesExhausted)?;
        let first = self.next;
        self.next = first.plus(count);
        Ok(first)
    }
}

#[cfg(test)]
mod tests;
