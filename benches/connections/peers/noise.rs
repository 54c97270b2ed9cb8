//! Noise XX by snow, with ring's ciphers: a 2-byte length before each Noise message.

use std::net::SocketAddr;

use bytes::Bytes;
use p2p_crypto::Role;
use snow::{
    Builder, Keypair, TransportState,
    params::NoiseParams,
    resolvers::{DefaultResolver, FallbackResolver, RingResolver},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Channel, Inbox, Peer, look_at};

/// What a Noise message carries at most, in bytes: 65535 with its tag.
const MAX_PLAINTEXT: usize = 65_535 - TAG_SIZE;

const TAG_SIZE: usize = 16;

pub(crate) struct Noise {
    params: NoiseParams,
    keys: [Keypair; 2],
}

impl Noise {
    pub(crate) fn new() -> Self {
        let params: NoiseParams = "Noise_XX_25519_ChaChaPoly_SHA256".parse().unwrap();
        let keys = [(); 2].map(|()| builder(&params).generate_keypair().unwrap());
        Self { params, keys }
    }
}

/// ring has no X25519 with a static key, so that comes from snow's other resolver.
fn builder(params: &NoiseParams) -> Builder<'_> {
    let resolver = FallbackResolver::new(Box::new(RingResolver), Box::new(DefaultResolver));
    Builder::with_resolver(params.clone(), Box::new(resolver))
}

pub(crate) struct NoiseChannel {
    io: TcpStream,
    state: TransportState,
    inbox: Inbox,
    output: Vec<u8>,
    message: Vec<u8>,
}

impl Peer for Noise {
    type Channel = NoiseChannel;

    async fn connect(&self, mut io: TcpStream, role: Role, _: SocketAddr) -> NoiseChannel {
        let keys = &self.keys[usize::from(role == Role::Responder)];
        let builder = builder(&self.params).local_private_key(&keys.private).unwrap();
        let mut handshake = match role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        }
        .unwrap();
        let (mut frame, mut payload) = ([0; 256], [0; 256]);
        while !handshake.is_handshake_finished() {
            if handshake.is_my_turn() {
                let size = handshake.write_message(&[], &mut frame[2..]).unwrap();
                frame[..2].copy_from_slice(&(size as u16).to_be_bytes());
                io.write_all(&frame[..2 + size]).await.unwrap();
            } else {
                let size = usize::from(io.read_u16().await.unwrap());
                io.read_exact(&mut frame[..size]).await.unwrap();
                handshake.read_message(&frame[..size], &mut payload).unwrap();
            }
        }
        NoiseChannel {
            io,
            state: handshake.into_transport_mode().unwrap(),
            inbox: Inbox::new(),
            output: Vec::new(),
            message: Vec::new(),
        }
    }
}

impl Channel for NoiseChannel {
    async fn send(&mut self, message: &Bytes) {
        let mut end = 0;
        let size = message.len() + message.len().div_ceil(MAX_PLAINTEXT) * (2 + TAG_SIZE);
        self.output.resize(size.max(self.output.len()), 0);
        for part in message.chunks(MAX_PLAINTEXT) {
            let size = self.state.write_message(part, &mut self.output[end + 2..]).unwrap();
            self.output[end..end + 2].copy_from_slice(&(size as u16).to_be_bytes());
            end += 2 + size;
        }
        self.io.write_all(&self.output[..end]).await.unwrap();
    }

    async fn flush(&mut self) {}

    async fn receive(&mut self, size: usize) -> u8 {
        let mut received = 0;
        // ring opens in place only where the tag fits, too.
        self.message.resize((size + TAG_SIZE).max(self.message.len()), 0);
        while received < size {
            let header = self.inbox.take(&mut self.io, 2).await;
            let frame = usize::from(u16::from_be_bytes([header[0], header[1]]));
            let frame = self.inbox.take(&mut self.io, frame).await;
            received += self.state.read_message(frame, &mut self.message[received..]).unwrap();
        }
        look_at(&self.message[..size])
    }
}
