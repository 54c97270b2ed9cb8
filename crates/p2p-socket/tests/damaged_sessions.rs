//! Recorded sessions that are cut after every byte, and in which every single bit is flipped, in both directions: a
//! typed error in no time, nothing taken that was not whole, no task left.

mod common;

use std::time::Duration;

use common::{accepted, duplex, settle};
use p2p_crypto::{Difficulty, Identity, Nonce, Role, SecretKey, Stamp};
use p2p_socket::{
    AcceptError, AuthenticateError, ChainName, Config, ConnectionError, HandshakeStep, NetworkVersion, NodeMetadata,
    authenticate_with_nonce,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
    time::Instant,
};

/// One of ours, and what the recorded other side sent to it.
struct Session {
    role: Role,
    config: Config,
    nonce: Nonce,
    remote: Vec<u8>,
    /// Where the frames of `remote` end.
    ends: Vec<usize>,
    /// The messages that it carries.
    messages: Vec<Vec<u8>>,
}

fn hex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const SIZE: usize>(value: &Value) -> [u8; SIZE] {
    hex(value).try_into().unwrap()
}

impl Session {
    fn new(record: &str, role: Role) -> Self {
        let record: Value = serde_json::from_str(record).unwrap();
        let (us, them, out, back) = match role {
            Role::Initiator => ("dialer", "listener", "dialer_to_listener", "listener_to_dialer"),
            Role::Responder => ("listener", "dialer", "listener_to_dialer", "dialer_to_listener"),
        };
        let (us, them) = (&record[us], &record[them]);
        let (secret, stamp) = (&us["identity"]["secret_key"], &us["identity"]["proof_of_work_stamp"]);
        let identity = Identity::new(SecretKey::from_bytes(array(secret)), Stamp::from_bytes(array(stamp)));
        let chain = us["announced_version"]["chain_name"].as_str().unwrap();
        let version = NetworkVersion::current(ChainName::from(chain));
        let (ours, remote) = (hex(&record["wire"][out]), hex(&record["wire"][back]));
        let mut ends = Vec::new();
        while ends.last() != Some(&remote.len()) {
            let at = ends.last().copied().unwrap_or(0);
            ends.push(at + 2 + usize::from(u16::from_be_bytes([remote[at], remote[at + 1]])));
        }
        let sends = them["sends"].as_array().unwrap();
        Self {
            role,
            config: Config::new(identity, version).required_difficulty(Difficulty::NONE),
            nonce: Nonce::from_bytes(ours[60..84].try_into().unwrap()),
            remote,
            ends,
            messages: sends.iter().map(|message| hex(&message["hex"])).collect(),
        }
    }

    /// What comes of the session if the remote sends these bytes, and ends its direction if told so.
    async fn play(&self, bytes: &[u8], ends: bool) -> (Vec<Vec<u8>>, Outcome, Duration) {
        let (io, mut remote) = duplex();
        let (start, address) = (Instant::now(), "127.0.0.1:9732".parse().unwrap());
        let us = async {
            let metadata = NodeMetadata::default();
            let mut received = Vec::new();
            let authenticated = authenticate_with_nonce(io, self.role, address, &self.config, metadata, self.nonce);
            let outcome = match authenticated.await {
                Err(error) => Outcome::NotAuthenticated(error),
                Ok(peer) => match accepted(peer).await {
                    Err(error) => Outcome::NotAccepted(error),
                    Ok(mut connection) => loop {
                        match connection.recv().await {
                            Ok(message) => received.push(message.message.to_vec()),
                            Err(error) => break Outcome::Ended(error),
                        }
                    },
                },
            };
            (received, outcome, start.elapsed())
        };
        let (outcome, ()) = tokio::join!(us, async {
            remote.write_all(bytes).await.unwrap();
            if ends {
                remote.shutdown().await.unwrap();
            }
            remote.read_to_end(&mut Vec::new()).await.unwrap();
        });
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "tasks left");
        outcome
    }

    /// How many messages lie in the first `count` frames: the recorder begins each in a frame of its own.
    fn messages_in(&self, frames: usize) -> &[Vec<u8>] {
        &self.messages[..frames.saturating_sub(3).min(self.messages.len())]
    }

    async fn cut_after_every_byte(&self) {
        for cut in 0..self.remote.len() {
            let whole = self.ends.iter().filter(|end| **end <= cut).count();
            let between_frames = cut == 0 || self.ends.contains(&cut);
            for ends in [true, false] {
                // An accepted connection that has come to rest may rest for ever.
                if !ends && whole >= 3 {
                    continue;
                }
                let (received, outcome, elapsed) = self.play(&self.remote[..cut], ends).await;
                assert_eq!(received, self.messages_in(whole), "cut at {cut}");
                let expected = if ends {
                    Duration::ZERO
                } else {
                    Config::DEFAULT_HANDSHAKE_TIMEOUT
                };
                assert_eq!(elapsed, expected, "cut at {cut}");
                let right = match (&outcome, ends) {
                    (Outcome::NotAuthenticated(AuthenticateError::ConnectionClosed { step }), true)
                    | (Outcome::NotAuthenticated(AuthenticateError::Timeout { step }), false) => {
                        *step == [HandshakeStep::ConnectionMessage, HandshakeStep::Metadata][whole]
                    }
                    (Outcome::NotAccepted(AcceptError::RejectedSocketConnection { source: None }), true)
                    | (Outcome::NotAccepted(AcceptError::Timeout), false) => whole == 2,
                    (Outcome::Ended(ConnectionError::ClosedByPeer), true) => whole >= 3 && between_frames,
                    (Outcome::Ended(ConnectionError::Truncated { .. }), true) => whole >= 3 && !between_frames,
                    _ => false,
                };
                assert!(right, "cut at {cut}: {outcome:?}");
            }
        }
    }

    async fn every_bit_flipped(&self) {
        let mut bytes = self.remote.clone();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let whole = self.ends.iter().filter(|end| **end <= bit / 8).count();
            let (received, outcome, elapsed) = self.play(&bytes, true).await;
            assert_eq!(received, self.messages_in(whole), "bit {bit}");
            assert_eq!(elapsed, Duration::ZERO, "bit {bit}");
            let right = match &outcome {
                // A change of the connection message is seen in it, or changes all that is derived from it.
                Outcome::NotAuthenticated(error) => match error {
                    AuthenticateError::Decoding { .. }
                    | AuthenticateError::ConnectionMessageTooLarge(_)
                    | AuthenticateError::WeakPublicKey { .. }
                    | AuthenticateError::NotEnoughProofOfWork { .. } => whole == 0,
                    AuthenticateError::Decipher
                    | AuthenticateError::ConnectionClosed { .. }
                    | AuthenticateError::InvalidCiphertextSize { .. } => whole <= 1,
                    _ => false,
                },
                Outcome::NotAccepted(error) => match error {
                    AcceptError::InvalidAuthentication
                    | AcceptError::InvalidCiphertextSize { .. }
                    | AcceptError::RejectedSocketConnection { source: None } => whole == 2,
                    _ => false,
                },
                Outcome::Ended(error) => match error {
                    ConnectionError::Decipher
                    | ConnectionError::InvalidCiphertextSize { .. }
                    | ConnectionError::Truncated { .. } => whole >= 3,
                    _ => false,
                },
            };
            assert!(right, "bit {bit} in frame {whole}: {outcome:?}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[derive(Debug)]
enum Outcome {
    NotAuthenticated(AuthenticateError),
    NotAccepted(AcceptError),
    Ended(ConnectionError),
}

const MESSAGES: &str = include_str!("vectors/sessions/ack_small_both.json");
const NACK: &str = include_str!("vectors/sessions/nack_l_v6_1.json");

#[tokio::test(start_paused = true)]
async fn undamaged_ones_go_well() {
    for role in common::ROLES {
        let session = Session::new(MESSAGES, role);
        let (received, outcome, _) = session.play(&session.remote, true).await;
        assert_eq!(received, session.messages);
        assert!(!received.is_empty());
        assert!(
            matches!(outcome, Outcome::Ended(ConnectionError::ClosedByPeer)),
            "{outcome:?}"
        );
    }
    let session = Session::new(NACK, Role::Initiator);
    let (_, outcome, _) = session.play(&session.remote, true).await;
    assert!(
        matches!(outcome, Outcome::NotAccepted(AcceptError::RejectedByNack { .. })),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_listener_gets_a_session_cut_after_every_byte() {
    Session::new(MESSAGES, Role::Responder).cut_after_every_byte().await;
}

#[tokio::test(start_paused = true)]
async fn the_dialler_gets_a_session_cut_after_every_byte() {
    Session::new(MESSAGES, Role::Initiator).cut_after_every_byte().await;
}

#[tokio::test(start_paused = true)]
async fn the_dialler_gets_a_nack_cut_after_every_byte() {
    Session::new(NACK, Role::Initiator).cut_after_every_byte().await;
}

#[tokio::test(start_paused = true)]
async fn the_listener_gets_a_session_with_every_bit_flipped() {
    Session::new(MESSAGES, Role::Responder).every_bit_flipped().await;
}

#[tokio::test(start_paused = true)]
async fn the_dialler_gets_a_session_with_every_bit_flipped() {
    Session::new(MESSAGES, Role::Initiator).every_bit_flipped().await;
}

#[tokio::test(start_paused = true)]
async fn the_dialler_gets_a_nack_with_every_bit_flipped() {
    Session::new(NACK, Role::Initiator).every_bit_flipped().await;
}
