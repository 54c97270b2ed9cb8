use blake2::{Blake2b256, Digest};

use crate::{PublicKey, Stamp};

/// BLAKE2b-256 of public key and stamp, as a 256-bit integer in **big-endian** bytes, so that the order of the
/// arrays is the order of the numbers. The digest itself is read little-endian, hence its bytes stand here in
/// reverse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProofOfWorkHash([u8; 32]);

impl ProofOfWorkHash {
    pub(crate) fn new(public_key: &PublicKey, stamp: &Stamp) -> Self {
        let digest = Blake2b256::new()
            .chain_update(public_key.as_bytes())
            .chain_update(stamp.as_bytes())
            .finalize();
        Self::from_digest(digest.into())
    }

    pub(crate) fn from_digest(mut digest: [u8; 32]) -> Self {
        digest.reverse();
        Self(digest)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `256 - log2(hash + 1)`.
    pub(crate) fn difficulty(&self) -> f64 {
        let value = self.0.iter().fold(0.0, |value, &byte| value * 256.0 + f64::from(byte));
        256.0 - (value + 1.0).log2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulty_at_the_edges() {
        assert_eq!(ProofOfWorkHash([0; 32]).difficulty(), 256.0);
        assert_eq!(ProofOfWorkHash([0xff; 32]).difficulty(), 0.0);
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(ProofOfWorkHash(one).difficulty(), 255.0);
        let mut half = [0; 32];
        half[0] = 0x80;
        assert_eq!(ProofOfWorkHash(half).difficulty(), 1.0);
    }

    #[test]
    fn the_last_byte_of_the_digest_weighs_most() {
        let mut small = [0xff; 32];
        small[31] = 0;
        let mut great = [0; 32];
        great[31] = 1;
        assert!(ProofOfWorkHash::from_digest(small) < ProofOfWorkHash::from_digest(great));
    }
}
