use std::{
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use p2p_framing::{EncodeError, encoding::encode_sharing};
use p2p_io_scheduler::ScheduledIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
};
use tokio_util::codec::{Decoder, Encoder};

use super::{
    ConnectionError, SendError,
    encoded::Encoded,
    incoming::Incoming,
    outgoing::{Outgoing, OutgoingClosed},
    reader::Reader,
    scratch,
    status::Status,
    transport::Transport,
    writer::Writer,
};
use crate::memory_budget::MemoryShare;

/// How many reads a receiver makes before it looks at what they brought: one, and one that finds nothing more.
const READS_PER_RECEIVE: usize = 2;

/// What the handles and the driver of a connection share: the queues, and behind them the two ends of the transport.
///
/// Whoever has something to do and finds an end free works there in its own task: one bounded poll, under a lock that
/// nobody holds across a wait. What remains is the driver's.
pub(crate) struct Link<M, E: ?Sized> {
    pub(crate) queues: Queues<M>,
    pub(crate) ends: E,
}

/// The queues, and what is known of the connection.
#[derive(Debug)]
pub(crate) struct Queues<M> {
    pub(crate) status: Arc<Status>,
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming<M>,
    /// The last message was taken: what is sent next may be the answer that the remote waits for.
    pub(crate) answering: AtomicBool,
    /// What they take of the memory budget, as long as there are messages in them.
    pub(crate) _memory_share: Option<MemoryShare>,
}

/// The transport and what turns messages into its bytes and back.
pub(crate) struct Ends<T, C> {
    pub(crate) transport: Transport<T>,
    pub(crate) writer: Mutex<End<Writer>>,
    pub(crate) reader: Mutex<End<Reader<C>>>,
    encoding: C,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct End<W> {
    pub(crate) work: W,
    /// Under which the transport is polled. While there is none, only the driver works here.
    pub(crate) waker: Option<Waker>,
    /// What went wrong, until the driver knows it.
    pub(crate) failure: Option<ConnectionError>,
}

/// What the handles do at the ends, whatever the transport and the encoding.
pub(crate) trait Work<M>: Send + Sync {
    /// Encodes a message: what is appended to `front`, and behind it what is returned, if it is.
    fn encode(&self, message: M, front: &mut BytesMut) -> Result<Option<Bytes>, SendError>;

    /// Writes a message at once if no other is on its way; tells where it ends then. Unless it is `urgent`, it also has
    /// to look as if no others were about to follow.
    fn write_single(
        &self,
        queues: &Queues<M>,
        message: &Encoded<'_>,
        urgent: bool,
    ) -> Result<Option<u64>, OutgoingClosed>;

    /// Writes what is queued, or has the driver do it.
    fn write(&self, queues: &Queues<M>);

    /// Reads what there is for a receiver, unless the driver has to; tells whether there may be more. Afterwards
    /// the receiver is woken when there is something to read, the driver only if the receiver does not stay.
    fn read(&self, queues: &Queues<M>, stays: bool) -> bool;
}

impl<T, C> Ends<T, C> {
    /// `reading` is the waker under which the transport is to be read.
    pub(crate) fn new(io: ScheduledIo<T>, reader: Reader<C>, reading: Waker, writer: Writer, encoding: C) -> Self {
        Self {
            transport: Transport::new(io),
            writer: Mutex::new(End {
                work: writer,
                waker: None,
                failure: None,
            }),
            reader: Mutex::new(End {
                work: reader,
                waker: Some(reading),
                failure: None,
            }),
            encoding,
        }
    }
}

impl<M, T, C> Work<M> for Ends<T, C>
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
    C: Encoder<M> + Decoder<Item = M> + Clone + Send + Sync + 'static,
    M: 'static,
    <C as Encoder<M>>::Error: Error + Send + Sync + 'static,
    <C as Decoder>::Error: Error + Send + Sync + 'static,
{
    fn encode(&self, message: M, front: &mut BytesMut) -> Result<Option<Bytes>, SendError> {
        let encoded = encode_sharing(&mut self.encoding.clone(), message, front);
        encoded.map_err(|error| encode_error(Box::new(error)))
    }

    fn write_single(
        &self,
        queues: &Queues<M>,
        message: &Encoded<'_>,
        urgent: bool,
    ) -> Result<Option<u64>, OutgoingClosed> {
        // Of many messages in a row, no more is asked than the first of these.
        if queues.outgoing.is_waiting() || message.len() > scratch::SIZE || !in_runtime() {
            return Ok(None);
        }
        let Some(mut writer) = try_lock(&self.writer) else {
            return Ok(None);
        };
        let is_free = writer.waker.is_some() && writer.work.is_idle();
        if !is_free || !(urgent || queues.is_answering() || !writer.work.in_burst()) {
            return Ok(None);
        }
        let Some(end) = queues.outgoing.pass(message.len())? else {
            return Ok(None);
        };
        match writer.work.seal_single(message.pieces(), end) {
            Ok(()) => self.poll_write(&mut writer, queues),
            Err(error) => writer.fail(error.into(), &queues.status),
        }
        Ok(Some(end))
    }

    fn write(&self, queues: &Queues<M>) {
        match try_lock(&self.writer) {
            Some(mut writer) if writer.waker.is_some() && in_runtime() => self.poll_write(&mut writer, queues),
            _ => queues.status.wakers.wake_driver(),
        }
    }

    fn read(&self, queues: &Queues<M>, stays: bool) -> bool {
        let wakers = &queues.status.wakers;
        let Some(mut reader) = try_lock(&self.reader) else {
            wakers.receiver_is_kept_out();
            return false;
        };
        let is_readable = wakers.receiver_reads(stays);
        let End { work, waker, .. } = &mut *reader;
        let Some(waker) = waker else {
            return false;
        };
        if !is_readable && work.awaits_transport() {
            return false;
        }
        if !in_runtime() {
            wakers.leave_unseen();
            wakers.receiver_is_kept_out();
            return false;
        }
        let (mut io, mut cx) = (&self.transport, Context::from_waker(waker));
        match work.poll(&mut io, &queues.incoming, READS_PER_RECEIVE, &mut cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(cause)) => {
                reader.fail(cause, &queues.status);
                false
            }
        }
    }
}

impl<T: AsyncWrite + Unpin, C> Ends<T, C> {
    fn poll_write<M>(&self, writer: &mut End<Writer>, queues: &Queues<M>) {
        let End { work, waker, .. } = &mut *writer;
        let Some(waker) = waker else {
            return;
        };
        let (mut io, mut cx) = (&self.transport, Context::from_waker(waker));
        if let Poll::Ready(Err(error)) = work.poll(&mut io, &queues.outgoing, &mut cx) {
            writer.fail(error, &queues.status);
        }
    }
}

impl<W> End<W> {
    /// Leaves it to the driver to tell everybody.
    fn fail(&mut self, error: ConnectionError, status: &Status) {
        self.waker = None;
        self.failure = Some(error);
        status.wakers.wake_driver();
    }
}

impl<M> Queues<M> {
    /// Whether what is sent now is an answer. Asking makes the next one none.
    fn is_answering(&self) -> bool {
        self.answering.load(Relaxed) && self.answering.swap(false, Relaxed)
    }
}

/// Whether the transport can be used here: under a limit it needs the timer of a runtime. The driver always has one.
fn in_runtime() -> bool {
    Handle::try_current().is_ok()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
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

impl<T, C> fmt::Debug for Ends<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ends").finish_non_exhaustive()
    }
}
