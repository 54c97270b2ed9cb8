use std::fmt;

use blake2::{Blake2b256, Digest};

/// The number that a chunk is sealed with, used once per channel key: 24 bytes.
///
/// The bytes are one big-endian integer, and each chunk takes the next one.
///
/// ```
/// use p2p_crypto::Nonce;
///
/// let nonce = Nonce::from_bytes([0xff; Nonce::SIZE]);
/// assert_eq!(nonce.incremented(), Nonce::from_bytes([0; Nonce::SIZE]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; Nonce::SIZE]);

impl Nonce {
    /// Length of a nonce in bytes, fixed by XSalsa20.
    pub const SIZE: usize = 24;

    /// Takes the 24 bytes of a nonce.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh nonce from the operating system, such as the message nonce of a handshake.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give. A predictable nonce would let a recorded session be
    /// replayed.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0; Self::SIZE];
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
        Self(bytes)
    }

    /// The bytes of the nonce.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// The nonce that follows: one more, modulo 2^192. Octez: `Crypto_box.increment_nonce`.
    #[must_use]
    pub fn incremented(self) -> Self {
        self.plus(1)
    }

    /// The first 16 bytes, and the last 8 as the integer that grows.
    pub(crate) fn parts(&self) -> ([u8; 16], u64) {
        let (mut beginning, mut end) = ([0; 16], [0; 8]);
        beginning.copy_from_slice(&self.0[..16]);
        end.copy_from_slice(&self.0[16..]);
        (beginning, u64::from_be_bytes(end))
    }

    /// The nonce so many behind this one.
    pub(crate) fn plus(self, count: u64) -> Self {
        let mut carry = u128::from(count);
        let mut bytes = self.0;
        for word in bytes.as_chunks_mut().0.iter_mut().rev() {
            carry += u128::from(u64::from_be_bytes(*word));
            *word = (carry as u64).to_be_bytes();
            carry >>= 64;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", hex::encode(self.0))
    }
}

/// Which end of a connection a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// The side that dialled.
    Initiator,
    /// The side that was dialled.
    Responder,
}

/// The nonces with which the two directions of a session start.
///
/// Both come from both connection messages, so they are fresh if either side drew a fresh message nonce. Octez:
/// `Crypto_box.generate_nonces`.
///
/// ```
/// use p2p_crypto::{Role, SessionNonces};
///
/// let dialling = SessionNonces::derive(Role::Initiator, b"their greeting", b"our greeting");
/// let listening = SessionNonces::derive(Role::Responder, b"our greeting", b"their greeting");
/// assert_eq!(dialling.sealing, listening.opening);
/// assert_eq!(dialling.opening, listening.sealing);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionNonces {
    /// The first nonce of what this side sends.
    pub sealing: Nonce,
    /// The first nonce of what this side receives.
    pub opening: Nonce,
}

impl SessionNonces {
    /// Derives both nonces for the side that plays `role`, from the connection messages that it `sent` and
    /// `received`: the bytes on the wire, 2-byte length prefix included.
    #[must_use]
    pub fn derive(role: Role, sent: &[u8], received: &[u8]) -> Self {
        let (initiator_message, responder_message) = match role {
            Role::Initiator => (sent, received),
            Role::Responder => (received, sent),
        };
        let nonce = |label| derive_nonce(initiator_message, responder_message, label);

        // The labels read as if the initiator sealed with the first. In the protocol it opens with it.
        let responder_sealing = nonce(b"Init -> Resp");
        let initiator_sealing = nonce(b"Resp -> Init");
        match role {
            Role::Initiator => Self {
                sealing: initiator_sealing,
                opening: responder_sealing,
            },
            Role::Responder => Self {
                sealing: responder_sealing,
                opening: initiator_sealing,
            },
        }
    }
}

fn derive_nonce(initiator_message: &[u8], responder_message: &[u8], label: &[u8; 12]) -> Nonce {
    let digest: [u8; 32] = Blake2b256::new()
        .chain_update(initiator_message)
        .chain_update(responder_message)
        .chain_update(label)
        .finalize()
        .into();
    let mut bytes = [0; Nonce::SIZE];
    bytes.copy_from_slice(&digest[..Nonce::SIZE]);
    Nonce(bytes)
}

#[cfg(test)]
mod tests;
