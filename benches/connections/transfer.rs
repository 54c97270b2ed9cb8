//! Messages over connections that stand already.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::peers::{Channel, Peer, pair};

/// Sends `count` messages of `size` bytes one way, as fast as it goes, until the last one has been received.
pub(crate) async fn one_way<P: Peer>(peer: &P, size: usize, count: u64) -> Duration {
    let (here, there) = pair(peer).await;
    let start = Instant::now();
    // Both ends stay open until the other is done.
    let _ends = flood(here, there, size, count).await;
    start.elapsed()
}

/// As [`one_way`] over `connections` at the same time, which share the messages.
pub(crate) async fn one_way_over_many<P: Peer>(peer: &P, connections: u64, size: usize, count: u64) -> Duration {
    let mut pairs = Vec::new();
    for _ in 0..connections {
        pairs.push(pair(peer).await);
    }
    let start = Instant::now();
    let floods: Vec<_> = pairs
        .into_iter()
        .map(|(here, there)| tokio::spawn(flood(here, there, size, count / connections)))
        .collect();
    for flood in floods {
        drop(flood.await.unwrap());
    }
    start.elapsed()
}

/// Gives both ends back.
pub(crate) async fn flood<C: Channel>(mut here: C, mut there: C, size: usize, count: u64) -> (C, C) {
    let message = Bytes::from(vec![7; size]);
    let receiving = tokio::spawn(async move {
        let mut sum = 0;
        for _ in 0..count {
            sum ^= there.receive(size).await;
        }
        std::hint::black_box(sum);
        there
    });
    let sending = tokio::spawn(async move {
        for _ in 0..count {
            here.send(&message).await;
        }
        here.flush().await;
        here
    });
    (sending.await.unwrap(), receiving.await.unwrap())
}

/// A message of `size` bytes there and back, `count` times, one at a time.
pub(crate) async fn round_trips<P: Peer>(peer: &P, size: usize, count: u64) -> Duration {
    let (mut here, mut there) = pair(peer).await;
    let message = Bytes::from(vec![7; size]);
    let answer = message.clone();
    let answering = tokio::spawn(async move {
        for _ in 0..count {
            there.receive(size).await;
            there.send(&answer).await;
            there.flush().await;
        }
        there
    });
    let asking = tokio::spawn(async move {
        let start = Instant::now();
        for _ in 0..count {
            here.send(&message).await;
            here.flush().await;
            here.receive(size).await;
        }
        (start.elapsed(), here)
    });
    let (elapsed, _here) = asking.await.unwrap();
    answering.await.unwrap();
    elapsed
}
