//! Streams of messages: however they are cut, the outcome is the same, and nothing grows beyond what came.

use std::{error::Error, fmt::Debug};

use bytes::{Bytes, BytesMut};
use p2p_framing::encoding::{BincodeEncoding, ControlEncoding, PostcardEncoding, RawEncoding, TaggedPayloadEncoding};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

use crate::script::Script;

/// The largest message here.
const MAXIMUM: usize = 4096;

/// A message with everything that serde knows to be awkward. It may nest, which only so small a maximum keeps harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Awkward {
    number: u64,
    text: String,
    list: Vec<(i8, Option<bool>)>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Nothing,
    Bytes(Vec<u8>),
    Nested(Box<Kind>),
}

pub(crate) fn raw(data: &[u8]) {
    check::<_, Bytes>(|| RawEncoding::new(MAXIMUM), data);
    // They have one encoding, so the bytes are the same.
    let (mut input, mut again) = (BytesMut::from(data), BytesMut::new());
    let mut encoding = RawEncoding::new(MAXIMUM);
    while let Ok(Some(message)) = encoding.decode(&mut input) {
        encoding.encode(message, &mut again).expect("it was no larger");
    }
    assert_eq!(again, data[..data.len() - input.len()]);
}

pub(crate) fn control(data: &[u8]) {
    check(|| ControlEncoding::with_maximum(TaggedPayloadEncoding, MAXIMUM), data);
}

pub(crate) fn bincode(data: &[u8]) {
    check(|| BincodeEncoding::<Awkward>::new(MAXIMUM), data);
}

pub(crate) fn postcard(data: &[u8]) {
    check(|| PostcardEncoding::<Awkward>::new(MAXIMUM), data);
}

/// The first byte says how the stream is cut, the rest is the stream.
fn check<C, M>(encoding: impl Fn() -> C, data: &[u8])
where
    C: Encoder<M> + Decoder<Item = M>,
    <C as Encoder<M>>::Error: Error,
    <C as Decoder>::Error: Error,
    M: Clone + Debug + PartialEq,
{
    let mut script = Script::new(data);
    // Mostly short pieces: a message may end behind each of its bytes.
    let size = 1 + usize::from(script.byte() % 16);
    let stream = script.rest();
    let (whole, failed) = decode(&mut encoding(), [stream]);
    let (pieces, failed_in_pieces) = decode(&mut encoding(), stream.chunks(size));
    assert_eq!((&pieces, failed_in_pieces), (&whole, failed));
    let mut encoded = BytesMut::new();
    let mut expected = Vec::new();
    for message in whole {
        // What is not written as it was read may have become larger than is allowed.
        if encoding().encode(message.clone(), &mut encoded).is_ok() {
            expected.push(message);
        }
    }
    assert_eq!(decode(&mut encoding(), [&encoded[..]]), (expected, false));
}

fn decode<'a, C>(encoding: &mut C, reads: impl IntoIterator<Item = &'a [u8]>) -> (Vec<C::Item>, bool)
where
    C: Decoder,
    C::Error: Error,
{
    let (mut input, mut messages, mut arrived) = (BytesMut::new(), Vec::new(), 0);
    for read in reads {
        arrived += read.len();
        input.extend_from_slice(read);
        loop {
            let before = input.len();
            match encoding.decode(&mut input) {
                Ok(Some(message)) => {
                    assert!(input.len() < before, "a message of nothing");
                    messages.push(message);
                }
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
        assert!(
            input.capacity() <= 2 * arrived + MAXIMUM,
            "a declared size was reserved"
        );
    }
    (messages, false)
}
