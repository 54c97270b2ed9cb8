//! Any serde type is a message.
#![cfg(all(feature = "bincode", feature = "postcard"))]

use std::{error::Error, fmt};

use bytes::BytesMut;
use p2p_framing::{
    DecodeError, EncodeError,
    encoding::{BincodeEncoding, PostcardEncoding},
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Message {
    Ping(u64),
    Text { from: String, lines: Vec<String> },
}

fn messages() -> Vec<Message> {
    let lines = (0..300).map(|i| "x".repeat(i)).collect();
    vec![
        Message::Ping(0),
        Message::Ping(u64::MAX),
        Message::Text {
            from: "Zoë".into(),
            lines,
        },
    ]
}

fn check<C>(new: impl Fn(usize) -> C)
where
    C: Encoder<Message, Error = EncodeError> + Decoder<Item = Message, Error = DecodeError>,
    C: fmt::Debug,
{
    let mut stream = BytesMut::new();
    for message in messages() {
        new(100_000).encode(message, &mut stream).unwrap();
    }
    let mut decoded = Vec::new();
    let mut input = BytesMut::new();
    for byte in stream {
        input.extend_from_slice(&[byte]);
        decoded.extend(new(100_000).decode(&mut input).unwrap());
    }
    assert_eq!(decoded, messages());

    let mut out = BytesMut::from(&b"before"[..]);
    let error = new(5).encode(Message::Ping(u64::MAX), &mut out).unwrap_err();
    assert!(matches!(error, EncodeError::TooLarge { maximum: 5, .. }));
    assert_eq!(out, &b"before"[..]);

    let mut one = BytesMut::new();
    new(100).encode(Message::Ping(1), &mut one).unwrap();
    one[3] += 1;
    one.extend_from_slice(&[0]);
    assert!(matches!(
        new(100).decode(&mut one),
        Err(DecodeError::ExtraBytes { count: 1 })
    ));

    let error = new(100).decode(&mut BytesMut::from(&[0, 0, 0, 1, 99][..])).unwrap_err();
    assert!(matches!(&error, DecodeError::Payload(_)) && error.source().is_some());
    assert!(matches!(
        new(100).decode(&mut BytesMut::from(&[0, 0, 0, 101][..])),
        Err(DecodeError::TooLarge { .. })
    ));
}

#[test]
fn postcard() {
    check(PostcardEncoding::new);
}

#[test]
fn bincode() {
    check(BincodeEncoding::new);
}
