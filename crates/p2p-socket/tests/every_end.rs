//! Ends under all combinations of full queues, remotes, caps and ways to close: each within its deadline, with what was
//! flushed arrived and nothing left.

mod common;

use std::time::Duration;

use common::{RawConnection, address, adversary::Adversary, bye, config, message, settle};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_io_scheduler::{IoScheduler, Limits};
use p2p_socket::{ConnectionOptions, Drain, NodeMetadata, TrySendError, authenticate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
    time::{Instant, sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Queue {
    Empty,
    One,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Remote {
    /// Takes everything, and closes when we do.
    Reads,
    /// Takes everything, and never closes.
    Stays,
    /// Takes nothing.
    Stuck,
    /// Sends as fast as it can, and reads afterwards.
    Floods,
    /// Has ended its direction.
    HalfClosed,
    /// Is gone.
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Flush,
    Discard,
    /// The future of a flushing close is dropped at once.
    FlushDropped,
    FlushThenDiscard,
    Cancel,
    Drop,
    /// The scheduler is shut down.
    Shutdown,
}

const QUEUES: [Queue; 3] = [Queue::Empty, Queue::One, Queue::Full];
const REMOTES: [Remote; 6] = [
    Remote::Reads,
    Remote::Stays,
    Remote::Stuck,
    Remote::Floods,
    Remote::HalfClosed,
    Remote::Dead,
];
const WAYS: [How; 7] = [
    How::Flush,
    How::Discard,
    How::FlushDropped,
    How::FlushThenDiscard,
    How::Cancel,
    How::Drop,
    How::Shutdown,
];
/// In bytes per second: none, one that lets everything pass in time, one that does not.
const CAPS: [Option<&str>; 3] = [None, Some("100kB"), Some("1kB")];

const MESSAGE: usize = 1000;

/// Sends what the queue should hold, and counts it.
fn fill(connection: &RawConnection, queue: Queue) -> usize {
    let most = match queue {
        Queue::Empty => 0,
        Queue::One => 1,
        Queue::Full => usize::MAX,
    };
    for sent in 0..most {
        match connection.try_send(message(sent, MESSAGE)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return sent,
            Err(error) => panic!("{error:?}"),
        }
    }
    most
}

/// Does what a remote does, until we are gone; gives the bytes of messages that it got.
async fn behave(mut adversary: Adversary, remote: Remote) -> usize {
    match remote {
        Remote::Dead => return 0,
        Remote::Stuck => {
            sleep(10 * LIMIT).await;
            return 0;
        }
        Remote::HalfClosed => adversary.io.shutdown().await.unwrap(),
        Remote::Floods => {
            for _ in 0..40 {
                let chunk = adversary.seal_message(&message(0, 60_000));
                adversary.send(&chunk).await;
            }
        }
        Remote::Reads | Remote::Stays => {}
    }
    let mut wire = Vec::new();
    let _ = adversary.io.read_to_end(&mut wire).await;
    if remote == Remote::Stays {
        sleep(10 * LIMIT).await;
    }
    // What is left of the chunks without their overhead.
    let (mut at, mut size) = (0, 0);
    while let Some([high, low]) = wire.get(at..at + 2) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        size += length.min(wire.len() - at - 2).saturating_sub(16);
        at += 2 + length;
    }
    size
}

async fn check(queue: Queue, remote: Remote, how: How, cap: Option<&str>) {
    let case = format!("{queue:?}, {remote:?}, {how:?}, cap {cap:?}");
    let scheduler = IoScheduler::new(Limits::default());
    let (ours, theirs) = tokio::io::duplex(2000);
    let mut adversary = Adversary::new(theirs, Role::Initiator);
    let config = config(1).scheduler(scheduler.clone());
    let options = ConnectionOptions {
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        outgoing_queue: 20_000,
        ..ConnectionOptions::default()
    };
    let (connection, ()) = tokio::join!(
        async {
            let peer = authenticate(ours, Role::Responder, address(), &config, NodeMetadata::default());
            peer.await
                .unwrap()
                .accept(RawEncoding::default(), options)
                .await
                .unwrap()
        },
        adversary.establish()
    );
    if let Some(rate) = cap {
        let rate = Some(rate.parse().unwrap());
        scheduler.set_limits(Limits {
            download: rate,
            upload: rate,
        });
    }
    let sent = fill(&connection, queue);
    let behaving = tokio::spawn(behave(adversary, remote));
    settle().await;
    let control = connection.control();
    let start = Instant::now();
    let flushed = match how {
        How::Flush => timeout(2 * LIMIT, connection.close(bye(), Drain::Flush(LIMIT)))
            .await
            .expect(&case)
            .is_ok(),
        How::Discard => {
            let _ = connection.close(bye(), Drain::Discard).await;
            assert_eq!(start.elapsed(), Duration::ZERO, "{case}");
            false
        }
        How::FlushDropped => {
            let _ = timeout(Duration::ZERO, connection.close(bye(), Drain::Flush(LIMIT))).await;
            false
        }
        How::FlushThenDiscard => {
            let (_, _) = tokio::join!(
                connection.close(bye(), Drain::Flush(LIMIT)),
                connection.close(bye(), Drain::Discard)
            );
            assert_eq!(start.elapsed(), Duration::ZERO, "{case}");
            false
        }
        How::Cancel => {
            connection.cancellation().cancel();
            control.closed().await;
            assert_eq!(start.elapsed(), Duration::ZERO, "{case}");
            false
        }
        How::Drop => {
            drop(connection);
            control.closed().await;
            assert!(
                start.elapsed() <= Duration::from_millis(1),
                "{case}: {:?}",
                start.elapsed()
            );
            return finish(&case, behaving, control.is_closed()).await;
        }
        How::Shutdown => {
            scheduler.shutdown(LIMIT).await;
            false
        }
    };
    assert!(
        start.elapsed() <= LIMIT + Duration::from_millis(1),
        "{case}: {:?}",
        start.elapsed()
    );
    drop(connection);
    timeout(LIMIT + Duration::from_millis(1), control.closed())
        .await
        .expect(&case);
    if flushed && remote != Remote::Stuck && remote != Remote::Dead {
        let arrived = timeout(100 * LIMIT, behaving).await.unwrap().unwrap();
        assert_eq!(arrived, sent * (4 + MESSAGE), "{case}: flushed and lost");
        return nothing_is_left(&case).await;
    }
    finish(&case, behaving, control.is_closed()).await;
}

async fn finish(case: &str, behaving: tokio::task::JoinHandle<usize>, is_closed: bool) {
    assert!(is_closed, "{case}");
    timeout(100 * LIMIT, behaving).await.expect(case).unwrap();
    nothing_is_left(case).await;
}

async fn nothing_is_left(case: &str) {
    // The scheduler's own task notices at its next round that nobody waits any more.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "{case}: tasks left");
}

async fn check_all(how: How) {
    for queue in QUEUES {
        for remote in REMOTES {
            for cap in CAPS {
                check(queue, remote, how, cap).await;
            }
        }
    }
}

#[test]
fn every_combination() {
    for how in WAYS {
        // A clock and a runtime of its own for each.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check_all(how));
    }
}

/// Dropping is no future. If it waited for anything, it would do so for ever: everybody else is on the same thread.
#[tokio::test(start_paused = true)]
async fn dropping_never_blocks() {
    for remote in REMOTES {
        let (left, right) =
            common::connected_with(64, ConnectionOptions::default(), ConnectionOptions::default()).await;
        left.send(message(0, 100_000)).await.unwrap();
        let (sender, receiver, control) = left.split();
        if remote == Remote::Dead {
            drop(right);
        }
        drop(sender);
        drop(receiver);
        control.closed().await;
    }
}
