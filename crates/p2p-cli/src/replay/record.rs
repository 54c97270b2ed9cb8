//! The file format of a recorded session: what each side was told to do, what it saw, and every byte on the wire.

use std::sync::Arc;

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, Nonce, Role};
use p2p_framing::{ChunkSize, Point};
use p2p_socket::{ChainName, NetworkVersion, NodeMetadata, RejectionMotive};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use super::{names, observation::Observation, recorded_message::RecordedMessage};

/// One recorded session. Parsing it checks every field, so that whatever is wrong is told with its line.
#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) note: String,
    dialer: Side,
    listener: Side,
    #[serde(with = "hex::serde")]
    pub(super) channel_key: [u8; 32],
    #[serde(deserialize_with = "nonce")]
    dialer_send_nonce: Nonce,
    #[serde(deserialize_with = "nonce")]
    listener_send_nonce: Nonce,
    frames: Directions<Vec<Frame>>,
    wire_len: Directions<usize>,
    wire_sha256: Directions<Sha256Digest>,
    wire: Directions<Wire>,
}

/// What one side was, was told to do, and saw.
#[derive(Deserialize)]
pub(super) struct Side {
    #[serde(deserialize_with = "identity")]
    pub(super) identity: Arc<Identity>,
    #[serde(deserialize_with = "difficulty")]
    pub(super) required_difficulty: Difficulty,
    #[serde(deserialize_with = "version")]
    pub(super) announced_version: NetworkVersion,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) advertised_port: Option<u16>,
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: NodeMetadata,
    #[serde(deserialize_with = "chunk_size")]
    pub(super) chunk_size: ChunkSize,
    #[serde(flatten)]
    pub(super) plan: Plan,
    pub(super) sends: Vec<RecordedMessage>,
    pub(super) outcome: Vec<Observation>,
}

/// What a side was told to do with an authenticated remote.
#[derive(Deserialize)]
#[serde(try_from = "PlanFields")]
pub(super) enum Plan {
    Accept,
    Nack(Nack),
}

#[derive(Deserialize)]
struct PlanFields {
    action: Action,
    #[serde(deserialize_with = "Option::deserialize")]
    nack: Option<Nack>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Accept,
    Nack,
}

impl TryFrom<PlanFields> for Plan {
    type Error = &'static str;

    fn try_from(fields: PlanFields) -> Result<Self, Self::Error> {
        match (fields.action, fields.nack) {
            (Action::Accept, None) => Ok(Self::Accept),
            (Action::Nack, Some(nack)) => Ok(Self::Nack(nack)),
            (Action::Accept, Some(_)) => Err("a side that accepts has no `nack`"),
            (Action::Nack, None) => Err("a side that nacks has a `nack`"),
        }
    }
}

/// The refusal that a side was told to send.
#[derive(Deserialize)]
pub(super) struct Nack {
    #[serde(deserialize_with = "names::motive")]
    pub(super) motive: RejectionMotive,
    /// As many as were asked for: more than a list can hold, perhaps.
    #[serde(deserialize_with = "names::points")]
    pub(super) alternative_points: Vec<Point>,
}

/// Kind, offset and size of a frame on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Frame(pub(super) FrameKind, pub(super) usize, pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FrameKind {
    ConnectionMessage,
    Metadata,
    Ack,
    MessageChunk,
}

impl FrameKind {
    /// The kind of the frame at `index` of a wire.
    pub(super) fn at(index: usize) -> Self {
        match index {
            0 => Self::ConnectionMessage,
            1 => Self::Metadata,
            2 => Self::Ack,
            _ => Self::MessageChunk,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ConnectionMessage => "connection message",
            Self::Metadata => "metadata",
            Self::Ack => "ack",
            Self::MessageChunk => "message chunk",
        }
    }
}

/// One value for each direction.
#[derive(Deserialize)]
struct Directions<T> {
    dialer_to_listener: T,
    listener_to_dialer: T,
}

impl<T> Directions<T> {
    fn sent_by(&self, role: Role) -> &T {
        match role {
            Role::Initiator => &self.dialer_to_listener,
            Role::Responder => &self.listener_to_dialer,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Sha256Digest(#[serde(with = "hex::serde")] pub(super) [u8; 32]);

#[derive(Deserialize)]
struct Wire(#[serde(deserialize_with = "hex_bytes")] Bytes);

/// What a session did in one direction.
pub(super) struct Sent<'a> {
    pub(super) wire: &'a Bytes,
    pub(super) size: usize,
    pub(super) sha256: Sha256Digest,
    pub(super) frames: &'a [Frame],
    pub(super) first_nonce: Nonce,
}

impl Record {
    pub(super) fn side(&self, role: Role) -> &Side {
        match role {
            Role::Initiator => &self.dialer,
            Role::Responder => &self.listener,
        }
    }

    pub(super) fn sent_by(&self, role: Role) -> Sent<'_> {
        Sent {
            wire: &self.wire.sent_by(role).0,
            size: *self.wire_len.sent_by(role),
            sha256: *self.wire_sha256.sent_by(role),
            frames: self.frames.sent_by(role),
            first_nonce: match role {
                Role::Initiator => self.dialer_send_nonce,
                Role::Responder => self.listener_send_nonce,
            },
        }
    }
}

pub(super) fn other(role: Role) -> Role {
    match role {
        Role::Initiator => Role::Responder,
        Role::Responder => Role::Initiator,
    }
}

pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Initiator => "dialer",
        Role::Responder => "listener",
    }
}

pub(super) fn hex_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    hex::serde::deserialize::<_, Vec<u8>>(deserializer).map(Bytes::from)
}

fn nonce<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Nonce, D::Error> {
    hex::serde::deserialize(deserializer).map(Nonce::from_bytes)
}

fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Identity>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?;
    Identity::from_json(json.get())
        .map(Arc::new)
        .map_err(|error| D::Error::custom(format!("the identity: {error}")))
}

fn difficulty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Difficulty, D::Error> {
    f64::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
}

fn chunk_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChunkSize, D::Error> {
    usize::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
}

pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NetworkVersion, D::Error> {
    #[derive(Deserialize)]
    struct Fields {
        chain_name: ChainNameFields,
        distributed_db_version: u16,
        p2p_version: u16,
    }

    /// Bytes that are no text stand as a list of numbers, as `Data_encoding.Json` writes them.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ChainNameFields {
        Text(String),
        Bytes { invalid_utf8_string: Vec<u8> },
    }

    let fields = Fields::deserialize(deserializer)?;
    Ok(NetworkVersion {
        chain_name: match &fields.chain_name {
            ChainNameFields::Text(text) => ChainName::from(text.as_str()),
            ChainNameFields::Bytes { invalid_utf8_string } => ChainName::from(&invalid_utf8_string[..]),
        },
        distributed_db_version: fields.distributed_db_version,
        p2p_version: fields.p2p_version,
    })
}

pub(super) fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeMetadata, D::Error> {
    #[derive(Deserialize)]
    struct Fields {
        disable_mempool: bool,
        private_node: bool,
    }

    let Fields {
        disable_mempool,
        private_node,
    } = Fields::deserialize(deserializer)?;
    Ok(NodeMetadata {
        disable_mempool,
        private_node,
    })
}
