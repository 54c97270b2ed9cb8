use std::fmt;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{PublicKey, SecretKey, cipher};

/// The symmetric key that two peers share for all of their connections, 32 bytes.
///
/// Neither the session nor the direction enters it: what keeps two chunks apart is the nonce alone, see
/// [`SessionNonces`](crate::SessionNonces).
///
/// The key is wiped from memory when dropped, compared in constant time and never printed. Octez:
/// `Crypto_box.channel_key`.
///
/// ```
/// use p2p_crypto::{ChannelKey, PublicKey, SecretKey, WeakPublicKey};
///
/// let (alice, bob) = (SecretKey::generate(), SecretKey::generate());
/// assert_eq!(ChannelKey::agree(&alice, &bob.public_key())?, ChannelKey::agree(&bob, &alice.public_key())?);
///
/// let zero = PublicKey::from_bytes([0; 32]);
/// assert_eq!(ChannelKey::agree(&alice, &zero), Err(WeakPublicKey));
/// # Ok::<(), WeakPublicKey>(())
/// ```
// In a box of its own: a key that moves with what owns it, from a future to a task for instance, would leave copies
// behind that nobody wipes.
#[derive(Clone)]
pub struct ChannelKey(Box<[u8; ChannelKey::SIZE]>);

impl ChannelKey {
    /// Length of a channel key in bytes, fixed by XSalsa20.
    pub const SIZE: usize = 32;

    /// Agrees on the key with the owner of `theirs`: HSalsa20 over the X25519 shared point.
    ///
    /// X25519 is that of RFC 7748, with the secret clamped and bit 255 of the public key ignored. Octez:
    /// `Crypto_box.precompute`.
    ///
    /// # Errors
    ///
    /// [`WeakPublicKey`] if the shared point is zero.
    pub fn agree(ours: &SecretKey, theirs: &PublicKey) -> Result<Self, WeakPublicKey> {
        let shared_point = cipher::shared_point(ours.expose_bytes(), theirs.as_bytes());
        if shared_point.ct_eq(&[0; 32]).into() {
            return Err(WeakPublicKey);
        }
        Ok(Self(Box::new(*cipher::hsalsa20(&shared_point, &[0; 16]))))
    }

    /// Takes the 32 bytes of a key that was agreed on elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(Box::new(bytes))
    }

    /// The bytes of the key. Whatever holds a copy must wipe it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

impl Drop for ChannelKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for ChannelKey {}

impl PartialEq for ChannelKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for ChannelKey {}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelKey(redacted)")
    }
}

/// The public key is one of the few that lead to the same shared point, zero, with every secret key.
///
/// Whoever presents such a key needs no secret: the channel key would be known to everybody. Octez raises an
/// untyped failure, `Error computing box_beforenm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the public key is weak: it leads to the same channel key with every secret key")]
pub struct WeakPublicKey;

#[cfg(test)]
mod tests;
