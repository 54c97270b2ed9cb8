//! A connection whose reads and writes are regulated.

use std::cell::LazyCell;
use std::fmt;
use std::io::ErrorKind::{BrokenPipe, WriteZero};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

use crate::closing::{ClosingReason, Direction, SchedulerClosed};
use crate::handle::{Connection, RegisterOptions, ScheduledHandle, ScheduledId, Weight};
use crate::queue::{ByteQueue, Queued};
use crate::scheduler::Lane;
use crate::stat::Stat;

/// A stream that transfers at its share of the scheduler's limits.
///
/// Made by [`IoScheduler::register`](crate::IoScheduler::register). Bytes are read only when someone asks for them, so a
/// capped reader slows its remote down by back-pressure. Reading and writing go on independently; `tokio::io::split`
/// works as for any stream.
///
/// # Queues
/// By default nothing is buffered here: bytes are accepted when the underlying stream takes them. With
/// [`RegisterOptions::write_queue`], bytes are also accepted when the stream or the limit does not let them pass yet, and
/// leave in order, before all later ones. **Nothing sends them in the background:** they go on when the connection is
/// written to, flushed, shut down or closed. So flush after the last write, as with a `tokio::io::BufWriter`. With
/// [`RegisterOptions::read_queue`], a small read takes more from the stream, and the next ones are served from that.
///
/// Dropping it ends the connection and discards what is queued; an operation that is cancelled loses no bytes and holds
/// back nobody else.
///
/// # Panics
/// Reading and writing under a limit panic outside a tokio runtime with a timer.
pub struct ScheduledIo<T> {
    io: T,
    registration: Registration,
    read_queue: ByteQueue,
    write_queue: ByteQueue,
    /// Whether the stream was shut down, after which nothing is accepted any more.
    is_shut_down: bool,
}

/// Ends a connection's part in the scheduler when it is dropped.
struct Registration(ScheduledHandle);

impl<T> ScheduledIo<T> {
    pub(crate) fn new(io: T, connection: Arc<Connection>, options: RegisterOptions) -> Self {
        Self {
            io,
            registration: Registration(ScheduledHandle::new(connection)),
            read_queue: ByteQueue::new(options.read_queue),
            write_queue: ByteQueue::new(options.write_queue),
            is_shut_down: false,
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

    /// Bytes in the queues.
    pub fn queued(&self) -> Queued {
        Queued {
            read: self.read_queue.len(),
            write: self.write_queue.len(),
        }
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

    /// The underlying stream. What is transferred through it directly is neither limited nor counted, and overtakes what
    /// is queued.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Takes the stream out of the scheduler. What is queued is lost.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Drops what is in the write queue, and tells how many bytes that were.
    pub(crate) fn discard(&mut self) -> usize {
        self.write_queue.clear()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ScheduledIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self {
            io,
            registration,
            read_queue,
            ..
        } = &mut *self;
        let connection = registration.0.connection();
        if !read_queue.is_empty() {
            return connection.poll_until_closed(Direction::Receiving, cx, |_| {
                read_queue.read(buf);
                Poll::Ready(Ok(()))
            });
        }
        let wanted = buf.remaining();
        let read = if let Some(ahead) = read_queue.read_ahead(wanted) {
            let fill = |cx: &mut Context<'_>, allowed: usize| read_queue.poll_fill(io, cx, allowed);
            let read = ready!(connection.poll_transfer(Direction::Receiving, cx, ahead, fill))?;
            read_queue.read(buf);
            read
        } else {
            let read = |cx: &mut Context<'_>, allowed: usize| poll_read_part(io, cx, buf, allowed);
            ready!(connection.poll_transfer(Direction::Receiving, cx, wanted, read))?
        };
        if read == 0 && wanted > 0 {
            connection.add_closing_reason(ClosingReason::ClosedByPeer {
                direction: Direction::Receiving,
            });
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ScheduledIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(buf)], |io, cx, allowed| {
            io.poll_write(cx, &buf[..allowed])
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bufs, |io, cx, allowed| poll_write_part(io, cx, bufs, allowed))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        let Self { io, registration, .. } = &mut *self;
        let flush = |cx: &mut Context<'_>| Pin::new(io).poll_flush(cx);
        registration
            .0
            .connection()
            .poll_until_closed(Direction::Sending, cx, flush)
    }

    /// Sends what is queued first. If that fails, the stream is shut down all the same, so that a connection can always
    /// be ended, also when the scheduler is closed; what is queued stays so. A stream that takes its time to shut down is
    /// not waited for once the scheduler is closed.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_shut_down {
            return Poll::Ready(Ok(()));
        }
        let drained = ready!(self.poll_drain(cx));
        let Self { io, registration, .. } = &mut *self;
        let connection = registration.0.connection();
        match Pin::new(io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                connection.add_closing_reason(ClosingReason::of_error(&error, Direction::Sending));
                return Poll::Ready(drained.and(Err(error)));
            }
            Poll::Pending => return connection.poll_until_closed(Direction::Sending, cx, |_| Poll::Pending),
        }
        self.is_shut_down = true;
        Poll::Ready(drained)
    }
}

impl<T: AsyncWrite + Unpin> ScheduledIo<T> {
    /// Hands bytes to the stream as far as it takes them, after those that are queued, or else puts them into the queue
    /// as far as there is room. `write` is told how much it may write.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>, usize) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.is_shut_down {
            return Poll::Ready(Err(io::Error::new(BrokenPipe, "the connection was shut down")));
        }
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        if self.poll_drain(cx)?.is_ready() {
            let Self { io, registration, .. } = self;
            let write = |cx: &mut Context<'_>, allowed| write(Pin::new(io), cx, allowed);
            let connection = registration.0.connection();
            let written = connection.poll_transfer(Direction::Sending, cx, wanted, write);
            if written.is_ready() {
                return written;
            }
        }
        let accepted = bufs.iter().map(|buf| self.write_queue.push(buf)).sum();
        if accepted == 0 && wanted > 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(accepted))
    }

    /// Hands everything that is queued to the stream.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            io,
            registration,
            write_queue,
            ..
        } = self;
        while !write_queue.is_empty() {
            let front = write_queue.front();
            let write = |cx: &mut Context<'_>, allowed: usize| match ready!(
                Pin::new(&mut *io).poll_write(cx, &front[..allowed])
            )? {
                0 => Poll::Ready(Err(WriteZero.into())),
                written => Poll::Ready(Ok(written)),
            };
            let connection = registration.0.connection();
            let written = ready!(connection.poll_transfer(Direction::Sending, cx, front.len(), write))?;
            write_queue.consume(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads at most `allowed` bytes.
fn poll_read_part(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    allowed: usize,
) -> Poll<io::Result<usize>> {
    let before = buf.filled().len();
    if allowed < buf.remaining() {
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
        ready!(Pin::new(io).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
    } else {
        ready!(Pin::new(io).poll_read(cx, buf))?;
    }
    Poll::Ready(Ok(buf.filled().len() - before))
}

/// How many slices a write takes at once that may not write everything. The others wait for the next one; an array on the
/// stack has to end somewhere.
const MAX_PART_SLICES: usize = 64;

/// Writes at most `allowed` bytes.
fn poll_write_part(
    io: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
    mut allowed: usize,
) -> Poll<io::Result<usize>> {
    if bufs.iter().map(|buf| buf.len()).sum::<usize>() <= allowed {
        return io.poll_write_vectored(cx, bufs);
    }
    let mut part = [IoSlice::new(&[]); MAX_PART_SLICES];
    let mut count = 0;
    for (slot, buf) in part.iter_mut().zip(bufs.iter().filter(|buf| !buf.is_empty())) {
        let bytes = buf.len().min(allowed);
        *slot = IoSlice::new(&buf[..bytes]);
        allowed -= bytes;
        count += 1;
        if allowed == 0 {
            break;
        }
    }
    io.poll_write_vectored(cx, &part[..count])
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
        let (half, Lane { budget, meter }) = self.half(direction);
        if self.shared().is_closed() {
            return Poll::Ready(Err(SchedulerClosed.into()));
        }
        // Most of what finds nothing to transfer asks for no time.
        let now = LazyCell::new(|| self.shared().now());
        let is_limited = wanted > 0 && budget.is_limited();
        let allowed = if is_limited {
            match budget.poll_acquire(half.flow(), wanted, *now, cx) {
                Poll::Ready(allowed) => allowed,
                // The budget knows whom to wake when the scheduler closes, unless that has just happened.
                Poll::Pending if self.shared().is_closed() => return Poll::Ready(Err(SchedulerClosed.into())),
                Poll::Pending => return Poll::Pending,
            }
        } else {
            wanted
        };
        let result = self.poll_until_closed(direction, cx, |cx| transfer(cx, allowed));
        let used = if let Poll::Ready(Ok(used)) = result { used } else { 0 };
        if is_limited && used < allowed {
            // A task that has done its share for now is sent away by the runtime although the socket is ready.
            let is_ready = result.is_ready() || !coop::has_budget_remaining();
            budget.give_back(half.flow(), allowed - used, is_ready);
        }
        if used > 0 {
            half.meter().add(used as u64, *now);
            meter.add(used as u64, *now);
        }
        result
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
