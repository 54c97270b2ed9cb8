//! What one writes first: `Framed` with a length before each message, sealed by crypto_box.

use std::{future::poll_fn, net::SocketAddr, pin::Pin};

use bytes::{Bytes, BytesMut};
use crypto_box::{PublicKey, SalsaBox, SecretKey, aead::AeadInPlace};
use futures_core::Stream;
use futures_sink::Sink;
use p2p_crypto::Role;
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::codec::{Framed, FramedRead, FramedWrite, LengthDelimitedCodec};

use super::{Channel, Peer, look_at};

const TAG_SIZE: usize = 16;

/// How many messages a queue of [`NaiveHalves`] holds: what a first version would say.
const QUEUE: usize = 64;

pub(crate) struct Naive;

pub(crate) struct NaiveChannel {
    framed: Framed<TcpStream, LengthDelimitedCodec>,
    sealing: Direction,
    opening: Direction,
}

/// A key and the number of the next message.
pub(crate) struct Direction {
    key: SalsaBox,
    messages: u64,
}

impl Direction {
    /// Nobody needs a handshake to be slower than ours.
    fn both(role: Role) -> (Self, Self) {
        let [dialler, listener] = [1, 2].map(|seed| SecretKey::from([seed; 32]));
        let direction = |ours: &SecretKey, theirs: &PublicKey, messages| Self {
            key: SalsaBox::new(theirs, ours),
            messages,
        };
        const THEIRS: u64 = 1 << 63;
        match role {
            Role::Initiator => (
                direction(&dialler, &listener.public_key(), 0),
                direction(&dialler, &listener.public_key(), THEIRS),
            ),
            Role::Responder => (
                direction(&listener, &dialler.public_key(), THEIRS),
                direction(&listener, &dialler.public_key(), 0),
            ),
        }
    }

    fn nonce(&mut self) -> [u8; 24] {
        self.messages += 1;
        let mut nonce = [0; 24];
        nonce[16..].copy_from_slice(&self.messages.to_be_bytes());
        nonce
    }

    fn seal(&mut self, message: &[u8]) -> Bytes {
        let mut frame = BytesMut::with_capacity(TAG_SIZE + message.len());
        frame.extend_from_slice(&[0; TAG_SIZE]);
        frame.extend_from_slice(message);
        let nonce = self.nonce().into();
        let (tag, body) = frame.split_at_mut(TAG_SIZE);
        tag.copy_from_slice(&self.key.encrypt_in_place_detached(&nonce, b"", body).unwrap());
        frame.freeze()
    }

    fn open(&mut self, mut frame: BytesMut) -> BytesMut {
        let nonce = self.nonce().into();
        let mut body = frame.split_off(TAG_SIZE);
        let tag = (*<&[u8; TAG_SIZE]>::try_from(&frame[..]).unwrap()).into();
        self.key
            .decrypt_in_place_detached(&nonce, b"", &mut body, &tag)
            .unwrap();
        body
    }
}

impl Peer for Naive {
    type Channel = NaiveChannel;

    async fn connect(&self, io: TcpStream, role: Role, _: SocketAddr) -> NaiveChannel {
        let (sealing, opening) = Direction::both(role);
        NaiveChannel {
            framed: Framed::new(io, LengthDelimitedCodec::new()),
            sealing,
            opening,
        }
    }
}

impl Channel for NaiveChannel {
    async fn send(&mut self, message: &Bytes) {
        let frame = self.sealing.seal(message);
        send(&mut self.framed, frame).await;
    }

    /// Every message was flushed already.
    async fn flush(&mut self) {}

    async fn receive(&mut self, size: usize) -> u8 {
        let frame = next(&mut self.framed).await.expect("the stream ended");
        let message = self.opening.open(frame);
        assert_eq!(message.len(), size);
        look_at(&message)
    }
}

async fn send<S: Sink<Bytes, Error = std::io::Error> + Unpin>(sink: &mut S, frame: Bytes) {
    poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await.unwrap();
    Pin::new(&mut *sink).start_send(frame).unwrap();
    poll_fn(|cx| Pin::new(&mut *sink).poll_flush(cx)).await.unwrap();
}

async fn next<S: Stream<Item = std::io::Result<BytesMut>> + Unpin>(stream: &mut S) -> Option<BytesMut> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))
        .await
        .map(Result::unwrap)
}

/// The same, split: one task writes what is queued, another queues what it reads, as in a node that has to do both.
pub(crate) struct NaiveHalves;

pub(crate) struct NaiveQueues {
    outgoing: mpsc::Sender<Bytes>,
    incoming: mpsc::Receiver<BytesMut>,
    tasks: [JoinHandle<()>; 2],
}

impl Peer for NaiveHalves {
    type Channel = NaiveQueues;

    async fn connect(&self, io: TcpStream, role: Role, _: SocketAddr) -> NaiveQueues {
        let (mut sealing, opening) = Direction::both(role);
        let (read, write) = io.into_split();
        let (outgoing, mut to_send) = mpsc::channel::<Bytes>(QUEUE);
        let (received, incoming) = mpsc::channel(QUEUE);
        let writing = tokio::spawn(async move {
            let mut framed = FramedWrite::new(write, LengthDelimitedCodec::new());
            while let Some(message) = to_send.recv().await {
                send(&mut framed, sealing.seal(&message)).await;
            }
        });
        let reading = tokio::spawn(read_all(read, opening, received));
        NaiveQueues {
            outgoing,
            incoming,
            tasks: [writing, reading],
        }
    }
}

async fn read_all(read: OwnedReadHalf, mut opening: Direction, received: mpsc::Sender<BytesMut>) {
    let mut framed = FramedRead::new(read, LengthDelimitedCodec::new());
    while let Some(frame) = next(&mut framed).await {
        if received.send(opening.open(frame)).await.is_err() {
            break;
        }
    }
}

impl Drop for NaiveQueues {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Channel for NaiveQueues {
    async fn send(&mut self, message: &Bytes) {
        self.outgoing.send(message.clone()).await.unwrap();
    }

    async fn flush(&mut self) {}

    async fn receive(&mut self, size: usize) -> u8 {
        let message = self.incoming.recv().await.expect("the stream ended");
        assert_eq!(message.len(), size);
        look_at(&message)
    }
}
