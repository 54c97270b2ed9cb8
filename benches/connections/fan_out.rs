//! One message to many peers.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::peers::{Channel, Ours, pair};

/// Whether a message is encoded once, or again for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Once,
    Each,
}

/// Sends `rounds` messages of `size` bytes to each of `count` peers; the time until all are handed over, per message and
/// peer. The receiving is outside of the time.
pub(crate) async fn fan_out(peer: &Ours, count: usize, size: usize, rounds: u32) -> [Duration; 2] {
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push(pair(peer).await);
    }
    let message = Bytes::from(vec![7; size]);
    let mut times = [Duration::ZERO; 2];
    for round in 0..2 * rounds {
        let encoding = [Encoding::Once, Encoding::Each][round as usize % 2];
        let start = Instant::now();
        match encoding {
            Encoding::Once => {
                let encoded = pairs[0].0.encode(message.clone()).unwrap();
                for (here, _) in &pairs {
                    here.try_send_encoded(&encoded).unwrap();
                }
            }
            Encoding::Each => {
                for (here, _) in &pairs {
                    here.try_send(message.clone()).unwrap();
                }
            }
        }
        times[round as usize % 2] += start.elapsed();
        for (_, there) in &mut pairs {
            there.receive(size).await;
        }
    }
    times.map(|time| time / rounds / count as u32)
}
