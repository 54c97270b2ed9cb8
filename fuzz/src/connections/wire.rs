//! A wire in memory that carries as much and as little as it is told, and breaks as TCP does.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{adversary::flip, script::Script};

/// One end of a wire.
pub(super) struct End {
    incoming: Way,
    outgoing: Way,
}

/// One direction of a wire.
#[derive(Clone)]
pub(super) struct Way(Arc<Mutex<State>>);

struct State {
    on_the_way: VecDeque<u8>,
    /// How many bytes it holds at most, and how many it takes and gives at a time.
    room: usize,
    per_write: usize,
    per_read: usize,
    stalled: bool,
    /// The writer has said everything.
    ended: bool,
    /// The reader is gone, or the connection was reset.
    broken: bool,
    was_reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The two ends of a wire, and its two directions: from the first end, and to it.
pub(super) fn wire() -> ([End; 2], [Way; 2]) {
    let ways = [Way::new(), Way::new()];
    let [there, back] = &ways;
    let end = |incoming: &Way, outgoing: &Way| End {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
    };
    ([end(back, there), end(there, back)], ways)
}

impl Way {
    /// More than is ever on the way.
    const WIDE: usize = 1 << 20;

    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            on_the_way: VecDeque::new(),
            room: Self::WIDE,
            per_write: Self::WIDE,
            per_read: Self::WIDE,
            stalled: false,
            ended: false,
            broken: false,
            was_reset: false,
            reader: None,
            writer: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }

    /// Carries nothing for a while, or little at a time.
    pub(super) fn narrow(&self, script: &mut Script<'_>) {
        let mut state = self.lock();
        state.stalled = script.byte().is_multiple_of(4);
        let mut limit = || 1 + script.length(Self::WIDE);
        (state.room, state.per_write, state.per_read) = (limit(), limit(), limit());
        state.wake();
    }

    /// Carries everything, from now on.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.stalled = false;
        (state.room, state.per_write, state.per_read) = (Self::WIDE, Self::WIDE, Self::WIDE);
        state.wake();
    }

    /// Loses what is on the way, and gives both ends an error.
    pub(super) fn reset(&self) {
        self.lock().was_reset = true;
        self.abandon();
    }

    /// Nobody reads it any more.
    fn abandon(&self) {
        let mut state = self.lock();
        state.broken = true;
        state.on_the_way.clear();
        state.wake();
    }

    /// Ends as if the writer had.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.wake();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().on_the_way.is_empty()
    }

    pub(super) fn was_reset(&self) -> bool {
        self.lock().was_reset
    }

    /// Flips a bit of what is on the way, if there is one.
    pub(super) fn flip(&self, script: &mut Script<'_>) {
        flip(self.lock().on_the_way.make_contiguous(), script);
    }
}

impl State {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.incoming.lock();
        if state.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let size = state.on_the_way.len().min(state.per_read).min(buf.remaining());
        let is_over = state.ended && state.on_the_way.is_empty();
        if state.stalled || size == 0 && !is_over && buf.remaining() > 0 {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for byte in state.on_the_way.drain(..size) {
            buf.put_slice(&[byte]);
        }
        state.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.outgoing.lock();
        if state.broken || state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = state.room.saturating_sub(state.on_the_way.len());
        let size = room.min(state.per_write).min(bytes.len());
        if state.stalled || size == 0 && !bytes.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.on_the_way.extend(&bytes[..size]);
        state.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.end();
        Poll::Ready(Ok(()))
    }
}

/// What was said still arrives, unless there was something left to read: then the connection is reset.
impl Drop for End {
    fn drop(&mut self) {
        let unread = !self.incoming.lock().on_the_way.is_empty();
        self.incoming.abandon();
        if unread {
            self.outgoing.reset();
        } else {
            self.outgoing.end();
        }
    }
}
