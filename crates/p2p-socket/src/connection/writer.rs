use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use p2p_crypto::NoncesExhausted;
use p2p_framing::ChunkSealer;
use tokio::{io::AsyncWrite, sync::oneshot};

use super::{
    ConnectionError, Packing,
    outgoing::{Outgoing, QueuedMessage},
    scratch,
};

/// How many writes one poll makes at most, so that one busy connection does not keep a thread from the others.
const WRITES_PER_POLL: usize = 4;

/// The sending half of the driver: messages from the outgoing queue become chunks on the transport.
#[derive(Debug)]
pub(crate) struct Writer {
    sealer: ChunkSealer,
    packing: Packing,
    /// Messages taken from the queue and not yet sealed to their end.
    batch: VecDeque<QueuedMessage>,
    /// How much of the first message of `batch` has been sealed.
    sealed_of_first: usize,
    /// Sealed chunks, borrowed while there is something in it.
    buffer: Option<BytesMut>,
    /// How much of `buffer` has been written.
    position: usize,
    /// Who waits for how many bytes in all to be written and flushed.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    /// Bytes sealed and bytes written in all.
    sealed: u64,
    written: u64,
    unflushed: bool,
}

impl Writer {
    pub(crate) fn new(sealer: ChunkSealer, packing: Packing) -> Self {
        Self {
            sealer,
            packing,
            batch: VecDeque::new(),
            sealed_of_first: 0,
            buffer: None,
            position: 0,
            waiting: VecDeque::new(),
            sealed: 0,
            written: 0,
            unflushed: false,
        }
    }

    /// Seals and writes what is queued. Ready when everything has been written and flushed.
    pub(crate) fn poll<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        outgoing: &Outgoing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        for _ in 0..WRITES_PER_POLL {
            ready!(self.poll_write_buffer(io, cx)).map_err(ConnectionError::io)?;
            self.seal(outgoing)?;
            let idle = self.buffer.is_none();
            let awaited = self.waiting.front().is_some_and(|(until, _)| *until <= self.written);
            if self.unflushed && idle || awaited {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(ConnectionError::io)?;
                self.unflushed = false;
                self.tell_waiting();
            }
            if idle {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Throws away what has not been written.
    pub(crate) fn discard(&mut self) {
        self.batch.clear();
        self.waiting.clear();
        self.buffer = None;
    }

    fn poll_write_buffer<T: AsyncWrite + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(buffer) = &self.buffer {
            let unwritten = &buffer[self.position..];
            if unwritten.is_empty() {
                self.position = 0;
                if let Some(buffer) = self.buffer.take() {
                    scratch::return_write_buffer(buffer);
                }
                break;
            }
            match ready!(Pin::new(&mut *io).poll_write(cx, unwritten))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.position += count;
                    self.written += count as u64;
                    self.unflushed = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Fills the buffer with the chunks of the next messages, if there are any and it is empty.
    fn seal(&mut self, outgoing: &Outgoing) -> Result<(), NoncesExhausted> {
        if self.buffer.is_some() {
            return Ok(());
        }
        let per_chunk = self.sealer.chunk_size().max_plaintext();
        // A whole number of chunks, so that a message that is cut here leaves no chunk half full.
        let budget = (scratch::SIZE / self.sealer.chunk_size().bytes()).max(1) * per_chunk;
        outgoing.take(budget + self.sealed_of_first, &mut self.batch);
        if self.batch.is_empty() {
            return Ok(());
        }
        let (run, total) = self.plan(budget, per_chunk);
        let mut buffer = scratch::take_write_buffer();
        let pieces = run
            .iter()
            .zip(&self.batch)
            .map(|(piece, message)| &message.bytes[piece.clone()]);
        match self.packing {
            Packing::Packed => self.sealer.seal_run(pieces, &mut buffer)?,
            Packing::OneMessagePerChunk => {
                for piece in pieces {
                    self.sealer.seal_run([piece], &mut buffer)?;
                }
            }
        }
        self.sealed += buffer.len() as u64;
        if total > 0 {
            self.buffer = Some(buffer);
        } else {
            scratch::return_write_buffer(buffer);
        }
        let finished = run
            .iter()
            .zip(&self.batch)
            .filter(|(piece, message)| piece.end == message.bytes.len())
            .count();
        self.sealed_of_first = run.last().filter(|_| finished < run.len()).map_or(0, |piece| piece.end);
        for message in self.batch.drain(..finished) {
            if let Some(flushed) = message.flushed {
                self.waiting.push_back((self.sealed, flushed));
            }
        }
        if self.batch.is_empty() {
            // Give the memory of a burst back.
            self.batch = VecDeque::new();
        }
        Ok(())
    }

    /// Which part of each message of the batch to seal now, `budget` bytes at most, and how many bytes that is.
    fn plan(&self, budget: usize, per_chunk: usize) -> (Vec<std::ops::Range<usize>>, usize) {
        let (mut run, mut total, mut start) = (Vec::new(), 0, self.sealed_of_first);
        for message in &self.batch {
            let (left, room) = (message.bytes.len() - start, budget - total);
            let mut size = left.min(room);
            if size < left && self.packing == Packing::OneMessagePerChunk {
                size -= size % per_chunk;
            }
            if size == 0 && left > 0 {
                break;
            }
            run.push(start..start + size);
            total += size;
            start = 0;
            if size < left {
                break;
            }
        }
        (run, total)
    }

    fn tell_waiting(&mut self) {
        while self.waiting.front().is_some_and(|(until, _)| *until <= self.written)
            && let Some((_, flushed)) = self.waiting.pop_front()
        {
            // Whoever asked may have gone.
            let _ = flushed.send(());
        }
    }
}
