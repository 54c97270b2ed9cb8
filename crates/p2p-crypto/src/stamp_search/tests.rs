use super::*;
use crate::Difficulty;
use crate::proof_of_work_hash::ProofOfWorkHash;

const PUBLIC_KEY: PublicKey = PublicKey::from_bytes([7; 32]);

fn target(difficulty: f64) -> Target {
    Difficulty::try_from(difficulty).unwrap().target()
}

fn stamp(last_word: u64) -> Stamp {
    let mut bytes = [0; 24];
    bytes[16..].copy_from_slice(&last_word.to_be_bytes());
    Stamp::from_bytes(bytes)
}

/// Every stamp from 0 below `end` that passes, found one by one with the plain check.
fn accepted_below(end: u64, target: Target) -> Vec<Stamp> {
    (0..end)
        .map(stamp)
        .filter(|stamp| target.accepts(&PUBLIC_KEY, stamp))
        .collect()
}

/// Every stamp that a search cut into `steps` finds in its first `end` attempts.
fn found_below(end: u64, target: Target, mut steps: impl Iterator<Item = u64>) -> Vec<Stamp> {
    let mut search = StampSearch::new(PUBLIC_KEY, target, stamp(0));
    let mut found = Vec::new();
    while search.attempts() < end {
        let step = steps.next().unwrap().min(end - search.attempts());
        found.extend(search.advance(step));
    }
    assert_eq!(search.attempts(), end);
    found
}

#[test]
fn finds_what_the_check_accepts_however_the_attempts_are_cut() {
    let end = 500;
    for difficulty in [0.0, 0.5, 3.0, 6.0] {
        let target = target(difficulty);
        let expected = accepted_below(end, target);
        assert!(!expected.is_empty());
        for step in [1, 2, 15, 16, 17, 33, 500, u64::MAX] {
            assert_eq!(
                found_below(end, target, std::iter::repeat(step)),
                expected,
                "{difficulty} by {step}"
            );
        }
        assert_eq!(found_below(end, target, (1..40).cycle()), expected, "{difficulty}");
    }
}

#[test]
fn counts_the_attempts_up_to_the_found_stamp() {
    let target = target(6.0);
    let position = (0..)
        .position(|number| target.accepts(&PUBLIC_KEY, &stamp(number)))
        .unwrap() as u64;
    let mut search = StampSearch::new(PUBLIC_KEY, target, stamp(0));
    assert_eq!(search.advance(0), None);
    assert_eq!(search.attempts(), 0);
    assert_eq!(search.advance(position), None);
    assert_eq!(search.attempts(), position);
    assert_eq!(search.advance(1), Some(stamp(position)));
    assert_eq!(search.attempts(), position + 1);
}

#[test]
fn the_start_is_tried_first() {
    let start = stamp(41);
    let mut search = StampSearch::new(PUBLIC_KEY, target(0.0), start);
    assert_eq!(search.advance(1), Some(start));
    assert_eq!(search.advance(u64::MAX), Some(stamp(42)));
}

#[test]
fn wraps_at_the_end_of_the_stamps() {
    let mut search = StampSearch::new(PUBLIC_KEY, target(0.0), Stamp::from_bytes([0xff; 24]));
    assert_eq!(search.advance(1), Some(Stamp::from_bytes([0xff; 24])));
    assert_eq!(search.advance(1), Some(stamp(0)));

    let first = accepted_below(1000, target(6.0))[0];
    let mut before_the_end = [0xff; 24];
    before_the_end[23] = 0xfe;
    let mut search = StampSearch::new(PUBLIC_KEY, target(6.0), Stamp::from_bytes(before_the_end));
    let found = std::iter::from_fn(|| Some(search.advance(1000)))
        .flatten()
        .find(|stamp| stamp.as_bytes()[0] == 0);
    assert_eq!(found, Some(first));
}

#[test]
fn a_target_without_solution_in_reach_finds_nothing() {
    let mut search = StampSearch::new(PUBLIC_KEY, target(256.0), stamp(0));
    assert_eq!(search.advance(1000), None);
    assert_eq!(search.attempts(), 1000);
}

/// The first word alone does not decide at a target whose first word a hash can equal.
#[test]
fn a_word_equal_to_that_of_the_target_is_compared_in_full() {
    let mut bytes = *ProofOfWorkHash::new(&PUBLIC_KEY, &stamp(0)).as_bytes();
    let exact = Target::from_bytes(bytes);
    assert_eq!(StampSearch::new(PUBLIC_KEY, exact, stamp(0)).advance(1), Some(stamp(0)));

    bytes[31] = bytes[31].checked_sub(1).unwrap();
    let just_below = Target::from_bytes(bytes);
    assert_eq!(StampSearch::new(PUBLIC_KEY, just_below, stamp(0)).advance(1), None);
}
