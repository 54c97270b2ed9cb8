//! However the stream is cut, into chunks by the sender and into reads by the network, the messages are the same, and
//! so is the error.

mod common;

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use common::{chunk_of, chunk_opener, sealer};
use p2p_framing::{ChunkError, DecodeError, encoding::RawEncoding};
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

const MAXIMUM: usize = 70_000;

/// How a stream ends.
#[derive(Debug, PartialEq)]
enum End {
    Open,
    Forged,
    TooLarge(usize),
}

/// What a receiver makes of `reads`, which arrive one after the other.
fn receive<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Bytes>, End) {
    let (mut opener, mut encoding) = (chunk_opener(), RawEncoding::new(MAXIMUM));
    let (mut input, mut stream, mut messages) = (BytesMut::new(), BytesMut::new(), Vec::new());
    for read in reads {
        input.extend_from_slice(read);
        let opened = opener.open_onto(&mut input, &mut stream);
        loop {
            match encoding.decode(&mut stream) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(DecodeError::TooLarge { declared, .. }) => return (messages, End::TooLarge(declared)),
                Err(error) => panic!("{error}"),
            }
        }
        match opened {
            Ok(consumed) => drop(input.split_to(consumed)),
            Err(ChunkError::Decipher(_)) => return (messages, End::Forged),
            Err(error) => panic!("{error}"),
        }
    }
    (messages, End::Open)
}

fn encode(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = BytesMut::new();
    for message in messages {
        RawEncoding::new(MAXIMUM).encode(&message[..], &mut stream).unwrap();
    }
    stream.to_vec()
}

/// Cuts `bytes` at relative places; equal places make empty pieces.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut start = 0;
    at.into_iter()
        .map(|end| {
            let piece = &bytes[start..end];
            start = end;
            piece
        })
        .collect()
}

fn messages(count: Range<usize>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), count)
}

fn places() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..40)
}

proptest! {
    #[test]
    fn the_messages_are_the_same(messages in messages(0..20), chunks in places(), reads in places()) {
        let stream = encode(&messages);
        let mut sealer = sealer();
        let wire: Vec<u8> = cut(&stream, &chunks).into_iter().flat_map(|piece| chunk_of(&mut sealer, piece)).collect();
        let expected: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
        prop_assert_eq!(receive(cut(&wire, &reads)), (expected, End::Open));
    }

    #[test]
    fn the_error_is_the_same(
        messages in messages(0..20),
        declared in MAXIMUM + 1..=u32::MAX as usize,
        chunks in places(),
        reads in places(),
    ) {
        let mut stream = encode(&messages);
        stream.extend_from_slice(&u32::try_from(declared).unwrap().to_be_bytes());
        stream.extend_from_slice(b"and more");
        let mut sealer = sealer();
        let wire: Vec<u8> = cut(&stream, &chunks).into_iter().flat_map(|piece| chunk_of(&mut sealer, piece)).collect();
        let expected: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
        prop_assert_eq!(receive(cut(&wire, &reads)), (expected, End::TooLarge(declared)));
    }

    #[test]
    fn a_flipped_bit_loses_only_what_comes_after(
        messages in messages(1..20),
        broken in any::<prop::sample::Index>(),
        flipped in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        reads in places(),
    ) {
        let mut sealer = sealer();
        let mut chunks: Vec<Vec<u8>> =
            messages.iter().map(|message| chunk_of(&mut sealer, &encode(std::slice::from_ref(message)))).collect();
        let intact = broken.index(chunks.len());
        // A flipped header is another test's: it makes the receiver wait for bytes that are another chunk's.
        let behind_header = &mut chunks[intact][2..];
        behind_header[flipped.index(behind_header.len())] ^= 1_u8 << bit;
        let wire = chunks.concat();
        let (received, how) = receive(cut(&wire, &reads));
        let expected: Vec<Bytes> = messages.into_iter().take(intact).map(Bytes::from).collect();
        prop_assert_eq!((received, how), (expected, End::Forged));
    }
}

#[test]
fn one_byte_at_a_time() {
    let messages = [vec![], vec![1], vec![2; 100], vec![3; 65519]];
    let stream = encode(&messages);
    let mut sealer = sealer();
    let wire: Vec<u8> = stream
        .chunks(65519)
        .flat_map(|piece| chunk_of(&mut sealer, piece))
        .collect();
    let expected: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
    // The long chunk is fed in larger steps: every byte would be looked at 65519 times.
    let reads = wire[..200].chunks(1).chain(wire[200..].chunks(999));
    assert_eq!(receive(reads), (expected, End::Open));
}

#[test]
fn empty_chunks_add_nothing() {
    let mut sealer = sealer();
    let wire: Vec<u8> = [&b""[..], b"", b"\0\0\0\x01x", b""]
        .into_iter()
        .flat_map(|piece| chunk_of(&mut sealer, piece))
        .collect();
    assert_eq!(receive([&wire[..]]), (vec![Bytes::from_static(b"x")], End::Open));
}
