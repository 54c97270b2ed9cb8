#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use bytes::{BufMut, BytesMut};
use p2p_framing::{DecodeError, PointList, WireReader, put_length_prefixed};

const ACK: u8 = 0x00;
const NACK: u8 = 0x01;
const NACK_VERSION_0: u8 = 0xff;

/// The answer of the third step: taken or refused. Octez: `Ack.t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Taken.
    Ack,
    /// Refused, in the words of p2p version 0: no reason, no points. Octez: `Nack_v_0`.
    NackVersion0,
    /// Refused.
    Nack {
        /// Why.
        motive: RejectionMotive,
        /// Other peers to try. Octez: `potential_peers_to_connect`.
        points: PointList,
    },
}

impl Ack {
    /// The refusal for a remote that announced `p2p_version`: version 0 knows neither motive nor points.
    #[must_use]
    pub fn nack(p2p_version: u16, motive: RejectionMotive, points: PointList) -> Self {
        if p2p_version == 0 {
            Self::NackVersion0
        } else {
            Self::Nack { motive, points }
        }
    }

    /// The plaintext of the chunk.
    #[must_use]
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        match self {
            Self::Ack => out.put_u8(ACK),
            Self::NackVersion0 => out.put_u8(NACK_VERSION_0),
            Self::Nack { motive, points } => {
                out.put_u8(NACK);
                out.put_i16(motive.code());
                let mut list = BytesMut::new();
                points.encode(&mut list);
                put_length_prefixed(&mut out, &list);
            }
        }
        out
    }

    /// Reads the plaintext of the chunk.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] unless it is exactly one answer.
    pub fn decode(plaintext: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = WireReader::new(plaintext);
        let ack = match reader.u8()? {
            ACK => Self::Ack,
            NACK_VERSION_0 => Self::NackVersion0,
            NACK => Self::Nack {
                motive: RejectionMotive::from_code(reader.i16()?),
                points: PointList::decode(reader.length_prefixed()?)?,
            },
            tag => return Err(DecodeError::UnexpectedTag { tag: tag.into() }),
        };
        reader.finish()?;
        Ok(ack)
    }
}

/// Why a peer is refused. Octez: `P2p_rejection.t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionMotive {
    /// No reason given.
    NoMotive,
    /// There is no room for another connection.
    TooManyConnections,
    /// Another network. Octez: `Unknown_chain_name`.
    UnknownChainName,
    /// The announced p2p version is no longer spoken.
    DeprecatedP2pVersion,
    /// The announced distributed db version is no longer spoken.
    DeprecatedDistributedDbVersion,
    /// There is a connection to this peer already.
    AlreadyConnected,
    /// A code that has no name here. [`from_code`](Self::from_code) never makes one of a code that has.
    Unknown(i16),
}

impl RejectionMotive {
    /// The motive of a code on the wire.
    #[must_use]
    pub fn from_code(code: i16) -> Self {
        match code {
            0 => Self::NoMotive,
            1 => Self::TooManyConnections,
            2 => Self::UnknownChainName,
            3 => Self::DeprecatedP2pVersion,
            4 => Self::DeprecatedDistributedDbVersion,
            5 => Self::AlreadyConnected,
            code => Self::Unknown(code),
        }
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::NoMotive => 0,
            Self::TooManyConnections => 1,
            Self::UnknownChainName => 2,
            Self::DeprecatedP2pVersion => 3,
            Self::DeprecatedDistributedDbVersion => 4,
            Self::AlreadyConnected => 5,
            Self::Unknown(code) => code,
        }
    }
}

impl fmt::Display for RejectionMotive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMotive => "no motive given",
            Self::TooManyConnections => "too many connections",
            Self::UnknownChainName => "unknown chain name",
            Self::DeprecatedP2pVersion => "deprecated p2p version",
            Self::DeprecatedDistributedDbVersion => "deprecated distributed db version",
            Self::AlreadyConnected => "already connected",
            Self::Unknown(code) => return write!(f, "unknown motive {code}"),
        })
    }
}
