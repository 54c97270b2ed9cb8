//! `p2p send` and `p2p listen --receive`: a file over a connection.
//!
//! ```text
//! sender    offer (size, fingerprint, name)                    data … data  end (digest)
//! receiver                                  accept (offset)                              done (digest, name)
//! ```
//!
//! Each is one message of bytes, whose first byte tells which; the second one of an offer is the version of all this. Data
//! fills its message. The digest is BLAKE2b-256 of the whole contents. The receiver chooses the name of the file, and the
//! file appears under it complete or not at all. At any time either side may refuse to go on, and say why. One connection
//! may carry several files, one after the other.
//!
//! A receiver that has a part of the file, of a transfer that was cut, goes on from there:
//!
//! ```text
//! sender    offer (size, fingerprint, name)                prefix (digest)                  data … data  end (digest)
//! receiver                                  held (length)                  accept (offset)                     done …
//! ```
//!
//! # Security
//!
//! - The fingerprint only serves to find the part again, under a name that the receiver makes of it. Whether the part is of
//!   this file, the digest of as many bytes tells, and only who has the same bytes knows it: nobody can add to what
//!   someone else has begun, or learn what it is.
//! - The receiver says from where to go on. A sender can not make it write anywhere else.
//! - A sender whose file has changed begins anew, and one whose file changes while it is sent gives up: the whole of what
//!   arrives is of one version.

mod bar;
mod digest;
mod disk;
mod events;
mod incoming_file;
mod message;
mod name;
mod outgoing_file;
mod part_file;
mod quota;
mod receive;
mod reception;
mod send;
mod waiting_parts;

use std::time::Duration;

pub(crate) use self::{message::MAX_MESSAGE, quota::QuotaOptions, receive::receive, reception::Reception, send::Send};

/// How long the other side may be silent while it is its turn.
///
/// # Security
///
/// Somebody who connects and says nothing, or stops in the middle, holds a place no longer than this. It is long, because
/// a receiver may have a full queue to write to a slow disk before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
