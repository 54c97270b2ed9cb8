//! Streams of messages and chunks: however they are cut, the outcome is the same, and nothing grows beyond what came.

use std::{error::Error, fmt::Debug};

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
use p2p_framing::{
    ChunkOpener, ChunkSealer, ChunkSize,
    encoding::{BincodeEncoding, ControlEncoding, PostcardEncoding, RawEncoding, TaggedPayloadEncoding},
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

use crate::script::{Script, derived};

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
    M: Debug + PartialEq,
{
    let mut script = Script::new(data);
    let size = usize::from(script.byte());
    let stream = script.rest();
    let (whole, failed) = decode(&mut encoding(), [stream]);
    if size > 0 {
        let (pieces, failed_in_pieces) = decode(&mut encoding(), stream.chunks(size));
        assert_eq!((&pieces, failed_in_pieces), (&whole, failed));
    }
    let mut encoded = BytesMut::new();
    let count = whole.len();
    let mut expected = Vec::new();
    for message in whole {
        let text = format!("{message:?}");
        // What is not written as it was read may have become larger than is allowed.
        if encoding().encode(message, &mut encoded).is_ok() {
            expected.push(text);
        }
    }
    let (again, failed) = decode(&mut encoding(), [&encoded[..]]);
    assert!(!failed && again.len() == expected.len() && again.len() <= count);
    for (message, text) in again.iter().zip(&expected) {
        assert_eq!(&format!("{message:?}"), text);
    }
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

/// Pieces of a stream, sealed in chunks or sent as they are, in reads of any size.
pub(crate) fn chunks(data: &[u8]) {
    let mut script = Script::new(data);
    let (key, first) = (ChannelKey::from_bytes(derived(data)), Nonce::from_bytes(derived(data)));
    let size = ChunkSize::new(19 + script.below(300)).expect("a valid size");
    let mut sealer = ChunkSealer::new(Sealer::new(key.clone(), first), size);
    let (mut wire, mut plaintext, mut honest) = (BytesMut::new(), Vec::new(), None);
    while !script.is_empty() {
        let sealed = !script.byte().is_multiple_of(8);
        let piece = script.bytes();
        if sealed {
            sealer.seal_run([piece], &mut wire).expect("nonces");
        } else {
            honest.get_or_insert(plaintext.len());
            wire.extend_from_slice(piece);
        }
        plaintext.extend_from_slice(if sealed { piece } else { &[] });
    }
    let honest = honest.unwrap_or(plaintext.len());
    let (whole, whole_error) = open_onto(&key, first, &wire);
    let (pieces, pieces_error) = open(&key, first, &wire, 7);
    assert_eq!((&whole, whole_error), (&pieces, pieces_error));
    assert!(plaintext.starts_with(&whole), "something that nobody sealed");
    assert!(whole.len() >= honest, "something sealed was lost");
}

/// What opens of `wire` onto a stream, and whether it ended with an error.
fn open_onto(key: &ChannelKey, first: Nonce, wire: &[u8]) -> (Vec<u8>, bool) {
    let mut plaintext = BytesMut::new();
    let opened = ChunkOpener::new(Opener::new(key.clone(), first)).open_onto(&mut wire.to_vec(), &mut plaintext);
    (plaintext.to_vec(), opened.is_err())
}

/// What opens of `wire` in place, read by read, and whether it ended with an error.
fn open(key: &ChannelKey, first: Nonce, wire: &[u8], read: usize) -> (Vec<u8>, bool) {
    let mut opener = ChunkOpener::new(Opener::new(key.clone(), first));
    let (mut input, mut plaintext) = (Vec::new(), Vec::new());
    for read in wire.chunks(read) {
        input.extend_from_slice(read);
        match opener.open_complete(&mut input, |opened| plaintext.extend_from_slice(opened)) {
            Ok(consumed) => drop(input.drain(..consumed)),
            Err(_) => return (plaintext, true),
        }
    }
    (plaintext, false)
}
