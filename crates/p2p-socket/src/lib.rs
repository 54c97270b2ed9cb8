//! Typed, encrypted connections between peers of a Tezos network.
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
//! The handshake is also there without I/O, as a state machine over bytes: [`handshake`]. A listener for strangers asks
//! an [`Admission`] before each handshake.
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
