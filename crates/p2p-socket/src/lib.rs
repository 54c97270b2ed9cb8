//! Typed, encrypted connections between peers of the Tezos network: the handshake, then messages both ways.

mod ack;
mod authenticate;
mod config;
mod connection;
mod connection_message;
mod deadline;
mod exchange;
pub mod handshake;
mod metadata;
mod peer_info;
mod version;

pub use crate::{
    ack::{Ack, RejectionMotive},
    authenticate::{Authenticated, authenticate, authenticate_with_nonce},
    config::Config,
    connection::{
        CloseError, Connection, ConnectionError, ConnectionOptions, Control, Direction, DisconnectionReason, Drain,
        EncodedMessage, InvalidOptions, Packing, Received, Receiver, SendError, Sender, TryRecvError, TrySendError,
    },
    connection_message::ConnectionMessage,
    handshake::{AcceptError, AuthenticateError, HandshakeStep, NackError},
    metadata::{Metadata, NodeMetadata},
    peer_info::{ConnectionId, PeerInfo},
    version::{ChainName, NetworkVersion, NoCommonProtocol, NoVersions, SupportedVersions},
};
