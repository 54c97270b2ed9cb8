//! Public keys have the peer ids that Octez gives them, and texts are read as Octez reads them.

mod recorded;

use p2p_crypto::{PeerId, PublicKey, SecretKey};
use recorded::{array, section, text};
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("vectors/crypto_peer_id.json")).unwrap()
}

#[test]
fn keys_have_their_recorded_ids() {
    for case in section(&file(), "cases", 26) {
        let public_key = PublicKey::from_bytes(array(case, "public_key"));
        if case["secret_key"].is_string() {
            assert_eq!(
                SecretKey::from_bytes(array(case, "secret_key")).public_key(),
                public_key
            );
        }
        let peer_id = public_key.peer_id();
        assert_eq!(peer_id.as_bytes(), &array(case, "hash"));
        assert_eq!(peer_id.to_string(), text(case, "peer_id"));
        assert_eq!(text(case, "peer_id").parse(), Ok(peer_id));
    }
}

#[test]
fn texts_are_read_or_refused_as_recorded() {
    let mut accepted = 0;
    for case in section(&file(), "b58check_decode", 8) {
        let read = text(case, "string").parse::<PeerId>();
        if case["result"]["ok"].is_string() {
            assert_eq!(read, Ok(PeerId::from_bytes(array(&case["result"], "ok"))));
            accepted += 1;
        } else {
            assert!(read.is_err(), "{case}");
        }
    }
    assert_eq!(accepted, 1);
}
