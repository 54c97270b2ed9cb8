//! Typed, encrypted connections between peers of a Tezos network.
//!
//! Take it to talk to Tezos nodes, or for a network of your own that is content with what their protocol gives: both sides
//! prove who they are, what they say is secret and can not be forged, and there is no forward secrecy. Whom to talk to, how
//! many to have and whom to ban is the program's.
//!
//! A connection begins with a handshake over any `AsyncRead + AsyncWrite`: [`authenticate`] finds out who the remote
//! is, then one of [`Authenticated::accept`] and [`Authenticated::nack`] answers it. An accepted [`Connection`] carries
//! messages of any type both ways, in bounded queues. All connections of a [`Config`] share its bandwidth.
//!
//! ```
//! use p2p_crypto::{Difficulty, Identity, Role};
//! use p2p_framing::encoding::RawEncoding;
//! use p2p_socket::{ChainName, Config, ConnectionOptions, NetworkVersion, NodeMetadata, SupportedVersions, authenticate};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let versions = SupportedVersions::current(ChainName::from("MY_NETWORK"));
//! let new_peer = || Config::new(Identity::generate(Difficulty::NONE), versions.announced())
//!     .required_difficulty(Difficulty::NONE);
//! let (alice, bob) = (new_peer(), new_peer());
//! let (left, right) = tokio::io::duplex(4096);
//! let address = "127.0.0.1:9732".parse()?;
//!
//! let (left, right) = tokio::try_join!(
//!     authenticate(left, Role::Initiator, address, &alice, NodeMetadata::default()),
//!     authenticate(right, Role::Responder, address, &bob, NodeMetadata::default()),
//! )?;
//! versions.select(&left.info().announced_version)?;
//! let (left, mut right) = tokio::try_join!(
//!     left.accept(RawEncoding::default(), ConnectionOptions::default()),
//!     right.accept(RawEncoding::default(), ConnectionOptions::default()),
//! )?;
//!
//! left.send("hello".into()).await?;
//! assert_eq!(right.recv().await?.message, "hello");
//! # Ok(()) }
//! ```
//!
//! - A listener for strangers asks an [`Admission`] before each handshake.
//! - The handshake is also there without I/O, as a state machine over bytes: [`handshake`].
//! - Events for operators, by names that one can rely on, and metrics: [`telemetry`].
//! - The repository has a guide to a network of one's own, a table for those who know Octez, and examples: `echo`, `chat`,
//!   `custom_types`, `unix_socket`, `in_memory`, `bandwidth`, `graceful_shutdown`.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `fast` | yes | the fast cipher backend of p2p-crypto |
//! | `bincode` | no | `p2p_framing::encoding::BincodeEncoding` for any serde type |
//! | `postcard` | no | `p2p_framing::encoding::PostcardEncoding` for any serde type |
//! | `metrics` | no | counters through the `metrics` facade: see [`telemetry`] |
//! | `serde` | no | `Settings`, [`ConnectionOptions`] and [`AdmissionLimits`] in configuration files |

mod ack;
pub mod admission;
mod authenticate;
mod config;
mod connection;
mod connection_message;
mod deadline;
mod error_name;
mod exchange;
pub mod handshake;
#[cfg(feature = "serde")]
mod human;
mod memory_budget;
mod metadata;
mod peer_info;
#[cfg(feature = "serde")]
mod settings;
pub mod telemetry;
mod version;

#[cfg(feature = "serde")]
pub use crate::settings::{InvalidSettings, Settings};
pub use crate::{
    ack::{Ack, RejectionMotive},
    admission::{Admission, AdmissionLimits, Displaced, Permit, Refused},
    authenticate::{Authenticated, authenticate, authenticate_with_nonce},
    config::Config,
    connection::{
        CloseError, Connection, ConnectionError, ConnectionOptions, Control, Direction, DisconnectionReason, Drain,
        EncodedMessage, InvalidOptions, Packing, Received, Receiver, SendError, Sender, TryRecvError, TrySendError,
    },
    connection_message::ConnectionMessage,
    handshake::{AcceptError, AuthenticateError, HandshakeStep, NackError},
    memory_budget::{MemoryBudget, MemoryBudgetExhausted},
    metadata::{Metadata, NodeMetadata},
    peer_info::{ConnectionId, PeerInfo},
    version::{ChainName, NetworkVersion, NoCommonProtocol, NoVersions, SupportedVersions},
};

/// The example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So do the programs of the guide.
#[cfg(all(doctest, feature = "postcard", feature = "serde"))]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;
