//! Channel keys and boxes are those of Octez, byte for byte.

mod recorded;

use blake2::{Blake2b256, Digest};
use p2p_crypto::{ChannelKey, Nonce, OpenError, Opener, PublicKey, Sealer, SecretKey, Tag, WeakPublicKey};
use recorded::{array, bytes, section, text};
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("vectors/crypto_box.json")).unwrap()
}

#[test]
fn both_sides_agree_on_the_recorded_channel_key() {
    for channel in section(&file(), "channels", 16) {
        let secret_a = SecretKey::from_bytes(array(channel, "secret_key_a"));
        let secret_b = SecretKey::from_bytes(array(channel, "secret_key_b"));
        let public_a = PublicKey::from_bytes(array(channel, "public_key_a"));
        let public_b = PublicKey::from_bytes(array(channel, "public_key_b"));
        assert_eq!(secret_a.public_key(), public_a);
        assert_eq!(secret_b.public_key(), public_b);

        let recorded = ChannelKey::from_bytes(array(channel, "channel_key"));
        assert_eq!(ChannelKey::agree(&secret_a, &public_b).as_ref(), Ok(&recorded));
        assert_eq!(ChannelKey::agree(&secret_b, &public_a).as_ref(), Ok(&recorded));
    }
}

#[test]
fn odd_public_keys_agree_or_are_weak_as_recorded() {
    let mut weak = 0;
    for odd in section(&file(), "odd_public_keys", 10) {
        let note = text(odd, "note");
        let public_key = PublicKey::from_bytes(array(odd, "public_key"));
        assert_eq!(public_key.peer_id().to_string(), text(odd, "peer_id"), "{note}");

        let agreed = ChannelKey::agree(&SecretKey::from_bytes(array(odd, "secret_key")), &public_key);
        let recorded = &odd["precompute"];
        if recorded["raises"].is_string() {
            assert_eq!(agreed, Err(WeakPublicKey), "{note}");
            weak += 1;
        } else {
            assert_eq!(
                agreed,
                Ok(ChannelKey::from_bytes(array(recorded, "channel_key"))),
                "{note}"
            );
        }
    }
    assert_eq!(weak, 7);
}

#[test]
fn every_box_is_sealed_and_opened_as_recorded() {
    let file = file();
    let key = ChannelKey::agree(
        &SecretKey::from_bytes(array(&file, "secret_key_a")),
        &PublicKey::from_bytes(array(&file, "public_key_b")),
    )
    .unwrap();
    assert_eq!(key, ChannelKey::from_bytes(array(&file, "channel_key")));

    for recorded in section(&file, "boxes", 210) {
        let size = usize::try_from(recorded["size"].as_u64().unwrap()).unwrap();
        let nonce = Nonce::from_bytes(array(recorded, "nonce"));
        let plaintext = plaintext(recorded, size);
        assert_eq!(plaintext.len(), size);

        let mut data = plaintext.clone();
        let tag = Sealer::new(key.clone(), nonce).seal(&mut data).unwrap();
        assert_eq!(tag.as_bytes(), &array(recorded, "tag"), "tag of {size} bytes");
        assert_ciphertext(recorded, &data);

        let recorded_tag = Tag::from_bytes(array(recorded, "tag"));
        Opener::new(key.clone(), nonce).open(&mut data, &recorded_tag).unwrap();
        assert_eq!(data, plaintext, "plaintext of {size} bytes");
    }
}

#[test]
fn a_recorded_box_does_not_open_with_the_next_nonce() {
    let file = file();
    let key = ChannelKey::from_bytes(array(&file, "channel_key"));
    let recorded = &section(&file, "boxes", 210)[100];
    let nonce = Nonce::from_bytes(array(recorded, "nonce")).incremented();

    let mut data = bytes(recorded, "ciphertext");
    let tag = Tag::from_bytes(array(recorded, "tag"));
    assert_eq!(Opener::new(key, nonce).open(&mut data, &tag), Err(OpenError::Forged));
    assert_eq!(data, bytes(recorded, "ciphertext"));
}

/// The large plaintexts are recorded as the pattern `(i, n)` that they follow.
fn plaintext(recorded: &Value, size: usize) -> Vec<u8> {
    if !text(recorded, "plaintext").starts_with("pattern") {
        return bytes(recorded, "plaintext");
    }
    assert_eq!(text(recorded, "plaintext"), format!("pattern({size},{size})"));
    (0..size)
        .map(|j| (size * 37 + j + (j >> 8) * 5 + size).to_le_bytes()[0])
        .collect()
}

/// The large ciphertexts are recorded as their ends and their digest.
fn assert_ciphertext(recorded: &Value, ciphertext: &[u8]) {
    if recorded["ciphertext"].is_string() {
        assert_eq!(ciphertext, bytes(recorded, "ciphertext"));
    } else {
        assert!(ciphertext.starts_with(&array::<64>(recorded, "ciphertext_head64")));
        assert!(ciphertext.ends_with(&array::<64>(recorded, "ciphertext_tail64")));
        assert_eq!(
            Blake2b256::digest(ciphertext)[..],
            bytes(recorded, "ciphertext_blake2b_256")
        );
    }
}
