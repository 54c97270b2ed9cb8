//! Closing flushes what is queued or throws it away, as told, and takes no longer than told.

mod common;

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use common::{
    LIMIT, ROLES, accepted, adversary::Adversary, bye, connected, connected_against, message, narrow, ours, settle,
};
use p2p_crypto::Role;
use p2p_socket::{CloseError, ConnectionError, ConnectionOptions, Drain};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    time::{Instant, sleep, timeout},
};

#[tokio::test(start_paused = true)]
async fn closing_flushes_what_is_queued() {
    let (left, mut right) = narrow(100).await;
    for index in 0..300 {
        left.send(message(index, 1000)).await.unwrap();
    }
    let reading = tokio::spawn(async move {
        for index in 0..300 {
            assert_eq!(right.recv().await.unwrap().message, message(index, 1000));
        }
        right.recv().await
    });
    left.close(bye(), Drain::Flush(LIMIT)).await.unwrap();
    assert!(matches!(reading.await.unwrap(), Err(ConnectionError::ClosedByPeer)));
}

/// The remote has ended its direction, and reads on, but late.
#[tokio::test(start_paused = true)]
async fn closing_has_the_time_it_was_given_although_the_remote_has_closed() {
    let (connection, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    for index in 0..6 {
        connection.send(message(index, 1_000_000)).await.unwrap();
    }
    adversary.io.shutdown().await.unwrap();
    settle().await;
    let reading = async {
        sleep(2 * LIMIT).await;
        adversary.read_to_end().await
    };
    let (closed, read) = tokio::join!(connection.close(bye(), Drain::Flush(3 * LIMIT)), reading);
    closed.unwrap();
    assert!(read > 6_000_000, "{read} bytes");
}

#[tokio::test(start_paused = true)]
async fn closing_flushes_although_the_handles_are_dropped_meanwhile() {
    let (left, mut right) = narrow(100).await;
    let (sender, mut receiver, control) = left.split();
    for index in 0..300 {
        sender.send(message(index, 1000)).await.unwrap();
    }
    // Someone who reads until the end and then goes home.
    let reading = tokio::spawn(async move { while receiver.recv().await.is_ok() {} });
    drop(sender);
    let closing = tokio::spawn(async move { control.close(bye(), Drain::Flush(LIMIT)).await });
    for index in 0..300 {
        assert_eq!(right.recv().await.unwrap().message, message(index, 1000), "{index}");
    }
    drop(right);
    closing.await.unwrap().unwrap();
    reading.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_to_close_still_flushes() {
    let (left, mut right) = narrow(100).await;
    for index in 0..30 {
        left.send(message(index, 1000)).await.unwrap();
    }
    assert!(
        timeout(Duration::ZERO, left.close(bye(), Drain::Flush(LIMIT)))
            .await
            .is_err()
    );
    drop(left);
    for index in 0..30 {
        assert_eq!(right.recv().await.unwrap().message, message(index, 1000), "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_flushes_into_a_remote_that_sends_a_flood_before_it_reads() {
    let (io, mut adversary) = common::against(Role::Initiator);
    let (left, ()) = tokio::join!(
        async {
            accepted(ours(Tireless(io), Role::Initiator).await.unwrap())
                .await
                .unwrap()
        },
        adversary.establish()
    );
    // More than what a pipe holds, and the remote reads only when it has sent everything.
    left.send(message(0, 3 << 20)).await.unwrap();
    let (closed, size) = tokio::join!(left.close(bye(), Drain::Flush(LIMIT)), async {
        for _ in 0..64 {
            let chunk = adversary.seal_message(&message(1, 60_000));
            adversary.send(&chunk).await;
        }
        let mut size = 0;
        while let Some(chunk) = adversary.open().await {
            size += chunk.len();
        }
        drop(adversary);
        size
    });
    closed.unwrap();
    assert_eq!(size, 4 + (3 << 20));
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_never_reads_holds_closing_no_longer_than_the_limit() {
    for role in ROLES {
        let (left, adversary) = connected_against(role, ConnectionOptions::default()).await;
        left.send(message(0, 3 << 20)).await.unwrap();
        let start = Instant::now();
        let error = left.close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
        assert!(matches!(error, CloseError::Timeout { limit: LIMIT }), "{error:?}");
        assert_eq!(start.elapsed(), LIMIT);
        drop(adversary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_never_closes_holds_closing_no_longer_than_the_limit() {
    let (left, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    left.send(message(0, 10)).await.unwrap();
    let start = Instant::now();
    let error = left.close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
    assert!(matches!(error, CloseError::Unconfirmed { limit: LIMIT }), "{error:?}");
    assert_eq!(start.elapsed(), LIMIT);
    assert_eq!(adversary.open().await.unwrap().len(), 14);
    assert_eq!(adversary.read_to_end().await, 0);
}

#[tokio::test(start_paused = true)]
async fn discarding_closes_at_once_even_if_the_remote_never_reads() {
    let (left, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    left.send(message(0, 3 << 20)).await.unwrap();
    settle().await;
    let start = Instant::now();
    left.close(bye(), Drain::Discard).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    adversary.read_to_end().await;
}

#[tokio::test(start_paused = true)]
async fn to_discard_overrules_to_flush_and_whoever_wanted_to_flush_is_told() {
    let (left, adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    left.send(message(0, 3 << 20)).await.unwrap();
    let control = left.control();
    let flushing = tokio::spawn(async move { control.close(bye(), Drain::Flush(LIMIT)).await });
    settle().await;
    left.close(bye(), Drain::Discard).await.unwrap();
    let error = flushing.await.unwrap().unwrap_err();
    assert!(
        matches!(error, CloseError::Failed(ConnectionError::ClosedLocally)),
        "{error:?}"
    );
    drop(adversary);
}

#[tokio::test(start_paused = true)]
async fn the_nearer_deadline_of_two_counts() {
    let (left, adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    left.send(message(0, 3 << 20)).await.unwrap();
    let start = Instant::now();
    let near = Duration::from_secs(1);
    let (first, second) = tokio::join!(
        left.close(bye(), Drain::Flush(LIMIT)),
        left.close(bye(), Drain::Flush(near))
    );
    assert!(first.is_err() && second.is_err());
    assert_eq!(start.elapsed(), near);
    drop(adversary);
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_all_clocks() {
    let (left, mut right) = connected().await;
    left.send(message(0, 10)).await.unwrap();
    let (closed, received) = tokio::join!(left.close(bye(), Drain::Flush(Duration::MAX)), async {
        let received = right.recv().await;
        drop(right);
        received
    });
    closed.unwrap();
    assert_eq!(received.unwrap().message, message(0, 10));
}

#[tokio::test(start_paused = true)]
async fn queued_messages_are_still_sent_to_a_remote_that_has_ended_its_direction() {
    let (io, theirs) = tokio::io::duplex(100);
    let mut adversary = Adversary::new(theirs, Role::Initiator);
    let (mut connection, ()) = tokio::join!(
        async { accepted(ours(io, Role::Responder).await.unwrap()).await.unwrap() },
        adversary.establish()
    );
    connection.send(message(0, 10_000)).await.unwrap();
    adversary.io.shutdown().await.unwrap();
    assert!(matches!(connection.recv().await, Err(ConnectionError::ClosedByPeer)));
    assert_eq!(adversary.open().await.unwrap().len(), 10_004);
    assert_eq!(adversary.read_to_end().await, 0);
    connection.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_has_ended_its_direction_and_reads_nothing_is_given_a_second() {
    let (io, theirs) = tokio::io::duplex(100);
    let mut adversary = Adversary::new(theirs, Role::Initiator);
    let (connection, ()) = tokio::join!(
        async { accepted(ours(io, Role::Responder).await.unwrap()).await.unwrap() },
        adversary.establish()
    );
    connection.send(message(0, 10_000)).await.unwrap();
    let start = Instant::now();
    adversary.io.shutdown().await.unwrap();
    connection.closed().await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

/// A pipe that is read without tokio's cooperative limit, as a transport of another library.
struct Tireless(DuplexStream);

impl AsyncRead for Tireless {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = poll_fn(|cx| Pin::new(&mut self.0).poll_read(cx, buf));
        pin!(tokio::task::unconstrained(read)).poll(cx)
    }
}

impl AsyncWrite for Tireless {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
