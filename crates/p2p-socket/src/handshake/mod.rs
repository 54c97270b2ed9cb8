//! The handshake as a state machine without I/O: bytes and time in, bytes out.
//!
//! ```text
//! Hello ──receive──▶ MetadataExchange ──receive──▶ AuthenticatedPeer ──accept──▶ AckExchange ──receive──▶ Established
//!                                                          └──────────nack──▶ (bytes to send, then close)
//! ```
//!
//! Every state is consumed by the step that leaves it. Whoever drives a state:
//!
//! 1. sends the bytes that came with the state, reading at the same time;
//! 2. appends what arrives to one input buffer and calls [`Step::receive`] with it, also when nothing arrived but
//!    [`Step::deadline`] has passed;
//! 3. tells an end of the stream, a failure or a cancellation with [`Step::end`], which names the error.
//!
//! Bytes behind what a step consumes stay in the input buffer; they belong to the next step, and at last to the
//! messages. [`authenticate`](crate::authenticate) is such a driver over tokio.

mod ack_exchange;
mod error;
mod hello;
mod metadata_exchange;

pub(crate) use self::error::scheduler_closed;
use std::{io, time::Instant};

use bytes::BytesMut;

pub use self::{
    ack_exchange::{AckExchange, AuthenticatedPeer, Established},
    error::{AcceptError, AuthenticateError, HandshakeStep, NackError},
    hello::{Hello, LocalPeer},
    metadata_exchange::MetadataExchange,
};

/// A state that waits for the remote.
pub trait Step: Sized {
    /// What comes after it.
    type Next;
    /// How it fails.
    type Error;

    /// Tries to take the step with the bytes that have arrived so far, and removes those that it consumes from
    /// `input`.
    ///
    /// # Errors
    ///
    /// What is wrong with the remote, or the timeout if `now` is not before the [deadline](Self::deadline).
    fn receive(self, input: &mut BytesMut, now: Instant) -> Result<Progress<Self, Self::Next>, Self::Error>;

    /// How many received bytes it can make use of: no more need to be kept while our own are still on their way.
    ///
    /// # Security
    ///
    /// It bounds what a remote can make us hold in this step.
    fn max_input(&self) -> usize;

    /// When to call [`receive`](Self::receive) even if nothing arrives.
    fn deadline(&self) -> Instant;

    /// Names the error of a step that will never be taken.
    fn end(self, end: End) -> Self::Error;
}

/// Whether a [`Step`] was taken.
#[derive(Debug)]
#[must_use = "the state is inside"]
pub enum Progress<S, N> {
    /// More bytes are needed: the state comes back as it was.
    NeedMore(S),
    /// The step was taken.
    Done(N),
}

/// Why no more bytes will come.
#[derive(Debug)]
pub enum End {
    /// The remote closed.
    Closed,
    /// The transport failed.
    Io(io::Error),
    /// We don't want to go on.
    Cancelled,
}
