//! One node of a test network.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use p2p_crypto::Role;
use p2p_framing::{
    PointList,
    encoding::{ControlEncoding, ControlMessage, TaggedPayload, TaggedPayloadEncoding},
};
use p2p_socket::{Config, ConnectionOptions, DisconnectionReason, Drain, NodeMetadata, authenticate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::plan::{Hostility, Kind};

/// How many connections a node has at a time; more are hung up on.
///
/// # Security
///
/// The network has one process and its file descriptors.
const MAX_CONNECTIONS: usize = 32;

/// How long a connection may last, the handshake included: longer than whoever calls has patience, also on a machine that is
/// busy or stands still for a while.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);

/// How large the messages of a chatterer are, in bytes.
const CHATTER: usize = 10_000;

/// A node that listens.
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) config: Config,
    /// What it names when asked, or as alternatives.
    pub(super) points: PointList,
}

impl Node {
    /// Takes connections until it is dropped.
    pub(super) async fn serve(self, listener: TcpListener) {
        let node = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, from)) if connections.len() < MAX_CONNECTIONS => {
                        let node = node.clone();
                        connections.spawn(async move {
                            // Whatever happens to one is the business of the other side.
                            let _ = timeout(LIFETIME, node.meet(tcp, from)).await;
                        });
                    }
                    Ok(_) => {}
                    // There are no file descriptors left, for a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn meet(&self, mut tcp: TcpStream, from: SocketAddr) -> Option<()> {
        match self.kind {
            Kind::Dead | Kind::Hostile(Hostility::HangUp) => None,
            Kind::Hostile(Hostility::Silent) => wait_for_end(&mut tcp).await,
            Kind::Hostile(Hostility::Garbage) => {
                let mut garbage = vec![0; 4096];
                fastrand::Rng::with_seed(u64::from(from.port())).fill(&mut garbage);
                tcp.write_all(&garbage).await.ok()
            }
            Kind::Hostile(Hostility::HugeFrame) => {
                tcp.write_all(&[0xff, 0xff]).await.ok()?;
                wait_for_end(&mut tcp).await
            }
            Kind::Answering | Kind::Nacking(_) | Kind::Hostile(Hostility::Liar | Hostility::Chatterer) => {
                self.shake_hands(tcp, from).await
            }
        }
    }

    async fn shake_hands(&self, tcp: TcpStream, from: SocketAddr) -> Option<()> {
        let _ = tcp.set_nodelay(true);
        let metadata = NodeMetadata::default();
        let peer = authenticate(tcp, Role::Responder, from, &self.config, metadata)
            .await
            .ok()?;
        if let Kind::Nacking(motive) = self.kind {
            return peer.nack(motive, self.points.clone()).await.ok();
        }
        let encoding = ControlEncoding::with_maximum(TaggedPayloadEncoding, 1024 * 1024);
        let mut peer = peer.accept(encoding, ConnectionOptions::default()).await.ok()?;
        if self.kind == Kind::Hostile(Hostility::Chatterer) {
            let payload = Bytes::from(vec![0x2e; CHATTER]);
            loop {
                let chatter = TaggedPayload {
                    tag: 0x10,
                    payload: payload.clone(),
                };
                peer.send(ControlMessage::Application(chatter)).await.ok()?;
            }
        }
        loop {
            match peer.recv().await.ok()?.message {
                ControlMessage::Bootstrap => {
                    peer.send(ControlMessage::Advertise(self.points.clone())).await.ok()?;
                }
                ControlMessage::Disconnect => {
                    let drain = Drain::Flush(Duration::from_secs(1));
                    return peer.close(DisconnectionReason::ExplicitRequest, drain).await.ok();
                }
                _ => {}
            }
        }
    }
}

/// Reads until the remote hangs up.
async fn wait_for_end(tcp: &mut TcpStream) -> Option<()> {
    let mut bytes = [0; 1024];
    while tcp.read(&mut bytes).await.ok()? > 0 {}
    Some(())
}
