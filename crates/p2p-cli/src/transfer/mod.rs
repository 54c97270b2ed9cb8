//! `p2p send` and `p2p listen --receive`: a file over a connection.
//!
//! ```text
//! sender   offer (size, name)  data … data  end (digest)
//! receiver           accept (name)                       done (digest)   or at any time: refuse (reason)
//! ```
//!
//! Each is one message of bytes, whose first byte tells which. Data fills its message. The digest is BLAKE2b-256 of
//! the contents. The receiver chooses the name of the file, and the file appears under it complete or not at all. One
//! connection may carry several files, one after the other.

mod events;
mod incoming_file;
mod message;
mod name;
mod outgoing_file;
mod receive;
mod send;

use std::time::Duration;

pub(crate) use self::{message::MAX_MESSAGE, receive::receive, send::Send};

/// How long the other side may be silent while it is its turn.
///
/// # Security
///
/// Somebody who connects and says nothing, or stops in the middle, holds a place no longer than this. It is long, because
/// a receiver may have a full queue to write to a slow disk before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
