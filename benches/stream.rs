//! A stream of messages through chunks and back, without I/O, and the cryptography alone on the same bytes: what the
//! criterion bench and the report of framing measure.

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, InstructionSet, Nonce, Opener, Sealer};
use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize, encoding::RawEncoding};
use tokio_util::codec::{Decoder, Encoder};

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
    wire: BytesMut,
    received: BytesMut,
}

impl MessageStream {
    pub(crate) fn new(set: InstructionSet) -> Self {
        Self {
            sealer: ChunkSealer::new(sealer(set), ChunkSize::MAX),
            opener: ChunkOpener::new(opener(set)),
            encoding: RawEncoding::default(),
            wire: BytesMut::new(),
            received: BytesMut::new(),
        }
    }

    /// Encodes the message `count` times, one behind the other, and seals all where they were encoded.
    pub(crate) fn send(&mut self, message: &Bytes, count: usize) {
        let Self {
            sealer, encoding, wire, ..
        } = self;
        let written = sealer.seal_written(wire, |out| {
            (0..count).try_for_each(|_| encoding.encode(message.clone(), out))
        });
        written.expect("nonces are left").expect("the message is not too large");
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
