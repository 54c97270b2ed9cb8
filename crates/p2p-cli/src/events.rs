//! The events of a connection.

use std::{fmt, net::SocketAddr};

use p2p_crypto::Role;
use p2p_framing::{Point, PointList};
use p2p_socket::{NetworkVersion, NodeMetadata, PeerInfo, RejectionMotive};
use serde::Serialize;

use crate::{message_text::MessageText, report::Event, units::counted};

#[derive(Serialize)]
pub(crate) struct Listening {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) peer_id: String,
}

impl Event for Listening {
    const NAME: &'static str = "listening";
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listening on {} as {}", self.address, self.peer_id)
    }
}

/// Connections were refused before any work was done for them.
#[derive(Serialize)]
pub(crate) struct Refused {
    /// How many since it was told last.
    pub(crate) count: u64,
    /// Where the last one came from.
    pub(crate) network: String,
}

impl Event for Refused {
    const NAME: &'static str = "refused";
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, network } = self;
        write!(
            f,
            "refused {} of those that offend, the last from {network}",
            counted(*count, "connection")
        )
    }
}

#[derive(Serialize)]
pub(crate) struct Connected {
    remote_address: String,
    incoming: bool,
}

impl Connected {
    pub(crate) fn new(role: Role, remote: SocketAddr) -> Self {
        Self {
            remote_address: SocketAddr::new(remote.ip().to_canonical(), remote.port()).to_string(),
            incoming: role == Role::Responder,
        }
    }
}

impl Event for Connected {
    const NAME: &'static str = "connected";
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.incoming { "from" } else { "to" };
        write!(f, "connected {direction} {}", self.remote_address)
    }
}

#[derive(Serialize)]
pub(crate) struct AuthenticatedAs {
    peer_id: String,
    incoming: bool,
    connection_id: String,
    advertised_port: Option<u16>,
    announced_version: Version,
    remote_metadata: RemoteMetadata,
    private_node: bool,
}

impl AuthenticatedAs {
    pub(crate) fn new(info: &PeerInfo<NodeMetadata>) -> Self {
        Self {
            peer_id: info.peer_id.to_string(),
            incoming: info.role == Role::Responder,
            connection_id: info.connection_id.to_string(),
            advertised_port: info.advertised_port,
            announced_version: Version::new(&info.announced_version),
            remote_metadata: RemoteMetadata::new(&info.remote_metadata),
            private_node: info.private_node,
        }
    }
}

impl Event for AuthenticatedAs {
    const NAME: &'static str = "authenticated";
}

impl fmt::Display for AuthenticatedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "authenticated {} at {}: {}",
            self.peer_id, self.connection_id, self.announced_version
        )?;
        if self.private_node {
            f.write_str(", private")?;
        }
        if self.remote_metadata.disable_mempool {
            f.write_str(", wants no mempool")?;
        }
        Ok(())
    }
}

/// What a remote announces to speak.
#[derive(Serialize)]
pub(crate) struct Version {
    chain_name: String,
    distributed_db_version: u16,
    p2p_version: u16,
}

impl Version {
    pub(crate) fn new(version: &NetworkVersion) -> Self {
        Self {
            chain_name: version.chain_name.to_string(),
            distributed_db_version: version.distributed_db_version,
            p2p_version: version.p2p_version,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain_name,
            distributed_db_version,
            p2p_version,
        } = self;
        write!(
            f,
            "{chain_name}, distributed db {distributed_db_version}, p2p {p2p_version}"
        )
    }
}

/// What a remote tells about itself.
#[derive(Serialize)]
pub(crate) struct RemoteMetadata {
    pub(crate) disable_mempool: bool,
    pub(crate) private_node: bool,
}

impl RemoteMetadata {
    pub(crate) fn new(metadata: &NodeMetadata) -> Self {
        Self {
            disable_mempool: metadata.disable_mempool,
            private_node: metadata.private_node,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Accepted;

impl Event for Accepted {
    const NAME: &'static str = "accepted";
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("accepted")
    }
}

/// We have refused the remote.
#[derive(Serialize)]
pub(crate) struct Nacked {
    motive: &'static str,
    points: Vec<String>,
}

impl Nacked {
    pub(crate) fn new(motive: RejectionMotive, points: &PointList) -> Self {
        Self {
            motive: motive_name(motive),
            points: texts(points),
        }
    }
}

impl Event for Nacked {
    const NAME: &'static str = "nacked";
}

impl fmt::Display for Nacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with the motive {}", self.motive)
    }
}

/// The remote has refused us.
#[derive(Serialize)]
pub(crate) struct RejectedByNack {
    motive: &'static str,
    code: i16,
    /// Other peers to try; none at all from a remote of p2p version 0.
    points: Option<Vec<String>>,
}

impl RejectedByNack {
    pub(crate) fn new(motive: RejectionMotive, points: Option<&PointList>) -> Self {
        Self {
            motive: motive_name(motive),
            code: motive.code(),
            points: points.map(texts),
        }
    }
}

impl Event for RejectedByNack {
    const NAME: &'static str = "rejected_by_nack";
}

impl fmt::Display for RejectedByNack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by the remote with the motive {}", self.motive)?;
        match self.points.as_deref() {
            None | Some([]) => f.write_str(", which names no other peers"),
            Some(points) => write!(f, ", which names other peers: {}", points.join(" ")),
        }
    }
}

/// The name of a motive in the reference.
pub(crate) fn motive_name(motive: RejectionMotive) -> &'static str {
    motive.name()
}

fn texts(points: &PointList) -> Vec<String> {
    points.as_slice().iter().map(Point::to_string).collect()
}

#[derive(Serialize)]
pub(crate) struct MessageReceived<'a> {
    pub(crate) index: u64,
    pub(crate) size: usize,
    pub(crate) encoded_size: usize,
    pub(crate) blake2b: String,
    #[serde(flatten)]
    pub(crate) content: MessageText<'a>,
}

impl Event for MessageReceived<'_> {
    const NAME: &'static str = "received";
}

impl fmt::Display for MessageReceived<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}: {}", counted(self.size, "byte"), self.content)
    }
}

/// A message has been queued to be sent.
#[derive(Serialize)]
pub(crate) struct MessageSent {
    pub(crate) index: u64,
    pub(crate) size: usize,
}

impl Event for MessageSent {
    const NAME: &'static str = "sent";
}

impl fmt::Display for MessageSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {}", counted(self.size, "byte"))
    }
}

#[derive(Serialize)]
pub(crate) struct Closed {
    pub(crate) reason: String,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) messages_received: u64,
}

impl Event for Closed {
    const NAME: &'static str = "closed";
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            bytes_sent,
            bytes_received,
            messages_sent,
            messages_received,
        } = self;
        write!(
            f,
            "closed ({reason}): sent {}, {} on the wire; received {}, {} on the wire",
            counted(*messages_sent, "message"),
            counted(*bytes_sent, "byte"),
            counted(*messages_received, "message"),
            counted(*bytes_received, "byte"),
        )
    }
}
