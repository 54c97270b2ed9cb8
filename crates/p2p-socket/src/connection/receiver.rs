use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{ConnectionError, Handles, Received, TryRecvError};

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
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message, if one is waiting. Octez: `P2p_socket.read_now`.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if none is, [`TryRecvError::Closed`] at the end.
    pub fn try_recv(&mut self) -> Result<Received<M>, TryRecvError> {
        let shared = &self.handles.shared;
        match shared.incoming.try_pop() {
            Ok(popped) => Ok(self.taken(popped)),
            Err(true) => Err(TryRecvError::Closed(shared.status.cause())),
            Err(false) => Err(TryRecvError::Empty),
        }
    }

    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received<M>, ConnectionError>> {
        let shared = &self.handles.shared;
        Poll::Ready(match ready!(shared.incoming.poll_pop(cx)) {
            Some(popped) => Ok(self.taken(popped)),
            None => Err(shared.status.cause()),
        })
    }

    /// Resolves when nothing more will come from the remote; messages may still be waiting.
    /// Octez: `P2p_socket.wait_reader_closed`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.handles.shared.status.reading_ended.cancelled().await;
    }

    /// How many bytes of the incoming queue's bound are in use by messages that wait to be received.
    pub fn queued_bytes(&self) -> usize {
        self.handles.shared.incoming.used()
    }

    fn taken(&self, (received, wake_driver): (Received<M>, bool)) -> Received<M> {
        if wake_driver {
            self.handles.shared.status.driver.wake();
        }
        received
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        self.handles.shared.incoming.abandon();
        self.handles.shared.status.driver.wake();
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
