//! X25519 in the formally verified assembly of s2n-bignum, which graviola brings along, where the processor has the
//! instructions; in dryoc elsewhere.

use std::arch::is_x86_feature_detected;

use graviola::key_agreement::x25519::{PublicKey, StaticPrivateKey};
use graviola::util::is_cpu_supported;
use zeroize::Zeroizing;

use super::fast;

pub(crate) fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    if !is_supported() {
        return fast::public_key(secret);
    }
    StaticPrivateKey::from_array(secret).public_key().as_bytes()
}

pub(crate) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    if !is_supported() {
        return fast::shared_point(secret, public);
    }
    // What is dropped here wipes itself. The zero point is the only one that it refuses.
    let agreed = StaticPrivateKey::from_array(secret).diffie_hellman(&PublicKey::from_array(public));
    agreed.map_or_else(|_| Zeroizing::default(), |point| Zeroizing::new(point.0))
}

/// Whether graviola can be called: where its own list of instructions is not complete, it panics. BMI2, which this
/// assembly uses, is missing from that list.
fn is_supported() -> bool {
    is_cpu_supported() && is_x86_feature_detected!("bmi2")
}
