use std::{cell::RefCell, fmt, marker::PhantomData, sync::Arc};

use bytes::BytesMut;
use tokio::sync::{SemaphorePermit, oneshot};

use super::{
    Direction, Handles, Link, SendError, TrySendError,
    encoded::{Encoded, EncodedBytes},
    outgoing::OutgoingClosed,
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
        match self.offer(message, false)? {
            Offered::Taken { .. } => Ok(()),
            Offered::Full(encoded) => self.wait_for_room(*encoded, false).await.map(drop),
        }
    }

    /// Queues a message if there is room for it now. Octez: `P2p_socket.write_now`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the encoded message back, [`TrySendError::Failed`] as in [`send`](Self::send).
    pub fn try_send(&self, message: M) -> Result<(), TrySendError<M>> {
        match self.offer(message, false)? {
            Offered::Taken { .. } => Ok(()),
            Offered::Full(encoded) => Err(TrySendError::Full(EncodedMessage::new(*encoded))),
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
        let end = match self.offer(message, true)? {
            Offered::Taken { end } => end,
            Offered::Full(encoded) => self.wait_for_room(*encoded, true).await?,
        };
        self.flushed(self.handles.link.queues.outgoing.on_flush(end)).await
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
        let outgoing = &self.handles.link.queues.outgoing;
        self.flushed(outgoing.on_flush_of_all()).await
    }

    /// Encodes a message once, to send it to many peers. Octez: `P2p_socket.encode`.
    ///
    /// # Errors
    ///
    /// [`SendError::Encoding`] or [`SendError::TooLarge`].
    pub fn encode(&self, message: M) -> Result<EncodedMessage<M>, SendError> {
        let mut front = BytesMut::new();
        let Link { queues, ends } = &*self.handles.link;
        let rest = ends.encode(message, &mut front)?;
        let encoded = EncodedBytes::new(&mut front, rest);
        Ok(EncodedMessage::new(queues.outgoing.in_shape(encoded)))
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
        match self.try_submit(Encoded::Shared(&message.bytes), false)? {
            Some(_) => Ok(()),
            None => self.wait_for_room(message.bytes.clone(), false).await.map(drop),
        }
    }

    /// As [`try_send`](Self::try_send), for a message that is encoded already. Octez: `P2p_socket.write_encoded_now`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the message back, [`TrySendError::Failed`] as in [`send`](Self::send).
    pub fn try_send_encoded(&self, message: &EncodedMessage<M>) -> Result<(), TrySendError<M>> {
        match self.try_submit(Encoded::Shared(&message.bytes), false)? {
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
        self.handles.link.queues.status.wait_for_end(Direction::Sending).await;
    }

    /// How many bytes of the outgoing queue's bound are in use.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.handles.link.queues.outgoing.used()
    }

    /// Encodes a message, into room that this thread has spare, and sends or queues it.
    fn offer(&self, message: M, urgent: bool) -> Result<Offered, SendError> {
        ROOM.with(|room| match room.try_borrow_mut() {
            Ok(mut room) => {
                let offered = self.offer_from(message, urgent, &mut room);
                if room.capacity() > SPARE_ROOM {
                    *room = BytesMut::new();
                }
                offered
            }
            // The encoding of another message sends this one.
            Err(_) => self.offer_from(message, urgent, &mut BytesMut::new()),
        })
    }

    fn offer_from(&self, message: M, urgent: bool, room: &mut BytesMut) -> Result<Offered, SendError> {
        room.clear();
        let Some(rest) = self.handles.link.ends.encode(message, room)? else {
            return Ok(match self.try_submit(Encoded::Own(room), urgent)? {
                Some(end) => Offered::Taken { end },
                None => Offered::Full(Box::new(EncodedBytes::new(room, None))),
            });
        };
        let message = EncodedBytes::new(room, Some(rest));
        Ok(match self.try_submit(Encoded::Shared(&message), urgent)? {
            Some(end) => Offered::Taken { end },
            None => Offered::Full(Box::new(message)),
        })
    }

    async fn wait_for_room(&self, message: EncodedBytes, urgent: bool) -> Result<u64, SendError> {
        let room = self.handles.link.queues.outgoing.reserve(message.len()).await;
        room.and_then(|room| self.push(Encoded::Shared(&message), room, urgent))
            .map_err(|closed| self.closed_error(closed))
    }

    /// `None` if there is no room.
    fn try_submit(&self, message: Encoded<'_>, urgent: bool) -> Result<Option<u64>, SendError> {
        let Link { queues, ends } = &*self.handles.link;
        let (size, maximum) = (message.len(), queues.outgoing.max_message_size());
        if size > maximum {
            return Err(SendError::TooLarge { size, maximum });
        }
        let sent = match ends.write_single(queues, &message, urgent) {
            Ok(None) => match queues.outgoing.try_reserve(size) {
                Ok(Some(room)) => self.push(message, room, urgent).map(Some),
                Ok(None) => Ok(None),
                Err(closed) => Err(closed),
            },
            sent => {
                if sent.is_ok() {
                    queues.status.traffic.sent_message();
                }
                sent
            }
        };
        sent.map_err(|closed| self.closed_error(closed))
    }

    fn push(&self, message: Encoded<'_>, room: SemaphorePermit<'_>, urgent: bool) -> Result<u64, OutgoingClosed> {
        let queues = &self.handles.link.queues;
        let (end, is_first) = queues.outgoing.push(message, room)?;
        queues.status.traffic.sent_message();
        // What is urgent will be flushed at once.
        if is_first && !urgent {
            queues.status.wakers.wake_driver();
        }
        Ok(end)
    }

    async fn flushed(&self, wait: Result<Option<oneshot::Receiver<()>>, OutgoingClosed>) -> Result<(), SendError> {
        let Some(flushed) = wait.map_err(|closed| self.closed_error(closed))? else {
            return Ok(());
        };
        let Link { queues, ends } = &*self.handles.link;
        ends.write(queues);
        flushed.await.map_err(|_| self.closed_error(OutgoingClosed))
    }

    fn closed_error(&self, _: OutgoingClosed) -> SendError {
        SendError::Closed(self.handles.link.queues.status.sending_cause())
    }
}

/// What became of a message.
enum Offered {
    /// It is sent or queued, up to `end`.
    Taken { end: u64 },
    /// There is no room for it. In a box: what is seldom must not make what is usual larger.
    Full(Box<EncodedBytes>),
}

/// How much room a thread keeps to encode messages in, in bytes.
const SPARE_ROOM: usize = 16 * 1024;

thread_local! {
    static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::new());
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
    bytes: EncodedBytes,
    message: PhantomData<fn(M)>,
}

impl<M> EncodedMessage<M> {
    fn new(bytes: EncodedBytes) -> Self {
        Self {
            bytes,
            message: PhantomData,
        }
    }

    /// How many bytes of plaintext it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it takes none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
