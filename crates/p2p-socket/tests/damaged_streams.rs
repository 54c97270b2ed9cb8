//! A stream of messages that is cut or damaged anywhere: what came whole before is received, nothing else.

mod common;

use bytes::Bytes;
use common::{
    accepted,
    adversary::{ACK, Adversary, raw},
    against, message, ours,
};
use p2p_crypto::Role;
use p2p_socket::ConnectionError;
use tokio::io::AsyncWriteExt;

/// Sizes of messages and the chunks that carry their stream: some share a chunk, one is spread.
const SIZES: [usize; 6] = [0, 1, 30, 2, 3, 40];
const CHUNKS: [usize; 5] = [4, 15, 39, 0, 30];

/// The wire bytes of a session behind the metadata, and for each prefix of it how many messages are whole.
fn session(adversary: &mut Adversary) -> (Vec<u8>, Vec<usize>) {
    let stream: Vec<u8> = SIZES
        .into_iter()
        .enumerate()
        .flat_map(|(index, size)| raw(&message(index, size)))
        .collect();
    let ends: Vec<usize> = SIZES
        .iter()
        .scan(0, |end, size| {
            *end += 4 + size;
            Some(*end)
        })
        .collect();
    let whole = |plaintext: usize| ends.iter().filter(|end| **end <= plaintext).count();
    let (mut wire, mut counts, mut at) = (Vec::new(), Vec::new(), 0);
    for size in CHUNKS.into_iter().chain([stream.len() - CHUNKS.iter().sum::<usize>()]) {
        let chunk = adversary.seal(&stream[at..at + size]);
        counts.extend(vec![whole(at); chunk.len()]);
        wire.extend(chunk);
        at += size;
    }
    counts.push(SIZES.len());
    (wire, counts)
}

/// Establishes a connection, sends what `damage` makes of the session, closes; gives what was received, and how many
/// messages were whole at each place of the session.
async fn receive(damage: impl Fn(&mut Vec<u8>)) -> (Vec<Bytes>, ConnectionError, Vec<usize>) {
    let role = Role::Responder;
    let (io, mut adversary) = against(role);
    let us = async {
        let mut connection = accepted(ours(io, role).await.unwrap()).await.unwrap();
        let mut messages = Vec::new();
        loop {
            match connection.recv().await {
                Ok(received) => messages.push(received.message),
                Err(error) => return (messages, error),
            }
        }
    };
    let them = async {
        adversary.authenticate().await;
        let mut bytes = adversary.seal(ACK);
        let (mut wire, counts) = session(&mut adversary);
        damage(&mut wire);
        // The first messages right behind the ack, in one write.
        bytes.extend(wire);
        adversary.send(&bytes).await;
        // Half-closing is enough: the other end closes, too.
        adversary.io.shutdown().await.unwrap();
        adversary.read_to_end().await;
        counts
    };
    let ((messages, error), counts) = tokio::join!(us, them);
    (messages, error, counts)
}

fn check_prefix(messages: &[Bytes], expected: usize) {
    assert_eq!(messages.len(), expected);
    for (index, (received, size)) in messages.iter().zip(SIZES).enumerate() {
        assert_eq!(*received, message(index, size));
    }
}

#[tokio::test(start_paused = true)]
async fn cut_after_every_byte() {
    let (messages, error, counts) = receive(|_| {}).await;
    check_prefix(&messages, SIZES.len());
    assert!(matches!(error, ConnectionError::ClosedByPeer));
    for cut in 0..counts.len() {
        let (messages, error, counts) = receive(|wire| wire.truncate(cut)).await;
        check_prefix(&messages, counts[cut]);
        match error {
            // Between two chunks and between two messages: nobody can tell that something is missing.
            ConnectionError::ClosedByPeer => assert!(cut == 0 || counts[cut] != counts[cut - 1], "cut at {cut}"),
            ConnectionError::Truncated { received } => assert!(received > 0),
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_third_bit_flipped() {
    let (_, _, counts) = receive(|_| {}).await;
    for bit in (0..(counts.len() - 1) * 8).step_by(3) {
        let (messages, error, counts) = receive(|wire| wire[bit / 8] ^= 1 << (bit % 8)).await;
        check_prefix(&messages, counts[bit / 8]);
        assert!(
            matches!(
                error,
                ConnectionError::Decipher
                    | ConnectionError::InvalidCiphertextSize { .. }
                    | ConnectionError::Truncated { .. }
            ),
            "bit {bit}: {error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_out_of_order() {
    // The first two chunks have 22 and 33 bytes on the wire.
    let (messages, error, _) = receive(|wire| wire[..55].rotate_left(22)).await;
    check_prefix(&messages, 0);
    assert!(matches!(error, ConnectionError::Decipher), "{error:?}");
    let (messages, error, _) = receive(|wire| {
        wire.drain(22..55);
    })
    .await;
    check_prefix(&messages, 1);
    assert!(matches!(error, ConnectionError::Decipher), "{error:?}");
}
