//! From a TCP connection to an accepted peer, and to its end.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use p2p_crypto::Role;
use p2p_framing::{PointList, encoding::RawEncoding};
use p2p_socket::{
    AcceptError, AuthenticateError, Authenticated, CloseError, Config, Connection, ConnectionError, ConnectionOptions,
    Control, DisconnectionReason, Drain, HandshakeStep, NodeMetadata, PeerInfo, RejectionMotive, Sender,
    SupportedVersions, authenticate,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    errors,
    events::{AuthenticatedAs, Closed, Connected, Nacked, RejectedByNack},
    failure::Failure,
    network::other_network,
    outbox::Outbox,
    places::NoPlace,
    report::Report,
};

/// A connection of this tool: its messages are bytes.
pub(crate) type Peer = Connection<Bytes, NodeMetadata>;

/// What the connections of a command have in common.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) config: Config,
    /// Cancelled when the user wants to stop; it ends all connections.
    pub(crate) interrupt: CancellationToken,
    /// What the remote must speak, unless it may speak anything.
    pub(crate) versions: Option<SupportedVersions>,
    pub(crate) metadata: NodeMetadata,
    pub(crate) options: ConnectionOptions,
    /// In bytes.
    pub(crate) max_message: usize,
    /// How long connecting and each half of the handshake may take.
    pub(crate) timeout: Duration,
    /// How long flushing may take at the end, and how long the remote may take nothing while a message waits.
    pub(crate) close_timeout: Duration,
}

/// How many messages went over a connection.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Tally {
    /// Counts a sent message and gives its index.
    pub(crate) fn count_sent(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a received message and gives its index.
    pub(crate) fn count_received(&self) -> u64 {
        self.received.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Session {
    /// A sender that gives up on a remote that does not read.
    pub(crate) fn outbox(&self, sender: Sender<Bytes>, control: &Control<NodeMetadata>) -> Outbox {
        Outbox {
            sender,
            control: control.clone(),
            patience: self.close_timeout,
        }
    }

    /// Shakes hands over a TCP connection. The caller tells that the peer is accepted. `take_place` fails if there is no place
    /// for an authenticated peer.
    pub(crate) async fn open(
        &self,
        tcp: TcpStream,
        role: Role,
        remote: SocketAddr,
        take_place: impl FnOnce() -> Result<(), NoPlace>,
        report: &Report,
    ) -> Result<Peer, Failure> {
        report.event(&Connected::new(role, remote));
        tcp.set_nodelay(true)
            .map_err(|error| Failure::caused_by("connect", "connection_failed", &error))?;
        let authenticated = authenticate(tcp, role, remote, &self.config, self.metadata)
            .await
            .map_err(|error| self.not_authenticated(&error, role))?;
        report.event(&AuthenticatedAs::new(authenticated.info()));
        if let Some(versions) = &self.versions
            && let Err(error) = versions.select(&authenticated.info().announced_version)
        {
            let mut failure = Failure::caused_by("authenticate", "no_common_protocol", &error);
            self.tell_network(&mut failure, authenticated.info());
            return Err(self.nack(authenticated, error.motive, failure, report).await);
        }
        if let Err(no_place) = take_place() {
            let failure = Failure::new("accept", "nacked", format!("the remote was refused: {no_place}"));
            let motive = RejectionMotive::TooManyConnections;
            return Err(self.nack(authenticated, motive, failure, report).await);
        }
        let encoding = RawEncoding::new(self.max_message);
        let info = authenticated.info().clone();
        match authenticated.accept(encoding, self.options.clone()).await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                let mut failure = errors::accept(&error);
                if let AcceptError::RejectedByNack { motive, points } = &error {
                    report.event(&RejectedByNack::new(*motive, points.as_ref()));
                    self.tell_network(&mut failure, &info);
                }
                Err(failure)
            }
        }
    }

    fn not_authenticated(&self, error: &AuthenticateError, role: Role) -> Failure {
        let mut failure = errors::authenticate(error);
        let hung_up = matches!(
            error,
            AuthenticateError::ConnectionClosed {
                step: HandshakeStep::Metadata
            } | AuthenticateError::Io {
                step: HandshakeStep::Metadata,
                ..
            }
        );
        if role == Role::Initiator && hung_up {
            let identity = self.config.identity();
            let reached = identity.stamp().difficulty_reached(&identity.public_key());
            failure.message.extend(errors::too_little_work(reached));
        }
        failure
    }

    /// Adds to a failure that the remote is of another network, if that is so and we are the one who called.
    fn tell_network(&self, failure: &mut Failure, remote: &PeerInfo<NodeMetadata>) {
        let ours = &self.config.announced_version().chain_name;
        if remote.role == Role::Initiator
            && let Some(other) = other_network(ours, &remote.announced_version.chain_name)
        {
            failure.message.push_str(&other);
        }
    }

    /// Refuses a peer, and gives `failure` back unless telling the peer failed, too.
    async fn nack(
        &self,
        authenticated: Authenticated<TcpStream, NodeMetadata>,
        motive: RejectionMotive,
        failure: Failure,
        report: &Report,
    ) -> Failure {
        match authenticated.nack(motive, PointList::default()).await {
            Ok(()) => {
                report.event(&Nacked::new(motive, &PointList::default()));
                failure
            }
            Err(error) => errors::nack(&error),
        }
    }

    /// Closes a connection after `outcome`, and tells how it ended.
    pub(crate) async fn close(
        &self,
        control: &Control<NodeMetadata>,
        outcome: Result<(), Failure>,
        tally: &Tally,
        report: &Report,
    ) -> Result<(), Failure> {
        let (reason, drain) = match &outcome {
            Ok(()) => (DisconnectionReason::ExplicitRequest, Drain::Flush(self.close_timeout)),
            // Whatever is still queued gets a moment, but nobody waits long for a connection that has failed.
            Err(failure) => (
                DisconnectionReason::UnexpectedError(failure.message.as_str().into()),
                Drain::Flush(self.timeout),
            ),
        };
        // Of a connection that has ended already, the end has been judged.
        let open = !control.is_closed();
        let closed = control.close(reason, drain).await;
        let outcome = match closed {
            // Told by whoever had it closed without flushing.
            Err(CloseError::Failed(ConnectionError::ClosedLocally)) => outcome,
            Err(error) if open => outcome.and(Err(errors::close(&error))),
            _ => outcome,
        };
        // An interrupt is told once, not by each connection.
        if let Err(failure) = &outcome
            && !self.interrupt.is_cancelled()
        {
            report.error(failure);
        }
        let stat = control.stat();
        report.event(&Closed {
            reason: control
                .closing_reason()
                .unwrap_or(DisconnectionReason::Unknown)
                .to_string(),
            bytes_sent: stat.total_sent,
            bytes_received: stat.total_received,
            messages_sent: tally.sent.load(Ordering::Relaxed),
            messages_received: tally.received.load(Ordering::Relaxed),
        });
        outcome
    }
}
