//! A connection as a sink and a stream.

mod common;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use common::{adversary::raw, connected, connected_against, connected_with, message};
use futures_core::Stream;
use futures_sink::Sink;
use p2p_crypto::Role;
use p2p_socket::{ConnectionError, ConnectionOptions, DisconnectionReason, Drain, SendError};

async fn feed<S: Sink<Bytes, Error = SendError> + Unpin>(sink: &mut S, message: Bytes) -> Result<(), SendError> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await?;
    Pin::new(sink).start_send(message)
}

async fn flush<S: Sink<Bytes, Error = SendError> + Unpin>(sink: &mut S) -> Result<(), SendError> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_flush(cx)).await
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn tiny_queue() -> ConnectionOptions {
    ConnectionOptions {
        outgoing_queue: 900 + 4 + ConnectionOptions::MESSAGE_OVERHEAD,
        ..ConnectionOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_into_the_sink_comes_out_of_the_stream() {
    let (mut left, mut right) = connected_with(64, tiny_queue(), ConnectionOptions::default()).await;
    let sending = tokio::spawn(async move {
        for index in 0..100 {
            feed(&mut left, message(index, 500)).await.unwrap();
        }
        flush(&mut left).await.unwrap();
        left
    });
    for index in 0..100 {
        assert_eq!(next(&mut right).await.unwrap().unwrap(), message(index, 500));
    }
    let mut left = sending.await.unwrap();
    poll_fn(|cx| Pin::new(&mut left).poll_close(cx)).await.unwrap();
    // Closing a sink flushes; the connection is others', too.
    right.send(message(0, 1)).await.unwrap();
    assert_eq!(left.recv().await.unwrap().message, message(0, 1));
}

#[tokio::test(start_paused = true)]
async fn flushing_waits_for_the_message_that_waited_for_room_too() {
    let (mut left, mut right) = connected_with(64, tiny_queue(), ConnectionOptions::default()).await;
    for index in 0..3 {
        feed(&mut left, message(index, 900)).await.unwrap();
        flush(&mut left).await.unwrap();
        // All of it has left the queue, and nothing is on its way but what the pipe holds.
        assert_eq!(left.sender().queued_bytes(), 0, "{index}");
        feed(&mut left, message(index, 900)).await.unwrap();
        feed(&mut left, message(index, 900)).await.unwrap();
        flush(&mut left).await.unwrap();
        assert_eq!(left.sender().queued_bytes(), 0, "{index}");
    }
    for _ in 0..9 {
        assert_eq!(right.recv().await.unwrap().message.len(), 900);
    }
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_flush_does_not_make_later_ones_shorter() {
    let (mut left, mut right) = connected_with(64, tiny_queue(), ConnectionOptions::default()).await;
    feed(&mut left, message(0, 900)).await.unwrap();
    assert!(poll_once(flush(&mut left)).is_pending());
    // The second message waits for room.
    feed(&mut left, message(1, 900)).await.unwrap();
    assert!(poll_once(flush(&mut left)).is_pending());
    flush(&mut left).await.unwrap();
    assert_eq!(left.sender().queued_bytes(), 0);
    for index in 0..2 {
        assert_eq!(right.recv().await.unwrap().message, message(index, 900));
    }
}

#[tokio::test(start_paused = true)]
async fn an_orderly_end_ends_the_stream() {
    let (left, mut right) = connected().await;
    left.send_flushed(message(0, 3)).await.unwrap();
    drop(left);
    assert_eq!(next(&mut right).await.unwrap().unwrap(), message(0, 3));
    for _ in 0..3 {
        assert!(next(&mut right).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_close_ends_the_stream() {
    let (left, mut right) = connected().await;
    right
        .close(DisconnectionReason::ExplicitRequest, Drain::Discard)
        .await
        .unwrap();
    assert!(next(&mut right).await.is_none());
    drop(left);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_told_once_then_the_stream_ends() {
    let (mut connection, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    let bytes = adversary.seal_corrupted(&raw(b"abc"));
    adversary.send(&bytes).await;
    assert!(matches!(
        next(&mut connection).await,
        Some(Err(ConnectionError::Decipher))
    ));
    for _ in 0..3 {
        assert!(next(&mut connection).await.is_none());
    }
    // Who asks for it otherwise is still told.
    assert!(matches!(connection.recv().await, Err(ConnectionError::Decipher)));
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_an_ended_connection_tells_why() {
    let (mut left, right) = connected().await;
    drop(right);
    left.closed().await;
    assert!(matches!(
        feed(&mut left, message(0, 1)).await,
        Err(SendError::Closed(ConnectionError::ClosedByPeer))
    ));
    assert!(matches!(
        flush(&mut left).await,
        Err(SendError::Closed(ConnectionError::ClosedByPeer))
    ));
}
