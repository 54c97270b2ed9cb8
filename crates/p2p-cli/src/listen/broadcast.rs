//! Sends what comes from standard input to everyone, and does not let some hold up the others.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use p2p_socket::{DisconnectionReason, Drain, EncodedMessage, TrySendError};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::peers::Connected;
use crate::{events::MessageSent, failure::Failure, outbox::Outbox};

/// Sends a message to these peers, and resolves when nobody of them has to be waited for any more.
///
/// # Security
///
/// Those whose queues are full are waited for together, as long as each of them takes something in `limit`. While another one
/// has got everything and could go on, that counts, and who has made others wait for longer than `limit` in all is cut off.
/// Alone, or among others that are as slow, a peer may take its time: it then slows down what is sent.
pub(super) async fn send_to_all(peers: Vec<(u64, Connected)>, message: &Bytes, limit: Duration) {
    let size = message.len();
    let mut served = Vec::new();
    let mut full = Vec::new();
    for (_, peer) in peers {
        match peer.sender.try_send(message.clone()) {
            Ok(()) => {
                peer.tell_sent(size);
                served.push(peer);
            }
            Err(TrySendError::Full(message)) => full.push((peer, message)),
            // Whoever serves the connection tells why it ended.
            Err(_) => {}
        }
    }
    if full.is_empty() {
        return;
    }
    let others_wait = CancellationToken::new();
    // Given up with the set.
    let mut idle = JoinSet::new();
    for peer in served {
        idle.spawn(peer.tell_idle(others_wait.clone()));
    }
    let mut waiting = JoinSet::new();
    for (peer, message) in full {
        let others_wait = others_wait.clone();
        waiting.spawn(async move { peer.send_within(limit, &message, &others_wait).await.then_some(peer) });
    }
    while let Some(sent) = waiting.join_next().await {
        if let Ok(Some(peer)) = sent {
            peer.tell_sent(size);
            idle.spawn(peer.tell_idle(others_wait.clone()));
        }
    }
}

impl Connected {
    /// Sends a message for which there is no room yet, or cuts the remote off. Gives whether it was sent.
    async fn send_within(
        &self,
        limit: Duration,
        message: &EncodedMessage<Bytes>,
        others_wait: &CancellationToken,
    ) -> bool {
        let outbox = Outbox {
            sender: self.sender.clone(),
            control: self.control.clone(),
            patience: limit,
        };
        let mut sending = std::pin::pin!(outbox.send_encoded(message));
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            () = others_wait.cancelled() => {
                let began = Instant::now();
                let left = self.patience().left(began);
                let sent = timeout(left, &mut sending).await;
                self.patience().use_up(began.elapsed(), Instant::now());
                sent.unwrap_or_else(|_| Err(held_up(limit)))
            }
        };
        match sent {
            Ok(()) => true,
            Err(failure) if failure.error == "timeout" => {
                self.report.error(&failure);
                // Nobody waits for what it has not taken.
                self.cut_off.store(true, Relaxed);
                let reason = format!("the remote does not read fast enough: {failure}");
                let reason = DisconnectionReason::UnexpectedError(reason.into());
                let _ = self.control.close(reason, Drain::Discard).await;
                false
            }
            // Whoever serves the connection tells why it ended.
            Err(_) => false,
        }
    }

    /// Cancels `others_wait` when nothing is left to be sent to it.
    async fn tell_idle(self, others_wait: CancellationToken) {
        if self.sender.flush().await.is_ok() {
            others_wait.cancel();
        }
    }

    fn tell_sent(&self, size: usize) {
        let index = self.tally.count_sent();
        self.report.detail(&MessageSent { index, size });
    }
}

fn held_up(limit: Duration) -> Failure {
    let seconds = limit.as_secs_f64();
    let message = format!("the remote reads so slowly that others had to wait for it for {seconds} s in all");
    Failure::new("session", "timeout", message)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, atomic::AtomicBool};

    use p2p_crypto::{Difficulty, Identity, Role, SecretKey, Stamp};
    use p2p_framing::encoding::RawEncoding;
    use p2p_socket::{ChainName, Config, Connection, ConnectionOptions, NetworkVersion, NodeMetadata, authenticate};
    use tokio::{task::JoinHandle, time::sleep};

    use super::{super::patience::Patience, *};
    use crate::{
        report::{Format, Report},
        session::Tally,
    };

    const LIMIT: Duration = Duration::from_secs(10);

    /// In bytes, of a queue: room for some messages.
    const QUEUE: usize = ConnectionOptions::MIN_INCOMING_QUEUE + 8 * MESSAGE;

    const MESSAGE: usize = 20_000;

    /// Someone who is connected and reads a message each `pause`, and how many it has read when the connection ends.
    async fn peer(pause: Duration) -> (Connected, JoinHandle<usize>) {
        let config = |seed| {
            let identity = Identity::new(SecretKey::from_bytes([seed; 32]), Stamp::from_bytes([seed; 24]));
            let version = NetworkVersion::current(ChainName::from("TEST"));
            Config::new(identity, version).required_difficulty(Difficulty::NONE)
        };
        let address = "192.0.2.1:1".parse().unwrap();
        let (near, far) = tokio::io::duplex(4096);
        let (ours, theirs) = (config(1), config(2));
        let accept = async |io, role, config| {
            let peer = authenticate(io, role, address, config, NodeMetadata::default())
                .await
                .unwrap();
            let options = ConnectionOptions {
                incoming_queue: QUEUE,
                outgoing_queue: QUEUE,
                ..ConnectionOptions::default()
            };
            peer.accept(RawEncoding::new(MESSAGE), options).await.unwrap()
        };
        let (near, mut far): (Connection<Bytes, NodeMetadata>, _) = tokio::join!(
            accept(near, Role::Responder, &ours),
            accept(far, Role::Initiator, &theirs)
        );
        let reader = tokio::spawn(async move {
            let mut read = 0;
            while far.recv().await.is_ok() {
                read += 1;
                sleep(pause).await;
            }
            read
        });
        let (sender, _, control) = near.split();
        let connected = Connected {
            sender,
            control,
            remote: address,
            tally: Arc::new(Tally::default()),
            report: Report::new(Format::Text).errors_only(),
            since: std::time::Instant::now(),
            cut_off: Arc::new(AtomicBool::new(false)),
            patience: Arc::new(Mutex::new(Patience::new(LIMIT))),
        };
        (connected, reader)
    }

    /// Sends so many messages to all of them, closes, and gives how many each has read, and how long the sending took.
    async fn send(messages: usize, peers: Vec<(Connected, JoinHandle<usize>)>) -> (Vec<usize>, Duration) {
        let (connected, readers): (Vec<_>, Vec<_>) = peers.into_iter().unzip();
        let message = Bytes::from(vec![b'x'; MESSAGE]);
        let started = Instant::now();
        for _ in 0..messages {
            let peers = (0..).zip(connected.iter().cloned()).collect();
            send_to_all(peers, &message, LIMIT).await;
        }
        let took = started.elapsed();
        for peer in &connected {
            let drain = Drain::Flush(Duration::from_secs(3600));
            let _ = peer.control.close(DisconnectionReason::ExplicitRequest, drain).await;
        }
        let mut read = Vec::new();
        for reader in readers {
            read.push(reader.await.unwrap());
        }
        (read, took)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_may_take_its_time() {
        let slow = peer(LIMIT / 2).await;
        let (read, took) = send(50, vec![slow]).await;
        assert_eq!(read, [50]);
        assert!(took > LIMIT * 5, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_as_slow_wait_for_each_other() {
        let (one, other) = (peer(LIMIT / 2).await, peer(LIMIT / 2).await);
        assert_eq!(send(200, vec![one, other]).await.0, [200, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_slower_than_others_holds_them_up_no_longer_than_the_limit_in_all() {
        let (fast, slow) = (peer(Duration::ZERO).await, peer(LIMIT / 4).await);
        let (read, took) = send(50, vec![fast, slow]).await;
        assert_eq!(read[0], 50);
        assert!((4..40).contains(&read[1]), "{read:?}");
        // And a hundredth.
        assert!((LIMIT..LIMIT + LIMIT / 10).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_off_even_if_it_is_alone() {
        let (dead, reader) = peer(Duration::from_secs(1_000_000)).await;
        let control = dead.control.clone();
        let (_, took) = send(50, vec![(dead, reader)]).await;
        assert!(control.is_closed());
        assert!(took < LIMIT * 3, "{took:?}");
    }
}
