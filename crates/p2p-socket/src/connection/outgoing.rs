use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::ConnectionOptions;

/// The messages that wait to be sealed, bounded in bytes. Whoever waits for room gets it in the order of asking.
#[derive(Debug)]
pub(crate) struct Outgoing {
    limit: usize,
    room: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<QueuedMessage>,
    closed: bool,
}

/// A message on its way, with its share of the bound.
#[derive(Debug)]
pub(crate) struct QueuedMessage {
    pub(crate) bytes: Bytes,
    /// Told when the operating system has the message; dropped if it never will.
    pub(crate) flushed: Option<oneshot::Sender<()>>,
    /// Given back when it is dropped. A mere request to be told takes no room.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

impl QueuedMessage {
    /// Whether it is a mere request to be told, of somebody who has gone.
    fn is_abandoned_flush(&self) -> bool {
        self.bytes.is_empty() && self.flushed.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

/// The connection takes no more messages.
#[derive(Debug)]
pub(crate) struct OutgoingClosed;

impl Outgoing {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            room: Arc::new(Semaphore::new(limit)),
            queue: Mutex::default(),
        }
    }

    /// The largest message that fits, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.limit - ConnectionOptions::MESSAGE_OVERHEAD
    }

    pub(crate) async fn reserve(&self, size: usize) -> Result<OwnedSemaphorePermit, OutgoingClosed> {
        self.room
            .clone()
            .acquire_many_owned(Self::cost(size))
            .await
            .map_err(|_| OutgoingClosed)
    }

    /// `None` if there is no room now.
    pub(crate) fn try_reserve(&self, size: usize) -> Result<Option<OwnedSemaphorePermit>, OutgoingClosed> {
        match self.room.clone().try_acquire_many_owned(Self::cost(size)) {
            Ok(room) => Ok(Some(room)),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(OutgoingClosed),
        }
    }

    pub(crate) fn push(&self, message: QueuedMessage) -> Result<(), OutgoingClosed> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(OutgoingClosed);
        }
        // They take no room, so that nothing but this bounds them.
        while queue.messages.back().is_some_and(QueuedMessage::is_abandoned_flush) {
            queue.messages.pop_back();
        }
        queue.messages.push_back(message);
        Ok(())
    }

    /// Moves messages of together at least `bytes` bytes to `batch`, or all that there are; returns how many bytes
    /// they have. Requests to be told come along with the message before them.
    pub(crate) fn take(&self, bytes: usize, batch: &mut VecDeque<QueuedMessage>) -> usize {
        let mut queue = self.lock();
        let mut taken = 0;
        while queue
            .messages
            .front()
            .is_some_and(|next| taken < bytes || next.bytes.is_empty())
        {
            let Some(message) = queue.messages.pop_front() else {
                break;
            };
            taken += message.bytes.len();
            batch.push_back(message);
        }
        if queue.messages.is_empty() {
            // Give the memory of a burst back.
            queue.messages = VecDeque::new();
        }
        taken
    }

    /// Takes no more messages; those in the queue stay.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
    }

    /// Throws away what is in the queue.
    pub(crate) fn discard(&self) {
        let messages = std::mem::take(&mut self.lock().messages);
        drop(messages);
    }

    /// How many bytes of the bound are in use.
    pub(crate) fn used(&self) -> usize {
        self.limit - self.room.available_permits()
    }

    fn cost(size: usize) -> u32 {
        u32::try_from(size.saturating_add(ConnectionOptions::MESSAGE_OVERHEAD)).unwrap_or(u32::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flush() -> (QueuedMessage, oneshot::Receiver<()>) {
        let (flushed, wait) = oneshot::channel();
        let request = QueuedMessage {
            bytes: Bytes::new(),
            flushed: Some(flushed),
            _room: None,
        };
        (request, wait)
    }

    #[test]
    fn abandoned_flushes_leave_the_queue() {
        let outgoing = Outgoing::new(1000);
        let (kept, wait) = flush();
        outgoing.push(kept).unwrap();
        for _ in 0..1000 {
            let (abandoned, _) = flush();
            outgoing.push(abandoned).unwrap();
        }
        assert_eq!(outgoing.lock().messages.len(), 2);
        drop(wait);
    }
}
