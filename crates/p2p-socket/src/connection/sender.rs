use std::{
    error::Error,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_sink::Sink;
use p2p_framing::EncodeError;
use tokio::sync::oneshot;
use tokio_util::codec::Encoder;

use super::{
    Handles, SendError, TrySendError,
    outgoing::{OutgoingClosed, QueuedMessage},
};

/// The sending half of a connection. Clones send on the same connection.
pub struct Sender<M> {
    handles: Arc<Handles<M>>,
    encode: Arc<EncodeFn<M>>,
    /// The message that the [`Sink`] has taken and for which there is no room yet.
    overflow: Option<Sinking>,
    /// The flush that the [`Sink`] has begun.
    flushing: Option<Sinking>,
}

type Sinking = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + Sync>>;

type EncodeFn<M> = dyn Fn(M) -> Result<Bytes, SendError> + Send + Sync;

impl<M> Sender<M> {
    pub(super) fn new<C>(handles: Arc<Handles<M>>, encoding: C) -> Self
    where
        C: Encoder<M> + Clone + Send + Sync + 'static,
        C::Error: Error + Send + Sync + 'static,
    {
        let encode = move |message| {
            let mut bytes = BytesMut::new();
            match encoding.clone().encode(message, &mut bytes) {
                Ok(()) => Ok(bytes.freeze()),
                Err(error) => Err(encode_error(Box::new(error))),
            }
        };
        Self {
            handles,
            encode: Arc::new(encode),
            overflow: None,
            flushing: None,
        }
    }

    /// Queues a message; waits for room in the outgoing queue. Octez: `P2p_socket.write`.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// When dropped, either the message is queued whole, or not at all; waiting is in the order of asking.
    pub async fn send(&self, message: M) -> Result<(), SendError> {
        self.send_encoded(&self.encode(message)?).await
    }

    /// Queues a message if there is room for it now. Octez: `P2p_socket.write_now`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the encoded message back, [`TrySendError::Failed`] as in [`send`](Self::send).
    pub fn try_send(&self, message: M) -> Result<(), TrySendError<M>> {
        self.try_send_encoded(&self.encode(message)?)
    }

    /// Sends a message and waits until the operating system has all of it. Octez: `P2p_socket.write_sync`, which
    /// returns earlier.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. If the connection ends while waiting, the message may or may not have been sent.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send); a message that is queued already stays there.
    pub async fn send_flushed(&self, message: M) -> Result<(), SendError> {
        let message = self.encode(message)?;
        let size = self.check_size(&message)?;
        let room = self
            .handles
            .shared
            .outgoing
            .reserve(size)
            .await
            .map_err(|closed| self.closed_error(closed))?;
        self.push_and_wait(message.bytes, Some(room)).await
    }

    /// Waits until the operating system has every message that was queued before.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection ends first.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn flush(&self) -> Result<(), SendError> {
        self.push_and_wait(Bytes::new(), None).await
    }

    /// Encodes a message once, to send it to many peers. Octez: `P2p_socket.encode`.
    ///
    /// # Errors
    ///
    /// [`SendError::Encoding`] or [`SendError::TooLarge`].
    pub fn encode(&self, message: M) -> Result<EncodedMessage<M>, SendError> {
        Ok(EncodedMessage {
            bytes: (self.encode)(message)?,
            message: PhantomData,
        })
    }

    /// As [`send`](Self::send), for a message that is encoded already, perhaps by another connection.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_encoded(&self, message: &EncodedMessage<M>) -> Result<(), SendError> {
        let size = self.check_size(message)?;
        let room = self
            .handles
            .shared
            .outgoing
            .reserve(size)
            .await
            .map_err(|closed| self.closed_error(closed))?;
        self.push(QueuedMessage {
            bytes: message.bytes.clone(),
            flushed: None,
            _room: Some(room),
        })
    }

    /// As [`try_send`](Self::try_send), for a message that is encoded already. Octez: `P2p_socket.write_encoded_now`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the message back, [`TrySendError::Failed`] as in [`send`](Self::send).
    pub fn try_send_encoded(&self, message: &EncodedMessage<M>) -> Result<(), TrySendError<M>> {
        let size = self.check_size(message)?;
        let room = self
            .handles
            .shared
            .outgoing
            .try_reserve(size)
            .map_err(|closed| self.closed_error(closed))?;
        let Some(room) = room else {
            return Err(TrySendError::Full(message.clone()));
        };
        Ok(self.push(QueuedMessage {
            bytes: message.bytes.clone(),
            flushed: None,
            _room: Some(room),
        })?)
    }

    /// Resolves when nothing can be sent any more. Octez: `P2p_socket.wait_writer_closed`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.handles.shared.status.writing_ended.cancelled().await;
    }

    /// How many bytes of the outgoing queue's bound are in use.
    pub fn queued_bytes(&self) -> usize {
        self.handles.shared.outgoing.used()
    }

    fn check_size(&self, message: &EncodedMessage<M>) -> Result<usize, SendError> {
        let (size, maximum) = (message.len(), self.handles.shared.outgoing.max_message_size());
        if size > maximum {
            Err(SendError::TooLarge { size, maximum })
        } else {
            Ok(size)
        }
    }

    fn push(&self, message: QueuedMessage) -> Result<(), SendError> {
        self.handles
            .shared
            .outgoing
            .push(message)
            .map_err(|closed| self.closed_error(closed))?;
        self.handles.shared.status.driver.wake();
        Ok(())
    }

    async fn push_and_wait(
        &self,
        bytes: Bytes,
        room: Option<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<(), SendError> {
        let (flushed, wait) = oneshot::channel();
        self.push(QueuedMessage {
            bytes,
            flushed: Some(flushed),
            _room: room,
        })?;
        wait.await.map_err(|_| self.closed_error(OutgoingClosed))
    }

    fn closed_error(&self, _: OutgoingClosed) -> SendError {
        SendError::Closed(self.handles.shared.status.sending_cause())
    }
}

fn encode_error(error: Box<dyn Error + Send + Sync>) -> SendError {
    match error.downcast_ref::<EncodeError>() {
        Some(EncodeError::TooLarge { size, maximum }) => SendError::TooLarge {
            size: *size,
            maximum: *maximum,
        },
        _ => SendError::Encoding(error),
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Self {
            handles: self.handles.clone(),
            encode: self.encode.clone(),
            overflow: None,
            flushing: None,
        }
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("queued_bytes", &self.queued_bytes())
            .finish_non_exhaustive()
    }
}

/// Flushing waits as [`Sender::flush`] does; closing flushes and leaves the connection open for others.
impl<M: Send + 'static> Sink<M> for Sender<M> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        poll_sinking(&mut self.overflow, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<(), SendError> {
        // A flush that was begun before does not speak for this message.
        self.flushing = None;
        match self.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                let sender = self.clone();
                self.overflow = Some(Box::pin(async move { sender.send_encoded(&message).await }));
                Ok(())
            }
            Err(TrySendError::Failed(error)) => Err(error),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.as_mut().poll_ready(cx))?;
        if self.flushing.is_none() {
            let sender = self.clone();
            self.flushing = Some(Box::pin(async move { sender.flush().await }));
        }
        poll_sinking(&mut self.flushing, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush(cx)
    }
}

fn poll_sinking(sinking: &mut Option<Sinking>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
    let Some(future) = sinking else {
        return Poll::Ready(Ok(()));
    };
    let result = ready!(future.as_mut().poll(cx));
    *sinking = None;
    Poll::Ready(result)
}

/// A message that has been encoded once; a clone costs next to nothing. Octez: `P2p_socket.encoded_message`.
pub struct EncodedMessage<M> {
    bytes: Bytes,
    message: PhantomData<fn(M)>,
}

impl<M> EncodedMessage<M> {
    /// How many bytes of plaintext it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it takes none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<M> Clone for EncodedMessage<M> {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            message: PhantomData,
        }
    }
}

impl<M> fmt::Debug for EncodedMessage<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedMessage")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
