//! Connections: messages both ways between two peers that have accepted each other.

mod control;
mod driver;
mod encoded;
mod error;
mod incoming;
mod link;
mod options;
mod outgoing;
mod reader;
mod reason;
mod receiver;
mod scratch;
mod sender;
mod sink;
mod status;
mod transport;
mod wakers;
mod writer;

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll},
};

use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;
pub use p2p_io_scheduler::Direction;
use p2p_io_scheduler::{ScheduledIo, Stat};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{
    codec::{Decoder, Encoder},
    sync::CancellationToken,
};
use tracing::Instrument;

pub use self::{
    control::{Control, Drain},
    error::{CloseError, ConnectionError, SendError, TryRecvError, TrySendError},
    incoming::Received,
    options::{ConnectionOptions, InvalidOptions, Packing},
    reason::DisconnectionReason,
    receiver::Receiver,
    sender::{EncodedMessage, Sender},
};
use self::{
    driver::Driver,
    incoming::{Incoming, Waiting},
    link::{Ends, Link, Queues, Work},
    outgoing::Outgoing,
    reader::Reader,
    status::Status,
    writer::Writer,
};
use crate::{PeerInfo, handshake::Established, memory_budget::MemoryShare, telemetry};

/// An accepted connection, over which messages of type `M` go both ways. Octez: `P2p_socket.t`.
///
/// It is made of a [`Sender`], a [`Receiver`] and a [`Control`], and has all of their methods; [`split`](Self::split)
/// gives them out. Its calls do their work themselves where they can, and a task of the
/// runtime does the rest. Dropping the connection, or all senders and the receiver of
/// a split one, closes it at once and throws away what is queued, unless it is being closed already. To be sure that
/// everything is sent, call [`close`](Self::close) with [`Drain::Flush`].
pub struct Connection<M, D> {
    sender: Sender<M>,
    receiver: Receiver<M>,
    control: Control<D>,
}

/// Kept by everything that keeps the connection open.
pub(crate) struct Handles<M> {
    link: Arc<Link<M, dyn Work<M>>>,
}

impl<M> Drop for Handles<M> {
    fn drop(&mut self) {
        self.link.queues.status.all_handles_dropped();
    }
}

impl<M: Send + 'static, D: Send + Sync + 'static> Connection<M, D> {
    /// Starts the task of a connection. `input` is what has been read behind the remote's ack.
    pub(crate) fn start<T, C>(
        io: ScheduledIo<T>,
        input: BytesMut,
        established: Established<D>,
        encoding: C,
        options: &ConnectionOptions,
        memory_share: Option<MemoryShare>,
        cancellation: &CancellationToken,
    ) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        C: Encoder<M> + Decoder<Item = M> + Clone + Send + Sync + 'static,
        <C as Encoder<M>>::Error: Error + Send + Sync + 'static,
        <C as Decoder>::Error: Error + Send + Sync + 'static,
    {
        let Established { info, sealer, opener } = established.with_chunk_size(options.chunk_size);
        let status = Arc::new(Status::new(io.handle(), cancellation.child_token()));
        let span = telemetry::connection(&info);
        let reader = Reader::new(opener, encoding.clone(), input);
        let link = Arc::new(Link {
            queues: Queues {
                status: status.clone(),
                outgoing: Outgoing::new(options.outgoing_queue, options.packing),
                incoming: Incoming::new(options.incoming_queue),
                answering: AtomicBool::new(true),
                _memory_share: memory_share,
            },
            ends: Ends::new(io, reader, status.wakers.clone().into(), Writer::new(sealer), encoding),
        });
        tokio::spawn(Driver::new(link.clone()).instrument(span));
        let handles = Arc::new(Handles { link });
        Self {
            sender: Sender::new(handles.clone()),
            receiver: Receiver::new(handles),
            control: Control::new(Arc::new(info), status),
        }
    }
}

impl<M, D> Connection<M, D> {
    /// The halves and the control, to be used from different tasks.
    #[must_use]
    pub fn split(self) -> (Sender<M>, Receiver<M>, Control<D>) {
        (self.sender, self.receiver, self.control)
    }

    /// A sender beside this one.
    #[must_use]
    pub fn sender(&self) -> Sender<M> {
        self.sender.clone()
    }

    /// The control, to keep beside the connection.
    #[must_use]
    pub fn control(&self) -> Control<D> {
        self.control.clone()
    }

    /// See [`Sender::send`].
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// The message is queued whole or not at all.
    pub async fn send(&self, message: M) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// See [`Sender::try_send`].
    ///
    /// # Errors
    ///
    /// See [`TrySendError`].
    pub fn try_send(&self, message: M) -> Result<(), TrySendError<M>> {
        self.sender.try_send(message)
    }

    /// See [`Sender::send_flushed`].
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// A message that is queued already stays there.
    pub async fn send_flushed(&self, message: M) -> Result<(), SendError> {
        self.sender.send_flushed(message).await
    }

    /// See [`Sender::flush`].
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection ends first.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn flush(&self) -> Result<(), SendError> {
        self.sender.flush().await
    }

    /// See [`Sender::encode`].
    ///
    /// # Errors
    ///
    /// [`SendError::Encoding`] or [`SendError::TooLarge`].
    pub fn encode(&self, message: M) -> Result<EncodedMessage<M>, SendError> {
        self.sender.encode(message)
    }

    /// See [`Sender::send_encoded`].
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// The message is queued whole or not at all.
    pub async fn send_encoded(&self, message: &EncodedMessage<M>) -> Result<(), SendError> {
        self.sender.send_encoded(message).await
    }

    /// See [`Sender::try_send_encoded`].
    ///
    /// # Errors
    ///
    /// See [`TrySendError`].
    pub fn try_send_encoded(&self, message: &EncodedMessage<M>) -> Result<(), TrySendError<M>> {
        self.sender.try_send_encoded(message)
    }

    /// See [`Receiver::recv`].
    ///
    /// # Errors
    ///
    /// The [`ConnectionError`] that ended the connection, after every message that came before it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is taken only when it is handed out.
    pub async fn recv(&mut self) -> Result<Received<M>, ConnectionError> {
        self.receiver.recv().await
    }

    /// See [`Receiver::try_recv`].
    ///
    /// # Errors
    ///
    /// See [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<Received<M>, TryRecvError> {
        self.receiver.try_recv()
    }

    /// See [`Control::info`].
    #[must_use]
    pub fn info(&self) -> &PeerInfo<D> {
        self.control.info()
    }

    /// See [`Control::stat`].
    #[must_use]
    pub fn stat(&self) -> Stat {
        self.control.stat()
    }

    /// See [`Control::cancellation`].
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        self.control.cancellation()
    }

    /// See [`Control::set_closing_reason`].
    pub fn set_closing_reason(&self, reason: DisconnectionReason) {
        self.control.set_closing_reason(reason);
    }

    /// See [`Control::closing_reason`].
    #[must_use]
    pub fn closing_reason(&self) -> Option<DisconnectionReason> {
        self.control.closing_reason()
    }

    /// See [`Control::closing_reasons`].
    #[must_use]
    pub fn closing_reasons(&self) -> Vec<DisconnectionReason> {
        self.control.closing_reasons()
    }

    /// See [`Control::close`].
    ///
    /// # Errors
    ///
    /// When it should flush: [`CloseError`] if not everything was sent, or if it may not have arrived. The connection is
    /// closed all the same.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the connection is closed all the same.
    pub async fn close(&self, reason: DisconnectionReason, drain: Drain) -> Result<(), CloseError> {
        self.control.close(reason, drain).await
    }

    /// See [`Control::closed`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.control.closed().await;
    }
}

/// Two are equal if they are the same connection. Octez: `P2p_socket.equal`.
impl<M, D> PartialEq for Connection<M, D> {
    fn eq(&self, other: &Self) -> bool {
        self.control == other.control
    }
}

impl<M, D> Eq for Connection<M, D> {}

impl<M, D: fmt::Debug> fmt::Debug for Connection<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("control", &self.control)
            .field("sender", &self.sender)
            .field("receiver", &self.receiver)
            .finish()
    }
}

/// See [`Receiver`]'s stream.
impl<M, D> Stream for Connection<M, D> {
    type Item = Result<M, ConnectionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(cx)
    }
}

/// See [`Sender`]'s sink.
impl<M: Send + 'static, D> Sink<M> for Connection<M, D> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sender).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<(), SendError> {
        Pin::new(&mut self.sender).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sender).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sender).poll_close(cx)
    }
}
