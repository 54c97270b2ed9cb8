//! Messages go both ways, whole and in order.

mod common;

use common::{connected, connected_with, message};
use p2p_framing::ChunkSize;
use p2p_socket::ConnectionOptions;

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
