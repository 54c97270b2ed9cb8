use std::fmt;
use std::ops::ControlFlow;
use std::thread;

use thiserror::Error;

use crate::{Difficulty, PeerId, PublicKey, SecretKey, Stamp, search_in_parallel};

/// Who a peer is: its secret key and the proof of work on its public key. Octez: `P2p_identity.t`.
///
/// An identity is made once and kept in a file (`read_file`, `write_new_file`, with the feature `identity-file`). The
/// secret key is wiped from memory when dropped and never printed.
///
/// ```
/// use p2p_crypto::{Difficulty, Identity};
///
/// let identity = Identity::generate(Difficulty::try_from(4.0)?);
/// println!("I am {}", identity.peer_id());
/// assert!(identity.check_difficulty(Difficulty::try_from(4.0)?).is_ok());
/// # Ok::<(), p2p_crypto::InvalidDifficulty>(())
/// ```
#[derive(Clone)]
pub struct Identity {
    secret_key: SecretKey,
    public_key: PublicKey,
    stamp: Stamp,
}

impl Identity {
    /// An identity from its parts. The stamp may be any; [`check_difficulty`](Self::check_difficulty) judges it.
    #[must_use]
    pub fn new(secret_key: SecretKey, stamp: Stamp) -> Self {
        Self {
            public_key: secret_key.public_key(),
            secret_key,
            stamp,
        }
    }

    /// Draws a fresh secret key and searches a stamp of `difficulty` for it, on one thread per core.
    ///
    /// This blocks for as long as the search takes: some seconds at [`Difficulty::MAINNET`]. To show progress or
    /// to cancel, call [`search_in_parallel`] and [`Identity::new`] instead.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give or refuses to start a thread.
    #[must_use]
    pub fn generate(difficulty: Difficulty) -> Self {
        let secret_key = SecretKey::generate();
        let public_key = secret_key.public_key();
        let threads = thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
        let stamp = search_in_parallel(&public_key, difficulty.target(), threads, |_| ControlFlow::Continue(()))
            .expect("a search that nobody cancels ends with a stamp");
        Self {
            secret_key,
            public_key,
            stamp,
        }
    }

    /// The secret key.
    #[must_use]
    pub const fn secret_key(&self) -> &SecretKey {
        &self.secret_key
    }

    /// The public key, which belongs to the secret key.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The id by which the network knows this peer.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.public_key.peer_id()
    }

    /// The proof of work on the public key.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Checks that the stamp is a proof of work of at least `required`.
    ///
    /// # Errors
    ///
    /// [`NotEnoughProofOfWork`] if it is not: peers that demand this difficulty would turn the identity away.
    pub fn check_difficulty(&self, required: Difficulty) -> Result<(), NotEnoughProofOfWork> {
        if required.target().accepts(&self.public_key, &self.stamp) {
            Ok(())
        } else {
            Err(NotEnoughProofOfWork {
                peer_id: self.peer_id(),
                required,
                reached: self.stamp.difficulty_reached(&self.public_key),
            })
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("peer_id", &self.peer_id())
            .field("secret_key", &self.secret_key)
            .field("stamp", &self.stamp)
            .finish()
    }
}

/// The stamp of an identity shows less work than is asked for. Octez: `Insufficient_proof_of_work`.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("the proof of work of {peer_id} reaches difficulty {reached:.2}, and {required} is required")]
#[non_exhaustive]
pub struct NotEnoughProofOfWork {
    /// Whose identity it is.
    pub peer_id: PeerId,
    /// The difficulty asked for.
    pub required: Difficulty,
    /// The difficulty reached, rounded, see [`Stamp::difficulty_reached`].
    pub reached: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_identity_has_its_proof_of_work() {
        let difficulty = Difficulty::try_from(8.0).unwrap();
        let identity = Identity::generate(difficulty);
        assert_eq!(identity.check_difficulty(difficulty), Ok(()));
        assert_eq!(identity.public_key(), identity.secret_key().public_key());
        assert_eq!(identity.peer_id(), identity.public_key().peer_id());
    }

    #[test]
    fn too_little_work_is_told_with_both_difficulties() {
        let identity = Identity::new(SecretKey::from_bytes([7; 32]), Stamp::from_bytes([0; 24]));
        assert_eq!(identity.check_difficulty(Difficulty::NONE), Ok(()));

        let required = Difficulty::try_from(100.0).unwrap();
        let error = identity.check_difficulty(required).unwrap_err();
        assert_eq!(error.peer_id, identity.peer_id());
        assert_eq!(error.required, required);
        assert_eq!(
            error.reached,
            identity.stamp().difficulty_reached(&identity.public_key())
        );
        assert!(error.reached < 100.0);
    }

    #[test]
    fn the_secret_is_not_printed() {
        let secret_key = SecretKey::from_bytes([0xab; 32]);
        let text = format!("{:?}", Identity::new(secret_key, Stamp::from_bytes([0; 24])));
        assert!(!text.contains("abab") && !text.contains("171, 171"), "{text}");
        assert!(text.contains("redacted"));
    }
}
