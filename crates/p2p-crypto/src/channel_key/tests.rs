use crypto_box::SalsaBox;
use crypto_box::aead::AeadInPlace;

use super::*;
use crate::{Nonce, Sealer};

/// For honest keys NaCl's box, as another crate has it, is the same thing.
#[test]
fn honest_keys_agree_as_in_crypto_box() {
    for seed in 1..=16 {
        let (ours, theirs) = (
            SecretKey::from_bytes([seed; 32]),
            SecretKey::from_bytes([seed | 0x80; 32]).public_key(),
        );
        let nonce = [seed; Nonce::SIZE];

        let mut expected = *b"the same plaintext";
        let reference = SalsaBox::new(&(*theirs.as_bytes()).into(), &(*ours.expose_bytes()).into());
        let expected_tag = reference
            .encrypt_in_place_detached(&nonce.into(), &[], &mut expected)
            .unwrap();

        let mut data = *b"the same plaintext";
        let key = ChannelKey::agree(&ours, &theirs).unwrap();
        let tag = Sealer::new(key, Nonce::from_bytes(nonce)).seal(&mut data).unwrap();
        assert_eq!(data, expected);
        assert_eq!(tag.as_bytes(), expected_tag.as_slice());
    }
}

/// Every encoding of every point whose order divides the cofactor, with bit 255 clear and set.
#[test]
fn low_order_points_are_weak_for_every_secret() {
    let low_order = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for text in low_order {
        for bit_255 in [0, 0x80] {
            let mut bytes = *text.parse::<PublicKey>().unwrap().as_bytes();
            bytes[31] |= bit_255;
            for secret in [[0; 32], [0x55; 32], [0xff; 32]] {
                let agreed = ChannelKey::agree(&SecretKey::from_bytes(secret), &PublicKey::from_bytes(bytes));
                assert_eq!(agreed, Err(WeakPublicKey), "{text}");
            }
        }
    }
}

#[test]
fn bit_255_of_a_public_key_is_ignored() {
    let ours = SecretKey::from_bytes([1; 32]);
    let theirs = SecretKey::from_bytes([2; 32]).public_key();
    let mut flipped = *theirs.as_bytes();
    flipped[31] ^= 0x80;
    assert_eq!(
        ChannelKey::agree(&ours, &theirs),
        ChannelKey::agree(&ours, &PublicKey::from_bytes(flipped))
    );
}

#[test]
fn the_secret_is_clamped() {
    let theirs = SecretKey::from_bytes([2; 32]).public_key();
    let agree = |secret| ChannelKey::agree(&SecretKey::from_bytes(secret), &theirs).unwrap();
    let mut secret = [0x40; 32];
    let clamped = agree(secret);
    secret[0] |= 0x07;
    secret[31] |= 0x80;
    assert_eq!(agree(secret), clamped);
    secret[31] &= !0x40;
    assert_eq!(agree(secret), clamped);
}
