use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use p2p_crypto::{PeerId, Role};

use crate::NetworkVersion;

/// What is known of a connection after authentication. Octez: `P2p_connection.Info.t`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo<D> {
    /// Who the remote is.
    pub peer_id: PeerId,
    /// Which side we are.
    pub role: Role,
    /// Where the remote is, and where it listens.
    pub connection_id: ConnectionId,
    /// The port on which the remote says to listen.
    pub advertised_port: Option<u16>,
    /// What the remote announced to speak.
    pub announced_version: NetworkVersion,
    /// What we told the remote about ourselves.
    pub local_metadata: D,
    /// What the remote told about itself.
    pub remote_metadata: D,
    /// Whether the remote asks not to be told to others.
    pub private_node: bool,
}

/// The address of the remote and the port on which it can be dialled, if known. Octez: `P2p_connection.Id.t`.
///
/// The port of an incoming connection is the one that the remote advertised, of an outgoing one the one that we
/// dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The address of the remote.
    pub address: IpAddr,
    /// The port on which it can be dialled.
    pub port: Option<u16>,
}

impl ConnectionId {
    pub(crate) fn new(role: Role, remote: SocketAddr, advertised_port: Option<u16>) -> Self {
        let port = match role {
            Role::Initiator => Some(remote.port()),
            Role::Responder => advertised_port,
        };
        Self {
            address: remote.ip().to_canonical(),
            port,
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}
