#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use p2p_crypto::NoncesExhausted;
use p2p_framing::{ChunkError, ChunkOpener, ChunkSealer, ChunkSize, MAX_RECEIVED_CHUNK_SIZE, PointList};

use super::{AcceptError, End, Progress, Step};
use crate::{Ack, PeerInfo, RejectionMotive};

/// The third state: the remote is who it says to be, and it is up to us whether to take it.
#[derive(Debug)]
pub struct AuthenticatedPeer<D> {
    info: PeerInfo<D>,
    sealer: ChunkSealer,
    opener: ChunkOpener,
}

impl<D> AuthenticatedPeer<D> {
    pub(super) fn new(info: PeerInfo<D>, sealer: ChunkSealer, opener: ChunkOpener) -> Self {
        Self { info, sealer, opener }
    }

    /// Who the remote is and what it says about itself.
    pub fn info(&self) -> &PeerInfo<D> {
        &self.info
    }

    /// Takes the remote; returns our ack, to be sent.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`], in theory.
    pub fn accept(mut self, deadline: Instant) -> Result<(AckExchange<D>, Bytes), NoncesExhausted> {
        let output = self.seal(&Ack::Ack)?;
        Ok((AckExchange { peer: self, deadline }, output))
    }

    /// Refuses the remote; returns our nack, to be sent before closing. A remote that announced p2p version 0 is
    /// told neither motive nor points.
    ///
    /// # Errors
    ///
    /// [`NoncesExhausted`], in theory.
    pub fn nack(mut self, motive: RejectionMotive, points: PointList) -> Result<Bytes, NoncesExhausted> {
        let nack = Ack::nack(self.info.announced_version.p2p_version, motive, points);
        self.seal(&nack)
    }

    fn seal(&mut self, ack: &Ack) -> Result<Bytes, NoncesExhausted> {
        let mut output = BytesMut::new();
        self.sealer.seal_run([&ack.encode()[..]], &mut output)?;
        Ok(output.freeze())
    }
}

/// The fourth state: our ack is on its way, the remote's answer is awaited.
#[derive(Debug)]
pub struct AckExchange<D> {
    peer: AuthenticatedPeer<D>,
    deadline: Instant,
}

impl<D> Step for AckExchange<D> {
    type Next = Established<D>;
    type Error = AcceptError;

    fn receive(mut self, input: &mut BytesMut, now: Instant) -> Result<Progress<Self, Self::Next>, AcceptError> {
        if now >= self.deadline {
            return Err(AcceptError::Timeout);
        }
        let Some(chunk) = self.peer.opener.open_first(input).map_err(chunk_error)? else {
            return Ok(Progress::NeedMore(self));
        };
        let wire_size = chunk.wire_size;
        let ack = Ack::decode(chunk.plaintext);
        input.advance(wire_size);
        match ack.map_err(AcceptError::Decoding)? {
            Ack::Ack => {
                let AuthenticatedPeer { info, sealer, opener } = self.peer;
                Ok(Progress::Done(Established { info, sealer, opener }))
            }
            Ack::NackVersion0 => Err(AcceptError::RejectedByNack {
                motive: RejectionMotive::NoMotive,
                points: None,
            }),
            Ack::Nack { motive, points } => Err(AcceptError::RejectedByNack {
                motive,
                points: Some(points),
            }),
        }
    }

    fn max_input(&self) -> usize {
        MAX_RECEIVED_CHUNK_SIZE
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn end(self, end: End) -> AcceptError {
        match end {
            End::Closed => AcceptError::RejectedSocketConnection { source: None },
            End::Io(source) => AcceptError::RejectedSocketConnection { source: Some(source) },
            End::Cancelled => AcceptError::Cancelled,
        }
    }
}

fn chunk_error(error: ChunkError) -> AcceptError {
    match error {
        ChunkError::InvalidCiphertextSize { size } => AcceptError::InvalidCiphertextSize { size },
        _ => AcceptError::InvalidAuthentication,
    }
}

/// The end of the handshake: both sides have accepted, and messages may flow.
#[derive(Debug)]
pub struct Established<D> {
    /// Who the remote is and what it says about itself.
    pub info: PeerInfo<D>,
    /// Seals what we send from now on, in chunks of [`ChunkSize::MAX`] until told otherwise.
    pub sealer: ChunkSealer,
    /// Opens what we receive from now on.
    pub opener: ChunkOpener,
}

impl<D> Established<D> {
    /// The same with chunks of at most `chunk_size`.
    #[must_use]
    pub fn with_chunk_size(mut self, chunk_size: ChunkSize) -> Self {
        self.sealer.set_chunk_size(chunk_size);
        self
    }
}
