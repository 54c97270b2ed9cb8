//! Opens what both sides of a connection said: handshake, chunks, messages.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use p2p_crypto::{ChannelKey, Identity, Opener, Role, SessionNonces};
use p2p_framing::{ChunkOpener, ClearFrame, ClearFrameCodec, encoding::RawEncoding};
use tokio_util::codec::Decoder;

use super::{
    finding::{Content, Finding},
    handshake::{Answer, Hello, NodeFlags},
};
use crate::units::counted;

/// How many bytes of a side are kept until the connection message of the other side is there.
///
/// # Security
///
/// Nobody has anything to say before that but one frame.
const MAX_AHEAD: usize = 256 * 1024;

/// The side of a connection that something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Initiator,
    Responder,
}

/// One connection, both directions.
pub(super) struct Session<'a> {
    identity: &'a Identity,
    max_message: usize,
    initiator: Direction,
    responder: Direction,
}

#[derive(Default)]
struct Direction {
    input: BytesMut,
    /// Where `input` begins in the direction.
    offset: u64,
    hello: Option<(ClearFrame, Hello)>,
    /// How many frames there were.
    frames: u64,
    opener: Option<ChunkOpener>,
    /// Plaintext of an unfinished message.
    stream: BytesMut,
    state: State,
}

/// What can still be read of a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Readable,
    /// The chunks can be opened, but what is in them is no sequence of messages.
    NoMessages,
    /// The chunks can be counted, but not opened.
    Sealed,
    /// Not even that.
    Unreadable,
}

impl<'a> Session<'a> {
    pub(super) fn new(identity: &'a Identity, max_message: usize) -> Self {
        Self {
            identity,
            max_message,
            initiator: Direction::default(),
            responder: Direction::default(),
        }
    }

    /// Takes bytes of a side, in their order, and hands to `sink` what is complete now.
    pub(super) fn receive(&mut self, side: Side, time: Duration, bytes: &[u8], sink: &mut impl FnMut(Finding)) {
        let direction = self.direction(side);
        if direction.state == State::Unreadable {
            return;
        }
        direction.input.extend_from_slice(bytes);
        direction.take_hello(side, time, sink);
        if self.initiator.opener.is_none() && self.initiator.state == State::Readable {
            self.agree(side, time, sink);
        }
        // The other side may have been waiting for this one's connection message.
        for side in [Side::Initiator, Side::Responder] {
            let max_message = self.max_message;
            self.direction(side).take_chunks(side, time, max_message, sink);
        }
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Initiator => &mut self.initiator,
            Side::Responder => &mut self.responder,
        }
    }

    /// Agrees on the channel key once both connection messages are there.
    fn agree(&mut self, side: Side, time: Duration, sink: &mut impl FnMut(Finding)) {
        let (Some((sent, initiator)), Some((received, responder))) = (&self.initiator.hello, &self.responder.hello)
        else {
            return;
        };
        let ours = self.identity.public_key();
        let theirs = match (initiator.public_key == ours, responder.public_key == ours) {
            (true, _) => Some(responder.public_key),
            (false, true) => Some(initiator.public_key),
            (false, false) => None,
        };
        let key = match theirs.map(|theirs| ChannelKey::agree(self.identity.secret_key(), &theirs)) {
            Some(Ok(key)) => key,
            refused => {
                let why = match refused {
                    Some(_) => "a public key is weak: there is no channel key".to_owned(),
                    None => format!(
                        "{} and {} speak, and the identity is {}: nothing can be opened",
                        initiator.public_key.peer_id(),
                        responder.public_key.peer_id(),
                        self.identity.peer_id(),
                    ),
                };
                sink(Finding::fault(side, time, why));
                self.initiator.state = State::Sealed;
                self.responder.state = State::Sealed;
                return;
            }
        };
        let nonces = SessionNonces::derive(Role::Initiator, sent.as_wire(), received.as_wire());
        self.initiator.opener = Some(ChunkOpener::new(Opener::new(key.clone(), nonces.sealing)));
        self.responder.opener = Some(ChunkOpener::new(Opener::new(key, nonces.opening)));
    }

    /// Tells what is left over when nothing more will come.
    pub(super) fn end(&mut self, time: Duration, sink: &mut impl FnMut(Finding)) {
        for side in [Side::Initiator, Side::Responder] {
            let direction = self.direction(side);
            let (input, stream) = (direction.input.len(), direction.stream.len());
            if direction.state != State::Unreadable && input > 0 {
                sink(Finding::fault(
                    side,
                    time,
                    format!("{} of an unfinished frame", counted(input, "byte")),
                ));
            } else if direction.state == State::Readable && stream > 0 {
                sink(Finding::fault(
                    side,
                    time,
                    format!("{} of an unfinished message", counted(stream, "byte")),
                ));
            }
        }
    }

    /// Gives a direction up, because bytes of it are missing.
    pub(super) fn give_up(&mut self, side: Side) {
        self.direction(side).give_up();
    }
}

impl Direction {
    fn give_up(&mut self) {
        self.state = State::Unreadable;
        self.input = BytesMut::new();
        self.stream = BytesMut::new();
    }

    fn fault(&mut self, side: Side, time: Duration, why: String, sink: &mut impl FnMut(Finding)) {
        sink(Finding::fault(side, time, why));
        self.give_up();
    }

    /// Counts a frame, and tells what is in it.
    fn frame(&mut self, side: Side, time: Duration, size: usize, content: Content, sink: &mut impl FnMut(Finding)) {
        sink(Finding::frame(side, time, self.offset, size, content));
        self.offset = self.offset.saturating_add(size as u64);
        self.frames = self.frames.saturating_add(1);
    }

    fn take_hello(&mut self, side: Side, time: Duration, sink: &mut impl FnMut(Finding)) {
        if self.hello.is_some() {
            return;
        }
        match ClearFrameCodec::new(usize::from(u16::MAX)).decode(&mut self.input) {
            Ok(None) => {}
            Ok(Some(frame)) => match Hello::decode(frame.body()) {
                Ok(hello) => {
                    let content = Content::connection_message(&hello);
                    self.hello = Some((frame.clone(), hello));
                    self.frame(side, time, frame.as_wire().len(), content, sink);
                }
                Err(error) => self.fault(side, time, format!("no connection message: {error}"), sink),
            },
            Err(error) => self.fault(side, time, format!("no connection message: {error}"), sink),
        }
    }

    fn take_chunks(&mut self, side: Side, time: Duration, max_message: usize, sink: &mut impl FnMut(Finding)) {
        if self.hello.is_none() || self.state == State::Unreadable {
            return;
        }
        if self.opener.is_none() && self.state == State::Readable {
            if self.input.len() > MAX_AHEAD {
                let why = "it goes on without the connection message of the other side".to_owned();
                self.fault(side, time, why, sink);
            }
            return;
        }
        loop {
            match ChunkOpener::bytes_missing(&self.input) {
                Ok(0) => {}
                Ok(_) => return,
                Err(error) => return self.fault(side, time, error.to_string(), sink),
            }
            let Some(size) = self.input.first_chunk::<2>().map(|size| u16::from_be_bytes(*size)) else {
                return;
            };
            let mut chunk = self.input.split_to(usize::from(size).saturating_add(2));
            let opener = self.opener.as_mut().filter(|_| self.state != State::Sealed);
            let Some(opener) = opener else {
                self.frame(side, time, chunk.len(), Content::Sealed, sink);
                continue;
            };
            let plaintext = match opener.open_first(&mut chunk) {
                Ok(Some(opened)) => Bytes::copy_from_slice(opened.plaintext),
                Ok(None) => return,
                Err(error) => {
                    let why = format!("{error} in the chunk at byte {}: it is not authentic", self.offset);
                    sink(Finding::fault(side, time, why));
                    self.state = State::Sealed;
                    self.frame(side, time, chunk.len(), Content::Sealed, sink);
                    continue;
                }
            };
            self.opened(side, time, chunk.len(), &plaintext, max_message, sink);
        }
    }

    fn opened(
        &mut self,
        side: Side,
        time: Duration,
        size: usize,
        plaintext: &Bytes,
        max_message: usize,
        sink: &mut impl FnMut(Finding),
    ) {
        let content = match self.frames {
            1 => NodeFlags::decode(plaintext)
                .map(Content::metadata)
                .map_err(|error| (error, "metadata")),
            2 => Answer::decode(plaintext)
                .map(|answer| Content::answer(&answer))
                .map_err(|error| (error, "answer")),
            _ => Ok(Content::message_chunk(plaintext, self.state == State::NoMessages)),
        };
        let is_message = self.frames > 2;
        match content {
            Ok(content) => self.frame(side, time, size, content, sink),
            Err((error, what)) => {
                self.frame(side, time, size, Content::message_chunk(plaintext, true), sink);
                sink(Finding::fault(side, time, format!("no {what}: {error}")));
            }
        }
        if is_message && self.state == State::Readable {
            self.stream.extend_from_slice(plaintext);
            self.take_messages(side, time, max_message, sink);
        }
    }

    fn take_messages(&mut self, side: Side, time: Duration, max_message: usize, sink: &mut impl FnMut(Finding)) {
        let mut encoding = RawEncoding::new(max_message);
        loop {
            match encoding.decode(&mut self.stream) {
                Ok(Some(message)) => sink(Finding::message(side, time, &message)),
                Ok(None) => break,
                Err(error) => {
                    sink(Finding::fault(side, time, format!("no messages of a node: {error}")));
                    self.state = State::NoMessages;
                    self.stream = BytesMut::new();
                    return;
                }
            }
        }
        if !self.stream.has_remaining() {
            // A large message must not keep its room.
            self.stream = BytesMut::new();
        }
    }
}
