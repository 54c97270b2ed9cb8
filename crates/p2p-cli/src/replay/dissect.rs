//! Takes one direction of a recorded session apart, with nothing but cryptography and framing.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use bytes::{Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Nonce, Opener, PublicKey, Stamp};
use p2p_framing::{ChunkOpener, DecodeError, PointList, WireReader, encoding::RawEncoding};
use p2p_socket::{ChainName, NetworkVersion, NodeMetadata, RejectionMotive};
use tokio_util::codec::Decoder;

use super::record::{Frame, FrameKind};
use crate::inspect::handshake;

/// The connection message of a direction.
pub(super) struct Hello<'a> {
    /// As it was on the wire, with its length.
    pub(super) wire: &'a [u8],
    pub(super) port: u16,
    pub(super) public_key: PublicKey,
    pub(super) stamp: Stamp,
    pub(super) message_nonce: Nonce,
    pub(super) version: NetworkVersion,
}

/// What was sealed in a direction, as far as it went.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) metadata: Option<NodeMetadata>,
    pub(super) answer: Option<Answer>,
    pub(super) messages: Vec<Bytes>,
    /// The size of the largest message chunk on the wire.
    pub(super) largest_chunk: usize,
}

/// An ack or nack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ack,
    NackVersion0,
    Nack { motive: RejectionMotive, points: PointList },
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ack => f.write_str("ack"),
            Self::NackVersion0 => f.write_str("nack of version 0"),
            Self::Nack { motive, points } => {
                write!(f, "nack ({motive}) with the points")?;
                points.as_slice().iter().try_for_each(|point| write!(f, " {point}"))
            }
        }
    }
}

/// Something on the wire that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("the {} at offset {offset}: {fault}", kind.name())]
pub(super) struct WireFault {
    kind: FrameKind,
    offset: usize,
    fault: String,
}

impl WireFault {
    fn new(Frame(kind, offset, _): Frame, fault: impl fmt::Display) -> Self {
        Self {
            kind,
            offset,
            fault: fault.to_string(),
        }
    }
}

/// The frames of a wire, each with its header, and whether there is more behind the last complete one.
pub(super) fn frames(wire: &[u8]) -> (Vec<Frame>, bool) {
    let (mut frames, mut offset) = (Vec::new(), 0_usize);
    let mut reader = WireReader::new(wire);
    while let Ok(size) = reader.u16() {
        if reader.take(size.into()).is_err() {
            break;
        }
        let size = usize::from(size).saturating_add(2);
        frames.push(Frame(FrameKind::at(frames.len()), offset, size));
        offset = offset.saturating_add(size);
    }
    (frames, offset < wire.len())
}

/// Reads the connection message at the beginning of a wire.
pub(super) fn hello(wire: &[u8]) -> Result<Hello<'_>, WireFault> {
    let frame = Frame(FrameKind::at(0), 0, wire.len());
    let read = || {
        let mut reader = WireReader::new(wire);
        let size = reader.u16()?;
        let read = handshake::Hello::decode(reader.take(size.into())?)?;
        Ok(Hello {
            wire: wire.get(..usize::from(size).saturating_add(2)).unwrap_or_default(),
            port: read.port,
            public_key: read.public_key,
            stamp: read.stamp,
            message_nonce: read.message_nonce,
            version: NetworkVersion {
                chain_name: ChainName::from(read.chain_name.as_slice()),
                distributed_db_version: read.distributed_db_version,
                p2p_version: read.p2p_version,
            },
        })
    };
    read().map_err(|error: DecodeError| WireFault::new(frame, error))
}

/// Opens everything behind the connection message.
pub(super) fn open(wire: &[u8], key: ChannelKey, first: Nonce) -> Result<Opened, WireFault> {
    let mut opener = ChunkOpener::new(Opener::new(key, first));
    let (mut opened, mut stream) = (Opened::default(), BytesMut::new());
    let (frames, _) = frames(wire);
    for &frame in frames.iter().skip(1) {
        let Frame(kind, offset, size) = frame;
        let end = offset.saturating_add(size);
        let mut chunk = wire.get(offset..end).unwrap_or_default().to_vec();
        let plaintext = match opener.open_first(&mut chunk) {
            Ok(Some(chunk)) => chunk.plaintext,
            Ok(None) => return Err(WireFault::new(frame, DecodeError::NotEnoughData)),
            Err(error) => return Err(WireFault::new(frame, error)),
        };
        let fault = |error| WireFault::new(frame, error);
        match kind {
            FrameKind::ConnectionMessage => {}
            FrameKind::Metadata => opened.metadata = Some(metadata(plaintext).map_err(fault)?),
            FrameKind::Ack => opened.answer = Some(answer(plaintext).map_err(fault)?),
            FrameKind::MessageChunk => {
                opened.largest_chunk = opened.largest_chunk.max(size);
                stream.extend_from_slice(plaintext);
            }
        }
    }
    let last = frames.last().copied().unwrap_or(Frame(FrameKind::at(0), 0, 0));
    opened.messages = messages(stream).map_err(|error| WireFault::new(last, error))?;
    Ok(opened)
}

fn metadata(plaintext: &[u8]) -> Result<NodeMetadata, DecodeError> {
    let flags = handshake::NodeFlags::decode(plaintext)?;
    Ok(NodeMetadata {
        disable_mempool: flags.disable_mempool,
        private_node: flags.private_node,
    })
}

fn answer(plaintext: &[u8]) -> Result<Answer, DecodeError> {
    Ok(match handshake::Answer::decode(plaintext)? {
        handshake::Answer::Ack => Answer::Ack,
        handshake::Answer::NackVersion0 => Answer::NackVersion0,
        handshake::Answer::Nack { motive, points } => Answer::Nack {
            motive: RejectionMotive::from_code(motive),
            points,
        },
    })
}

fn messages(mut stream: BytesMut) -> Result<Vec<Bytes>, DecodeError> {
    let mut encoding = RawEncoding::new(stream.len());
    let mut messages = Vec::new();
    while let Some(message) = encoding.decode(&mut stream)? {
        messages.push(message);
    }
    match stream.len() {
        0 => Ok(messages),
        _ => Err(DecodeError::NotEnoughData),
    }
}
