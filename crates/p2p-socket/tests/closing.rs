//! How connections end, and that they do.

mod common;

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use common::{
    ROLES, RawConnection, accepted, address, adversary::Adversary, config, connected, connected_against,
    connected_with, duplex, message, ours,
};
use p2p_crypto::Role;
use p2p_socket::{
    CloseError, ConnectionError, ConnectionOptions, Direction, DisconnectionReason, Drain, NodeMetadata, SendError,
    authenticate,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    time::{Instant, sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(3);

fn bye() -> DisconnectionReason {
    DisconnectionReason::user("bye")
}

/// Lets every task run until all of them wait.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn narrow(capacity: usize) -> (RawConnection, RawConnection) {
    connected_with(capacity, ConnectionOptions::default(), ConnectionOptions::default()).await
}

#[tokio::test(start_paused = true)]
async fn remote_closes_while_we_read() {
    let (left, mut right) = connected().await;
    let (error, closed) = tokio::join!(right.recv(), async {
        settle().await;
        left.close(bye(), Drain::Flush(LIMIT)).await
    });
    assert!(matches!(error, Err(ConnectionError::ClosedByPeer)), "{error:?}");
    closed.unwrap();
    assert_eq!(
        right.closing_reason(),
        Some(DisconnectionReason::ClosedByPeer(Direction::Receiving))
    );
    assert_eq!(left.closing_reasons(), [bye()]);
}

#[tokio::test(start_paused = true)]
async fn remote_closes_while_we_write() {
    let (left, mut right) = narrow(100).await;
    let writing = tokio::spawn(async move {
        for index in 0.. {
            if let Err(error) = left.send(message(index, 100_000)).await {
                return (index, error);
            }
        }
        unreachable!()
    });
    right.recv().await.unwrap();
    drop(right);
    let (index, error) = writing.await.unwrap();
    assert!(index > 0);
    assert!(
        matches!(
            error,
            SendError::Closed(ConnectionError::ClosedByPeer | ConnectionError::Io(_))
        ),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn we_close_while_we_read_and_write() {
    for drain in [Drain::Discard, Drain::Flush(LIMIT)] {
        let (left, _right) = narrow(100).await;
        let (mut sender, mut receiver, control) = left.split();
        let reading = tokio::spawn(async move { receiver.recv().await });
        let writing = tokio::spawn(async move {
            let big = message(0, ConnectionOptions::DEFAULT_QUEUE / 3);
            while sender.send(big.clone()).await.is_ok() {}
            sender = sender.clone();
            sender.send(big).await
        });
        settle().await;
        let _ = control.close(bye(), drain).await;
        assert!(matches!(reading.await.unwrap(), Err(ConnectionError::ClosedLocally)));
        assert!(matches!(
            writing.await.unwrap(),
            Err(SendError::Closed(ConnectionError::ClosedLocally))
        ));
        assert!(control.is_closed());
    }
}

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
    // Everything was sent: that the remote does not answer is not our failure.
    left.close(bye(), Drain::Flush(LIMIT)).await.unwrap();
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
async fn a_handshake_timeout_beyond_all_clocks() {
    let (left, right) = duplex();
    let patient = config(1).handshake_timeout(Duration::MAX);
    let other = config(2);
    let (left, right) = tokio::join!(
        authenticate(left, Role::Initiator, address(), &patient, NodeMetadata::default()),
        authenticate(right, Role::Responder, address(), &other, NodeMetadata::default()),
    );
    let (left, right) = tokio::join!(accepted(left.unwrap()), accepted(right.unwrap()));
    left.unwrap();
    right.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_that_came_before_the_end_are_still_received() {
    let (left, mut right) = connected().await;
    for index in 0..100 {
        left.send(message(index, index)).await.unwrap();
    }
    left.close(bye(), Drain::Flush(LIMIT)).await.unwrap();
    settle().await;
    for index in 0..100 {
        assert_eq!(right.recv().await.unwrap().message, message(index, index));
    }
    assert!(matches!(right.recv().await, Err(ConnectionError::ClosedByPeer)));
}

#[tokio::test(start_paused = true)]
async fn messages_received_before_we_close_can_still_be_taken() {
    let (left, mut right) = connected().await;
    left.send(message(0, 10)).await.unwrap();
    settle().await;
    right.close(bye(), Drain::Discard).await.unwrap();
    assert_eq!(right.recv().await.unwrap().message, message(0, 10));
    assert!(matches!(right.recv().await, Err(ConnectionError::ClosedLocally)));
}

#[tokio::test(start_paused = true)]
async fn the_end_behind_a_full_incoming_queue_is_not_lost() {
    let small = ConnectionOptions {
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        ..ConnectionOptions::default()
    };
    let (mut connection, mut adversary) = connected_against(Role::Responder, small).await;
    let sending = tokio::spawn(async move {
        for index in 0..1000 {
            let chunk = adversary.seal_message(&message(index, 1000));
            adversary.send(&chunk).await;
        }
    });
    settle().await;
    for index in 0..1000 {
        assert_eq!(connection.recv().await.unwrap().message, message(index, 1000));
    }
    assert!(matches!(connection.recv().await, Err(ConnectionError::ClosedByPeer)));
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_closes() {
    for keep in ["control", "encoded"] {
        let (left, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
        let encoded = left.encode(message(0, 1)).unwrap();
        let (sender, receiver, control) = left.split();
        let clone = sender.clone();
        drop(sender);
        drop(receiver);
        settle().await;
        assert!(!control.is_closed());
        clone.send(message(0, 1)).await.unwrap();
        clone.flush().await.unwrap();
        drop(clone);
        assert_eq!(adversary.open().await.unwrap().len(), 5);
        // The task has ended, or the pipe would still be open.
        assert_eq!(adversary.read_to_end().await, 0, "{keep}");
        control.closed().await;
        drop(encoded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receiver_leaves_sending_as_it_is() {
    let (left, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    let (sender, receiver, _control) = left.split();
    drop(receiver);
    // What comes is read and thrown away, more than any queue holds.
    for index in 0..200 {
        let chunk = adversary.seal_message(&message(index, 60_000));
        timeout(LIMIT, adversary.send(&chunk)).await.unwrap();
    }
    sender.send(message(0, 1)).await.unwrap();
    assert_eq!(adversary.open().await.unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn both_ends_see_their_halves_end() {
    let (left, right) = connected().await;
    let (sender, receiver, control) = left.split();
    right.close(bye(), Drain::Flush(LIMIT)).await.unwrap();
    receiver.closed().await;
    sender.closed().await;
    control.closed().await;
    assert!(matches!(
        sender.send(message(0, 0)).await,
        Err(SendError::Closed(ConnectionError::ClosedByPeer))
    ));
    assert!(matches!(
        sender.flush().await,
        Err(SendError::Closed(ConnectionError::ClosedByPeer))
    ));
}

#[tokio::test(start_paused = true)]
async fn the_first_closing_reason_wins_and_all_are_kept() {
    let (left, right) = connected().await;
    assert_eq!(left.closing_reason(), None);
    left.set_closing_reason(DisconnectionReason::user("first"));
    left.set_closing_reason(DisconnectionReason::SchedulerShutDown);
    left.close(bye(), Drain::Discard).await.unwrap();
    assert_eq!(left.closing_reason(), Some(DisconnectionReason::user("first")));
    assert_eq!(
        left.closing_reasons(),
        [
            DisconnectionReason::user("first"),
            DisconnectionReason::SchedulerShutDown,
            bye()
        ]
    );
    right.closed().await;
    assert_eq!(
        right.closing_reasons(),
        [DisconnectionReason::ClosedByPeer(Direction::Receiving)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_equals_itself_alone() {
    let (left, right) = connected().await;
    assert!(left == left && left != right);
    let control = left.control();
    assert!(control == left.control() && control != right.control());
    let (_, _, split) = left.split();
    assert!(control == split);
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

#[tokio::test(start_paused = true)]
async fn what_came_before_a_failed_write_is_still_received() {
    let (io, theirs) = tokio::io::duplex(100);
    let mut adversary = Adversary::new(theirs, Role::Initiator);
    let (mut connection, ()) = tokio::join!(
        async { accepted(ours(io, Role::Responder).await.unwrap()).await.unwrap() },
        adversary.establish()
    );
    connection.send(message(0, 10_000)).await.unwrap();
    settle().await;
    let chunk = adversary.seal_message(&message(1, 50));
    adversary.send(&chunk).await;
    drop(adversary);
    assert_eq!(connection.recv().await.unwrap().message, message(1, 50));
    let error = connection.recv().await.unwrap_err();
    assert!(matches!(error, ConnectionError::Io(_)), "{error:?}");
    assert_eq!(
        connection.closing_reason(),
        Some(DisconnectionReason::ConnectionLost(Direction::Sending))
    );
    let error = connection.close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
    assert!(matches!(error, CloseError::Failed(ConnectionError::Io(_))), "{error:?}");
    connection.close(bye(), Drain::Discard).await.unwrap();
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

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (mut left, right) = first.block_on(connected());
    drop(first);
    runtime().block_on(async {
        assert!(matches!(left.recv().await, Err(ConnectionError::Cancelled)));
        assert!(matches!(
            left.send(message(0, 0)).await,
            Err(SendError::Closed(ConnectionError::Cancelled))
        ));
        assert!(left.close(bye(), Drain::Flush(LIMIT)).await.is_err());
        right.closed().await;
    });
}
