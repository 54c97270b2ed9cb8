//! A connection whose reads and writes are regulated.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::closing::{ClosingReason, Direction, SchedulerClosed};
use crate::handle::{Connection, ScheduledHandle, ScheduledId, Weight};
use crate::stat::Stat;

/// A stream that transfers at its share of the scheduler's limits.
///
/// Made by [`IoScheduler::register`](crate::IoScheduler::register). Nothing is buffered here: bytes are accepted only
/// when the underlying stream takes them, and read only when someone asks for them, so a capped reader slows its remote
/// down by back-pressure. Who wants a byte-bounded queue wraps it in a `tokio::io::BufStream`. Reading and writing go
/// on independently; `tokio::io::split` works as for any stream.
///
/// Dropping it closes the connection; an operation that is cancelled loses no bytes and holds back nobody else.
///
/// # Panics
/// Reading and writing under a limit panic outside a tokio runtime with a timer.
pub struct ScheduledIo<T> {
    io: T,
    registration: Registration,
}

/// Ends a connection's part in the scheduler when it is dropped.
struct Registration(ScheduledHandle);

impl<T> ScheduledIo<T> {
    pub(crate) fn new(io: T, connection: Arc<Connection>) -> Self {
        Self {
            io,
            registration: Registration(ScheduledHandle::new(connection)),
        }
    }

    /// A handle that can outlive the connection.
    pub fn handle(&self) -> ScheduledHandle {
        self.registration.0.clone()
    }

    /// The connection's name.
    pub fn id(&self) -> ScheduledId {
        self.registration.0.id()
    }

    /// Bytes and flows of this connection.
    pub fn stat(&self) -> Stat {
        self.registration.0.stat()
    }

    /// The connection's share.
    pub fn weight(&self) -> Weight {
        self.registration.0.weight()
    }

    /// Changes the connection's share from the next grant on.
    pub fn set_weight(&self, weight: Weight) {
        self.registration.0.set_weight(weight);
    }

    /// Adds a reason why the connection ends; see [`ScheduledHandle::add_closing_reason`].
    pub fn add_closing_reason(&self, reason: ClosingReason) {
        self.registration.0.add_closing_reason(reason);
    }

    /// Why the connection ended, the cause first; empty while it has no reason to.
    pub fn closing_reasons(&self) -> Vec<ClosingReason> {
        self.registration.0.closing_reasons()
    }

    /// The underlying stream. What is transferred through it directly is neither limited nor counted.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// The underlying stream. What is transferred through it directly is neither limited nor counted.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Takes the stream out of the scheduler.
    pub fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ScheduledIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { io, registration } = &mut *self;
        let wanted = buf.remaining();
        let read = |cx: &mut Context<'_>, allowed: usize| {
            let before = buf.filled().len();
            if allowed < wanted {
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
                ready!(Pin::new(io).poll_read(cx, &mut part))?;
                let read = part.filled().len();
                buf.advance(read);
            } else {
                ready!(Pin::new(io).poll_read(cx, buf))?;
            }
            Poll::Ready(Ok(buf.filled().len() - before))
        };
        let read = ready!(
            registration
                .0
                .connection()
                .poll_transfer(Direction::Receiving, cx, wanted, read)
        )?;
        if read == 0 && wanted > 0 {
            registration.0.add_closing_reason(ClosingReason::ClosedByPeer {
                direction: Direction::Receiving,
            });
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ScheduledIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { io, registration } = &mut *self;
        let write = |cx: &mut Context<'_>, allowed: usize| Pin::new(io).poll_write(cx, &buf[..allowed]);
        registration
            .0
            .connection()
            .poll_transfer(Direction::Sending, cx, buf.len(), write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, registration } = &mut *self;
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        let write = |cx: &mut Context<'_>, allowed: usize| {
            if allowed == wanted {
                return Pin::new(io).poll_write_vectored(cx, bufs);
            }
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
            Pin::new(io).poll_write(cx, &first[..allowed.min(first.len())])
        };
        registration
            .0
            .connection()
            .poll_transfer(Direction::Sending, cx, wanted, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, registration } = &mut *self;
        let flush = |cx: &mut Context<'_>| Pin::new(io).poll_flush(cx);
        registration
            .0
            .connection()
            .poll_until_closed(Direction::Sending, cx, flush)
    }

    /// Goes through also when the scheduler is closed, so that a connection can always be ended.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connection {
    /// Transfers what the budget allows and the socket takes; `transfer` is told how much it may.
    fn poll_transfer(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        wanted: usize,
        transfer: impl FnOnce(&mut Context<'_>, usize) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let (half, budget) = self.half(direction);
        self.poll_until_closed(direction, cx, |cx| {
            if wanted == 0 || !budget.is_limited() {
                return transfer(cx, wanted);
            }
            let allowed = ready!(budget.poll_acquire(half.flow(), wanted, cx));
            let result = transfer(cx, allowed);
            let used = if let Poll::Ready(Ok(used)) = result { used } else { 0 };
            if used < allowed {
                budget.give_back(half.flow(), allowed - used, result.is_ready());
            }
            result
        })
        .map_ok(|bytes| {
            if bytes > 0 {
                let now = self.shared().now();
                self.meter(direction).add(bytes as u64, now);
                self.shared().meters().of(direction).add(bytes as u64, now);
            }
            bytes
        })
    }

    /// Runs an operation, unless the scheduler is closed before or while it waits. Keeps the reason of a failure.
    fn poll_until_closed<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        operation: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if self.shared().is_closed() {
            return Poll::Ready(Err(SchedulerClosed.into()));
        }
        let result = operation(cx);
        match &result {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => self.add_closing_reason(ClosingReason::of_error(error, direction)),
            Poll::Pending => {
                self.half(direction).0.wait(cx.waker());
                // Whoever closed the scheduler before the waker was stored did not see it.
                if self.shared().is_closed() {
                    return Poll::Ready(Err(SchedulerClosed.into()));
                }
            }
        }
        result
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.connection().deregister();
    }
}

impl<T> fmt::Debug for ScheduledIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScheduledIo").field(&self.registration.0).finish()
    }
}
