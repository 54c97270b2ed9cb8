use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::{Bytes, BytesMut};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError, oneshot};

use super::{
    ConnectionOptions, Packing,
    encoded::{Encoded, EncodedBytes},
};

/// How long a run of small messages may become, in bytes: about what a chunk carries.
const RUN_SIZE: usize = 64 * 1024;

/// The messages that wait to be sealed, bounded in bytes. Whoever waits for room gets it in the order of asking.
///
/// Places in the stream of encoded messages are counted in bytes from its beginning.
#[derive(Debug)]
pub(crate) struct Outgoing {
    limit: usize,
    packing: Packing,
    room: Semaphore,
    queue: Mutex<Queue>,
    /// Whether there is something in the queue, as far as one can know without locking it.
    is_waiting: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// Small messages behind `pieces`, one after the other.
    run: BytesMut,
    /// What `run` takes of the bound.
    run_cost: usize,
    /// How far the messages go that were taken into the queue.
    end: u64,
    /// How far they have been taken out.
    taken: u64,
    /// How far the operating system has them.
    flushed: u64,
    /// Who waits for that to reach which place.
    flushes: VecDeque<Flush>,
    closed: bool,
    discarded: bool,
}

/// The bytes of a message, or of several.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    /// What they take of the bound.
    cost: usize,
}

#[derive(Debug)]
struct Flush {
    until: u64,
    told: oneshot::Sender<()>,
}

/// The next bytes to be sealed.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<Bytes>,
    size: usize,
    /// What they took of the bound.
    cost: usize,
    /// Where they end.
    pub(crate) end: u64,
}

/// How much to take at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion {
    /// How many bytes at most.
    pub(crate) bytes: usize,
    /// What each piece counts beyond its bytes.
    pub(crate) piece_overhead: usize,
    /// A piece is cut at a multiple of this.
    pub(crate) cut: usize,
}

/// The connection takes no more messages.
#[derive(Debug)]
pub(crate) struct OutgoingClosed;

impl Outgoing {
    pub(crate) fn new(limit: usize, packing: Packing) -> Self {
        Self {
            limit,
            packing,
            room: Semaphore::new(limit),
            queue: Mutex::default(),
            is_waiting: AtomicBool::new(false),
        }
    }

    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// The largest message that fits, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.limit - ConnectionOptions::MESSAGE_OVERHEAD
    }

    pub(crate) async fn reserve(&self, size: usize) -> Result<SemaphorePermit<'_>, OutgoingClosed> {
        self.room.acquire_many(permits(size)).await.map_err(|_| OutgoingClosed)
    }

    /// `None` if there is no room now.
    pub(crate) fn try_reserve(&self, size: usize) -> Result<Option<SemaphorePermit<'_>>, OutgoingClosed> {
        match self.room.try_acquire_many(permits(size)) {
            Ok(room) => Ok(Some(room)),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(OutgoingClosed),
        }
    }

    /// Appends a message for which there is room. Tells where it ends, and whether it is the first: then nobody may know
    /// of it yet.
    pub(crate) fn push(&self, message: Encoded<'_>, room: SemaphorePermit<'_>) -> Result<(u64, bool), OutgoingClosed> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(OutgoingClosed);
        }
        let is_first = queue.is_empty();
        let cost = room.num_permits();
        let size = message.len();
        queue.end += size as u64;
        if size == 0 {
            // It is on its way already.
            return Ok((queue.end, false));
        }
        if is_first {
            self.is_waiting.store(true, Relaxed);
        }
        room.forget();
        match message {
            Encoded::Own(bytes) if size < RUN_SIZE / 4 && self.packing == Packing::Packed => queue.extend(bytes, cost),
            Encoded::Own(bytes) => queue.append(bytes.split().freeze().into(), cost),
            Encoded::Shared(message) => queue.append(self.in_shape(message.clone()), cost),
        }
        Ok((queue.end, is_first))
    }

    /// A message as the queue keeps it: in one piece if each begins a chunk.
    pub(crate) fn in_shape(&self, message: EncodedBytes) -> EncodedBytes {
        match self.packing {
            Packing::Packed => message,
            Packing::OneMessagePerChunk => message.joined(),
        }
    }

    /// Whether there is something in the queue. It may change at once.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Relaxed)
    }

    /// Lets a message of `size` bytes past the empty queue, to be sealed at once; tells where it ends. `None` if others
    /// are waiting.
    pub(crate) fn pass(&self, size: usize) -> Result<Option<u64>, OutgoingClosed> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(OutgoingClosed);
        }
        if !queue.is_empty() {
            return Ok(None);
        }
        queue.end += size as u64;
        queue.taken = queue.end;
        Ok(Some(queue.end))
    }

    /// Takes the next bytes out of the queue. [`release`](Self::release) gives back their room.
    pub(crate) fn take(&self, portion: Portion) -> Batch {
        let mut queue = self.lock();
        queue.end_run();
        let mut batch = Batch::default();
        let mut left = portion.bytes;
        while let Some(piece) = queue.pieces.front_mut() {
            let size = piece.bytes.len();
            if size + portion.piece_overhead <= left || batch.pieces.is_empty() && size <= left {
                left = left.saturating_sub(size + portion.piece_overhead);
                batch.size += size;
                batch.cost += piece.cost;
                batch.pieces.extend(queue.pieces.pop_front().map(|piece| piece.bytes));
            } else {
                let head = left - left % portion.cut;
                if head > 0 && head < size {
                    batch.pieces.push(piece.bytes.split_to(head));
                    piece.cost -= head;
                    batch.size += head;
                    batch.cost += head;
                }
                break;
            }
        }
        queue.taken += batch.size as u64;
        batch.end = queue.taken;
        if queue.pieces.is_empty() {
            // Give the memory of a burst back.
            queue.pieces = VecDeque::new();
            self.is_waiting.store(false, Relaxed);
        }
        batch
    }

    /// Gives the room of a batch to whoever waits for it.
    pub(crate) fn release(&self, batch: Batch) {
        drop(batch.pieces);
        self.room.add_permits(batch.cost);
    }

    /// Whether somebody waits for the messages up to `place` or before to be flushed.
    pub(crate) fn flush_is_awaited(&self, place: u64) -> bool {
        self.lock().flushes.front().is_some_and(|flush| flush.until <= place)
    }

    /// The operating system has everything up to `place`.
    pub(crate) fn set_flushed(&self, place: u64) {
        let mut told = Vec::new();
        {
            let mut queue = self.lock();
            queue.flushed = place;
            while queue.flushes.front().is_some_and(|flush| flush.until <= place) {
                told.extend(queue.flushes.pop_front().map(|flush| flush.told));
            }
            if queue.flushes.is_empty() {
                queue.flushes = VecDeque::new();
            }
        }
        for told in told {
            // Whoever asked may have gone.
            let _ = told.send(());
        }
    }

    /// [`on_flush`](Self::on_flush) of all messages that are in the queue or have gone through it.
    pub(crate) fn on_flush_of_all(&self) -> Result<Option<oneshot::Receiver<()>>, OutgoingClosed> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(OutgoingClosed);
        }
        let end = queue.end;
        queue.on_flush(end)
    }

    /// Tells when the operating system has everything up to `until`; dropped if it never will. `None` if it has already.
    pub(crate) fn on_flush(&self, until: u64) -> Result<Option<oneshot::Receiver<()>>, OutgoingClosed> {
        self.lock().on_flush(until)
    }

    /// Takes no more messages; those in the queue stay.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
    }

    /// Throws away what is in the queue.
    pub(crate) fn discard(&self) {
        let discarded = {
            let mut queue = self.lock();
            queue.end_run();
            let rest = Queue {
                end: queue.end,
                taken: queue.end,
                flushed: queue.flushed,
                closed: queue.closed,
                discarded: true,
                ..Queue::default()
            };
            std::mem::replace(&mut *queue, rest)
        };
        self.room
            .add_permits(discarded.pieces.iter().map(|piece| piece.cost).sum());
    }

    /// How many bytes of the bound are in use.
    pub(crate) fn used(&self) -> usize {
        self.limit - self.room.available_permits()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.run.is_empty()
    }

    fn on_flush(&mut self, until: u64) -> Result<Option<oneshot::Receiver<()>>, OutgoingClosed> {
        if self.flushed >= until {
            return Ok(None);
        }
        if self.discarded {
            return Err(OutgoingClosed);
        }
        // They take no room, so that nothing but this bounds them.
        while self.flushes.back().is_some_and(|flush| flush.told.is_closed()) {
            self.flushes.pop_back();
        }
        let (told, wait) = oneshot::channel();
        // In order although several may have asked at the same time.
        let place = self.flushes.partition_point(|flush| flush.until <= until);
        self.flushes.insert(place, Flush { until, told });
        Ok(Some(wait))
    }

    fn append(&mut self, message: EncodedBytes, cost: usize) {
        self.end_run();
        let EncodedBytes { front, rest } = message;
        let rest = Piece {
            cost: rest.len(),
            bytes: rest,
        };
        self.pieces.push_back(Piece {
            bytes: front,
            cost: cost - rest.cost,
        });
        if rest.cost > 0 {
            self.pieces.push_back(rest);
        }
    }

    /// Copies a small message to the end of the run.
    fn extend(&mut self, message: &[u8], cost: usize) {
        if self.run.len() + message.len() > RUN_SIZE {
            self.end_run();
            // As many will probably follow.
            self.run.reserve(RUN_SIZE);
        }
        self.run.extend_from_slice(message);
        self.run_cost += cost;
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            let bytes = std::mem::take(&mut self.run).freeze();
            let cost = std::mem::take(&mut self.run_cost);
            self.pieces.push_back(Piece { bytes, cost });
        }
    }
}

fn permits(size: usize) -> u32 {
    u32::try_from(size.saturating_add(ConnectionOptions::MESSAGE_OVERHEAD)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
