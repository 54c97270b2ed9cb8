//! How connections end, and that they do.

mod common;

use common::{LIMIT, accepted, adversary::Adversary, bye, connected, connected_against, message, narrow, ours, settle};
use p2p_crypto::Role;
use p2p_socket::{CloseError, ConnectionError, ConnectionOptions, Direction, DisconnectionReason, Drain, SendError};
use tokio::time::timeout;

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
    let (left, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    let encoded = left.encode(message(0, 1)).unwrap();
    let (sender, receiver, control) = left.split();
    let clone = sender.clone();
    drop(sender);
    drop(receiver);
    settle().await;
    assert!(!control.is_closed());
    clone.send_encoded(&encoded).await.unwrap();
    clone.flush().await.unwrap();
    drop(clone);
    assert_eq!(adversary.open().await.unwrap().len(), 5);
    // The task has ended, or the pipe would still be open; control and encoded messages don't keep it.
    assert_eq!(adversary.read_to_end().await, 0);
    control.closed().await;
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
    assert!(matches!(error, ConnectionError::ClosedByPeer), "{error:?}");
    let error = connection.send(message(2, 0)).await.unwrap_err();
    assert!(matches!(error, SendError::Closed(ConnectionError::Io(_))), "{error:?}");
    assert_eq!(
        connection.closing_reason(),
        Some(DisconnectionReason::ConnectionLost(Direction::Sending))
    );
    let error = connection.close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
    assert!(matches!(error, CloseError::Failed(ConnectionError::Io(_))), "{error:?}");
    connection.close(bye(), Drain::Discard).await.unwrap();
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
