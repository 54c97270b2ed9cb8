//! What is told of a captured connection.

use std::{fmt, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use p2p_framing::{
    Point, PointList,
    encoding::{ControlEncoding, ControlMessage, TaggedPayloadEncoding},
    put_length_prefixed,
};
use serde::Serialize;
use tokio_util::codec::Decoder;

use super::{
    handshake::{Answer, Hello, NodeFlags},
    session::Side,
};
use crate::{message_text::MessageText, report::Event, units::counted};

/// A connection of the capture.
#[derive(Serialize)]
pub(super) struct Opened {
    pub(super) time: f64,
    pub(super) initiator: SocketAddr,
    pub(super) responder: SocketAddr,
}

impl Event for Opened {
    const NAME: &'static str = "connection";
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:12.6}  {} dials {}", self.time, self.initiator, self.responder)
    }
}

/// Something that a side said, with the time of its last byte in seconds: of the first packet on for people, since the
/// beginning of 1970 with `--json`.
#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) time: f64,
    from: &'static str,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Frame {
        offset: u64,
        size: usize,
        #[serde(flatten)]
        content: Content,
    },
    Message(Message),
    Fault {
        fault: String,
    },
}

/// What is in a frame.
#[derive(Serialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub(super) enum Content {
    ConnectionMessage {
        peer_id: String,
        public_key: String,
        difficulty_reached: f64,
        message_nonce: String,
        port: Option<u16>,
        chain_name: String,
        distributed_db_version: u16,
        p2p_version: u16,
    },
    Metadata {
        disable_mempool: bool,
        private_node: bool,
    },
    Ack,
    Nack {
        motive: Option<i16>,
        motive_name: &'static str,
        points: Option<Vec<String>>,
    },
    MessageChunk {
        plaintext_size: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        plaintext: Option<String>,
    },
    Sealed,
}

#[derive(Serialize)]
#[serde(tag = "message", rename_all = "snake_case")]
enum Message {
    Disconnect,
    Bootstrap,
    Advertise { points: Vec<String> },
    SwapRequest { point: String, peer_id: String },
    SwapAck { point: String, peer_id: String },
    Application { tag: u16, size: usize, payload: String },
    Other { size: usize, content: String },
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl Finding {
    fn new(side: Side, time: Duration, what: What) -> Self {
        Self {
            time: seconds(time),
            from: match side {
                Side::Initiator => "initiator",
                Side::Responder => "responder",
            },
            what,
        }
    }

    pub(super) fn fault(side: Side, time: Duration, fault: String) -> Self {
        Self::new(side, time, What::Fault { fault })
    }

    pub(super) fn frame(side: Side, time: Duration, offset: u64, size: usize, content: Content) -> Self {
        Self::new(side, time, What::Frame { offset, size, content })
    }

    pub(super) fn message(side: Side, time: Duration, message: &[u8]) -> Self {
        Self::new(side, time, What::Message(Message::read(message)))
    }

    pub(super) fn is_fault(&self) -> bool {
        matches!(self.what, What::Fault { .. })
    }
}

impl Content {
    pub(super) fn connection_message(hello: &Hello) -> Self {
        Self::ConnectionMessage {
            peer_id: hello.public_key.peer_id().to_string(),
            public_key: hello.public_key.to_string(),
            difficulty_reached: hello.stamp.difficulty_reached(&hello.public_key),
            message_nonce: hex::encode(hello.message_nonce.as_bytes()),
            port: Some(hello.port).filter(|port| *port != 0),
            chain_name: hello.chain_name.escape_ascii().to_string(),
            distributed_db_version: hello.distributed_db_version,
            p2p_version: hello.p2p_version,
        }
    }

    pub(super) fn metadata(flags: NodeFlags) -> Self {
        Self::Metadata {
            disable_mempool: flags.disable_mempool,
            private_node: flags.private_node,
        }
    }

    pub(super) fn answer(answer: &Answer) -> Self {
        match answer {
            Answer::Ack => Self::Ack,
            Answer::NackVersion0 => Self::Nack {
                motive: None,
                motive_name: "none given",
                points: None,
            },
            Answer::Nack { motive, points } => Self::Nack {
                motive: Some(*motive),
                motive_name: motive_name(*motive),
                points: Some(texts(points)),
            },
        }
    }

    /// The plaintext itself is shown if there is no message to show.
    pub(super) fn message_chunk(plaintext: &[u8], show: bool) -> Self {
        Self::MessageChunk {
            plaintext_size: plaintext.len(),
            plaintext: show.then(|| MessageText::new(plaintext).to_string()),
        }
    }
}

fn motive_name(motive: i16) -> &'static str {
    match motive {
        0 => "no motive",
        1 => "too many connections",
        2 => "unknown chain name",
        3 => "deprecated p2p version",
        4 => "deprecated distributed db version",
        5 => "already connected",
        _ => "unknown",
    }
}

fn texts(points: &PointList) -> Vec<String> {
    points.as_slice().iter().map(Point::to_string).collect()
}

/// The greatest tag that is taken for one of a node. Theirs go from 0x10 to 0x91; two letters at the beginning of a message
/// of something else would look like a much greater one.
const LAST_TAG: u16 = 0xff;

impl Message {
    /// A message as a node would read it, or else its bytes.
    fn read(message: &[u8]) -> Self {
        let mut stream = BytesMut::new();
        put_length_prefixed(&mut stream, message);
        match ControlEncoding::with_maximum(TaggedPayloadEncoding, message.len()).decode(&mut stream) {
            Ok(Some(ControlMessage::Disconnect)) => Self::Disconnect,
            Ok(Some(ControlMessage::Bootstrap)) => Self::Bootstrap,
            Ok(Some(ControlMessage::Advertise(points))) => Self::Advertise { points: texts(&points) },
            Ok(Some(ControlMessage::SwapRequest(swap))) => Self::SwapRequest {
                point: swap.point.to_string(),
                peer_id: swap.peer_id.to_string(),
            },
            Ok(Some(ControlMessage::SwapAck(swap))) => Self::SwapAck {
                point: swap.point.to_string(),
                peer_id: swap.peer_id.to_string(),
            },
            Ok(Some(ControlMessage::Application(application))) if application.tag <= LAST_TAG => Self::Application {
                tag: application.tag,
                size: application.payload.len(),
                payload: MessageText::new(&application.payload).to_string(),
            },
            Ok(_) | Err(_) => Self::Other {
                size: message.len(),
                content: MessageText::new(message).to_string(),
            },
        }
    }
}

impl Event for Finding {
    const NAME: &'static str = "finding";
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.from == "initiator" { "->" } else { "<-" };
        write!(f, "{:12.6}  {arrow} ", self.time)?;
        match &self.what {
            What::Frame { size, content, .. } => write!(f, "{size:5} bytes  {content}"),
            What::Message(message) => write!(f, "             {message}"),
            What::Fault { fault } => write!(f, "fault: {fault}"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionMessage {
                peer_id,
                difficulty_reached,
                port,
                chain_name,
                distributed_db_version,
                p2p_version,
                ..
            } => {
                write!(
                    f,
                    "connection message of {peer_id}: {chain_name}, distributed db {distributed_db_version}, p2p \
                     {p2p_version}, proof of work {difficulty_reached:.1}"
                )?;
                port.map_or(Ok(()), |port| write!(f, ", listens on port {port}"))
            }
            Self::Metadata {
                disable_mempool,
                private_node,
            } => write!(
                f,
                "metadata: disable mempool {disable_mempool}, private node {private_node}"
            ),
            Self::Ack => f.write_str("ack"),
            Self::Nack {
                motive_name, points, ..
            } => {
                write!(f, "nack, motive: {motive_name}")?;
                let points = points.as_deref().unwrap_or_default();
                if points.is_empty() {
                    return Ok(());
                }
                write!(f, "; other peers: {}", points.join(" "))
            }
            Self::MessageChunk {
                plaintext_size,
                plaintext,
            } => {
                write!(f, "chunk with {} of messages", counted(*plaintext_size, "byte"))?;
                plaintext.as_ref().map_or(Ok(()), |text| write!(f, ": {text}"))
            }
            Self::Sealed => f.write_str("sealed chunk"),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnect => f.write_str("disconnect"),
            Self::Bootstrap => f.write_str("bootstrap: please send me peers"),
            Self::Advertise { points } => {
                write!(f, "advertise {}: {}", counted(points.len(), "peer"), points.join(" "))
            }
            Self::SwapRequest { point, peer_id } => write!(f, "swap request with {peer_id} at {point}"),
            Self::SwapAck { point, peer_id } => write!(f, "swap ack with {peer_id} at {point}"),
            Self::Application { tag, size, payload } => {
                let size = counted(*size, "byte");
                write!(f, "application message {tag:#06x} of {size}: {payload}")
            }
            Self::Other { size, content } => write!(f, "message of {}: {content}", counted(*size, "byte")),
        }
    }
}
