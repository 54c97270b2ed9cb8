#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};
use p2p_crypto::{Nonce, PublicKey, Stamp};
use p2p_framing::{ClearFrame, ClearFrameTooLarge, DecodeError, WireReader};

use crate::NetworkVersion;

/// The first message of either side, in the clear: who it is and what it speaks. Octez: `Connection_message.t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionMessage {
    /// The port on which the sender listens, if it does.
    pub port: Option<u16>,
    /// The key of the sender.
    pub public_key: PublicKey,
    /// The proof of work for that key.
    pub proof_of_work_stamp: Stamp,
    /// Fresh random bytes, which make the session nonces of this connection its own.
    pub message_nonce: Nonce,
    /// What the sender speaks.
    pub version: NetworkVersion,
}

impl ConnectionMessage {
    /// The largest accepted body in bytes.
    ///
    /// Everything but the chain name takes 90 bytes, and real names have less than 40.
    ///
    /// # Security
    ///
    /// Nothing is known of a remote that sends this, so what it can make us keep is small. With it, a half-open
    /// connection takes less than 4 KiB in all; with ten thousand of them, the length field's 64 KiB each would be
    /// most of a gigabyte.
    pub const MAX_SIZE: usize = 1024;

    /// The message as a frame.
    ///
    /// # Errors
    ///
    /// [`ClearFrameTooLarge`] if the chain name makes it longer than [`MAX_SIZE`](Self::MAX_SIZE).
    pub fn encode(&self) -> Result<ClearFrame, ClearFrameTooLarge> {
        let mut body = BytesMut::with_capacity(128);
        body.put_u16(self.port.unwrap_or(0));
        body.put_slice(self.public_key.as_bytes());
        body.put_slice(self.proof_of_work_stamp.as_bytes());
        body.put_slice(self.message_nonce.as_bytes());
        self.version.encode(&mut body);
        if body.len() > Self::MAX_SIZE {
            return Err(ClearFrameTooLarge {
                size: body.len(),
                maximum: Self::MAX_SIZE,
            });
        }
        ClearFrame::new(&body)
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] unless the message takes exactly the whole body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = WireReader::new(body);
        let message = Self {
            port: Some(reader.u16()?).filter(|port| *port != 0),
            public_key: PublicKey::from_bytes(reader.array()?),
            proof_of_work_stamp: Stamp::from_bytes(reader.array()?),
            message_nonce: Nonce::from_bytes(reader.array()?),
            version: NetworkVersion::decode(&mut reader)?,
        };
        reader.finish()?;
        Ok(message)
    }
}
