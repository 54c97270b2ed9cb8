#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use p2p_framing::{ChunkOpener, MAX_RECEIVED_CHUNK_SIZE};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::codec::Decoder;

use super::{ConnectionError, Incoming, Received, Waiting, incoming::Batch, scratch};

/// Beyond this size, in bytes, a message leaves its buffer behind when it is decoded.
const LARGE_MESSAGE: usize = scratch::SIZE;

/// An encoding that makes a message of nothing.
#[derive(Debug, thiserror::Error)]
#[error("the encoding made a message without consuming a byte")]
struct NothingConsumed;

/// The receiving half of the work: bytes from the transport become messages in the incoming queue.
#[derive(Debug)]
pub(crate) struct Reader<C> {
    opener: ChunkOpener,
    decoder: C,
    /// What was read before there was a connection.
    ahead: Option<BytesMut>,
    /// The beginning of a chunk.
    chunk: Vec<u8>,
    /// Opened plaintext that is not a whole message yet, or for which the queue had no room.
    stream: BytesMut,
    /// Whether `stream` may hold a whole message.
    decodable: bool,
    /// Whether the transport had nothing more.
    awaits_transport: bool,
}

impl<C> Reader<C>
where
    C: Decoder,
    C::Error: Error + Send + Sync + 'static,
{
    /// `ahead` is what has been read behind the handshake.
    pub(crate) fn new(opener: ChunkOpener, decoder: C, ahead: BytesMut) -> Self {
        let ahead = Some(ahead).filter(|bytes| !bytes.is_empty());
        Self {
            opener,
            decoder,
            ahead,
            chunk: Vec::new(),
            stream: BytesMut::new(),
            decodable: false,
            awaits_transport: false,
        }
    }

    /// Moves messages to the queue until the transport has no more bytes or the queue no more room, in `reads` reads at
    /// most, so that one busy connection does not keep a thread from the others. Ready when there may be more, or at the
    /// end, with its cause.
    pub(crate) fn poll<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
        incoming: &Incoming<C::Item>,
        reads: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        self.awaits_transport = false;
        for _ in 0..reads {
            let Some(mut room) = incoming.room(self.partial_size()) else {
                return Poll::Pending;
            };
            if self.decodable {
                match self.decode(room, incoming) {
                    Ok(()) if self.decodable => continue,
                    Ok(()) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
                match incoming.room(self.partial_size()) {
                    Some(left) => room = left,
                    None => return Poll::Pending,
                }
            }
            // A byte more than has come, at least, or it would be decodable.
            let size = self.stream.len().saturating_add(1);
            if let Err(error) = check_size(size, incoming) {
                return Poll::Ready(Err(error));
            }
            if room < incoming.worth_while() {
                // Nothing but this message is held. Its last chunk may go beyond the bound: whether a message fits
                // must not depend on what else is in that chunk.
                room = room.max(MAX_RECEIVED_CHUNK_SIZE.saturating_sub(self.chunk.len()));
            }
            let filled = match self.ahead.take() {
                Some(mut bytes) => self.open(&mut bytes, room),
                None => {
                    let filled = self.poll_fill(io, room, cx);
                    self.awaits_transport = filled.is_pending();
                    ready!(filled)
                }
            };
            if let Err(error) = filled {
                // What is authentic in front of a bad chunk is still received.
                self.decode(usize::MAX, incoming)?;
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The bytes of the unfinished message and chunk.
    fn partial_size(&self) -> usize {
        self.stream.len().saturating_add(self.chunk.len())
    }

    /// One read of at most `room` bytes, in a borrowed buffer; opens the chunks that are complete then.
    fn poll_fill<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        let mut scratch = scratch::take_read_buffer();
        let size = room.min(scratch.len());
        let mut buffer = ReadBuf::new(scratch.get_mut(..size).unwrap_or_default());
        let result = match Pin::new(io).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectionError::io(error))),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Err(match self.partial_size() {
                0 => ConnectionError::ClosedByPeer,
                received => ConnectionError::Truncated { received },
            })),
            Poll::Ready(Ok(())) => Poll::Ready(self.open(buffer.filled_mut(), room)),
        };
        scratch::return_read_buffer(scratch);
        result
    }

    /// Opens the chunks that are complete with `bytes`, and keeps the rest. Only the bytes of a chunk that came in
    /// several reads are copied, each once, however small the reads are.
    fn open(&mut self, mut bytes: &mut [u8], room: usize) -> Result<(), ConnectionError> {
        self.grow(self.chunk.len().saturating_add(bytes.len()), room);
        while !self.chunk.is_empty() {
            let missing = ChunkOpener::bytes_missing(&self.chunk).map_err(ConnectionError::chunk)?;
            if missing == 0 {
                let mut chunk = std::mem::take(&mut self.chunk);
                self.open_chunks(&mut chunk)?;
                break;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let (head, tail) = bytes.split_at_mut(missing.min(bytes.len()));
            self.chunk.extend_from_slice(head);
            bytes = tail;
        }
        let consumed = self.open_chunks(bytes)?;
        self.chunk = bytes.get(consumed..).unwrap_or_default().to_vec();
        Ok(())
    }

    /// Makes place in the stream for so many bytes more, if there is a choice: it grows by doubling, but not beyond the
    /// `room` that the queue has.
    fn grow(&mut self, additional: usize, room: usize) {
        let (length, capacity) = (self.stream.len().saturating_add(additional), self.stream.capacity());
        let most = self.stream.len().saturating_add(room).max(length);
        if length > capacity && capacity.saturating_mul(2) > most {
            let mut grown = BytesMut::with_capacity(most);
            grown.extend_from_slice(&self.stream);
            self.stream = grown;
        }
    }

    fn open_chunks(&mut self, bytes: &mut [u8]) -> Result<usize, ConnectionError> {
        if self.stream.capacity() == 0 {
            self.stream = scratch::take_stream();
        }
        let before = self.stream.len();
        let opened = self.opener.open_onto(bytes, &mut self.stream);
        self.decodable |= self.stream.len() > before;
        if self.stream.is_empty() {
            scratch::return_stream(std::mem::take(&mut self.stream));
        }
        opened.map_err(ConnectionError::chunk)
    }

    /// Decodes one message, or a full queue of undecoded bytes would never move, and more as long as there is room
    /// for what the queue adds to them.
    fn decode(&mut self, mut room: usize, incoming: &Incoming<C::Item>) -> Result<(), ConnectionError> {
        let mut batch = Batch::new();
        let result = loop {
            if room == 0 && !batch.is_empty() {
                break Ok(());
            }
            let (before, capacity) = (self.stream.len(), self.stream.capacity());
            match self.decoder.decode(&mut self.stream) {
                // It would go on for ever.
                Ok(Some(_)) if self.stream.len() == before => {
                    break Err(ConnectionError::decoding(NothingConsumed));
                }
                Ok(Some(message)) => {
                    let encoded_size = before.saturating_sub(self.stream.len());
                    if let Err(error) = check_size(encoded_size, incoming) {
                        break Err(error);
                    }
                    let held = if encoded_size > LARGE_MESSAGE {
                        // What follows would keep the memory of the large message for as long as it lives.
                        self.stream = BytesMut::from(&self.stream[..]);
                        capacity
                    } else {
                        encoded_size
                    };
                    let waiting = Waiting::new(Received { message, encoded_size }, held);
                    // The bytes leave the stream for the queue: only what comes on top is new.
                    room = room.saturating_sub(waiting.cost.saturating_sub(encoded_size));
                    batch.push(waiting);
                }
                Ok(None) => {
                    self.decodable = false;
                    break Ok(());
                }
                Err(error) => break Err(ConnectionError::decoding(error)),
            }
        };
        if self.stream.is_empty() {
            self.decodable = false;
            scratch::return_stream(std::mem::take(&mut self.stream));
        }
        incoming.push(batch);
        result
    }
}

impl<C> Reader<C> {
    /// Whether nothing can be done before the transport wakes whoever polled last.
    pub(crate) fn awaits_transport(&self) -> bool {
        self.awaits_transport
    }

    /// Throws away what has been read and is no message yet.
    pub(crate) fn discard(&mut self) {
        self.ahead = None;
        self.chunk = Vec::new();
        self.stream = BytesMut::new();
        self.decodable = false;
    }
}

fn check_size<M>(size: usize, incoming: &Incoming<M>) -> Result<(), ConnectionError> {
    let maximum = incoming.max_message_size();
    if size > maximum {
        return Err(ConnectionError::MessageTooLarge { size, maximum });
    }
    Ok(())
}
