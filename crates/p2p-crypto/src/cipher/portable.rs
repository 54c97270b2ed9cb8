//! RustCrypto and dalek: no instruction set in particular, and the reference for the other backend.

use crypto_secretbox::{AeadInPlace, KeyInit, XSalsa20Poly1305};
use salsa20::cipher::consts::U10;
use salsa20::hsalsa;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use super::Forged;

pub(crate) fn seal(key: &[u8; 32], nonce: &[u8; 24], data: &mut [u8]) -> [u8; 16] {
    let sealed = XSalsa20Poly1305::new(key.into()).encrypt_in_place_detached(nonce.into(), &[], data);
    sealed
        .expect("only associated data is refused, and there is none")
        .into()
}

pub(crate) fn open(key: &[u8; 32], nonce: &[u8; 24], data: &mut [u8], tag: &[u8; 16]) -> Result<(), Forged> {
    let opened = XSalsa20Poly1305::new(key.into()).decrypt_in_place_detached(nonce.into(), &[], data, tag.into());
    opened.map_err(|_| Forged)
}

pub(crate) fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    x25519(*secret, X25519_BASEPOINT_BYTES)
}

pub(crate) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(x25519(*secret, *public))
}

pub(crate) fn hsalsa20(key: &[u8; 32], input: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    // Ten double rounds are Salsa20's twenty.
    Zeroizing::new(hsalsa::<U10>(key.into(), input.into()).into())
}
