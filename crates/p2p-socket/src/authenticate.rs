use std::{fmt, net::SocketAddr, time::Duration};

use bytes::Bytes;
use p2p_crypto::{Nonce, Role};
use p2p_framing::PointList;
use p2p_io_scheduler::ScheduledIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    Config, Connection, ConnectionOptions, MemoryBudget, Metadata, PeerInfo, RejectionMotive, deadline,
    exchange::{Exchange, FinishError, When},
    handshake::{AcceptError, AuthenticateError, AuthenticatedPeer, Hello, LocalPeer, NackError},
    telemetry,
};

/// Finds out who the remote is. Octez: `P2p_socket.authenticate`.
///
/// `io` is any reliable stream: TCP, a Unix socket, an in-memory duplex. It is registered with the scheduler of
/// `config`. `remote` is the address that was dialled ([`Role::Initiator`]) or from which the connection came
/// ([`Role::Responder`]); over something that is not IP, any address that tells peers apart.
///
/// Set `TCP_NODELAY` on TCP sockets before: the handshake is a ping-pong of small packets.
///
/// # Errors
///
/// See [`AuthenticateError`]. The transport has been closed then, and the remote sees an orderly end.
///
/// # Cancel safety
///
/// Not cancel safe: a handshake that was dropped can not be taken up again. Dropping it closes the transport.
///
/// ```
/// use std::net::SocketAddr;
/// use p2p_crypto::{Difficulty, Identity, Role};
/// use p2p_socket::{ChainName, Config, NetworkVersion, NodeMetadata, authenticate};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let easy = Difficulty::try_from(1.0)?;
/// let config = || Config::new(Identity::generate(easy), NetworkVersion::current(ChainName::from("TEST")))
///     .required_difficulty(easy);
/// let (here, there) = (config(), config());
/// let address: SocketAddr = "10.0.0.1:9732".parse()?;
/// let (left, right) = tokio::io::duplex(1024);
///
/// let (left, right) = tokio::join!(
///     authenticate(left, Role::Initiator, address, &here, NodeMetadata::default()),
///     authenticate(right, Role::Responder, address, &there, NodeMetadata::default()),
/// );
/// assert_eq!(left?.info().peer_id, there.identity().peer_id());
/// assert_eq!(right?.info().peer_id, here.identity().peer_id());
/// # Ok(()) }
/// ```
pub async fn authenticate<T, D>(
    io: T,
    role: Role,
    remote: SocketAddr,
    config: &Config,
    metadata: D,
) -> Result<Authenticated<T, D>, AuthenticateError>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Metadata,
{
    authenticate_with_nonce(io, role, remote, config, metadata, Nonce::generate()).await
}

/// [`authenticate`] with a message nonce of the caller's choice, to replay a recorded session.
///
/// # Security
///
/// Never use a nonce twice with the same identity: a remote that repeats its own message then gets the same session
/// nonces again, and with them the secrets of both sessions.
///
/// # Errors
///
/// Those of [`authenticate`].
///
/// # Cancel safety
///
/// That of [`authenticate`].
pub async fn authenticate_with_nonce<T, D>(
    io: T,
    role: Role,
    remote: SocketAddr,
    config: &Config,
    metadata: D,
    message_nonce: Nonce,
) -> Result<Authenticated<T, D>, AuthenticateError>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Metadata,
{
    let local = LocalPeer {
        identity: config.identity.clone(),
        announced_version: config.announced_version.clone(),
        advertised_port: config.advertised_port,
        required_proof_of_work: config.required_difficulty.target(),
        metadata,
    };
    let (started, timeout) = (Instant::now(), config.handshake_timeout);
    let deadline = deadline::after(started, timeout);
    let result = async {
        let mut exchange = Exchange::new(config.scheduler.register(io)?, deadline, config.cancellation.clone());
        let (hello, output) = Hello::start(local, role, remote, message_nonce, deadline.into_std())?;
        let hello = hello.with_instruction_set(config.instruction_set);
        let (metadata_exchange, output) = exchange.take(hello, output, When::EnoughIsHeard).await?;
        let when = if config.decides_at_once {
            When::EnoughIsHeard
        } else {
            When::AllIsSaid
        };
        let peer = exchange.take(metadata_exchange, output, when).await?;
        Ok((exchange, peer))
    };
    match result.await {
        Ok((exchange, peer)) => {
            telemetry::authenticated(remote, peer.info());
            Ok(Authenticated {
                exchange,
                peer,
                started,
                timeout,
                memory_budget: config.memory_budget.clone(),
            })
        }
        Err(error) => {
            telemetry::not_authenticated(role, remote, &error);
            Err(error)
        }
    }
}

/// A remote that has proved who it is, and waits for our answer. Octez: `authenticated_connection`.
///
/// Dropping it closes the transport without an answer, and perhaps without our metadata if we
/// [decide at once](Config::decides_at_once).
#[must_use = "the remote waits for an answer"]
pub struct Authenticated<T, D> {
    exchange: Exchange<ScheduledIo<T>>,
    peer: AuthenticatedPeer<D>,
    started: Instant,
    timeout: Duration,
    memory_budget: Option<MemoryBudget>,
}

impl<T, D> Authenticated<T, D>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Metadata,
{
    /// Who the remote is and what it says about itself.
    pub fn info(&self) -> &PeerInfo<D> {
        self.peer.info()
    }

    /// Takes the remote, and waits until it has taken us. Octez: `P2p_socket.accept`.
    ///
    /// `encoding` turns messages into bytes and back. It is cloned for each message to be sent, so it must not keep
    /// anything from one message to the next. The connection runs as a task on the current runtime, which ends with
    /// the connection.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`]. The transport has been closed then; when too little of the [`MemoryBudget`] is left, the
    /// remote gets a nack before.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe; dropping it closes the transport.
    pub async fn accept<M, C>(self, encoding: C, options: ConnectionOptions) -> Result<Connection<M, D>, AcceptError>
    where
        T: Send + 'static,
        M: Send + 'static,
        C: Encoder<M> + Decoder<Item = M> + Clone + Send + Sync + 'static,
        <C as Encoder<M>>::Error: std::error::Error + Send + Sync + 'static,
        <C as Decoder>::Error: std::error::Error + Send + Sync + 'static,
    {
        let (role, peer_id) = (self.peer.info().role, self.peer.info().peer_id);
        let not_accepted = |error| {
            telemetry::not_accepted(role, peer_id, &error);
            error
        };
        options.validate().map_err(|error| not_accepted(error.into()))?;
        let share = self.memory_budget.as_ref().map(|budget| budget.reserve(&options));
        let memory_share = match share.transpose() {
            Ok(share) => share,
            Err(exhausted) => {
                // Whether or not the remote learns of it.
                let _ = self
                    .nack(RejectionMotive::TooManyConnections, PointList::default())
                    .await;
                return Err(not_accepted(exhausted.into()));
            }
        };
        let Self {
            mut exchange,
            peer,
            started,
            timeout,
            ..
        } = self;
        let accepted = peer.accept(deadline::after(Instant::now(), timeout).into_std());
        let (ack_exchange, output) = accepted.map_err(|error| not_accepted(error.into()))?;
        match exchange.take(ack_exchange, output, When::AllIsSaid).await {
            Ok(established) => {
                telemetry::accepted(role, peer_id, started.elapsed());
                let (io, input, cancellation) = exchange.into_parts();
                Ok(Connection::start(
                    io,
                    input,
                    established,
                    encoding,
                    &options,
                    memory_share,
                    &cancellation,
                ))
            }
            Err(error) => Err(not_accepted(error)),
        }
    }

    /// Refuses the remote, naming other peers to try, and closes. Octez: `P2p_socket.nack`.
    ///
    /// # Errors
    ///
    /// See [`NackError`]: the remote may not have been told. The transport is closed in any case.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe; dropping it closes the transport.
    pub async fn nack(self, motive: RejectionMotive, points: PointList) -> Result<(), NackError> {
        telemetry::refused(self.peer.info(), motive);
        let output: Bytes = self.peer.nack(motive, points)?;
        self.exchange
            .finish(output, self.timeout)
            .await
            .map_err(|error| match error {
                FinishError::Timeout => NackError::Timeout,
                FinishError::Cancelled => NackError::Cancelled,
                FinishError::Io(error) => NackError::Io(error),
            })
    }
}

impl<T, D: fmt::Debug> fmt::Debug for Authenticated<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("info", self.peer.info())
            .finish_non_exhaustive()
    }
}
