//! The orderly end of a connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::timeout;

use crate::connection::ScheduledIo;

/// What becomes of the bytes in the write queue when a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drain {
    /// They are dropped.
    Discard,
    /// They are sent first.
    Flush,
}

/// Closing a connection did not go as told. The connection is at its end nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The deadline came first: the remote does not read, or the connection's share was too small.
    #[error("the deadline passed before the connection was closed; {lost} queued bytes are lost")]
    DeadlineExceeded {
        /// Bytes that were accepted and not handed to the stream.
        lost: usize,
    },
    /// The stream failed, or the scheduler was shut down ([`SchedulerClosed`](crate::SchedulerClosed) inside).
    #[error("closing the connection failed; {lost} queued bytes are lost")]
    Io {
        /// Bytes that were accepted and not handed to the stream.
        lost: usize,
        /// What happened.
        source: io::Error,
    },
}

impl CloseError {
    /// Bytes that were accepted and not handed to the stream.
    #[must_use]
    pub fn lost(&self) -> usize {
        match self {
            Self::DeadlineExceeded { lost } | Self::Io { lost, .. } => *lost,
        }
    }
}

impl<T: AsyncWrite + Unpin> ScheduledIo<T> {
    /// Sends or discards the bytes in the write queue, as told, and shuts the stream down, all within `deadline`.
    ///
    /// Also if it fails, the queue is empty afterwards and the stream was told to shut down. Closing again is harmless.
    /// What the remote sent can still be read. The connection leaves the scheduler when it is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use p2p_io_scheduler::{CloseError, Drain, IoScheduler, RegisterOptions};
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = RegisterOptions { write_queue: 1024, ..RegisterOptions::default() };
    /// let (near, _far_never_reads) = tokio::io::duplex(8);
    /// let mut connection = IoScheduler::default().register_with(near, options)?;
    /// connection.write_all(&[0; 108]).await?;
    /// assert_eq!(connection.queued().write, 100);
    ///
    /// let closed = connection.close(Drain::Flush, Duration::from_millis(10)).await;
    /// assert!(matches!(closed, Err(CloseError::DeadlineExceeded { lost: 100 })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CloseError`], which tells how many bytes were lost. Bytes that are discarded as told are no error.
    ///
    /// # Cancel safety
    /// If it is cancelled, the connection stays open and what is not sent yet stays queued, unless it was to be
    /// discarded. Close it again to go on.
    ///
    /// # Panics
    /// Outside a tokio runtime with a timer.
    pub async fn close(&mut self, drain: Drain, deadline: Duration) -> Result<(), CloseError> {
        if drain == Drain::Discard {
            self.discard();
        }
        let result = timeout(deadline, poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx))).await;
        let lost = self.discard();
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(CloseError::Io { lost, source }),
            Err(_) => {
                // With nothing left to send, most streams end at once. One that doesn't has had its time.
                let _ = Pin::new(self).poll_shutdown(&mut Context::from_waker(Waker::noop()));
                Err(CloseError::DeadlineExceeded { lost })
            }
        }
    }
}
