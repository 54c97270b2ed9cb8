//! Messages go both ways, whole and in order.

mod common;

use common::{WIDE, address, adversary::raw, config, connected, connected_against, connected_with, message};
use p2p_crypto::{InstructionSet, Role};
use p2p_framing::{ChunkSize, encoding::RawEncoding};
use p2p_socket::{ConnectionOptions, NodeMetadata, Packing, authenticate};

#[tokio::test(start_paused = true)]
async fn one_message_each_way() {
    let (mut left, mut right) = connected().await;
    left.send(message(0, 5)).await.unwrap();
    right.send(message(1, 7)).await.unwrap();
    let received = right.recv().await.unwrap();
    assert_eq!((received.message, received.encoded_size), (message(0, 5), 9));
    assert_eq!(left.recv().await.unwrap().message, message(1, 7));
}

#[tokio::test(start_paused = true)]
async fn every_instruction_set_understands_the_others() {
    let sets = || InstructionSet::available();
    for (left_set, right_set) in sets().flat_map(|left| sets().map(move |right| (left, right))) {
        let (here, there) = tokio::io::duplex(WIDE);
        let end = async |io, role, seed, set| {
            let config = config(seed).instruction_set(set);
            let authenticated = authenticate(io, role, address(), &config, NodeMetadata::default()).await;
            let accepted = authenticated.unwrap();
            accepted
                .accept(RawEncoding::default(), ConnectionOptions::default())
                .await
                .unwrap()
        };
        let (mut left, mut right) = tokio::join!(
            end(here, Role::Initiator, 1, left_set),
            end(there, Role::Responder, 2, right_set)
        );
        for size in [0, 100, 70_000] {
            left.send(message(0, size)).await.unwrap();
            right.send(message(1, size)).await.unwrap();
            assert_eq!(
                right.recv().await.unwrap().message,
                message(0, size),
                "{left_set}, {right_set}"
            );
            assert_eq!(
                left.recv().await.unwrap().message,
                message(1, size),
                "{left_set}, {right_set}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_over_many_chunks() {
    let options = ConnectionOptions {
        chunk_size: ChunkSize::new(21).unwrap(),
        ..ConnectionOptions::default()
    };
    let (left, mut right) = connected_with(16, options, ConnectionOptions::default()).await;
    left.send(message(0, 256)).await.unwrap();
    assert_eq!(right.recv().await.unwrap().message, message(0, 256));
}

#[tokio::test(start_paused = true)]
async fn both_write_a_lot_before_either_reads() {
    let (mut left, mut right) = connected_with(1024, ConnectionOptions::default(), ConnectionOptions::default()).await;
    left.send(message(0, 131_072)).await.unwrap();
    right.send(message(1, 131_072)).await.unwrap();
    left.flush().await.unwrap();
    right.flush().await.unwrap();
    assert_eq!(left.recv().await.unwrap().message, message(1, 131_072));
    assert_eq!(right.recv().await.unwrap().message, message(0, 131_072));
}

/// The plaintext sizes of the chunks in which `sizes` go out, all queued before the first is sent.
async fn chunks_of(options: ConnectionOptions, sizes: &[usize]) -> Vec<usize> {
    let (connection, mut adversary) = connected_against(Role::Initiator, options).await;
    for (index, size) in sizes.iter().enumerate() {
        connection.try_send(message(index, *size)).unwrap();
    }
    let total = sizes.iter().map(|size| 4 + size).sum();
    let (mut chunks, mut stream) = (Vec::new(), Vec::new());
    while stream.len() < total {
        let plaintext = adversary.open().await.unwrap();
        chunks.push(plaintext.len());
        stream.extend(plaintext);
    }
    let expected: Vec<u8> = sizes
        .iter()
        .enumerate()
        .flat_map(|(index, size)| raw(&message(index, *size)))
        .collect();
    assert_eq!(stream, expected);
    chunks
}

fn chunked(bytes: usize, packing: Packing) -> ConnectionOptions {
    ConnectionOptions {
        chunk_size: ChunkSize::new(bytes).unwrap(),
        packing,
        ..ConnectionOptions::default()
    }
}

#[test]
fn chunk_sizes_out_of_range() {
    for bytes in [0, 18, 65_536] {
        assert!(ChunkSize::new(bytes).is_err(), "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_smallest_and_the_largest_chunks() {
    for packing in [Packing::Packed, Packing::OneMessagePerChunk] {
        assert_eq!(chunks_of(chunked(19, packing), &[0, 3]).await, [1; 11]);
        let largest = 65_517;
        assert_eq!(chunks_of(chunked(65_535, packing), &[largest - 4]).await, [largest]);
        assert_eq!(chunks_of(chunked(65_535, packing), &[largest - 3]).await, [largest, 1]);
    }
    assert_eq!(
        chunks_of(chunked(21, Packing::Packed), &[256]).await,
        [vec![3; 86], vec![2]].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn messages_share_chunks_unless_told_otherwise() {
    assert_eq!(
        chunks_of(chunked(118, Packing::Packed), &[0, 10, 200, 5]).await,
        [100, 100, 31]
    );
    assert_eq!(
        chunks_of(chunked(118, Packing::OneMessagePerChunk), &[0, 10, 200, 5]).await,
        [4, 14, 100, 100, 4, 9]
    );
    // Beyond what is sealed at once, too.
    let million = chunks_of(chunked(1018, Packing::OneMessagePerChunk), &[1_000_000, 0]).await;
    assert_eq!(
        (million.len(), million[..1000].iter().sum::<usize>()),
        (1002, 1_000_000)
    );
    assert_eq!(million[1000..], [4, 4]);
    let packed = chunks_of(chunked(1018, Packing::Packed), &[1_000_000, 0]).await;
    assert_eq!(packed.len(), 1001);
}

/// Long messages are sealed from where they lie, in several pieces.
#[tokio::test(start_paused = true)]
async fn long_messages_among_short_ones() {
    const FULL: usize = 65_517;
    let sizes = [10, 16_383, 16_384, 70_000, 0, 300_000, 5];
    let packed = chunks_of(chunked(65_535, Packing::Packed), &sizes).await;
    let total: usize = sizes.iter().map(|size| 4 + size).sum();
    assert_eq!(packed, [vec![FULL; total / FULL], vec![total % FULL]].concat());
    let apart = chunks_of(chunked(65_535, Packing::OneMessagePerChunk), &sizes).await;
    let (end_of_one, end_of_other) = (70_004 - FULL, 300_004 - 4 * FULL);
    assert_eq!(
        apart,
        [
            14,
            16_387,
            16_388,
            FULL,
            end_of_one,
            4,
            FULL,
            FULL,
            FULL,
            FULL,
            end_of_other,
            9
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_message_that_waits_for_room_arrives_as_it_was() {
    let options = ConnectionOptions {
        outgoing_queue: 100_000,
        ..ConnectionOptions::default()
    };
    let (left, mut right) = connected_with(1024, options, ConnectionOptions::default()).await;
    let encoded = left.encode(message(9, 50_000)).unwrap();
    assert_eq!(encoded.len(), 50_004);
    let sending = tokio::spawn(async move {
        for index in 0..5 {
            left.send(message(index, 50_000 + index)).await.unwrap();
            left.send_encoded(&encoded).await.unwrap();
        }
        left.flush().await.unwrap();
        left
    });
    for index in 0..5 {
        assert_eq!(right.recv().await.unwrap().message, message(index, 50_000 + index));
        assert_eq!(right.recv().await.unwrap().message, message(9, 50_000));
    }
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_size_around_a_chunk_arrives() {
    for packing in [Packing::Packed, Packing::OneMessagePerChunk] {
        let (left, mut right) = connected_with(1 << 20, chunked(50, packing), ConnectionOptions::default()).await;
        for size in 0..200 {
            left.send(message(size, size)).await.unwrap();
        }
        for size in 0..200 {
            let received = right.recv().await.unwrap();
            assert_eq!(
                (received.message, received.encoded_size),
                (message(size, size), size + 4)
            );
        }
        assert_eq!(left.stat().total_sent, right.stat().total_received);
    }
}

#[tokio::test(start_paused = true)]
async fn halves_and_clones_work_from_different_tasks() {
    let (left, mut right) = connected_with(1000, ConnectionOptions::default(), ConnectionOptions::default()).await;
    let (sender, mut receiver, control) = left.split();
    assert_eq!(control.info().peer_id, common::identity(2).peer_id());
    let mut tasks = Vec::new();
    for task in 0..4 {
        let sender = sender.clone();
        tasks.push(tokio::spawn(async move {
            for index in 0..50 {
                sender.send(message(task, 100 + index)).await.unwrap();
            }
            sender.flush().await.unwrap();
        }));
    }
    let echo = tokio::spawn(async move {
        for _ in 0..200 {
            let received = right.recv().await.unwrap();
            right.send(received.message).await.unwrap();
        }
        right
    });
    let mut next = [100; 4];
    for _ in 0..200 {
        let received = receiver.recv().await.unwrap().message;
        // Each task's messages are in order.
        let task = (0..4)
            .find(|task| received == message(*task, next[*task]))
            .expect("the next of some task");
        next[task] += 1;
    }
    for task in tasks {
        task.await.unwrap();
    }
    drop(echo.await.unwrap());
}

/// On several threads, so that a wake-up that is lost between two of them shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_busy_echo_over_narrow_pipes_never_stalls() {
    let options = ConnectionOptions {
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        outgoing_queue: 3000,
        ..ConnectionOptions::default()
    };
    let mut echoes = Vec::new();
    for _ in 0..4 {
        let (left, mut right) = connected_with(700, options.clone(), options.clone()).await;
        let (sender, mut receiver, _control) = left.split();
        echoes.push(tokio::spawn(async move {
            while let Ok(received) = right.recv().await {
                right.send(received.message).await.unwrap();
            }
        }));
        echoes.push(tokio::spawn(async move {
            let sending = tokio::spawn(async move {
                for index in 0..1500 {
                    sender.send(message(index, index % 900)).await.unwrap();
                }
                sender.send_flushed(message(0, 0)).await.unwrap();
                sender
            });
            for index in 0..1500 {
                assert_eq!(receiver.recv().await.unwrap().message, message(index, index % 900));
            }
            assert_eq!(receiver.recv().await.unwrap().message, message(0, 0));
            drop(sending.await.unwrap());
        }));
    }
    for echo in echoes {
        echo.await.unwrap();
    }
}
