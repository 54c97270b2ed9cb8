//! Targets, hashes and checks are those of Octez, and a search ends where Octez would.

mod recorded;

use p2p_crypto::{Difficulty, InvalidDifficulty, PublicKey, Stamp, StampSearch, Target};
use recorded::{array, section, text};
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("vectors/crypto_pow.json")).unwrap()
}

/// The recorded difficulties have 17 digits, which name one double each.
fn difficulty(digits: &str) -> Difficulty {
    digits.parse().unwrap()
}

#[test]
fn every_recorded_target() {
    for entry in section(&file(), "targets", 24) {
        let digits = text(entry, "difficulty_dec");
        let target = difficulty(digits).target();
        assert_eq!(target.as_bytes(), &array::<32>(entry, "target_hex_be"), "{digits}");
    }
}

/// Octez makes a negative target of NaN, which no hash reaches. Here it is refused like everything else outside the range.
#[test]
fn bad_difficulties_are_refused() {
    for entry in section(&file(), "bad_difficulties", 8) {
        let digits = text(entry, "difficulty_dec");
        let parsed = digits.parse::<Difficulty>();
        if digits == "-0" {
            assert_eq!(parsed.unwrap().target().as_bytes(), &array::<32>(entry, "result"));
        } else {
            assert!(matches!(parsed, Err(InvalidDifficulty::OutOfRange(_))), "{digits}");
        }
    }
}

fn stamps(file: &Value) -> impl Iterator<Item = (&Value, PublicKey, Stamp)> {
    let random = section(file, "random", 40);
    let mined = section(file, "mined", 8);
    random.iter().chain(mined).map(|entry| {
        let public_key = PublicKey::from_bytes(array(entry, "public_key"));
        let stamp = Stamp::from_bytes(array(entry, "stamp"));
        (entry, public_key, stamp)
    })
}

#[test]
fn every_recorded_check() {
    let mut passed = 0;
    for (entry, public_key, stamp) in stamps(&file()) {
        let checks = entry["checks"].as_object().unwrap();
        assert_eq!(checks.len(), 24);
        for (digits, accepted) in checks {
            let accepts = difficulty(digits).target().accepts(&public_key, &stamp);
            assert_eq!(accepts, accepted.as_bool().unwrap(), "{stamp} at {digits}");
            passed += u32::from(accepts);
        }
    }
    assert!(passed > 48);
}

/// A target of the recorded hash accepts, and a target one less does not: so the hash is exactly the recorded one.
#[test]
fn every_recorded_hash() {
    for (entry, public_key, stamp) in stamps(&file()) {
        let mut hash = array::<32>(entry, "hash_as_le_integer_hex_be");
        assert!(Target::from_bytes(hash).accepts(&public_key, &stamp));
        for byte in hash.iter_mut().rev() {
            let borrow;
            (*byte, borrow) = byte.overflowing_sub(1);
            if !borrow {
                break;
            }
        }
        assert!(!Target::from_bytes(hash).accepts(&public_key, &stamp));
    }
}

#[test]
fn the_difficulty_reached_agrees_with_the_checks() {
    for (entry, public_key, stamp) in stamps(&file()) {
        let reached = stamp.difficulty_reached(&public_key);
        for (digits, accepted) in entry["checks"].as_object().unwrap() {
            assert_eq!(
                reached >= difficulty(digits).value(),
                accepted.as_bool().unwrap(),
                "{stamp} reaches {reached}"
            );
        }
    }
}

/// A search that starts a little before a mined stamp comes to it, unless an earlier stamp passes.
#[test]
fn a_search_finds_the_mined_stamps() {
    for entry in section(&file(), "mined", 8) {
        let public_key = PublicKey::from_bytes(array(entry, "public_key"));
        let mined = array::<24>(entry, "stamp");
        let target = difficulty(text(entry, "note").strip_prefix("mined for ").unwrap()).target();

        let mut start = mined;
        start[23] = 0;
        let mut search = StampSearch::new(public_key, target, Stamp::from_bytes(start));
        let found = std::iter::from_fn(|| search.advance(256 - search.attempts()))
            .find(|stamp| *stamp == Stamp::from_bytes(mined));
        assert!(found.is_some());
        assert_eq!(search.attempts(), u64::from(mined[23]) + 1);
    }
}
