//! How a row of `vectors/misbehaviours.json` is read and played.
//!
//! The remote goes by the rules `until` a step, sends the pieces of `send`, `then` waits, closes, half-closes, resets,
//! or closes later. A piece is one of
//!
//! - `hex`, `text`, `repeat: [byte, count]`: bytes as they are;
//! - `hello`: its connection message, changed as the other fields say;
//! - `chunk`: a plaintext sealed, in turn one of the first three, or `message`, `declare` (a length alone), `nack`,
//!   `join` (several);
//! - `exchanged`: two plaintexts sealed in the other order; `cut_into`: plaintexts cut into chunks of `size`;
//! - `skip`: so many nonces left out; `mirror`: so many of our own bytes sent back.
//!
//! `received` are the sizes of the messages that we must have got, `error` is how it must end, after exactly `seconds`.

use std::time::Duration;

use p2p_crypto::{Difficulty, PublicKey, Role};
use p2p_socket::{AcceptError, AuthenticateError, ConnectionError, NodeMetadata, authenticate};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::{
    common::{
        accepted, address,
        adversary::{Adversary, raw},
        config, duplex, identity, other,
    },
    resets::Resets,
};

/// What a row leads to.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) received: Vec<usize>,
    pub(crate) error: String,
    pub(crate) elapsed: Duration,
    /// How many of our bytes the remote saw beyond those that its part of the rules took.
    pub(crate) seen: Option<usize>,
}

/// Plays a row with us in `role`.
pub(crate) async fn play(row: &Value, role: Role) -> Outcome {
    let (ours, theirs) = duplex();
    let ours = Resets::only_if(row["then"] == "reset", ours);
    let seed = row["identity"].as_u64().map_or(66, |seed| u8::try_from(seed).unwrap());
    let mut adversary = Adversary::with_identity(theirs, other(role), identity(seed));
    let mut config = config(1);
    if let Some(difficulty) = row["difficulty"].as_f64() {
        config = config.required_difficulty(Difficulty::try_from(difficulty).unwrap());
    }
    if let Some(seconds) = row["timeout"].as_u64() {
        config = config.handshake_timeout(Duration::from_secs(seconds));
    }
    let us = async {
        let (start, mut received) = (Instant::now(), Vec::new());
        let error = match authenticate(ours, role, address(), &config, NodeMetadata::default()).await {
            Err(error) => authenticate_error(&error),
            Ok(peer) => match accepted(peer).await {
                Err(error) => accept_error(&error),
                Ok(mut connection) => loop {
                    match connection.recv().await {
                        Ok(message) => received.push(message.message.len()),
                        Err(error) => break connection_error(&error),
                    }
                },
            },
        };
        (received, error, start.elapsed())
    };
    let ((received, error, elapsed), seen) = tokio::join!(us, misbehave(&mut adversary, row));
    Outcome {
        received,
        error,
        elapsed,
        seen,
    }
}

async fn misbehave(adversary: &mut Adversary, row: &Value) -> Option<usize> {
    match text(&row["until"]) {
        "connected" => {}
        "greeted" => adversary.greet().await,
        "authenticated" => adversary.authenticate().await,
        "established" => adversary.establish().await,
        other => panic!("until {other}"),
    }
    let mut mirrored = 0;
    for piece in list(&row["send"]) {
        let bytes = match piece["mirror"].as_u64() {
            Some(count) => {
                let mut bytes = vec![0; usize::try_from(count).unwrap()];
                adversary.io.read_exact(&mut bytes).await.unwrap();
                mirrored += bytes.len();
                bytes
            }
            None => bytes_of(piece, adversary),
        };
        match row["pace"].as_u64() {
            None => adversary.send(&bytes).await,
            Some(milliseconds) => {
                for byte in bytes {
                    sleep(Duration::from_millis(milliseconds)).await;
                    adversary.send(&[byte]).await;
                }
            }
        }
    }
    match text(&row["then"]) {
        "wait" => {}
        "half-close" => adversary.io.shutdown().await.unwrap(),
        "close later" => {
            sleep(Duration::from_secs(1)).await;
            adversary.io.shutdown().await.unwrap();
        }
        "close" | "reset" => {
            adversary.io = duplex().0;
            return None;
        }
        other => panic!("then {other}"),
    }
    Some(mirrored + adversary.read_to_end().await)
}

fn bytes_of(piece: &Value, adversary: &mut Adversary) -> Vec<u8> {
    if let Some(count) = piece["skip"].as_u64() {
        for _ in 0..count {
            adversary.seal(&[]);
        }
        return Vec::new();
    }
    if piece["hello"].is_object() {
        return hello(&piece["hello"], adversary);
    }
    if let [first, second] = list(&piece["exchanged"]) {
        let first = adversary.seal(&plaintext(first));
        return [adversary.seal(&plaintext(second)), first].concat();
    }
    if piece["cut_into"].is_array() {
        let stream: Vec<u8> = list(&piece["cut_into"]).iter().flat_map(plaintext).collect();
        let chunks = stream.chunks(number(&piece["size"]));
        return chunks.flat_map(|chunk| adversary.seal(chunk)).collect();
    }
    if piece["chunk"].is_object() {
        return chunk(piece, adversary);
    }
    plaintext(piece)
}

fn chunk(piece: &Value, adversary: &mut Adversary) -> Vec<u8> {
    let plaintext = plaintext(&piece["chunk"]);
    let count = piece["chunks"].as_u64().unwrap_or(1);
    let mut bytes: Vec<u8> = (0..count).flat_map(|_| adversary.seal(&plaintext)).collect();
    if let Some(place) = piece["flip"].as_i64() {
        let place = place.rem_euclid(i64::try_from(bytes.len()).unwrap());
        bytes[usize::try_from(place).unwrap()] ^= 1;
    }
    change_length(&mut bytes, &piece["header"]);
    bytes.truncate(piece["cut"].as_u64().map_or(bytes.len(), |_| number(&piece["cut"])));
    bytes.repeat(piece["times"].as_u64().map_or(1, |_| number(&piece["times"])))
}

fn hello(change: &Value, adversary: &mut Adversary) -> Vec<u8> {
    match change["public_key"].as_str() {
        None => {}
        Some("ours") => adversary.shown.public_key = identity(1).public_key(),
        Some(key) => adversary.shown.public_key = PublicKey::from_bytes(hex::decode(key).unwrap().try_into().unwrap()),
    }
    let mut bytes = adversary.hello();
    if change["body"].is_u64() {
        bytes.truncate(2 + number(&change["body"]));
    }
    if let Some(more) = change["append"].as_str() {
        bytes.extend(hex::decode(more).unwrap());
    }
    if let [place, patch] = list(&change["patch"]) {
        let (place, patch) = (number(place), hex::decode(text(patch)).unwrap());
        bytes[place..place + patch.len()].copy_from_slice(&patch);
    }
    let size = u16::try_from(bytes.len() - 2).unwrap();
    bytes[..2].copy_from_slice(&size.to_be_bytes());
    change_length(&mut bytes, &change["prefix"]);
    if change["cut"].is_u64() {
        bytes.truncate(number(&change["cut"]));
    }
    bytes.split_off(change["skip"].as_u64().map_or(0, |_| number(&change["skip"])))
}

fn change_length(bytes: &mut [u8], change: &Value) {
    if let Some(change) = change.as_i64() {
        let length = i64::from(u16::from_be_bytes([bytes[0], bytes[1]])) + change;
        bytes[..2].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    }
}

fn plaintext(piece: &Value) -> Vec<u8> {
    let (kind, value) = piece.as_object().and_then(|piece| piece.iter().next()).unwrap();
    match kind.as_str() {
        "hex" => hex::decode(text(value)).unwrap(),
        "text" => text(value).into(),
        "repeat" => vec![u8::try_from(number(&value[0])).unwrap(); number(&value[1])],
        "message" => raw(text(value).as_bytes()),
        "declare" => u32::try_from(number(value)).unwrap().to_be_bytes().to_vec(),
        "join" => list(value).iter().flat_map(plaintext).collect(),
        "nack" => {
            let points: Vec<u8> = list(&value["points"])
                .iter()
                .flat_map(|point| raw(text(point).as_bytes()))
                .collect();
            let motive = u16::try_from(number(&value["motive"])).unwrap().to_be_bytes();
            [&[0x01], &motive[..], &raw(&points.repeat(number(&value["times"])))].concat()
        }
        other => panic!("no such piece: {other}"),
    }
}

fn authenticate_error(error: &AuthenticateError) -> String {
    use AuthenticateError as E;
    let what = match error {
        E::Timeout { step } => format!("Timeout({step})"),
        E::ConnectionClosed { step } => format!("ConnectionClosed({step})"),
        E::Io { step, .. } => format!("Io({step})"),
        E::Decoding { step, .. } => format!("Decoding({step})"),
        E::ConnectionMessageTooLarge(_) => "ConnectionMessageTooLarge".into(),
        E::NotEnoughProofOfWork { .. } => "NotEnoughProofOfWork".into(),
        E::WeakPublicKey { .. } => "WeakPublicKey".into(),
        E::InvalidCiphertextSize { size } => format!("InvalidCiphertextSize({size})"),
        E::Decipher => "Decipher".into(),
        E::Myself { .. } => "Myself".into(),
        other => format!("{other:?}"),
    };
    format!("Authenticate.{what}")
}

fn accept_error(error: &AcceptError) -> String {
    use AcceptError as E;
    let what = match error {
        E::Timeout => "Timeout".into(),
        E::RejectedSocketConnection { .. } => "RejectedSocketConnection".into(),
        E::InvalidAuthentication => "InvalidAuthentication".into(),
        E::InvalidCiphertextSize { size } => format!("InvalidCiphertextSize({size})"),
        E::Decoding(_) => "Decoding".into(),
        E::RejectedByNack { motive, points } => {
            let points = points.as_ref().map(|points| points.as_slice().len().to_string());
            format!("RejectedByNack({}, {})", motive.code(), points.unwrap_or("none".into()))
        }
        other => format!("{other:?}"),
    };
    format!("Accept.{what}")
}

fn connection_error(error: &ConnectionError) -> String {
    use ConnectionError as E;
    let what = match error {
        E::ClosedByPeer => "ClosedByPeer".into(),
        E::Truncated { received } => format!("Truncated({received})"),
        E::Io(_) => "Io".into(),
        E::InvalidCiphertextSize { size } => format!("InvalidCiphertextSize({size})"),
        E::Decipher => "Decipher".into(),
        E::MessageTooLarge { size, .. } => format!("MessageTooLarge({size})"),
        other => format!("{other:?}"),
    };
    format!("Connection.{what}")
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text instead of {value}"))
}

pub(crate) fn number(value: &Value) -> usize {
    let number = value.as_u64().unwrap_or_else(|| panic!("a number instead of {value}"));
    usize::try_from(number).unwrap()
}
