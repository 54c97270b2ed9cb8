#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use p2p_crypto::Role;
use p2p_framing::{ChunkOpener, ChunkSealer, MAX_RECEIVED_CHUNK_SIZE, WireReader};

use super::{AuthenticateError, AuthenticatedPeer, End, HandshakeStep, LocalPeer, Progress, Step};
use crate::{ConnectionId, ConnectionMessage, Metadata, PeerInfo};

/// The second state: the channel key is agreed, our metadata is on its way, the remote's is awaited. It proves that
/// the remote has the secret of its key.
#[derive(Debug)]
pub struct MetadataExchange<D> {
    local: LocalPeer<D>,
    role: Role,
    connection_id: ConnectionId,
    remote: ConnectionMessage,
    sealer: ChunkSealer,
    opener: ChunkOpener,
    deadline: Instant,
}

impl<D: Metadata> MetadataExchange<D> {
    pub(super) fn start(
        local: LocalPeer<D>,
        role: Role,
        connection_id: ConnectionId,
        remote: ConnectionMessage,
        mut sealer: ChunkSealer,
        opener: ChunkOpener,
        deadline: Instant,
    ) -> Result<(Self, Bytes), AuthenticateError> {
        let (mut plaintext, mut output) = (BytesMut::new(), BytesMut::new());
        local.metadata.encode(&mut plaintext);
        sealer
            .seal_one(&plaintext, &mut output)
            .map_err(AuthenticateError::LocalMetadataTooLarge)?;
        Ok((
            Self {
                local,
                role,
                connection_id,
                remote,
                sealer,
                opener,
                deadline,
            },
            output.freeze(),
        ))
    }

    fn finish(self, remote_metadata: D) -> Result<AuthenticatedPeer<D>, AuthenticateError> {
        // Only now: a stranger who shows our key without its secret has failed at the chunk already.
        if self.remote.public_key == self.local.identity.public_key() {
            return Err(AuthenticateError::Myself {
                connection_id: self.connection_id,
            });
        }
        let info = PeerInfo {
            peer_id: self.remote.public_key.peer_id(),
            role: self.role,
            connection_id: self.connection_id,
            advertised_port: self.remote.port,
            announced_version: self.remote.version,
            local_metadata: self.local.metadata,
            private_node: remote_metadata.is_private(),
            remote_metadata,
        };
        Ok(AuthenticatedPeer::new(info, self.sealer, self.opener))
    }
}

impl<D: Metadata> Step for MetadataExchange<D> {
    type Next = AuthenticatedPeer<D>;
    type Error = AuthenticateError;

    fn receive(mut self, input: &mut BytesMut, now: Instant) -> Result<Progress<Self, Self::Next>, AuthenticateError> {
        let step = HandshakeStep::Metadata;
        if now >= self.deadline {
            return Err(AuthenticateError::Timeout { step });
        }
        let Some(chunk) = self.opener.open_first(input).map_err(AuthenticateError::chunk)? else {
            return Ok(Progress::NeedMore(self));
        };
        let wire_size = chunk.wire_size;
        let mut reader = WireReader::new(chunk.plaintext);
        let metadata = D::decode(&mut reader).and_then(|metadata| reader.finish().map(|()| metadata));
        input.advance(wire_size);
        let metadata = metadata.map_err(|source| AuthenticateError::Decoding { step, source })?;
        Ok(Progress::Done(self.finish(metadata)?))
    }

    fn max_input(&self) -> usize {
        MAX_RECEIVED_CHUNK_SIZE
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn end(self, end: End) -> AuthenticateError {
        AuthenticateError::end(HandshakeStep::Metadata, end)
    }
}
