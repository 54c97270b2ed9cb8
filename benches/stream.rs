//! A stream of messages through chunks and back, without I/O, and the cryptography alone on the same bytes: what the
//! criterion bench and the report of framing measure.

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, InstructionSet, Nonce, Opener, Sealer};
use p2p_framing::{
    ChunkOpener, ChunkSealer, ChunkSize,
    encoding::{RawEncoding, encode_sharing},
};
use tokio_util::codec::Decoder;

fn sealer(set: InstructionSet) -> Sealer {
    Sealer::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24])).with_instruction_set(set)
}

fn opener(set: InstructionSet) -> Opener {
    Opener::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24])).with_instruction_set(set)
}

/// Both ends of the stream.
pub(crate) struct MessageStream {
    sealer: ChunkSealer,
    opener: ChunkOpener,
    encoding: RawEncoding,
    encoded: BytesMut,
    wire: BytesMut,
    received: BytesMut,
}

impl MessageStream {
    pub(crate) fn new(set: InstructionSet) -> Self {
        Self {
            sealer: ChunkSealer::new(sealer(set), ChunkSize::MAX),
            opener: ChunkOpener::new(opener(set)),
            encoding: RawEncoding::default().sharing(),
            encoded: BytesMut::new(),
            wire: BytesMut::new(),
            received: BytesMut::new(),
        }
    }

    /// Encodes the message `count` times, one behind the other, and seals all, as a connection does. What is sealed from
    /// where it lies can only be the last.
    pub(crate) fn send(&mut self, message: &Bytes, count: usize) {
        self.encoded.clear();
        let mut rest = None;
        for _ in 0..count {
            assert!(rest.is_none(), "a message is in front of it");
            let encoded = encode_sharing(&mut self.encoding, message.clone(), &mut self.encoded);
            rest = encoded.expect("the message is not too large");
        }
        let sealed = self
            .sealer
            .seal_run([&self.encoded[..], &rest.unwrap_or_default()], &mut self.wire);
        sealed.expect("nonces are left");
    }

    /// Opens all that was sent, as a connection does.
    pub(crate) fn open(&mut self) {
        let opened = self.opener.open_onto(&mut self.wire, &mut self.received);
        assert_eq!(opened, Ok(self.wire.len()));
        self.wire.clear();
    }

    /// Decodes the next message.
    pub(crate) fn receive(&mut self) -> Option<Bytes> {
        let decoded = self.encoding.decode(&mut self.received);
        decoded.expect("the message is not too large")
    }
}

/// Seals and opens as many bytes in chunks of the same sizes.
pub(crate) struct Cryptography {
    sealer: Sealer,
    opener: Opener,
    data: Vec<u8>,
}

impl Cryptography {
    pub(crate) fn new(set: InstructionSet, size: usize) -> Self {
        Self {
            sealer: sealer(set),
            opener: opener(set),
            data: vec![7; size],
        }
    }

    pub(crate) fn seal_and_open(&mut self) {
        for chunk in self.data.chunks_mut(ChunkSize::MAX.max_plaintext()) {
            let tag = self.sealer.seal(chunk).expect("nonces are left");
            self.opener.open(chunk, &tag).expect("it was sealed so");
        }
    }
}
