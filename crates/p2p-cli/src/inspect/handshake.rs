//! The messages of the handshake, read with nothing but the pieces of p2p-framing.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use p2p_crypto::{Nonce, PublicKey, Stamp};
use p2p_framing::{DecodeError, PointList, WireReader};

/// A connection message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// 0 for none.
    pub(crate) port: u16,
    pub(crate) public_key: PublicKey,
    pub(crate) stamp: Stamp,
    pub(crate) message_nonce: Nonce,
    pub(crate) chain_name: Vec<u8>,
    pub(crate) distributed_db_version: u16,
    pub(crate) p2p_version: u16,
}

/// The metadata of a Tezos node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeFlags {
    pub(crate) disable_mempool: bool,
    pub(crate) private_node: bool,
}

/// An ack or nack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ack,
    NackVersion0,
    Nack { motive: i16, points: PointList },
}

impl Hello {
    /// Reads the body of the clear frame, which must be consumed exactly.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = WireReader::new(body);
        let hello = Self {
            port: reader.u16()?,
            public_key: PublicKey::from_bytes(reader.array()?),
            stamp: Stamp::from_bytes(reader.array()?),
            message_nonce: Nonce::from_bytes(reader.array()?),
            chain_name: reader.length_prefixed()?.to_vec(),
            distributed_db_version: reader.u16()?,
            p2p_version: reader.u16()?,
        };
        reader.finish()?;
        Ok(hello)
    }
}

impl NodeFlags {
    /// Reads the plaintext of the second frame.
    pub(crate) fn decode(plaintext: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = WireReader::new(plaintext);
        let flags = Self {
            disable_mempool: reader.bool()?,
            private_node: reader.bool()?,
        };
        reader.finish()?;
        Ok(flags)
    }
}

impl Answer {
    /// Reads the plaintext of the third frame.
    pub(crate) fn decode(plaintext: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = WireReader::new(plaintext);
        let answer = match reader.u8()? {
            0x00 => Self::Ack,
            0xff => Self::NackVersion0,
            0x01 => Self::Nack {
                motive: reader.i16()?,
                points: PointList::decode(reader.length_prefixed()?)?,
            },
            tag => return Err(DecodeError::UnexpectedTag { tag: tag.into() }),
        };
        reader.finish()?;
        Ok(answer)
    }
}
