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

/// The text of a message that declares itself to be as long as the bytes say, and is not.
fn declare<C>(mut encoding: C, declared: &[u8])
where
    C: Decoder<Item = String, Error = DecodeError>,
{
    let mut input = BytesMut::from(&u32::try_from(declared.len() + 2).unwrap().to_be_bytes()[..]);
    input.extend_from_slice(declared);
    input.extend_from_slice(b"ab");
    let error = encoding.decode(&mut input).unwrap_err();
    assert!(matches!(error, DecodeError::Payload(_)), "{error:?}");
}

#[test]
fn a_text_of_a_declared_exabyte_allocates_nothing() {
    declare(
        PostcardEncoding::default(),
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
    );
    declare(BincodeEncoding::default(), &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0x10]);
    declare(
        BincodeEncoding::default(),
        &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    );
}

/// Integers count for more than their bytes in bincode's own limit, which must not refuse what is honest.
#[test]
fn messages_of_any_size_come_back() {
    for size in [
        0, 1, 15, 16, 17, 200, 255, 256, 257, 1000, 4095, 4096, 100_000, 1_000_000,
    ] {
        let message = (vec![0_u128; size], vec![String::new(); size], vec!['a'; size]);
        let mut stream = BytesMut::new();
        let mut encoding = BincodeEncoding::default();
        encoding.encode(message.clone(), &mut stream).unwrap();
        assert_eq!(encoding.decode(&mut stream).unwrap().unwrap(), message, "{size}");
        let text = "x".repeat(size);
        let mut encoding = BincodeEncoding::default();
        encoding.encode(text.clone(), &mut stream).unwrap();
        assert_eq!(encoding.decode(&mut stream).unwrap().unwrap(), text);
    }
}
