//! Every public future, polled any number of times and then dropped: what it is about is whole afterwards, or cleanly
//! gone, as its documentation says.

mod common;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use common::{LIMIT, RawConnection, accepted, address, authenticated, bye, config, connected_with, message, settle};
use p2p_crypto::Role;
use p2p_framing::{PointList, encoding::RawEncoding};
use p2p_socket::{ConnectionError, ConnectionOptions, Drain, NodeMetadata, RejectionMotive, Sender, authenticate};
use tokio::{io::AsyncReadExt, runtime::Handle, time::timeout};

/// More polls than any future here takes.
const MOST_POLLS: usize = 400;

/// Polls `future` up to `polls` times, and lets everyone else run in between; then drops it.
async fn poll_and_drop<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Little room everywhere, so that everything has to wait.
async fn tight() -> (RawConnection, RawConnection) {
    let options = ConnectionOptions {
        outgoing_queue: 3000,
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        ..ConnectionOptions::default()
    };
    connected_with(100, options.clone(), options).await
}

const COUNT: usize = 6;
const SIZE: usize = 1500;

/// Receives everything until the remote closes.
async fn receive_all(mut connection: RawConnection) -> Vec<Bytes> {
    let mut messages = Vec::new();
    loop {
        match connection.recv().await {
            Ok(received) => messages.push(received.message),
            Err(error) => {
                assert!(matches!(error, ConnectionError::ClosedByPeer), "{error:?}");
                return messages;
            }
        }
    }
}

/// What happened to each message that a dropped future was about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The future ended well: it must arrive.
    Done,
    /// It was dropped: it may arrive, whole and once.
    Dropped,
}

/// Runs `act` on each of some messages, dropping it after `polls` polls, with an honest message between each two.
/// True if every future came to its end.
async fn check_sending<F, Fut>(polls: usize, act: F) -> bool
where
    F: Fn(Sender<Bytes>, Bytes) -> Fut,
    Fut: Future<Output = bool>,
{
    let (left, right) = tight().await;
    let receiving = tokio::spawn(receive_all(right));
    let mut expected = Vec::new();
    for index in 0..COUNT {
        let tried = message(2 * index, SIZE);
        let fate = match poll_and_drop(polls, act(left.sender(), tried.clone())).await {
            Some(ok) => {
                assert!(ok);
                Fate::Done
            }
            None => Fate::Dropped,
        };
        expected.push((tried, fate));
        let honest = message(2 * index + 1, SIZE);
        left.send(honest.clone()).await.unwrap();
        expected.push((honest, Fate::Done));
    }
    left.close(bye(), Drain::Flush(LIMIT)).await.unwrap();
    let mut received = receiving.await.unwrap().into_iter().peekable();
    for (message, fate) in &expected {
        match received.next_if_eq(message) {
            Some(_) => {}
            None => assert_eq!(*fate, Fate::Dropped, "lost with {polls} polls"),
        }
    }
    assert_eq!(
        received.next(),
        None,
        "torn, doubled or out of order with {polls} polls"
    );
    expected.iter().all(|(_, fate)| *fate == Fate::Done)
}

/// Calls `check` with every number of polls, until that is enough for everything.
macro_rules! for_all_polls {
    ($polls:ident => $check:expr) => {
        let mut complete = false;
        for $polls in 0..MOST_POLLS {
            complete = $check;
            if complete {
                break;
            }
        }
        assert!(complete, "never came to its end");
    };
}

#[tokio::test(start_paused = true)]
async fn send() {
    for_all_polls!(polls => check_sending(polls, async |sender: Sender<Bytes>, message| sender.send(message).await.is_ok()).await);
}

#[tokio::test(start_paused = true)]
async fn send_flushed() {
    for_all_polls!(polls => check_sending(polls, async |sender: Sender<Bytes>, message| {
        sender.send_flushed(message).await.is_ok()
    }).await);
}

#[tokio::test(start_paused = true)]
async fn send_encoded() {
    for_all_polls!(polls => check_sending(polls, async |sender: Sender<Bytes>, message| {
        let encoded = sender.encode(message).unwrap();
        sender.send_encoded(&encoded).await.is_ok()
    }).await);
}

#[tokio::test(start_paused = true)]
async fn flush() {
    for_all_polls!(polls => check_sending(polls, async |sender: Sender<Bytes>, message| {
        sender.send(message).await.unwrap();
        sender.flush().await.is_ok()
    }).await);
}

#[tokio::test(start_paused = true)]
async fn recv() {
    for_all_polls!(polls => {
        let (left, mut right) = tight().await;
        let sending = tokio::spawn(async move {
            for index in 0..COUNT {
                left.send(message(index, SIZE)).await.unwrap();
            }
            left.close(bye(), Drain::Flush(LIMIT)).await
        });
        let (mut next, mut at_once) = (0, true);
        while next < COUNT {
            match poll_and_drop(polls, right.recv()).await {
                Some(received) => {
                    assert_eq!(received.unwrap().message, message(next, SIZE), "{polls} polls");
                    next += 1;
                }
                None => {
                    at_once = false;
                    // Whatever was dropped has taken nothing.
                    let received = right.recv().await.unwrap();
                    assert_eq!(received.message, message(next, SIZE), "{polls} polls");
                    next += 1;
                }
            }
        }
        drop(right);
        sending.await.unwrap().unwrap();
        at_once
    });
}

#[tokio::test(start_paused = true)]
async fn close() {
    for drain in [Drain::Discard, Drain::Flush(LIMIT)] {
        for_all_polls!(polls => {
            let (left, right) = tight().await;
            let receiving = tokio::spawn(async move {
                let mut right = right;
                let mut count = 0;
                while right.recv().await.is_ok() {
                    count += 1;
                }
                count
            });
            left.send(message(0, SIZE)).await.unwrap();
            let control = left.control();
            let closed = poll_and_drop(polls, left.close(bye(), drain)).await;
            if polls > 0 {
                // Once asked for, it happens.
                timeout(2 * LIMIT, control.closed()).await.unwrap();
            }
            drop(left);
            let count = receiving.await.unwrap();
            assert!(polls == 0 || drain == Drain::Discard || count == 1, "{polls} polls");
            settle().await;
            assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
            closed.is_some()
        });
    }
}

#[tokio::test(start_paused = true)]
async fn closed() {
    let (left, right) = tight().await;
    for polls in 0..10 {
        assert!(poll_and_drop(polls, left.closed()).await.is_none());
        assert!(poll_and_drop(polls, left.control().closed()).await.is_none());
    }
    drop(right);
    timeout(LIMIT, left.closed()).await.unwrap();
}

/// Nothing of ours is left, and the remote has seen an orderly end.
async fn gone(mut remote: tokio::io::DuplexStream) {
    let mut bytes = Vec::new();
    timeout(LIMIT, remote.read_to_end(&mut bytes)).await.unwrap().unwrap();
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn authenticate_in_both_roles() {
    for role in common::ROLES {
        for_all_polls!(polls => {
            let (ours, theirs) = tokio::io::duplex(16);
            let remote = tokio::spawn(async move {
                let config = config(2);
                let metadata = NodeMetadata::default();
                let result = authenticate(theirs, common::other(role), address(), &config, metadata).await;
                result.map(drop)
            });
            let config = config(1);
            let ours = authenticate(ours, role, address(), &config, NodeMetadata::default());
            let done = poll_and_drop(polls, ours).await;
            let complete = done.is_some();
            drop(done);
            // Dropping ends it for the remote, too, long before its deadline.
            let _ = timeout(Duration::from_secs(1), remote).await.unwrap().unwrap();
            complete
        });
    }
}

#[tokio::test(start_paused = true)]
async fn accept() {
    for_all_polls!(polls => {
        let (ours, theirs) = tokio::io::duplex(16);
        let (ours, theirs) = authenticated(ours, theirs).await;
        let remote = tokio::spawn(async move {
            match accepted(theirs).await {
                Ok(connection) => receive_all(connection).await.len(),
                Err(_) => 0,
            }
        });
        let done = poll_and_drop(polls, ours.accept::<Bytes, _>(RawEncoding::default(), ConnectionOptions::default())).await;
        let complete = done.is_some();
        drop(done);
        assert_eq!(timeout(Duration::from_secs(1), remote).await.unwrap().unwrap(), 0);
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
        complete
    });
}

#[tokio::test(start_paused = true)]
async fn nack() {
    for_all_polls!(polls => {
        let (ours, theirs) = tokio::io::duplex(16);
        let (left, right) = tokio::io::duplex(64);
        let pipes = tokio::spawn(async move {
            let (mut theirs, mut left) = (theirs, left);
            let _ = tokio::io::copy_bidirectional(&mut theirs, &mut left).await;
        });
        let (ours, theirs) = authenticated(ours, right).await;
        let remote = tokio::spawn(async move { accepted(theirs).await.map(drop) });
        let points = PointList::new(vec![address().into(); 20]).unwrap();
        let complete = poll_and_drop(polls, ours.nack(RejectionMotive::TooManyConnections, points)).await.is_some();
        assert!(timeout(Duration::from_secs(1), remote).await.unwrap().unwrap().is_err());
        pipes.await.unwrap();
        complete
    });
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handshake_leaves_nothing() {
    for polls in 0..5 {
        let (ours, theirs) = common::duplex();
        let config = config(1);
        let handshake = authenticate(ours, Role::Responder, address(), &config, NodeMetadata::default());
        assert!(poll_and_drop(polls, handshake).await.is_none());
        gone(theirs).await;
    }
}
