//! A remote that speaks the protocol by hand, and can therefore break it anywhere.

use bytes::BytesMut;
use p2p_crypto::{ChannelKey, Identity, Nonce, Opener, PublicKey, Role, Sealer, SessionNonces, Tag};
use p2p_framing::CHUNK_OVERHEAD;
use p2p_socket::{ChainName, ConnectionMessage, Metadata, NetworkVersion, NodeMetadata};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::identity;

/// The ack and the version-0 nack, as plaintext.
pub(crate) const ACK: &[u8] = &[0x00];

pub(crate) struct Adversary {
    pub(crate) io: DuplexStream,
    pub(crate) identity: Identity,
    /// What it shows in its connection message.
    pub(crate) shown: ConnectionMessage,
    pub(crate) role: Role,
    channel: Option<(Sealer, Opener)>,
}

impl Adversary {
    pub(crate) fn new(io: DuplexStream, role: Role) -> Self {
        Self::with_identity(io, role, identity(66))
    }

    pub(crate) fn with_identity(io: DuplexStream, role: Role, identity: Identity) -> Self {
        let shown = ConnectionMessage {
            port: Some(9732),
            public_key: identity.public_key(),
            proof_of_work_stamp: identity.stamp(),
            message_nonce: Nonce::from_bytes([6; 24]),
            version: NetworkVersion::current(ChainName::from("TEST")),
        };
        Self {
            io,
            identity,
            shown,
            role,
            channel: None,
        }
    }

    /// Its connection message with prefix.
    pub(crate) fn hello(&self) -> Vec<u8> {
        self.shown.encode().unwrap().as_wire().to_vec()
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // Whether it arrives is for the other end to tell.
        let _ = self.io.write_all(bytes).await;
    }

    /// The connection message of the other end, with prefix.
    pub(crate) async fn receive_hello(&mut self) -> Vec<u8> {
        self.receive_frame().await.expect("a connection message")
    }

    /// Exchanges connection messages and agrees on keys.
    pub(crate) async fn greet(&mut self) {
        let hello = self.hello();
        self.send(&hello).await;
        let received = self.receive_hello().await;
        self.agree(&hello, &received);
    }

    /// Takes up the channel that follows from two connection messages.
    pub(crate) fn agree(&mut self, sent: &[u8], received: &[u8]) {
        let remote: PublicKey = PublicKey::from_bytes(received[4..36].try_into().unwrap());
        let key = ChannelKey::agree(self.identity.secret_key(), &remote).unwrap();
        let nonces = SessionNonces::derive(self.role, sent, received);
        self.channel = Some((
            Sealer::new(key.clone(), nonces.sealing),
            Opener::new(key, nonces.opening),
        ));
    }

    /// A chunk of any plaintext up to 65519 bytes, which is more than a real sender puts into one.
    pub(crate) fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let (sealer, _) = self.channel.as_mut().expect("to have greeted");
        let mut body = plaintext.to_vec();
        let tag = sealer.seal(&mut body).unwrap();
        let mut chunk = u16::try_from(16 + body.len()).unwrap().to_be_bytes().to_vec();
        chunk.extend_from_slice(tag.as_bytes());
        chunk.extend_from_slice(&body);
        chunk
    }

    /// A chunk with one bit wrong.
    pub(crate) fn seal_corrupted(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut chunk = self.seal(plaintext);
        *chunk.last_mut().unwrap() ^= 1;
        chunk
    }

    /// The chunk of a raw message.
    pub(crate) fn seal_message(&mut self, message: &[u8]) -> Vec<u8> {
        self.seal(&raw(message))
    }

    pub(crate) fn metadata() -> Vec<u8> {
        let mut out = BytesMut::new();
        NodeMetadata::default().encode(&mut out);
        out.to_vec()
    }

    /// The plaintext of the next chunk, or `None` at the end.
    pub(crate) async fn open(&mut self) -> Option<Vec<u8>> {
        let chunk = self.receive_frame().await?;
        let (_, opener) = self.channel.as_mut().expect("to have greeted");
        let tag = Tag::from_bytes(chunk[2..CHUNK_OVERHEAD].try_into().unwrap());
        let mut plaintext = chunk[CHUNK_OVERHEAD..].to_vec();
        opener.open(&mut plaintext, &tag).unwrap();
        Some(plaintext)
    }

    /// Connection messages and metadata, as it should be.
    pub(crate) async fn authenticate(&mut self) {
        self.greet().await;
        self.say(&Self::metadata()).await;
        assert_eq!(self.open().await.unwrap(), Self::metadata());
    }

    /// The whole handshake, as it should be.
    pub(crate) async fn establish(&mut self) {
        self.authenticate().await;
        self.say(ACK).await;
        assert_eq!(self.open().await.unwrap(), ACK);
    }

    /// Sends a chunk.
    pub(crate) async fn say(&mut self, plaintext: &[u8]) {
        let chunk = self.seal(plaintext);
        self.send(&chunk).await;
    }

    /// How many bytes come until the end.
    pub(crate) async fn read_to_end(&mut self) -> usize {
        let mut bytes = Vec::new();
        self.io.read_to_end(&mut bytes).await.unwrap()
    }

    async fn receive_frame(&mut self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 2];
        self.io.read_exact(&mut frame).await.ok()?;
        let size = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
        frame.resize(2 + size, 0);
        self.io.read_exact(&mut frame[2..]).await.ok()?;
        Some(frame)
    }
}

/// A message in the raw encoding.
pub(crate) fn raw(message: &[u8]) -> Vec<u8> {
    let mut encoded = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    encoded.extend_from_slice(message);
    encoded
}
