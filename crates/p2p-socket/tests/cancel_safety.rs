//! Futures that are dropped half way: no message is lost, doubled or torn.

mod common;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::{RawConnection, connected_with, message};
use p2p_socket::{ConnectionError, ConnectionOptions, DisconnectionReason, Drain};
use tokio::time::sleep;

/// What `future` gives within `polls` polls, between which everyone else may run.
async fn within<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for poll in 0..polls {
        if poll > 0 {
            tokio::task::yield_now().await;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
    }
    None
}

/// Little room everywhere, so that most futures have to wait.
async fn tight() -> (RawConnection, RawConnection) {
    let options = ConnectionOptions {
        outgoing_queue: 2500,
        ..ConnectionOptions::default()
    };
    connected_with(100, options.clone(), options).await
}

const MESSAGES: usize = 60;

/// Receives everything in order: each index at most `copies` times, and counts them.
async fn receive_all(mut right: RawConnection) -> Vec<usize> {
    let mut counts = vec![0; MESSAGES];
    let mut last = 0;
    loop {
        match right.recv().await {
            Ok(received) => {
                let index = usize::from(received.message[0]);
                assert_eq!(received.message[1..], message(index, 1000)[..], "torn");
                assert!(index >= last, "{index} behind {last}");
                last = index;
                counts[index] += 1;
            }
            Err(error) => {
                assert!(matches!(error, ConnectionError::ClosedByPeer), "{error:?}");
                return counts;
            }
        }
    }
}

fn numbered(index: usize) -> bytes::Bytes {
    [&[u8::try_from(index).unwrap()], &message(index, 1000)[..]]
        .concat()
        .into()
}

fn bye() -> (DisconnectionReason, Drain) {
    (
        DisconnectionReason::ExplicitRequest,
        Drain::Flush(Duration::from_secs(5)),
    )
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_has_queued_its_message_whole_or_not_at_all() {
    for polls in 1..5 {
        let (left, right) = tight().await;
        let receiving = tokio::spawn(receive_all(right));
        let mut queued = Vec::new();
        for index in 0..MESSAGES {
            let done = within(polls, left.send(numbered(index))).await;
            queued.push(usize::from(done.is_some_and(|result| result.is_ok())));
        }
        let (reason, drain) = bye();
        left.close(reason, drain).await.unwrap();
        assert_eq!(receiving.await.unwrap(), queued, "{polls} polls");
        assert!(polls > 1 || queued.contains(&0), "nothing had to wait");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_leaves_its_room_to_the_next() {
    let (left, right) = tight().await;
    for index in 0..MESSAGES {
        let _ = within(1, left.send(numbered(index))).await;
        let _ = within(1, left.send_flushed(numbered(index))).await;
    }
    let receiving = tokio::spawn(receive_all(right));
    left.flush().await.unwrap();
    assert_eq!(left.sender().queued_bytes(), 0);
    let (reason, drain) = bye();
    left.close(reason, drain).await.unwrap();
    receiving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_flushed_sends_its_message_once_at_most() {
    for polls in 1..8 {
        let (left, right) = tight().await;
        let receiving = tokio::spawn(receive_all(right));
        let mut certain = Vec::new();
        for index in 0..MESSAGES {
            certain.push(within(polls, left.send_flushed(numbered(index))).await.is_some());
        }
        let (reason, drain) = bye();
        left.close(reason, drain).await.unwrap();
        for (index, (count, certain)) in receiving.await.unwrap().into_iter().zip(certain).enumerate() {
            assert!(
                count <= 1 && (count == 1 || !certain),
                "{polls} polls: {index} came {count} times"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_flush_loses_nothing() {
    for polls in 1..5 {
        let (left, right) = tight().await;
        let receiving = tokio::spawn(receive_all(right));
        for index in 0..MESSAGES {
            left.send(numbered(index)).await.unwrap();
            let _ = within(polls, left.flush()).await;
        }
        let (reason, drain) = bye();
        left.close(reason, drain).await.unwrap();
        assert_eq!(receiving.await.unwrap(), [1; MESSAGES]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_recv_takes_no_message() {
    for polls in 1..5 {
        let (left, mut right) = tight().await;
        let sending = tokio::spawn(async move {
            for index in 0..MESSAGES {
                left.send(numbered(index)).await.unwrap();
                if index % 7 == 0 {
                    sleep(Duration::from_millis(3)).await;
                }
            }
            let (reason, drain) = bye();
            left.close(reason, drain).await
        });
        let (mut expected, mut dropped) = (0, 0);
        while expected < MESSAGES {
            match within(polls, right.recv()).await {
                Some(received) => {
                    assert_eq!(received.unwrap().message, numbered(expected));
                    expected += 1;
                }
                None => {
                    dropped += 1;
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
        assert!(dropped > 0, "nothing was ever dropped");
        drop(right);
        sending.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_close_closes_all_the_same() {
    for polls in 1..5 {
        let (left, right) = tight().await;
        let receiving = tokio::spawn(receive_all(right));
        for index in 0..MESSAGES {
            left.send(numbered(index)).await.unwrap();
        }
        let (reason, drain) = bye();
        let closed = within(polls, left.close(reason, drain)).await;
        assert!(polls > 1 || closed.is_none());
        left.closed().await;
        assert_eq!(receiving.await.unwrap(), [1; MESSAGES], "{polls} polls");
    }
}
