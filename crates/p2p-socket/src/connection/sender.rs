use std::{cell::Cell, fmt, marker::PhantomData, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::sync::SemaphorePermit;

use super::{
    Handles, Link, SendError, TrySendError,
    outgoing::{Encoded, OutgoingClosed},
    sink::Sinking,
};

/// The sending half of a connection. Clones send on the same connection.
///
/// A message that finds nothing before it is sealed and handed to the transport by the call that sends it. When many
/// come at once, they are packed and written by the connection's task.
pub struct Sender<M> {
    handles: Arc<Handles<M>>,
    pub(super) sinking: Sinking,
}

impl<M> Sender<M> {
    pub(super) fn new(handles: Arc<Handles<M>>) -> Self {
        Self {
            handles,
            sinking: Sinking::default(),
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
        let mut message = self.encoded(message)?;
        self.submit(Encoded::Own(&mut message.0), false).await?;
        Ok(())
    }

    /// Queues a message if there is room for it now. Octez: `P2p_socket.write_now`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the encoded message back, [`TrySendError::Failed`] as in [`send`](Self::send).
    pub fn try_send(&self, message: M) -> Result<(), TrySendError<M>> {
        let mut message = self.encoded(message)?;
        match self.try_submit(&mut Encoded::Own(&mut message.0), false)? {
            Some(_) => Ok(()),
            None => Err(TrySendError::Full(EncodedMessage::new(message.0.split()))),
        }
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
        let end = {
            let mut message = self.encoded(message)?;
            self.submit(Encoded::Own(&mut message.0), true).await?
        };
        self.flush_to(end).await
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
        let end = self.handles.link.queues.outgoing.end();
        self.flush_to(end.map_err(|closed| self.closed_error(closed))?).await
    }

    /// Encodes a message once, to send it to many peers. Octez: `P2p_socket.encode`.
    ///
    /// # Errors
    ///
    /// [`SendError::Encoding`] or [`SendError::TooLarge`].
    pub fn encode(&self, message: M) -> Result<EncodedMessage<M>, SendError> {
        let mut bytes = BytesMut::new();
        self.handles.link.ends.encode(message, &mut bytes)?;
        Ok(EncodedMessage::new(bytes))
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
        self.submit(Encoded::Shared(&message.bytes), false).await?;
        Ok(())
    }

    /// As [`try_send`](Self::try_send), for a message that is encoded already. Octez: `P2p_socket.write_encoded_now`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the message back, [`TrySendError::Failed`] as in [`send`](Self::send).
    pub fn try_send_encoded(&self, message: &EncodedMessage<M>) -> Result<(), TrySendError<M>> {
        match self.try_submit(&mut Encoded::Shared(&message.bytes), false)? {
            Some(_) => Ok(()),
            None => Err(TrySendError::Full(message.clone())),
        }
    }

    /// Resolves when nothing can be sent any more. Octez: `P2p_socket.wait_writer_closed`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.handles.link.queues.status.writing_ended.cancelled().await;
    }

    /// How many bytes of the outgoing queue's bound are in use.
    pub fn queued_bytes(&self) -> usize {
        self.handles.link.queues.outgoing.used()
    }

    fn encoded(&self, message: M) -> Result<Encoding, SendError> {
        let mut encoding = Encoding(SPARE.take());
        self.handles.link.ends.encode(message, &mut encoding.0)?;
        Ok(encoding)
    }

    /// Sends a message or queues it, and waits for room if there is none; tells where it ends.
    async fn submit(&self, mut message: Encoded<'_>, urgent: bool) -> Result<u64, SendError> {
        if let Some(end) = self.try_submit(&mut message, urgent)? {
            return Ok(end);
        }
        let outgoing = &self.handles.link.queues.outgoing;
        let room = outgoing.reserve(message.bytes().len()).await;
        room.and_then(|room| self.push(message, room, urgent))
            .map_err(|closed| self.closed_error(closed))
    }

    /// `None` if there is no room.
    fn try_submit(&self, message: &mut Encoded<'_>, urgent: bool) -> Result<Option<u64>, SendError> {
        let Link { queues, ends } = &*self.handles.link;
        let (size, maximum) = (message.bytes().len(), queues.outgoing.max_message_size());
        if size > maximum {
            return Err(SendError::TooLarge { size, maximum });
        }
        ends.write_single(queues, message.bytes(), urgent)
            .and_then(|sent| match sent {
                Some(end) => Ok(Some(end)),
                None => match queues.outgoing.try_reserve(size)? {
                    Some(room) => self.push(message.reborrow(), room, urgent).map(Some),
                    None => Ok(None),
                },
            })
            .map_err(|closed| self.closed_error(closed))
    }

    fn push(&self, message: Encoded<'_>, room: SemaphorePermit<'_>, urgent: bool) -> Result<u64, OutgoingClosed> {
        let queues = &self.handles.link.queues;
        let (end, is_first) = queues.outgoing.push(message, room)?;
        // What is urgent will be flushed at once.
        if is_first && !urgent {
            queues.status.wakers.wake_driver();
        }
        Ok(end)
    }

    async fn flush_to(&self, end: u64) -> Result<(), SendError> {
        let Link { queues, ends } = &*self.handles.link;
        let flushed = queues.outgoing.on_flush(end);
        let Some(flushed) = flushed.map_err(|closed| self.closed_error(closed))? else {
            return Ok(());
        };
        ends.write(queues);
        flushed.await.map_err(|_| self.closed_error(OutgoingClosed))
    }

    fn closed_error(&self, _: OutgoingClosed) -> SendError {
        SendError::Closed(self.handles.link.queues.status.sending_cause())
    }
}

/// Spare room to encode messages in, up to this size in bytes; larger messages take their room along.
const SPARE_SIZE: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// A message that is being sent, in borrowed room.
struct Encoding(BytesMut);

impl Drop for Encoding {
    fn drop(&mut self) {
        let mut room = std::mem::take(&mut self.0);
        room.clear();
        if room.capacity() <= SPARE_SIZE {
            SPARE.set(room);
        }
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Self {
            handles: self.handles.clone(),
            sinking: Sinking::default(),
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

/// A message that has been encoded once; a clone costs next to nothing. Octez: `P2p_socket.encoded_message`.
pub struct EncodedMessage<M> {
    bytes: Bytes,
    message: PhantomData<fn(M)>,
}

impl<M> EncodedMessage<M> {
    fn new(bytes: BytesMut) -> Self {
        Self {
            bytes: bytes.freeze(),
            message: PhantomData,
        }
    }

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
