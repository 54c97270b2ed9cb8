use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::Difficulty;

const PUBLIC_KEY: PublicKey = PublicKey::from_bytes([7; 32]);

fn target(difficulty: f64) -> Target {
    Difficulty::try_from(difficulty).unwrap().target()
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

#[test]
fn finds_a_valid_stamp_on_any_number_of_threads() {
    for count in [1, 2, 7] {
        let target = target(8.0);
        let found = search_in_parallel(&PUBLIC_KEY, target, threads(count), |_| ControlFlow::Continue(()));
        assert!(target.accepts(&PUBLIC_KEY, &found.unwrap()), "{count}");
    }
}

#[test]
fn two_searches_start_at_different_stamps() {
    let search = || search_in_parallel(&PUBLIC_KEY, target(0.0), threads(1), |_| ControlFlow::Continue(()));
    assert_ne!(search().unwrap(), search().unwrap());
}

#[test]
fn a_break_cancels() {
    let mut reports = Vec::new();
    let found = search_in_parallel(&PUBLIC_KEY, target(256.0), threads(2), |progress| {
        reports.push(*progress);
        if reports.len() < 3 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert_eq!(found, None);
    assert_eq!(reports.len(), 3);
    assert!(reports.is_sorted_by_key(|report| report.attempts));
}

#[test]
fn progress_runs_on_the_calling_thread() {
    let caller = thread::current().id();
    search_in_parallel(&PUBLIC_KEY, target(256.0), threads(1), |_| {
        assert_eq!(thread::current().id(), caller);
        ControlFlow::Break(())
    });
}

/// Without the order to end, the workers would search for ever and the scope would wait for them.
#[test]
fn a_panic_in_progress_ends_the_threads() {
    let result = catch_unwind(AssertUnwindSafe(|| {
        search_in_parallel(&PUBLIC_KEY, target(256.0), threads(2), |_| panic!("by the caller"))
    }));
    assert!(result.is_err());
}
