//! From dialling to a connection that both sides have accepted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use p2p_crypto::Role;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::peers::Peer;

/// `count` handshakes, `at_a_time` of them under way together, TCP connect included.
pub(crate) async fn handshakes<P: Peer>(peer: &Arc<P>, count: usize, at_a_time: usize) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let accepting = {
        let peer = peer.clone();
        tokio::spawn(async move {
            let mut accepted = JoinSet::new();
            for _ in 0..count / at_a_time * at_a_time {
                let (io, remote) = listener.accept().await.unwrap();
                io.set_nodelay(true).unwrap();
                let peer = peer.clone();
                accepted.spawn(async move { drop(peer.connect(io, Role::Responder, remote).await) });
                // The memory of those that have ended is for the next ones.
                while let Some(ended) = accepted.try_join_next() {
                    ended.unwrap();
                }
            }
            while let Some(ended) = accepted.join_next().await {
                ended.unwrap();
            }
        })
    };
    let dialling: Vec<_> = (0..at_a_time)
        .map(|_| {
            let peer = peer.clone();
            tokio::spawn(async move {
                for _ in 0..count / at_a_time {
                    let io = TcpStream::connect(address).await.unwrap();
                    io.set_nodelay(true).unwrap();
                    drop(peer.connect(io, Role::Initiator, address).await);
                }
            })
        })
        .collect();
    for dialling in dialling {
        dialling.await.unwrap();
    }
    accepting.await.unwrap();
    start.elapsed()
}
