//! Encodings that don't keep to the rules end the connection, and nothing else.

mod common;

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use common::{against, message, ours};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{ConnectionError, ConnectionOptions};
use tokio_util::codec::{Decoder, Encoder};

/// Makes messages of nothing once it has seen a byte.
#[derive(Clone, Debug)]
struct Bottomless;

impl Encoder<Bytes> for Bottomless {
    type Error = io::Error;

    fn encode(&mut self, message: Bytes, out: &mut BytesMut) -> io::Result<()> {
        out.extend_from_slice(&message);
        Ok(())
    }
}

impl Decoder for Bottomless {
    type Item = Bytes;
    type Error = io::Error;

    fn decode(&mut self, input: &mut BytesMut) -> io::Result<Option<Bytes>> {
        input.advance(input.len().saturating_sub(1));
        Ok((!input.is_empty()).then(Bytes::new))
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_nothing_is_an_error_and_not_the_first_of_endlessly_many() {
    for corrupted in [false, true] {
        let (io, mut adversary) = against(Role::Responder);
        let accept = async {
            let peer = ours(io, Role::Responder).await.unwrap();
            peer.accept(Bottomless, ConnectionOptions::default()).await.unwrap()
        };
        let (mut connection, ()) = tokio::join!(accept, adversary.establish());
        let mut wire = adversary.seal(b"abc");
        if corrupted {
            wire.extend(adversary.seal_corrupted(b"def"));
        }
        adversary.send(&wire).await;
        assert_eq!(connection.recv().await.unwrap().encoded_size, 2);
        assert!(matches!(connection.recv().await, Err(ConnectionError::Decoding(_))));
    }
}

/// The memory of a large message is not kept by the short one behind it.
#[test]
fn short_messages_are_not_slices_of_large_buffers() {
    let mut stream = BytesMut::new();
    for size in [100_000, 10, 100_000] {
        RawEncoding::default().encode(message(0, size), &mut stream).unwrap();
    }
    let buffer = stream.as_ptr_range();
    let mut decoded = Vec::new();
    while let Some(message) = RawEncoding::default().decode(&mut stream).unwrap() {
        decoded.push(buffer.contains(&message.as_ptr()));
    }
    assert_eq!(decoded, [true, false, true]);
}
