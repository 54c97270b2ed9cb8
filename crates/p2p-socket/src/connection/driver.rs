use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use p2p_io_scheduler::ScheduledIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::{codec::Decoder, sync::WaitForCancellationFutureOwned};
use tracing::debug;

use super::{
    CloseError, ConnectionError, Direction, DisconnectionReason, Drain, Shared, reader::Reader, status::CloseRequest,
    writer::Writer,
};
use crate::exchange::{Discarded, poll_discard};

/// How long queued messages may take to be written after the remote has closed its direction. It usually has closed
/// both, and the first write tells.
const FLUSH_AFTER_END: Duration = Duration::from_secs(1);

/// The task of a connection: owns the transport, writes what the handles queue and queues what it reads.
///
/// Every poll is bounded: a few reads and writes, then it lets others run.
pub(crate) struct Driver<T, M, C> {
    io: ScheduledIo<T>,
    shared: Arc<Shared<M>>,
    reader: Reader<C>,
    writer: Writer,
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
    /// Why not everything is sent that should be: sending had failed before, or a more urgent request came.
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
    pub(crate) fn new(io: ScheduledIo<T>, shared: Arc<Shared<M>>, reader: Reader<C>, writer: Writer) -> Self {
        let cancelled = Box::pin(shared.status.cancellation.clone().cancelled_owned());
        Self {
            io,
            shared,
            reader,
            writer,
            phase: Phase::Open,
            cancelled,
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.writer.poll(&mut self.io, &self.shared.outgoing, cx) {
            debug!(%error, "sending failed");
            self.stop_writing(&error);
            self.phase = Phase::WriteFailed(error);
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) {
        let Poll::Ready(cause) = self.reader.poll(&mut self.io, &self.shared.incoming, cx) else {
            return;
        };
        debug!(%cause, "receiving ended");
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
        let status = &self.shared.status;
        // Told by whoever asked for it otherwise.
        if !matches!(cause, ConnectionError::ClosedLocally) {
            status.add_reason(DisconnectionReason::of(&cause, direction));
        }
        status.set_cause(cause);
        self.shared.outgoing.close();
        self.shared.incoming.end();
        status.reading_ended.cancel();
        if matches!(request.drain, Drain::Discard) {
            self.discard();
        }
        let failed = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::WriteFailed(error) => Some(error),
            _ => None,
        };
        let automatic = !matches!(self.shared.status.cause(), ConnectionError::ClosedLocally);
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
        let Some(request) = self.shared.status.close_request() else {
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
                    if closing.stage == Stage::Write {
                        closing.failed = Some(ConnectionError::ClosedLocally);
                    }
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
        if let Some(error) = closing.failed.take() {
            return Poll::Ready(Err(CloseError::Failed(error)));
        }
        if closing.stage == Stage::Write {
            match self.writer.poll(&mut self.io, &self.shared.outgoing, cx) {
                Poll::Ready(Ok(())) => closing.stage = Stage::ShutDown,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseError::Failed(error))),
                Poll::Pending => {}
            }
        }
        if closing.stage == Stage::ShutDown {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => closing.stage = Stage::AwaitEnd,
                // It has no direction to end any more: everything was written.
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Pending => {}
            }
        }
        if !closing.remote_ended {
            // Nobody will take it any more, but a remote that can not send may not read either.
            match poll_discard(&mut self.io, cx) {
                Poll::Ready(Discarded::ToTheEnd) => closing.remote_ended = true,
                Poll::Ready(Discarded::Some) => cx.waker().wake_by_ref(),
                Poll::Pending => {}
            }
        }
        let done = closing.stage == Stage::AwaitEnd && closing.remote_ended;
        match closing.request.drain {
            Drain::Discard => Poll::Ready(Ok(())),
            Drain::Flush(_) if done => Poll::Ready(Ok(())),
            Drain::Flush(limit) => match closing.deadline.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) if closing.stage == Stage::Write => Poll::Ready(Err(CloseError::Timeout { limit })),
                Poll::Ready(()) => Poll::Ready(Ok(())),
            },
        }
    }

    fn stop_writing(&mut self, error: &ConnectionError) {
        let status = &self.shared.status;
        status.add_reason(DisconnectionReason::of(error, Direction::Sending));
        // Before those who wait for room or a flush are let go: they ask for it.
        status.set_sending_failure(error.clone());
        status.writing_ended.cancel();
        self.discard();
    }

    fn discard(&mut self) {
        self.shared.outgoing.close();
        self.shared.outgoing.discard();
        self.writer.discard();
    }
}

impl<T, M, C> Driver<T, M, C> {
    fn finish(&mut self, cause: ConnectionError, outcome: Result<(), CloseError>) {
        self.phase = Phase::Done;
        self.shared.status.set_cause(cause);
        self.shared.outgoing.close();
        self.shared.outgoing.discard();
        self.shared.incoming.end();
        self.writer.discard();
        self.shared.status.finish(outcome);
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
        this.shared.status.driver.register(cx.waker());
        if this.cancelled.as_mut().poll(cx).is_ready() {
            this.shared.status.add_reason(DisconnectionReason::ExplicitRequest);
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
            this.poll_read(cx);
        }
        if let Poll::Ready(outcome) = this.poll_closing(cx) {
            this.finish(ConnectionError::ClosedLocally, outcome);
            debug!("closed");
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
