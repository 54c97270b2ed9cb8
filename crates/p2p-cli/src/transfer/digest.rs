//! BLAKE2b-256, of the contents of files and of what names them.

use blake2b_simd::{Params, State};

const DIGEST_SIZE: usize = 32;

/// What 32 bytes tell about any number of them.
pub(super) type Digest = [u8; DIGEST_SIZE];

/// Digests what it is given, piece by piece. A clone goes on from the same place.
#[derive(Clone, Debug)]
pub(super) struct Hasher(State);

impl Hasher {
    pub(super) fn new() -> Self {
        Self(Params::new().hash_length(DIGEST_SIZE).to_state())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything so far.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.0.finalize().as_bytes());
        digest
    }
}
