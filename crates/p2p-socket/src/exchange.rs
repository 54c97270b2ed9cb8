//! Drives one [`Step`] after the other over an asynchronous transport.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    deadline,
    handshake::{End, Progress, Step},
    telemetry,
};

/// When a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Not before everything has been written.
    AllIsSaid,
    /// As soon as the remote has said enough. What is still to be said then goes together with what is said next: one packet
    /// and one wake-up less, for whichever side comes second.
    EnoughIsHeard,
}

/// How much is read at a time: a connection message and what may come right behind it.
const READ_SIZE: usize = 512;

/// How much of a failed connection's input is thrown away before it is closed, in bytes.
const MAX_DISCARDED: usize = 256 * 1024;

/// A transport during the handshake, with what has been read ahead and what is still to be written.
#[derive(Debug)]
pub(crate) struct Exchange<T> {
    io: T,
    input: BytesMut,
    output: Bytes,
    unflushed: bool,
    end: Option<End>,
    /// Set once, and put off from step to step: every new timer may wake the runtime.
    timer: Pin<Box<Sleep>>,
    cancellation: CancellationToken,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Exchange<T> {
    /// `deadline` is that of the first step.
    pub(crate) fn new(io: T, deadline: Instant, cancellation: CancellationToken) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            output: Bytes::new(),
            unflushed: false,
            end: None,
            timer: Box::pin(sleep_until(deadline)),
            cancellation,
        }
    }

    /// The transport, and what has been read ahead.
    pub(crate) fn into_parts(self) -> (T, BytesMut, CancellationToken) {
        (self.io, self.input, self.cancellation)
    }

    /// Says `output` and takes `step`. When that fails the transport has been closed.
    ///
    /// This is no `async fn`, which would hold everything that it is given twice. What a half-open connection takes is
    /// mostly this future.
    pub(crate) fn take<S: Step>(
        &mut self,
        mut step: S,
        output: Bytes,
        when: When,
    ) -> impl Future<Output = Result<S::Next, S::Error>> {
        self.say(output);
        let deadline = Instant::from_std(step.deadline());
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        async move {
            let cancellation = self.cancellation.clone();
            let mut cancelled = pin!(cancellation.cancelled());
            let error = loop {
                let now = Instant::now();
                if !self.unflushed || now >= deadline || (when == When::EnoughIsHeard && !self.input.is_empty()) {
                    match step.receive(&mut self.input, now.into_std()) {
                        Ok(Progress::Done(next)) => return Ok(next),
                        Ok(Progress::NeedMore(same)) => step = same,
                        Err(error) => break error,
                    }
                    if !self.unflushed
                        && let Some(end) = self.end.take()
                    {
                        break step.end(end);
                    }
                }
                let go_on = poll_fn(|cx| {
                    if cancelled.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(false);
                    }
                    if self.poll_transport(step.max_input(), when, cx).is_pending() {
                        ready!(self.timer.as_mut().poll(cx));
                    }
                    Poll::Ready(true)
                });
                if !go_on.await {
                    break step.end(End::Cancelled);
                }
            };
            poll_fn(|cx| {
                // Also a remote that has failed shall learn with whom, if it lets us tell it in time.
                if self.unflushed && cancelled.as_mut().poll(cx).is_pending() && self.poll_say(cx).is_pending() {
                    ready!(self.timer.as_mut().poll(cx));
                }
                self.abandon(cx);
                Poll::Ready(())
            })
            .await;
            Err(error)
        }
    }

    /// Puts `output` behind what is still to be said.
    fn say(&mut self, output: Bytes) {
        self.output = if self.output.is_empty() {
            output
        } else {
            [&self.output[..], &output[..]].concat().into()
        };
        self.unflushed = true;
    }

    /// Reads and writes at the same time, because the remote may do the same over a transport that holds only a few
    /// bytes. Ready when there is something to look at.
    fn poll_transport(&mut self, max_input: usize, when: When, cx: &mut Context<'_>) -> Poll<()> {
        let heard = self.poll_hear(max_input, cx);
        if heard.is_ready() && when == When::EnoughIsHeard {
            return heard;
        }
        let said = if self.unflushed {
            self.poll_say(cx)
        } else {
            Poll::Pending
        };
        if heard.is_ready() { heard } else { said }
    }

    /// Ready when something was read, or the end.
    fn poll_hear(&mut self, max_input: usize, cx: &mut Context<'_>) -> Poll<()> {
        let room = max_input.saturating_sub(self.input.len());
        if self.end.is_some() || room == 0 {
            return Poll::Pending;
        }
        self.end = match ready!(self.poll_read(room, cx)) {
            Ok(0) => Some(End::Closed),
            Ok(_) => None,
            Err(error) => Some(End::Io(error)),
        };
        Poll::Ready(())
    }

    /// Ready when all was written, or can't be.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let written = ready!(self.poll_write(cx));
        self.unflushed = false;
        // Go on reading after a failed write: what the remote sent before it closed, a nack perhaps, tells more.
        if let Err(error) = written {
            self.output.clear();
            telemetry::handshake_writing_failed(&error);
        }
        Poll::Ready(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.output.advance(written),
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; READ_SIZE];
        let mut buffer = ReadBuf::new(&mut bytes[..READ_SIZE.min(room)]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        self.keep(buffer.filled(), room);
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Appends to the input, which grows by doubling, but not beyond what it may hold: `room` more.
    fn keep(&mut self, bytes: &[u8], room: usize) {
        let (length, capacity) = (self.input.len() + bytes.len(), self.input.capacity());
        if length > capacity {
            let most = self.input.len() + room;
            let mut grown = BytesMut::with_capacity((2 * capacity).min(most).max(length));
            grown.extend_from_slice(&self.input);
            self.input = grown;
        }
        self.input.extend_from_slice(bytes);
    }

    /// Writes the rest of `output` and closes, within `limit`; waits for the remote to close, too, so that nothing
    /// of ours is lost to a reset.
    pub(crate) async fn finish(mut self, output: Bytes, limit: Duration) -> Result<(), FinishError> {
        self.say(output);
        let deadline = deadline::after(Instant::now(), limit);
        let cancellation = self.cancellation.clone();
        let written = tokio::select! {
            biased;
            () = cancellation.cancelled() => Err(FinishError::Cancelled),
            written = timeout_at(deadline, async {
                poll_fn(|cx| self.poll_write(cx)).await?;
                poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await
            }) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(FinishError::Io(error)),
                Err(_) => Err(FinishError::Timeout),
            },
        };
        if written.is_ok() {
            let ended = timeout_at(deadline, poll_fn(|cx| poll_discard(&mut self.io, cx)));
            tokio::select! {
                biased;
                () = cancellation.cancelled() => {}
                _ = ended => {}
            }
        }
        written
    }

    /// Ends our direction and throws away what has arrived, without waiting for anything: closing with unread bytes
    /// would make TCP reset the connection, and the remote could lose what we sent before.
    fn abandon(&mut self, cx: &mut Context<'_>) {
        self.output.clear();
        let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        let _ = poll_discard(&mut self.io, cx);
    }
}

/// Reads and forgets until the remote closes, or so much has come that it never will. Fails as the transport does.
pub(crate) fn poll_discard<T: AsyncRead + Unpin>(io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<Discarded>> {
    let mut bytes = [0; READ_SIZE];
    for _ in 0..MAX_DISCARDED / READ_SIZE {
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(Discarded::ToTheEnd));
        }
    }
    Poll::Ready(Ok(Discarded::Some))
}

/// How much input was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discarded {
    /// All there was: the remote has closed.
    ToTheEnd,
    /// A lot, and there is more.
    Some,
}

/// Why a last message was not delivered.
#[derive(Debug)]
pub(crate) enum FinishError {
    Timeout,
    Cancelled,
    Io(io::Error),
}
