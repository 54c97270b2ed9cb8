//! A remote that sends faster than we read, or reads slower than we send, makes us hold no more than we said.

mod common;

use common::{ROLES, RawConnection, adversary::raw, connected_against, connected_with, message, settle};
use p2p_crypto::Role;
use p2p_socket::{ConnectionError, ConnectionOptions, Packing, SendError, TryRecvError, TrySendError};

const OVERHEAD: usize = ConnectionOptions::MESSAGE_OVERHEAD;
const SMALL: usize = ConnectionOptions::MIN_INCOMING_QUEUE;

fn small_queues() -> ConnectionOptions {
    ConnectionOptions {
        incoming_queue: SMALL,
        outgoing_queue: SMALL,
        ..ConnectionOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_incoming_queue_is_refused() {
    for role in ROLES {
        for (size, chunk) in [SMALL - OVERHEAD - 3, 2 * SMALL]
            .into_iter()
            .flat_map(|size| [(size, 500), (size, 1000), (size, 65_519)])
        {
            let (mut connection, mut adversary) = connected_against(role, small_queues()).await;
            // Another message behind it must not matter.
            let stream = [raw(&message(0, size)), raw(b"")].concat();
            let chunks: Vec<u8> = stream.chunks(chunk).flat_map(|piece| adversary.seal(piece)).collect();
            let sending = tokio::spawn(async move { adversary.send(&chunks).await });
            let error = connection.recv().await;
            sending.await.unwrap();
            match error.unwrap_err() {
                ConnectionError::MessageTooLarge { size, maximum } => {
                    assert_eq!(maximum, SMALL - OVERHEAD);
                    assert!(size <= SMALL + 65_537, "{size} bytes were kept");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_message_arrives_whatever_is_around_it() {
    let largest = SMALL - OVERHEAD - 4;
    for packing in [Packing::Packed, Packing::OneMessagePerChunk] {
        for before in [0, 1, 70_000] {
            let options = ConnectionOptions {
                packing,
                ..ConnectionOptions::default()
            };
            let (left, mut right) = connected_with(1 << 20, options, small_queues()).await;
            let sizes = [before, largest, largest, 0, largest];
            for (index, size) in sizes.into_iter().enumerate() {
                left.send(message(index, size)).await.unwrap();
            }
            for (index, size) in sizes.into_iter().enumerate() {
                let received = right
                    .recv()
                    .await
                    .unwrap_or_else(|error| panic!("{packing:?} {before} {index}: {error:?}"));
                assert_eq!(received.message, message(index, size));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_no_more_than_its_queue() {
    for size in [0, 1, 100, 5000, 60_000] {
        let (mut connection, mut adversary) = connected_against(Role::Responder, small_queues()).await;
        let flood = tokio::spawn(async move {
            let count = 4 * SMALL / (size + OVERHEAD);
            let mut stream = Vec::new();
            for index in 0..count {
                stream.extend(raw(&message(index, size)));
            }
            for piece in stream.chunks(65_519) {
                let chunk = adversary.seal(piece);
                adversary.send(&chunk).await;
            }
            drop(adversary);
            count
        });
        settle().await;
        let (mut taken, mut index) = (0, 0);
        let error = loop {
            settle().await;
            let held = connection.stat().total_received - taken;
            // The handshake took less than a thousand bytes.
            assert!(
                held <= (SMALL + 1000) as u64,
                "{held} bytes held with messages of {size}"
            );
            match connection.try_recv() {
                Ok(received) => {
                    assert_eq!(received.message, message(index, size));
                    taken += received.encoded_size as u64;
                    index += 1;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Closed(error)) => break error,
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(matches!(error, ConnectionError::ClosedByPeer), "{error:?}");
        assert_eq!(index, flood.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn empty_messages_cost_their_overhead() {
    let (left, right) = connected_with(1 << 20, ConnectionOptions::default(), small_queues()).await;
    for _ in 0..10_000 {
        left.send(message(0, 0)).await.unwrap();
    }
    settle().await;
    let (_sender, receiver, _) = right.split();
    let cost = OVERHEAD + 4;
    let waiting = receiver.queued_bytes() / cost;
    assert!(
        waiting * cost <= SMALL && waiting > SMALL / cost / 2,
        "{waiting} messages wait"
    );
}

fn queued(connection: RawConnection) -> (usize, RawConnection) {
    (connection.sender().queued_bytes(), connection)
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_does_not_read_fills_the_outgoing_queue_and_no_more() {
    let (left, mut right) = connected_with(64, small_queues(), small_queues()).await;
    let mut sent = 0;
    let full = loop {
        match left.try_send(message(sent, 3000)) {
            Ok(()) => sent += 1,
            Err(TrySendError::Full(encoded)) => break encoded,
            Err(other) => panic!("{other:?}"),
        }
        if sent % 16 == 0 {
            settle().await;
        }
        let used = left.sender().queued_bytes();
        assert!(used <= SMALL, "{used} bytes queued");
        assert!(sent < 1000, "never full");
    };
    assert_eq!(full.len(), 3004);
    let (used, left) = queued(left);
    assert!(used > SMALL - 3004 - OVERHEAD, "full with only {used} bytes");
    // Waiting for room is in order, and gets it once the remote reads.
    let (result, ()) = tokio::join!(left.send_encoded(&full), async {
        for index in 0..sent {
            assert_eq!(right.recv().await.unwrap().message, message(index, 3000));
        }
    });
    result.unwrap();
    assert_eq!(right.recv().await.unwrap().message, message(sent, 3000));
    settle().await;
    assert_eq!(left.sender().queued_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn message_sizes_at_the_edge_of_the_outgoing_queue() {
    let (left, mut right) = connected_with(1 << 20, small_queues(), ConnectionOptions::default()).await;
    let maximum = SMALL - OVERHEAD;
    left.send(message(0, maximum - 4)).await.unwrap();
    assert_eq!(right.recv().await.unwrap().encoded_size, maximum);
    for result in [
        left.send(message(0, maximum - 3)).await,
        left.send_flushed(message(0, maximum - 3)).await,
        left.try_send(message(0, maximum - 3)).map_err(|error| match error {
            TrySendError::Failed(error) => error,
            other => panic!("it will never fit: {other:?}"),
        }),
    ] {
        match result.unwrap_err() {
            SendError::TooLarge { size, maximum: told } => assert_eq!((size, told), (maximum + 1, maximum)),
            other => panic!("{other:?}"),
        }
    }
    left.send(message(1, 1)).await.unwrap();
    assert_eq!(right.recv().await.unwrap().message, message(1, 1));
}

#[tokio::test(start_paused = true)]
async fn trying_to_receive_from_empty_full_and_ended() {
    let (left, mut right) = connected_with(1 << 20, small_queues(), small_queues()).await;
    assert!(matches!(right.try_recv(), Err(TryRecvError::Empty)));
    for index in 0..3 {
        left.send(message(index, index)).await.unwrap();
    }
    left.flush().await.unwrap();
    drop(left);
    settle().await;
    for index in 0..3 {
        let received = right.try_recv().unwrap();
        assert_eq!(
            (received.message, received.encoded_size),
            (message(index, index), 4 + index)
        );
    }
    for _ in 0..2 {
        assert!(matches!(
            right.try_recv(),
            Err(TryRecvError::Closed(ConnectionError::ClosedByPeer))
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_encoded_once_goes_to_three_peers() {
    let mut pairs = Vec::new();
    for _ in 0..3 {
        pairs.push(connected_with(1 << 20, small_queues(), small_queues()).await);
    }
    let encoded = pairs[0].0.encode(message(7, 1000)).unwrap();
    assert_eq!(encoded.len(), 1004);
    for (left, _) in &pairs {
        left.send_encoded(&encoded).await.unwrap();
        left.try_send_encoded(&encoded).unwrap();
    }
    for (_, right) in &mut pairs {
        for _ in 0..2 {
            assert_eq!(right.recv().await.unwrap().message, message(7, 1000));
        }
    }
}
