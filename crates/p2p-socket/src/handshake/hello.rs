#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::{net::SocketAddr, sync::Arc, time::Instant};

use bytes::{Buf, Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Identity, InstructionSet, Nonce, Opener, Role, Sealer, SessionNonces, Target};
use p2p_framing::{
    ChunkOpener, ChunkSealer, ChunkSize, ClearFrame, ClearFrameCodec, ClearFrameError, ClearFrameTooLarge,
};
use tokio_util::codec::Decoder;

use super::{AuthenticateError, End, HandshakeStep, MetadataExchange, Progress, Step};
use crate::{ConnectionId, ConnectionMessage, Metadata, NetworkVersion};

/// What the handshake needs to know of us.
#[derive(Clone, Debug)]
pub struct LocalPeer<D> {
    /// Our keys and proof of work.
    pub identity: Arc<Identity>,
    /// What we announce to speak.
    pub announced_version: NetworkVersion,
    /// The port on which we listen.
    pub advertised_port: Option<u16>,
    /// The proof of work that we require of the remote.
    pub required_proof_of_work: Target,
    /// What we tell the remote about ourselves.
    pub metadata: D,
}

/// The first state: our connection message is on its way, the remote's is awaited.
#[derive(Debug)]
pub struct Hello<D> {
    local: LocalPeer<D>,
    role: Role,
    remote: SocketAddr,
    sent: ClearFrame,
    deadline: Instant,
    refused: Option<Refused>,
    instruction_set: InstructionSet,
}

/// An oversized frame: nothing of it is kept, but it is read to its end. Closing with unread bytes would make TCP
/// reset the connection, which can destroy our own connection message before the remote has read it.
#[derive(Clone, Copy, Debug)]
struct Refused {
    error: ClearFrameTooLarge,
    unread: usize,
}

impl<D: Metadata> Hello<D> {
    /// Begins a handshake; returns our connection message, to be sent.
    ///
    /// `remote` is the address that was dialled, or from which the connection came. `message_nonce` must be fresh and
    /// random.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError::LocalMessageTooLarge`] if our chain name is too long.
    pub fn start(
        local: LocalPeer<D>,
        role: Role,
        remote: SocketAddr,
        message_nonce: Nonce,
        deadline: Instant,
    ) -> Result<(Self, Bytes), AuthenticateError> {
        let message = ConnectionMessage {
            port: local.advertised_port,
            public_key: local.identity.public_key(),
            proof_of_work_stamp: local.identity.stamp(),
            message_nonce,
            version: local.announced_version.clone(),
        };
        let sent = message.encode().map_err(AuthenticateError::LocalMessageTooLarge)?;
        let output = Bytes::copy_from_slice(sent.as_wire());
        Ok((
            Self {
                local,
                role,
                remote,
                sent,
                deadline,
                refused: None,
                instruction_set: InstructionSet::widest(),
            },
            output,
        ))
    }

    /// Seals and opens with these instructions, which changes nothing but the speed.
    #[must_use]
    pub fn with_instruction_set(self, instruction_set: InstructionSet) -> Self {
        Self {
            instruction_set,
            ..self
        }
    }

    fn skip(self, mut refused: Refused, input: &mut BytesMut) -> Result<Progress<Self, Next<D>>, AuthenticateError> {
        let skipped = refused.unread.min(input.len());
        input.advance(skipped);
        refused.unread = refused.unread.saturating_sub(skipped);
        if refused.unread == 0 {
            return Err(AuthenticateError::ConnectionMessageTooLarge(refused.error));
        }
        Ok(Progress::NeedMore(Self {
            refused: Some(refused),
            ..self
        }))
    }

    fn check(self, received: &ClearFrame) -> Result<Next<D>, AuthenticateError> {
        let remote = ConnectionMessage::decode(received.body()).map_err(|source| AuthenticateError::Decoding {
            step: HandshakeStep::ConnectionMessage,
            source,
        })?;
        let peer_id = remote.public_key.peer_id();
        if !self
            .local
            .required_proof_of_work
            .accepts(&remote.public_key, &remote.proof_of_work_stamp)
        {
            return Err(AuthenticateError::NotEnoughProofOfWork { peer_id });
        }
        let channel_key = ChannelKey::agree(self.local.identity.secret_key(), &remote.public_key)
            .map_err(|_| AuthenticateError::WeakPublicKey { peer_id })?;
        let nonces = SessionNonces::derive(self.role, self.sent.as_wire(), received.as_wire());
        let sealer = Sealer::new(channel_key.clone(), nonces.sealing).with_instruction_set(self.instruction_set);
        let opener = Opener::new(channel_key, nonces.opening).with_instruction_set(self.instruction_set);
        // The chunk size setting is for messages: metadata and ack always have a whole chunk.
        let sealer = ChunkSealer::new(sealer, ChunkSize::MAX);
        let opener = ChunkOpener::new(opener);
        let connection_id = ConnectionId::new(self.role, self.remote, remote.port);
        MetadataExchange::start(
            self.local,
            self.role,
            connection_id,
            remote,
            sealer,
            opener,
            self.deadline,
        )
    }
}

type Next<D> = (MetadataExchange<D>, Bytes);

impl<D: Metadata> Step for Hello<D> {
    /// The next state, and our metadata to be sent.
    type Next = Next<D>;
    type Error = AuthenticateError;

    fn receive(self, input: &mut BytesMut, now: Instant) -> Result<Progress<Self, Next<D>>, AuthenticateError> {
        if let Some(refused) = self.refused {
            if now >= self.deadline {
                return Err(AuthenticateError::ConnectionMessageTooLarge(refused.error));
            }
            return self.skip(refused, input);
        }
        if now >= self.deadline {
            return Err(AuthenticateError::Timeout {
                step: HandshakeStep::ConnectionMessage,
            });
        }
        match ClearFrameCodec::new(ConnectionMessage::MAX_SIZE).decode(input) {
            Ok(None) => Ok(Progress::NeedMore(self)),
            Ok(Some(frame)) => Ok(Progress::Done(self.check(&frame)?)),
            Err(ClearFrameError::TooLarge(error)) => {
                let unread = error.size.saturating_add(ClearFrame::PREFIX_SIZE);
                self.skip(Refused { error, unread }, input)
            }
            Err(ClearFrameError::Io(source)) => Err(self.end(End::Io(source))),
            Err(_) => Err(self.end(End::Closed)),
        }
    }

    fn max_input(&self) -> usize {
        ConnectionMessage::MAX_SIZE.saturating_add(ClearFrame::PREFIX_SIZE)
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn end(self, end: End) -> AuthenticateError {
        match (self.refused, end) {
            (Some(refused), _) => AuthenticateError::ConnectionMessageTooLarge(refused.error),
            (None, end) => AuthenticateError::end(HandshakeStep::ConnectionMessage, end),
        }
    }
}
