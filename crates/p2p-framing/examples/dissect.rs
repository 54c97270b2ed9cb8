//! Looks into one direction of a recorded session with the secret key of one side: no socket, no runtime.
//!
//! The bytes come from a test of two peers on one machine; the keys protect nothing.

use bytes::BytesMut;
use p2p_crypto::{ChannelKey, Opener, PublicKey, Role, SecretKey, SessionNonces};
use p2p_framing::{ChunkOpener, ClearFrameCodec, encoding::RawEncoding};
use tokio_util::codec::Decoder;

const DIALER_SECRET: &str = "16182ac616780cd0d8311da08f5f1ea3eab3a9536232ae38a90e3828537c93d4";
const FROM_DIALER: &str = include_str!("dissect/from_dialer.hex");
const FROM_LISTENER: &str = include_str!("dissect/from_listener.hex");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut from_dialer = BytesMut::from(&hex::decode(FROM_DIALER.trim())?[..]);
    let mut from_listener = BytesMut::from(&hex::decode(FROM_LISTENER.trim())?[..]);

    let mut frames = ClearFrameCodec::new(2048);
    let dialer_hello = frames.decode(&mut from_dialer)?.ok_or("no connection message")?;
    let listener_hello = frames.decode(&mut from_listener)?.ok_or("no connection message")?;
    println!(
        "connection messages: {} and {} bytes",
        dialer_hello.body().len(),
        listener_hello.body().len()
    );

    let secret = SecretKey::from_bytes(hex::decode(DIALER_SECRET)?.try_into().map_err(|_| "32 bytes")?);
    let public = PublicKey::from_bytes(listener_hello.body()[2..34].try_into()?);
    println!("listener: {}", public.peer_id());

    // We have the secret of the dialer, and look at what it opened: what the listener sent.
    let key = ChannelKey::agree(&secret, &public)?;
    let nonces = SessionNonces::derive(Role::Initiator, dialer_hello.as_wire(), listener_hello.as_wire());
    let mut opener = ChunkOpener::new(Opener::new(key, nonces.opening));

    let mut stream = BytesMut::new();
    let mut number = 0;
    opener.open_complete(&mut from_listener, |plaintext| {
        match number {
            0 => println!("metadata: {}", hex::encode(plaintext)),
            1 => println!("ack: {}", hex::encode(plaintext)),
            _ => stream.extend_from_slice(plaintext),
        }
        number += 1;
    })?;
    while let Some(message) = RawEncoding::default().decode(&mut stream)? {
        println!("message of {} bytes: {}", message.len(), hex::encode(message));
    }
    Ok(())
}
