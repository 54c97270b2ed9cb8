use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::{codec::Decoder, sync::WaitForCancellationFutureOwned};

use super::{
    CloseError, ConnectionError, Direction, DisconnectionReason, Drain,
    link::{Ends, Link, lock},
    status::CloseRequest,
};
use crate::{
    exchange::{Discarded, poll_discard},
    telemetry,
};

/// How long queued messages may take to be written after the remote has closed its direction. It usually has closed
/// both, and the first write tells.
const FLUSH_AFTER_END: Duration = Duration::from_secs(1);

/// How many reads one poll makes at most.
const READS_PER_POLL: usize = 4;

/// The task of a connection: sends what its senders could not send themselves, reads while nobody receives, and closes.
///
/// Every poll is bounded: a few reads and writes, then it lets others run.
pub(crate) struct Driver<T, M, C> {
    link: Arc<Link<M, Ends<T, C>>>,
    /// Under which the transport is read.
    reading: Waker,
    phase: Phase,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// Sending has failed; what the remote sent before is still received.
    WriteFailed(ConnectionError),
    Closing(Closing),
    Done,
}

/// The last steps: write what is queued, end our direction, and wait for the remote to end its own, because closing
/// with unread bytes would make TCP reset the connection, and the remote could lose what we sent before.
#[derive(Debug)]
struct Closing {
    request: CloseRequest,
    deadline: Pin<Box<Sleep>>,
    stage: Stage,
    remote_ended: bool,
    /// Begun because the remote closed. Whoever then asks for it may give it more time.
    automatic: bool,
    /// Sending had failed before.
    failed: Option<ConnectionError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Write,
    ShutDown,
    AwaitEnd,
}

// Nothing in a driver is pinned in place: the codec and the transport are only ever used by reference.
impl<T, M, C> Unpin for Driver<T, M, C> {}

impl<T, M, C> Driver<T, M, C>
where
    T: AsyncRead + AsyncWrite + Unpin,
    C: Decoder<Item = M>,
    C::Error: Error + Send + Sync + 'static,
{
    pub(crate) fn new(link: Arc<Link<M, Ends<T, C>>>) -> Self {
        let status = &link.queues.status;
        Self {
            cancelled: Box::pin(status.cancellation.clone().cancelled_owned()),
            reading: status.wakers.clone().into(),
            phase: Phase::Open,
            link,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let mut writer = lock(&self.link.ends.writer);
        if let Some(error) = writer.failure.take() {
            return Poll::Ready(Err(error));
        }
        match &mut writer.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let mut io = &self.link.ends.transport;
        writer.work.poll(&mut io, &self.link.queues.outgoing, cx)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            telemetry::sending_failed(&error);
            self.stop_writing(&error);
            self.phase = Phase::WriteFailed(error);
        }
    }

    /// Reads ahead. Ready at the end, with its cause.
    fn poll_incoming(&mut self) -> Poll<ConnectionError> {
        let queues = &self.link.queues;
        let mut reader = lock(&self.link.ends.reader);
        if let Some(cause) = reader.failure.take() {
            return Poll::Ready(cause);
        }
        if !queues.status.wakers.driver_reads() {
            return Poll::Pending;
        }
        let (mut io, mut cx) = (&self.link.ends.transport, Context::from_waker(&self.reading));
        let read = reader.work.poll(&mut io, &queues.incoming, READS_PER_POLL, &mut cx);
        drop(reader);
        if !queues.incoming.is_empty() {
            queues.status.wakers.wake_receiver();
        }
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.reading.wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(cause)) => Poll::Ready(cause),
        }
    }

    fn poll_read(&mut self) {
        let Poll::Ready(cause) = self.poll_incoming() else {
            return;
        };
        telemetry::receiving_ended(&cause);
        let drain = match (&self.phase, &cause) {
            (Phase::Open, ConnectionError::ClosedByPeer | ConnectionError::Truncated { .. }) => {
                Drain::Flush(FLUSH_AFTER_END)
            }
            _ => Drain::Discard,
        };
        let remote_ended = !matches!(
            cause,
            ConnectionError::InvalidCiphertextSize { .. }
                | ConnectionError::Decipher
                | ConnectionError::Decoding(_)
                | ConnectionError::MessageTooLarge { .. }
        );
        self.begin_closing(
            CloseRequest {
                drain,
                since: Instant::now(),
            },
            cause,
            Direction::Receiving,
            remote_ended,
        );
    }

    fn begin_closing(
        &mut self,
        request: CloseRequest,
        cause: ConnectionError,
        direction: Direction,
        remote_ended: bool,
    ) {
        let status = &self.link.queues.status;
        // Told by whoever asked for it otherwise.
        if !matches!(cause, ConnectionError::ClosedLocally) {
            status.add_reason(DisconnectionReason::of(&cause, direction));
        }
        status.set_cause(cause);
        self.link.queues.outgoing.close();
        self.link.queues.incoming.end();
        status.wakers.wake_receiver();
        status.end(Direction::Receiving);
        // From now on all the work is done here.
        lock(&self.link.ends.reader).waker = None;
        lock(&self.link.ends.writer).waker = None;
        if matches!(request.drain, Drain::Discard) {
            self.discard();
        }
        let failed = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::WriteFailed(error) => Some(error),
            _ => None,
        };
        let automatic = !matches!(self.link.queues.status.cause(), ConnectionError::ClosedLocally);
        let deadline = Box::pin(sleep_until(request.deadline()));
        self.phase = Phase::Closing(Closing {
            request,
            deadline,
            stage: Stage::Write,
            remote_ended,
            automatic,
            failed,
        });
    }

    /// Takes a request to close, or a more urgent one than before.
    fn obey(&mut self) {
        let Some(request) = self.link.queues.status.close_request() else {
            return;
        };
        match &mut self.phase {
            Phase::Open | Phase::WriteFailed(_) => {
                self.begin_closing(request, ConnectionError::ClosedLocally, Direction::Sending, false);
            }
            Phase::Closing(closing) if closing.automatic || request.deadline() < closing.request.deadline() => {
                closing.automatic = false;
                closing.request = request;
                closing.deadline.as_mut().reset(request.deadline());
                if matches!(request.drain, Drain::Discard) {
                    self.discard();
                }
            }
            Phase::Closing(_) | Phase::Done => {}
        }
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseError>> {
        let Phase::Closing(closing) = &mut self.phase else {
            return Poll::Pending;
        };
        let (queues, ends) = (&self.link.queues, &self.link.ends);
        let mut io = &ends.transport;
        if let Some(error) = closing.failed.take() {
            return Poll::Ready(Err(CloseError::Failed(error)));
        }
        if closing.stage == Stage::Write {
            let mut writer = lock(&ends.writer);
            let written = match writer.failure.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => writer.work.poll(&mut io, &queues.outgoing, cx),
            };
            match written {
                Poll::Ready(Ok(())) => closing.stage = Stage::ShutDown,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseError::Failed(error))),
                Poll::Pending => {}
            }
        }
        if closing.stage == Stage::ShutDown {
            match Pin::new(&mut io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => closing.stage = Stage::AwaitEnd,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseError::Failed(ConnectionError::io(error)))),
                Poll::Pending => {}
            }
        }
        if !closing.remote_ended {
            // Nobody will take it any more, but a remote that can not send may not read either.
            match poll_discard(&mut io, cx) {
                Poll::Ready(Ok(Discarded::ToTheEnd)) => closing.remote_ended = true,
                Poll::Ready(Ok(Discarded::Some)) => cx.waker().wake_by_ref(),
                // A reset, most likely: what it had not read is lost.
                Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseError::Failed(ConnectionError::io(error)))),
                Poll::Pending => {}
            }
        }
        let done = closing.stage == Stage::AwaitEnd && closing.remote_ended;
        match closing.request.drain {
            // Whoever wanted to flush learns why it was not done.
            Drain::Discard => Poll::Ready(Err(CloseError::Failed(queues.status.cause()))),
            Drain::Flush(_) if done => Poll::Ready(Ok(())),
            Drain::Flush(limit) => match closing.deadline.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) if closing.stage == Stage::Write => Poll::Ready(Err(CloseError::Timeout { limit })),
                // Closing now may reset the connection, and destroy what the remote has not read.
                Poll::Ready(()) => Poll::Ready(Err(CloseError::Unconfirmed { limit })),
            },
        }
    }

    fn stop_writing(&mut self, error: &ConnectionError) {
        let status = &self.link.queues.status;
        status.add_reason(DisconnectionReason::of(error, Direction::Sending));
        // Before those who wait for room or a flush are let go: they ask for it.
        status.set_sending_failure(error.clone());
        status.end(Direction::Sending);
        self.discard();
    }

    fn discard(&mut self) {
        discard(&self.link);
    }
}

fn discard<T, M, C>(link: &Link<M, Ends<T, C>>) {
    let mut writer = lock(&link.ends.writer);
    writer.waker = None;
    writer.work.discard();
    drop(writer);
    link.queues.outgoing.close();
    link.queues.outgoing.discard();
}

impl<T, M, C> Driver<T, M, C> {
    /// Ends everything, also the transport.
    fn finish(&mut self, cause: ConnectionError, outcome: Result<(), CloseError>) {
        self.phase = Phase::Done;
        let queues = &self.link.queues;
        queues.status.set_cause(cause);
        discard(&self.link);
        queues.incoming.end();
        queues.status.wakers.wake_receiver();
        let mut reader = lock(&self.link.ends.reader);
        reader.waker = None;
        reader.work.discard();
        drop(reader);
        // The handles may live on.
        self.link.ends.transport.close();
        telemetry::closed(&queues.status.cause(), &queues.status.scheduled);
        queues.status.finish(outcome);
    }
}

impl<T, M, C> Future for Driver<T, M, C>
where
    T: AsyncRead + AsyncWrite + Unpin,
    C: Decoder<Item = M>,
    C::Error: Error + Send + Sync + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.link.queues.status.wakers.set_driver(cx.waker());
        if this.cancelled.as_mut().poll(cx).is_ready() {
            this.link.queues.status.add_reason(DisconnectionReason::ExplicitRequest);
            this.finish(
                ConnectionError::Cancelled,
                Err(CloseError::Failed(ConnectionError::Cancelled)),
            );
            return Poll::Ready(());
        }
        this.obey();
        if matches!(this.phase, Phase::Open) {
            this.poll_open(cx);
        }
        if matches!(this.phase, Phase::Open | Phase::WriteFailed(_)) {
            this.poll_read();
        }
        if let Poll::Ready(outcome) = this.poll_closing(cx) {
            this.finish(ConnectionError::ClosedLocally, outcome);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// A runtime that ends drops its tasks: nobody shall wait for this one then.
impl<T, M, C> Drop for Driver<T, M, C> {
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Done) {
            self.finish(
                ConnectionError::Cancelled,
                Err(CloseError::Failed(ConnectionError::Cancelled)),
            );
        }
    }
}

impl<T, M, C> fmt::Debug for Driver<T, M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
