//! How the Tezos peer-to-peer protocol cuts a byte stream: sealed chunks, and messages inside of them.
//!
//! ```text
//! chunk   = length(u16) || tag(16) || ciphertext        length = 16 + size of the ciphertext
//! stream  = the plaintexts of all chunks, one after the other
//! message = whatever the message encoding reads from the stream, without regard to chunk borders
//! ```
//!
//! Take it alone for a dissector of captured traffic, a proxy, or a transport of your own; for connections take
//! `p2p-socket`, which stands on it. It knows no socket, clock or task. [`ChunkSealer`] and [`ChunkOpener`] work in place on
//! the caller's buffers, [`ChunkCodec`] in a [`Framed`](tokio_util::codec::Framed), and [`encoding`] has what turns messages
//! into bytes. The example `dissect` opens a recorded session.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
//! use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize, encoding::RawEncoding};
//! use tokio_util::codec::{Decoder, Encoder};
//!
//! let (key, nonce) = ([1; 32], Nonce::from_bytes([2; 24]));
//! let mut sealer = ChunkSealer::new(Sealer::new(ChannelKey::from_bytes(key), nonce), ChunkSize::new(20)?);
//! let mut opener = ChunkOpener::new(Opener::new(ChannelKey::from_bytes(key), nonce));
//! let mut encoding = RawEncoding::default();
//!
//! let (mut message, mut wire) = (BytesMut::new(), BytesMut::new());
//! encoding.encode(Bytes::from_static(b"over many small chunks"), &mut message)?;
//! sealer.seal_run([&message[..]], &mut wire)?;
//!
//! let mut stream = BytesMut::new();
//! opener.open_onto(&mut wire, &mut stream)?;
//! assert_eq!(encoding.decode(&mut stream)?.unwrap(), &b"over many small chunks"[..]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `fast` | yes | the fast cipher backend of p2p-crypto |
//! | `bincode` | no | `encoding::BincodeEncoding` for any serde type |
//! | `postcard` | no | `encoding::PostcardEncoding` for any serde type |

mod chunk;
mod chunk_codec;
mod chunk_size;
mod clear_frame;
pub mod encoding;
mod error;
mod point;
mod wire_reader;

pub use crate::{
    chunk::{
        CHUNK_HEADER_SIZE, CHUNK_OVERHEAD, ChunkError, ChunkOpener, ChunkSealer, MAX_RECEIVED_CHUNK_SIZE, OpenedChunk,
        SealError,
    },
    chunk_codec::{ChunkCodec, ChunkCodecError},
    chunk_size::{ChunkSize, InvalidChunkSize},
    clear_frame::{ClearFrame, ClearFrameCodec, ClearFrameError, ClearFrameTooLarge},
    error::{DecodeError, EncodeError},
    point::{InvalidPoint, Point, PointList, TooManyPoints},
    wire_reader::{WireReader, put_length_prefixed},
};
