use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use p2p_crypto::NoncesExhausted;
use p2p_framing::{CHUNK_OVERHEAD, ChunkSealer};
use tokio::io::AsyncWrite;

use super::{
    ConnectionError, Packing,
    outgoing::{Outgoing, Portion},
    scratch,
};

/// How many writes one poll makes at most, so that one busy connection does not keep a thread from the others.
const WRITES_PER_POLL: usize = 4;

/// A message that comes within this time of the last one probably has more behind it. They are cheaper to send together:
/// this is what a few writes of a single message cost.
const BURST: Duration = Duration::from_micros(20);

/// The sending half of the work: messages from the outgoing queue become chunks on the transport.
#[derive(Debug)]
pub(crate) struct Writer {
    sealer: ChunkSealer,
    /// Sealed chunks, borrowed while there is something in it.
    buffer: Option<BytesMut>,
    /// How much of `buffer` has been written.
    position: usize,
    /// How far the messages are sealed, and how far they are written.
    sealed: u64,
    written: u64,
    unflushed: bool,
    /// When something was sealed last.
    last: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(sealer: ChunkSealer) -> Self {
        Self {
            sealer,
            buffer: None,
            position: 0,
            sealed: 0,
            written: 0,
            unflushed: false,
            last: None,
        }
    }

    /// Whether everything that was sealed has been written and flushed.
    pub(crate) fn is_idle(&self) -> bool {
        self.buffer.is_none() && !self.unflushed
    }

    /// Whether a message to be sent now is one of many.
    pub(crate) fn in_burst(&self) -> bool {
        self.last.is_some_and(|then| then.elapsed() < BURST)
    }

    /// Seals a message that goes up to `end` when nothing else is waiting.
    pub(crate) fn seal_single(&mut self, message: [&[u8]; 2], end: u64) -> Result<(), NoncesExhausted> {
        debug_assert!(self.buffer.is_none());
        let mut buffer = scratch::take_write_buffer();
        self.sealer.seal_run(message, &mut buffer)?;
        self.put(buffer, end);
        Ok(())
    }

    /// Seals and writes what is queued. Ready when everything has been written and flushed.
    pub(crate) fn poll<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        outgoing: &Outgoing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        for _ in 0..WRITES_PER_POLL {
            let written = self.poll_write_buffer(io, cx).map_err(ConnectionError::io)?;
            if written.is_ready() && outgoing.is_waiting() {
                self.seal(outgoing)?;
            }
            let idle = self.buffer.is_none();
            if self.unflushed && (idle || outgoing.flush_is_awaited(self.written)) {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(ConnectionError::io)?;
                self.unflushed = false;
                outgoing.set_flushed(self.written);
            }
            if idle {
                return Poll::Ready(Ok(()));
            }
            ready!(written);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Throws away what has not been written.
    pub(crate) fn discard(&mut self) {
        self.buffer = None;
    }

    fn poll_write_buffer<T: AsyncWrite + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(buffer) = &self.buffer {
            let unwritten = &buffer[self.position..];
            if unwritten.is_empty() {
                self.position = 0;
                self.written = self.sealed;
                if let Some(buffer) = self.buffer.take() {
                    scratch::return_write_buffer(buffer);
                }
                break;
            }
            match ready!(Pin::new(&mut *io).poll_write(cx, unwritten))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.position += count;
                    self.unflushed = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Fills the buffer with the chunks of the next messages, if there are any.
    fn seal(&mut self, outgoing: &Outgoing) -> Result<(), NoncesExhausted> {
        let batch = outgoing.take(self.portion(outgoing.packing()));
        if batch.pieces.is_empty() {
            return Ok(());
        }
        let mut buffer = scratch::take_write_buffer();
        let pieces = batch.pieces.iter().map(Bytes::as_ref);
        match outgoing.packing() {
            Packing::Packed => self.sealer.seal_run(pieces, &mut buffer)?,
            Packing::OneMessagePerChunk => self.sealer.seal_each(pieces, &mut buffer)?,
        }
        self.put(buffer, batch.end);
        outgoing.release(batch);
        Ok(())
    }

    fn put(&mut self, buffer: BytesMut, end: u64) {
        self.last = Some(Instant::now());
        self.sealed = end;
        if buffer.is_empty() {
            self.written = end;
            // So that whoever waits for it is told.
            self.unflushed = true;
            scratch::return_write_buffer(buffer);
        } else {
            self.buffer = Some(buffer);
        }
    }

    /// A whole number of chunks, so that a message that is cut there leaves no chunk half full.
    fn portion(&self, packing: Packing) -> Portion {
        let per_chunk = self.sealer.chunk_size().max_plaintext();
        let bytes = (scratch::SIZE / self.sealer.chunk_size().bytes()).max(1) * per_chunk;
        let (piece_overhead, cut) = match packing {
            Packing::Packed => (0, 1),
            Packing::OneMessagePerChunk => (CHUNK_OVERHEAD, per_chunk),
        };
        Portion {
            bytes,
            piece_overhead,
            cut,
        }
    }
}
