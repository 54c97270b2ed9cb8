//! dryoc: Salsa20, Poly1305 and X25519 with the instructions that the processor turns out to have.

use dryoc::classic::crypto_box::{crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace};
use dryoc::classic::crypto_core::{crypto_core_hsalsa20, crypto_scalarmult, crypto_scalarmult_base};
use zeroize::{Zeroize, Zeroizing};

use super::Forged;

pub(crate) fn seal(key: &[u8; 32], nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16] {
    let mut tag = [0; 16];
    crypto_box_detached_afternm_inplace(data, &mut tag, nonce, key);
    tag
}

pub(crate) fn open(key: &[u8; 32], nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> Result<(), Forged> {
    crypto_box_open_detached_afternm_inplace(data, tag, nonce, key).map_err(|_| Forged)
}

pub(crate) fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    let mut public = [0; 32];
    crypto_scalarmult_base(&mut public, secret);
    public
}

pub(crate) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut point = Zeroizing::new([0; 32]);
    if crypto_scalarmult(&mut point, secret, public).is_err() {
        // It refuses the zero point only, and does not promise what it leaves behind.
        point.zeroize();
    }
    point
}

pub(crate) fn hsalsa20(key: &[u8; 32], input: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    crypto_core_hsalsa20(&mut output, input, key, None);
    output
}
