use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::ConnectionOptions;

/// A message and how many bytes it took when encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<M> {
    /// The message.
    pub message: M,
    /// The size of its encoding, in bytes of plaintext.
    pub encoded_size: usize,
}

/// A message in the queue.
#[derive(Debug)]
pub(crate) struct Waiting<M> {
    pub(crate) received: Received<M>,
    /// What it takes of the bound.
    pub(crate) cost: usize,
}

impl<M> Waiting<M> {
    /// A message that came in a buffer of `held` bytes, which it may keep.
    pub(crate) fn new(received: Received<M>, held: usize) -> Self {
        let cost = held
            .max(received.encoded_size)
            .saturating_add(ConnectionOptions::MESSAGE_OVERHEAD);
        Self { received, cost }
    }
}

/// Messages that come to the queue together.
#[derive(Debug)]
pub(crate) struct Batch<M> {
    first: Option<Waiting<M>>,
    others: VecDeque<Waiting<M>>,
    /// The cost of all.
    cost: usize,
}

impl<M> Batch<M> {
    pub(crate) fn new() -> Self {
        Self {
            first: None,
            others: VecDeque::new(),
            cost: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, waiting: Waiting<M>) {
        self.cost = self.cost.saturating_add(waiting.cost);
        if self.first.is_none() {
            self.first = Some(waiting);
        } else {
            self.others.push_back(waiting);
        }
    }
}

/// The messages that wait to be received, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Incoming<M> {
    limit: usize,
    state: Mutex<State<M>>,
}

/// A message that was taken.
#[derive(Debug)]
pub(crate) struct Popped<M> {
    pub(crate) received: Received<M>,
    /// Whether no other is waiting.
    pub(crate) is_last: bool,
    /// Whether the driver has been waiting for it to go.
    pub(crate) makes_room: bool,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMessage {
    Yet,
    Ever,
}

#[derive(Debug)]
struct State<M> {
    /// A message before all others. In a place of its own, one at a time takes no allocation.
    first: Option<Waiting<M>>,
    others: VecDeque<Waiting<M>>,
    /// The cost of all.
    used: usize,
    /// The driver waits until no more than this is used.
    stalled_above: Option<usize>,
    ended: bool,
    abandoned: bool,
}

impl<M> Incoming<M> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            first: None,
            others: VecDeque::new(),
            used: 0,
            stalled_above: None,
            ended: false,
            abandoned: false,
        };
        Self {
            limit,
            state: Mutex::new(state),
        }
    }

    /// The largest encoded message that fits, in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        self.limit.saturating_sub(ConnectionOptions::MESSAGE_OVERHEAD)
    }

    /// How much room is worth a read while messages wait, in bytes.
    pub(crate) fn worth_while(&self) -> usize {
        self.limit / 4
    }

    /// How many bytes may still be added when `partial` bytes of an unfinished message are held elsewhere. `None` if
    /// it is not worth while: the driver is woken when there is room again.
    pub(crate) fn room(&self, partial: usize) -> Option<usize> {
        let mut state = self.lock();
        let room = self.limit.saturating_sub(state.used.saturating_add(partial));
        let worth_while = self.worth_while();
        if room < worth_while && state.used > 0 {
            state.stalled_above = Some(self.limit.saturating_sub(partial.saturating_add(worth_while)));
            return None;
        }
        Some(room)
    }

    pub(crate) fn push(&self, mut batch: Batch<M>) {
        let Some(first) = batch.first else {
            return;
        };
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        state.used += batch.cost;
        if state.is_empty() {
            state.first = Some(first);
            state.others = batch.others;
        } else {
            state.others.push_back(first);
            state.others.append(&mut batch.others);
        }
    }

    /// No more messages will be pushed.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    /// Nobody will receive: what is there and what comes is thrown away.
    pub(crate) fn abandon(&self) {
        let messages = {
            let mut state = self.lock();
            state.abandoned = true;
            state.used = 0;
            (state.first.take(), std::mem::take(&mut state.others))
        };
        drop(messages);
    }

    /// The next message if there is one.
    pub(crate) fn pop(&self) -> Result<Popped<M>, NoMessage> {
        let mut state = self.lock();
        let ended = state.ended;
        state.pop().ok_or(if ended { NoMessage::Ever } else { NoMessage::Yet })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many bytes of the bound are in use by complete messages.
    pub(crate) fn used(&self) -> usize {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> State<M> {
    fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    fn pop(&mut self) -> Option<Popped<M>> {
        let next = self.first.take().or_else(|| self.others.pop_front());
        let Waiting { received, cost } = next?;
        self.used -= cost;
        let is_last = self.is_empty();
        if is_last {
            // Give the memory of a burst back.
            self.others = VecDeque::new();
        }
        let makes_room = self.stalled_above.is_some_and(|level| self.used <= level || is_last);
        if makes_room {
            self.stalled_above = None;
        }
        Some(Popped {
            received,
            is_last,
            makes_room,
        })
    }
}

#[cfg(test)]
mod tests;
