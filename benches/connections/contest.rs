//! Several ways to do the same work, in turns.

use std::{pin::Pin, sync::Arc, time::Duration};

use benches::{contest::Effort, statistics::median};

use super::{
    handshakes::handshakes,
    peers::Peer,
    transfer::{one_way, one_way_over_many, round_trips},
};

/// What all do. It comes in pieces, of which some are done in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Messages of a size over one connection, as fast as it goes.
    OneWay { size: usize },
    /// The same over several at once, which share the messages.
    OverMany { connections: u64, size: usize },
    /// A message there and back, one at a time.
    RoundTrips { size: usize },
    /// From dialling to a connection, some under way together.
    Handshakes { at_a_time: usize },
}

impl Work {
    /// A turn does this much at least, so that what comes before the first and after the last piece does not count much.
    fn least(self) -> u64 {
        match self {
            Self::OneWay { .. } | Self::RoundTrips { .. } => 16,
            Self::OverMany { connections, .. } => 8 * connections,
            Self::Handshakes { at_a_time } => 4 * at_a_time as u64,
        }
    }
}

/// A [`Peer`] of any kind.
pub(crate) trait Contestant: Send + Sync {
    /// How long `count` pieces of work take.
    fn run(self: Arc<Self>, work: Work, count: u64) -> Pin<Box<dyn Future<Output = Duration> + Send>>;
}

impl<P: Peer> Contestant for P {
    fn run(self: Arc<Self>, work: Work, count: u64) -> Pin<Box<dyn Future<Output = Duration> + Send>> {
        Box::pin(async move {
            match work {
                Work::OneWay { size } => one_way(&*self, size, count).await,
                Work::OverMany { connections, size } => one_way_over_many(&*self, connections, size, count).await,
                Work::RoundTrips { size } => round_trips(&*self, size, count).await,
                Work::Handshakes { at_a_time } => handshakes(&self, count as usize, at_a_time).await,
            }
        })
    }
}

/// How many pieces a second each did, round by round.
#[derive(Debug)]
pub(crate) struct Rates(Vec<Vec<f64>>);

impl Rates {
    /// Lets all do the work in turns. Each does as much as takes it about a turn's time, found out beforehand.
    pub(crate) async fn measure(contestants: &[Arc<dyn Contestant>], work: Work, effort: Effort) -> Self {
        let mut counts = Vec::new();
        for contestant in contestants {
            counts.push(count_for(contestant, work, effort.turn).await);
        }
        let mut rounds = Vec::new();
        for round in 0..effort.rounds {
            let mut rates = vec![0.0; contestants.len()];
            for turn in 0..contestants.len() {
                // Whoever goes second may find a warmer or a busier machine.
                let index = if round % 2 == 0 {
                    turn
                } else {
                    contestants.len() - 1 - turn
                };
                let elapsed = contestants[index].clone().run(work, counts[index]).await;
                rates[index] = counts[index] as f64 / elapsed.as_secs_f64();
            }
            rounds.push(rates);
        }
        Self(rounds)
    }

    /// The median of a contestant's rates.
    pub(crate) fn of(&self, index: usize) -> f64 {
        median(self.0.iter().map(|rates| rates[index]).collect())
    }

    /// How many times as fast one is as another: the median over the rounds.
    pub(crate) fn ratio(&self, index: usize, other: usize) -> f64 {
        median(self.0.iter().map(|rates| rates[index] / rates[other]).collect())
    }
}

async fn count_for(contestant: &Arc<dyn Contestant>, work: Work, turn: Duration) -> u64 {
    let mut count = work.least();
    loop {
        let elapsed = contestant.clone().run(work, count).await;
        if elapsed * 4 >= turn {
            let scaled = count as f64 * turn.as_secs_f64() / elapsed.as_secs_f64();
            return (scaled as u64).max(work.least());
        }
        count *= 4;
    }
}
