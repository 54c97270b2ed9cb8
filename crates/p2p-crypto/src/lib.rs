//! Keys, peer ids, proof of work and sealed boxes of the Tezos peer-to-peer protocol.
//!
//! Take it alone to make and check identities, to search or verify proof of work, or to open recorded sessions. For
//! connections take `p2p-socket`, which stands on it. What the protocol does not give is not here either: no forward
//! secrecy, no signatures, no passwords.
//!
//! Two peers agree on a [`ChannelKey`], derive the [`SessionNonces`] from the connection messages that they
//! exchanged, and from then on each seals what it sends with a [`Sealer`] and opens what it receives with an
//! [`Opener`]. All of this knows no socket, clock or task; it takes bytes and gives bytes.
//!
//! ```
//! use p2p_crypto::{ChannelKey, Opener, Role, Sealer, SecretKey, SessionNonces};
//!
//! let (alice, bob) = (SecretKey::generate(), SecretKey::generate());
//! let (hello_bob, hello_alice) = (b"connection message of Alice", b"connection message of Bob");
//!
//! // Alice dialled, and sends.
//! let nonces = SessionNonces::derive(Role::Initiator, hello_bob, hello_alice);
//! let mut sealer = Sealer::new(ChannelKey::agree(&alice, &bob.public_key())?, nonces.sealing);
//! let mut data = *b"The quick brown fox";
//! let tag = sealer.seal(&mut data)?;
//!
//! // Bob was dialled, and receives.
//! let nonces = SessionNonces::derive(Role::Responder, hello_alice, hello_bob);
//! let mut opener = Opener::new(ChannelKey::agree(&bob, &alice.public_key())?, nonces.opening);
//! opener.open(&mut data, &tag)?;
//! assert_eq!(&data, b"The quick brown fox");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Before it speaks to the network, a peer needs an [`Identity`]: a secret key, and a [`Stamp`] that proves work on
//! its public key. The stamp is searched once, with [`Identity::generate`] or [`search_in_parallel`], and kept in a
//! file. The examples `identity` and `seal` show both halves of this crate at work.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `fast` | yes | instructions as they are found at run time: vectors in kernels of this crate and in [dryoc](https://docs.rs/dryoc), assembly for the agreement on keys in [graviola](https://docs.rs/graviola); without it, portable crates give the same bytes |
//! | `identity-file` | yes | [`Identity`] as JSON and in a file, as Tezos nodes keep it |

mod aligned;
#[cfg(all(feature = "fast", target_arch = "x86_64"))]
mod box_kernel;
mod channel_key;
mod cipher;
mod difficulty;
mod identity;
#[cfg(feature = "identity-file")]
mod identity_file;
#[cfg(feature = "identity-file")]
mod identity_json;
mod instruction_set;
mod keys;
mod nonce;
mod parallel_search;
mod peer_id;
mod proof_of_work_hash;
mod sealed;
mod stamp;
mod stamp_kernel;
mod stamp_search;
mod target;

pub use channel_key::{ChannelKey, WeakPublicKey};
pub use difficulty::{Difficulty, InvalidDifficulty};
pub use identity::{Identity, NotEnoughProofOfWork};
#[cfg(feature = "identity-file")]
pub use identity_file::{ReadIdentityError, WriteIdentityError};
#[cfg(feature = "identity-file")]
pub use identity_json::InvalidIdentity;
pub use instruction_set::InstructionSet;
pub use keys::{InvalidPublicKey, PublicKey, SecretKey};
pub use nonce::{Nonce, Role, SessionNonces};
pub use parallel_search::{SearchProgress, search_in_parallel};
pub use peer_id::{InvalidPeerId, PeerId};
pub use sealed::{NoncesExhausted, OpenBatchError, OpenError, Opener, Piece, Sealer, TAG_SIZE, Tag};
pub use stamp::{InvalidStamp, Stamp};
pub use stamp_search::StampSearch;
pub use target::Target;
