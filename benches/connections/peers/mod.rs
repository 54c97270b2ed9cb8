//! Ours and what one would take instead, behind one face, so that all do the same work.

mod naive;
mod noise;
mod ours;
mod plain;
mod tls;

use std::net::SocketAddr;

use bytes::Bytes;
use p2p_crypto::Role;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
};

#[allow(unused_imports, reason = "not every program compares with all")]
pub(crate) use self::{
    naive::{Naive, NaiveHalves},
    noise::Noise,
    ours::Ours,
    plain::{Buffered, Plain},
    tls::Tls,
};

/// A way to talk over TCP.
pub(crate) trait Peer: Send + Sync + 'static {
    type Channel: Channel;

    /// From a TCP connection to one that messages can be sent over. The initiator has dialled `remote`, the responder was
    /// called from there.
    fn connect(&self, io: TcpStream, role: Role, remote: SocketAddr) -> impl Future<Output = Self::Channel> + Send;
}

/// One end of a connection.
pub(crate) trait Channel: Sized + Send + 'static {
    /// Sends a message, which may wait for others.
    fn send(&mut self, message: &Bytes) -> impl Future<Output = ()> + Send;

    /// Waits until the system has all that was sent.
    fn flush(&mut self) -> impl Future<Output = ()> + Send;

    /// Receives a message of `size` bytes and [looks at](look_at) it.
    fn receive(&mut self, size: usize) -> impl Future<Output = u8> + Send;
}

/// Both ends of a connection over loopback TCP, with `TCP_NODELAY` on both.
pub(crate) async fn pair<P: Peer>(peer: &P) -> (P::Channel, P::Channel) {
    let (dialled, accepted) = tcp_pair().await;
    let (dialler, listener) = (accepted.peer_addr().unwrap(), dialled.peer_addr().unwrap());
    tokio::join!(
        peer.connect(dialled, Role::Initiator, listener),
        peer.connect(accepted, Role::Responder, dialler)
    )
}

pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap().0);
    dialled.set_nodelay(true).unwrap();
    accepted.set_nodelay(true).unwrap();
    (dialled, accepted)
}

/// Touches every cache line of a message, as whoever uses it would.
pub(crate) fn look_at(message: &[u8]) -> u8 {
    message.iter().step_by(64).fold(0, |sum, byte| sum ^ byte)
}

/// Received bytes, for those who have no buffer of their own: read as many at once as ours does.
pub(crate) struct Inbox {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; 256 * 1024].into(),
            start: 0,
            end: 0,
        }
    }

    /// The next `size` bytes.
    pub(crate) async fn take(&mut self, io: &mut (impl AsyncRead + Unpin), size: usize) -> &mut [u8] {
        if self.buffer.len() < size {
            self.grow(2 * size);
        }
        if self.buffer.len() - self.start < size {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < size {
            let read = io.read(&mut self.buffer[self.end..]).await.unwrap();
            assert!(read > 0, "the stream ended within a message");
            self.end += read;
        }
        let taken = &mut self.buffer[self.start..self.start + size];
        self.start += size;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        taken
    }

    fn grow(&mut self, size: usize) {
        let mut buffer = vec![0; size];
        buffer[..self.end].copy_from_slice(&self.buffer[..self.end]);
        self.buffer = buffer.into();
    }
}
