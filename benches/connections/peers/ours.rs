//! Connections of p2p-socket.

use std::net::SocketAddr;

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, InstructionSet, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{ChainName, Config, Connection, ConnectionOptions, NetworkVersion, NodeMetadata, authenticate};
use tokio::net::TcpStream;

use super::{Channel, Peer, look_at};

pub(crate) type RawConnection = Connection<Bytes, NodeMetadata>;

pub(crate) struct Ours {
    dialler: Config,
    listener: Config,
}

impl Ours {
    pub(crate) fn new() -> Self {
        Self::with(InstructionSet::widest())
    }

    pub(crate) fn with(set: InstructionSet) -> Self {
        let config = || {
            let version = NetworkVersion::current(ChainName::from("BENCH"));
            let config = Config::new(Identity::generate(Difficulty::NONE), version);
            let config = config.required_difficulty(Difficulty::NONE).instruction_set(set);
            // As the peers, which have nothing to decide.
            config.decides_at_once(true)
        };
        Self {
            dialler: config(),
            listener: config(),
        }
    }
}

impl Peer for Ours {
    type Channel = RawConnection;

    async fn connect(&self, io: TcpStream, role: Role, remote: SocketAddr) -> RawConnection {
        let config = match role {
            Role::Initiator => &self.dialler,
            Role::Responder => &self.listener,
        };
        let peer = authenticate(io, role, remote, config, NodeMetadata::default())
            .await
            .unwrap();
        peer.accept(RawEncoding::default().sharing(), ConnectionOptions::default())
            .await
            .unwrap()
    }
}

impl Channel for RawConnection {
    async fn send(&mut self, message: &Bytes) {
        Connection::send(self, message.clone()).await.unwrap();
    }

    async fn flush(&mut self) {
        Connection::flush(self).await.unwrap();
    }

    async fn receive(&mut self, size: usize) -> u8 {
        let message = self.recv().await.unwrap().message;
        assert_eq!(message.len(), size);
        look_at(&message)
    }
}
