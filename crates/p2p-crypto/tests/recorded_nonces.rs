//! Nonces advance, and sessions start, as in Octez.

mod recorded;

use p2p_crypto::{Nonce, Role, SessionNonces};
use recorded::{array, bytes, section};
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("vectors/crypto_nonce.json")).unwrap()
}

#[test]
fn increments_carry_and_wrap_as_recorded() {
    for recorded in section(&file(), "increment", 24) {
        let nonce = Nonce::from_bytes(array(recorded, "nonce"));
        assert_eq!(nonce.incremented(), Nonce::from_bytes(array(recorded, "incremented")));
    }
}

#[test]
fn a_large_step_is_as_many_increments() {
    for recorded in section(&file(), "increment_step", 28) {
        let nonce = Nonce::from_bytes(array(recorded, "nonce"));
        let step = recorded["step"].as_u64().unwrap();
        let stepped = (0..step).fold(nonce, |nonce, _| nonce.incremented());
        assert_eq!(
            stepped,
            Nonce::from_bytes(array(recorded, "incremented")),
            "{step} after {nonce:?}"
        );
    }
}

#[test]
fn session_nonces_of_both_roles_are_as_recorded() {
    for recorded in section(&file(), "generate_nonces", 12) {
        let (sent, received) = (bytes(recorded, "sent_msg"), bytes(recorded, "recv_msg"));
        for (role, name) in [(Role::Responder, "incoming"), (Role::Initiator, "outgoing")] {
            let nonces = SessionNonces::derive(role, &sent, &received);
            assert_eq!(
                nonces.sealing,
                Nonce::from_bytes(array(&recorded[name], "local_nonce")),
                "{role:?}"
            );
            assert_eq!(
                nonces.opening,
                Nonce::from_bytes(array(&recorded[name], "remote_nonce")),
                "{role:?}"
            );
        }
    }
}
