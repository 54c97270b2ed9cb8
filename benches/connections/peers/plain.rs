//! TCP without anything: no encryption, no queue, no messages but by their size.

use std::net::SocketAddr;

use bytes::Bytes;
use p2p_crypto::Role;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    net::TcpStream,
};

use super::{Channel, Inbox, Peer, look_at};

pub(crate) struct Plain;

/// The same with tokio's `BufWriter`, which makes one write of many small messages, as ours does.
pub(crate) struct Buffered;

/// A stream whose messages have a known size.
pub(crate) struct Stream<T> {
    io: T,
    inbox: Inbox,
}

impl<T> Stream<T> {
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            inbox: Inbox::new(),
        }
    }
}

impl Peer for Plain {
    type Channel = Stream<TcpStream>;

    async fn connect(&self, io: TcpStream, _: Role, _: SocketAddr) -> Self::Channel {
        Stream::new(io)
    }
}

impl Peer for Buffered {
    type Channel = Stream<BufWriter<TcpStream>>;

    async fn connect(&self, io: TcpStream, _: Role, _: SocketAddr) -> Self::Channel {
        Stream::new(BufWriter::with_capacity(256 * 1024, io))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Channel for Stream<T> {
    async fn send(&mut self, message: &Bytes) {
        self.io.write_all(message).await.unwrap();
    }

    async fn flush(&mut self) {
        self.io.flush().await.unwrap();
    }

    async fn receive(&mut self, size: usize) -> u8 {
        look_at(self.inbox.take(&mut self.io, size).await)
    }
}
