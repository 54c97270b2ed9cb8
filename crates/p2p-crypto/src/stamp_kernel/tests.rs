use proptest::prelude::*;

use super::*;
use crate::proof_of_work_hash::ProofOfWorkHash;
use crate::{Difficulty, Target};

/// The most significant word by the `blake2` crate.
fn word(public_key: &PublicKey, stamp: &Stamp) -> u64 {
    let hash = ProofOfWorkHash::new(public_key, stamp);
    hash.as_bytes()
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
        .unwrap()
}

/// Walks all the candidates of the `count` stamps from `first` on with every instruction set, and one by one.
fn assert_candidates(public_key: &PublicKey, first: Stamp, count: u64, greatest: u64) {
    let mut stamp = first;
    let mut expected = Vec::new();
    let available = Candidates::new(public_key, &first).available();
    for position in 0..count.min(available) {
        if word(public_key, &stamp) <= greatest {
            expected.push(position);
        }
        stamp = stamp.plus(1);
    }

    for set in InstructionSet::available() {
        let mut found = Vec::new();
        let mut done = 0;
        while done < count {
            let candidates = Candidates::new(public_key, &first.plus(done));
            if done > 0 && available <= done {
                break;
            }
            let Some(position) = candidates.first(set, count - done, greatest) else {
                break;
            };
            found.push(done + position);
            done += position + 1;
        }
        assert_eq!(found, expected, "{set}: {count} from {first}, at most {greatest:#x}");
    }
}

fn stamp(high: u128, counter: u64) -> Stamp {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&high.to_be_bytes());
    bytes[16..].copy_from_slice(&counter.to_be_bytes());
    Stamp::from_bytes(bytes)
}

#[test]
fn every_count_around_the_widths_is_kept_to() {
    let public_key = PublicKey::from_bytes([7; 32]);
    for count in 0..=40 {
        for greatest in [0, u64::MAX / 8, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            assert_candidates(&public_key, stamp(9, 1000), count, greatest);
        }
    }
}

#[test]
fn the_targets_of_all_difficulties_have_their_candidates() {
    let public_key = PublicKey::from_bytes([3; 32]);
    for quarters in 0_u32..=4 * 256 {
        let target = Target::from(Difficulty::try_from(f64::from(quarters) / 4.0).unwrap());
        assert_candidates(
            &public_key,
            stamp(1, u64::from(quarters)),
            64,
            target.most_significant_word(),
        );
    }
}

#[test]
fn counters_end_where_the_first_bytes_change() {
    let public_key = PublicKey::from_bytes([5; 32]);
    for left in 1..=20 {
        let first = stamp(u128::MAX, u64::MAX - left + 1);
        assert_eq!(Candidates::new(&public_key, &first).available(), left);
        assert_candidates(&public_key, first, 64, u64::MAX / 4);
        assert_candidates(&public_key, first, 64, u64::MAX);
    }
    assert_eq!(Candidates::new(&public_key, &stamp(0, 0)).available(), u64::MAX);
}

#[test]
fn carries_between_the_bytes_of_the_counter_are_seen() {
    let public_key = PublicKey::from_bytes([6; 32]);
    for bits in 1..64 {
        assert_candidates(&public_key, stamp(0, (1 << bits) - 1), 20, u64::MAX / 4);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn all_sets_find_the_same_from_any_start(
        public_key: [u8; 32],
        start: [u8; 24],
        count in 0_u64..200,
        greatest: u64,
        zeros in 0_u32..8,
    ) {
        assert_candidates(&PublicKey::from_bytes(public_key), Stamp::from_bytes(start), count, greatest >> zeros);
    }
}
