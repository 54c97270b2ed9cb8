//! Two ways to do the same work, measured in turns.

use std::time::{Duration, Instant};

use crate::statistics::median;

/// How long a contest takes.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often both take their turn.
    pub rounds: usize,
    /// How long a turn takes at least.
    pub turn: Duration,
}

impl Effort {
    /// A few seconds per contest, or half of one.
    #[must_use]
    pub fn new(quick: bool) -> Self {
        let (rounds, milliseconds) = if quick { (11, 10) } else { (31, 30) };
        Self {
            rounds,
            turn: Duration::from_millis(milliseconds),
        }
    }
}

/// What both took for one piece of work, in nanoseconds, and the ratio of their speeds.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The median of ours.
    pub ours: f64,
    /// The median of the peer's.
    pub theirs: f64,
    /// How many times as fast ours is: the median over the rounds.
    pub ratio: f64,
}

/// Lets both do their work in turns. A call does the work once, or a piece of it that is the same for both, and returns
/// how long that took; what it needs beforehand is not counted.
pub fn contest(effort: Effort, mut ours: impl FnMut() -> Duration, mut theirs: impl FnMut() -> Duration) -> Outcome {
    let rounds: Vec<(f64, f64)> = (0..=effort.rounds)
        .map(|_| {
            (
                nanoseconds(effort.turn, &mut ours),
                nanoseconds(effort.turn, &mut theirs),
            )
        })
        // The first is there to warm up.
        .skip(1)
        .collect();
    Outcome {
        ours: median(rounds.iter().map(|(ours, _)| *ours).collect()),
        theirs: median(rounds.iter().map(|(_, theirs)| *theirs).collect()),
        ratio: median(rounds.iter().map(|(ours, theirs)| theirs / ours).collect()),
    }
}

/// How long this takes.
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// How long a call takes on average over a turn.
fn nanoseconds(turn: Duration, work: &mut impl FnMut() -> Duration) -> f64 {
    let (mut total, mut calls) = (Duration::ZERO, 0.0);
    while total < turn {
        total += work();
        calls += 1.0;
    }
    total.as_nanos() as f64 / calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_speeds() {
        let effort = Effort {
            rounds: 3,
            turn: Duration::from_millis(1),
        };
        let (mut ours, mut theirs) = (0, 0);
        let outcome = contest(
            effort,
            || {
                ours += 1;
                Duration::from_micros(100)
            },
            || {
                theirs += 1;
                Duration::from_micros(250)
            },
        );
        assert_eq!(
            (outcome.ours, outcome.theirs, outcome.ratio),
            (100_000.0, 250_000.0, 2.5)
        );
        assert_eq!((ours, theirs), (4 * 10, 4 * 4));
    }
}
