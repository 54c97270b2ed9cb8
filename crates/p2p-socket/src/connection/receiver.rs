use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, Wake, ready},
};

use futures_core::Stream;

use super::{ConnectionError, Direction, Handles, Link, Received, TryRecvError, incoming::NoMessage};

/// The receiving half of a connection. When it is dropped, what the remote sends is read and thrown away.
pub struct Receiver<M> {
    handles: Arc<Handles<M>>,
    /// Whether the [`Stream`] has told its end.
    stream_ended: bool,
}

impl<M> Receiver<M> {
    pub(super) fn new(handles: Arc<Handles<M>>) -> Self {
        Self {
            handles,
            stream_ended: false,
        }
    }

    /// Waits for the next message. Octez: `P2p_socket.read`.
    ///
    /// # Errors
    ///
    /// The [`ConnectionError`] that ended the connection, after every message that came before it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is taken only when it is handed out.
    pub async fn recv(&mut self) -> Result<Received<M>, ConnectionError> {
        match self.next() {
            Ok(next) => next,
            Err(NotYet) => {
                let waiting = Waiting(self);
                poll_fn(|cx| waiting.0.poll_wait(cx, true)).await
            }
        }
    }

    /// The next message, if one is waiting. Octez: `P2p_socket.read_now`.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if none is, [`TryRecvError::Closed`] at the end.
    pub fn try_recv(&mut self) -> Result<Received<M>, TryRecvError> {
        match self.next() {
            Ok(next) => Ok(next?),
            Err(NotYet) => Err(TryRecvError::Empty),
        }
    }

    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received<M>, ConnectionError>> {
        match self.next() {
            Ok(next) => Poll::Ready(next),
            // Who calls it may never do so again, and would not tell.
            Err(NotYet) => {
                let next = ready!(self.poll_wait(cx, false));
                self.handles.link.queues.status.wakers.receiver_leaves();
                Poll::Ready(next)
            }
        }
    }

    /// Resolves when nothing more will come from the remote; messages may still be waiting.
    /// Octez: `P2p_socket.wait_reader_closed`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.handles.link.queues.status.wait_for_end(Direction::Receiving).await;
    }

    /// How many bytes of the incoming queue's bound are in use by messages that wait to be received.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.handles.link.queues.incoming.used()
    }

    /// What is in the queue, or its end.
    fn next(&self) -> Result<Result<Received<M>, ConnectionError>, NotYet> {
        let queues = &self.handles.link.queues;
        match queues.incoming.pop() {
            Ok(popped) => {
                if popped.makes_room {
                    queues.status.wakers.room_is_made();
                }
                queues.status.traffic.received_message();
                if popped.is_last {
                    queues.answering.store(true, Relaxed);
                }
                Ok(Ok(popped.received))
            }
            Err(NoMessage::Ever) => Ok(Err(queues.status.cause())),
            Err(NoMessage::Yet) => Err(NotYet),
        }
    }

    /// Reads from the transport, or waits until there is something to read.
    fn poll_wait(&self, cx: &mut Context<'_>, stays: bool) -> Poll<Result<Received<M>, ConnectionError>> {
        let Link { queues, ends } = &*self.handles.link;
        let wakers = &queues.status.wakers;
        wakers.set_receiver(cx.waker());
        let has_more = ends.read(queues, stays);
        match self.next() {
            Ok(next) => {
                if has_more {
                    wakers.leave_unseen();
                }
                Poll::Ready(next)
            }
            Err(NotYet) => {
                if has_more {
                    // As the transport would: it may be the driver who goes on.
                    wakers.wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

/// No message is waiting.
struct NotYet;

/// A receiver in `recv`, which leaves when that is dropped.
struct Waiting<'a, M>(&'a Receiver<M>);

impl<M> Drop for Waiting<'_, M> {
    fn drop(&mut self) {
        self.0.handles.link.queues.status.wakers.receiver_leaves();
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        let queues = &self.handles.link.queues;
        queues.incoming.abandon();
        queues.status.wakers.wake_driver();
    }
}

impl<M> fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("queued_bytes", &self.queued_bytes())
            .finish_non_exhaustive()
    }
}

/// Ends without an error when either side closed in order, and behind the error otherwise.
impl<M> Stream for Receiver<M> {
    type Item = Result<M, ConnectionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let error = match ready!(self.poll_recv(cx)) {
            Ok(received) => return Poll::Ready(Some(Ok(received.message))),
            Err(error) => error,
        };
        let told = std::mem::replace(&mut self.stream_ended, true);
        let in_order = matches!(error, ConnectionError::ClosedByPeer | ConnectionError::ClosedLocally);
        Poll::Ready((!told && !in_order).then_some(Err(error)))
    }
}
