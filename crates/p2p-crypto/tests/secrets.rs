//! Secrets are not printed, are compared by value, and are wiped when dropped.

use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer, SecretKey};
use zeroize::ZeroizeOnDrop;

/// A byte that shows in a debug text in any notation: 171, ab, AB.
const SECRET: u8 = 0xab;

#[test]
fn no_secret_shows_in_debug() {
    let key = ChannelKey::from_bytes([SECRET; 32]);
    let nonce = Nonce::from_bytes([1; 24]);
    let texts = [
        format!("{:?}", SecretKey::from_bytes([SECRET; 32])),
        format!("{key:?}"),
        format!("{:#?}", Sealer::new(key.clone(), nonce)),
        format!("{:#?}", Opener::new(key, nonce)),
    ];
    for text in texts {
        for notation in ["171", "ab", "AB"] {
            assert!(!text.contains(notation), "{text}");
        }
    }
}

#[test]
fn secrets_are_equal_if_all_bytes_are() {
    for place in 0..32 {
        let mut other = [SECRET; 32];
        other[place] ^= 0x80;
        assert_ne!(SecretKey::from_bytes([SECRET; 32]), SecretKey::from_bytes(other));
        assert_ne!(ChannelKey::from_bytes([SECRET; 32]), ChannelKey::from_bytes(other));
    }
    assert_eq!(SecretKey::from_bytes([SECRET; 32]), SecretKey::from_bytes([SECRET; 32]));
    assert_eq!(
        ChannelKey::from_bytes([SECRET; 32]),
        ChannelKey::from_bytes([SECRET; 32])
    );
}

#[test]
fn secrets_are_wiped_on_drop() {
    const fn wiped<T: ZeroizeOnDrop>() {}
    const {
        wiped::<SecretKey>();
        wiped::<ChannelKey>();
        wiped::<Sealer>();
        wiped::<Opener>();
    }
    assert!(std::mem::needs_drop::<SecretKey>());
    assert!(std::mem::needs_drop::<ChannelKey>());
    assert!(std::mem::needs_drop::<Sealer>());
    assert!(std::mem::needs_drop::<Opener>());
}

#[test]
fn every_generated_key_is_another() {
    assert_ne!(SecretKey::generate(), SecretKey::generate());
    assert_ne!(Nonce::generate(), Nonce::generate());
}
