use std::{
    io,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use p2p_io_scheduler::ScheduledIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::lock;
use crate::telemetry;

/// The stream under a connection, which both directions use by reference: it is locked for single operations.
pub(crate) struct Transport<T> {
    io: Mutex<Option<ScheduledIo<T>>>,
}

impl<T> Transport<T> {
    pub(crate) fn new(io: ScheduledIo<T>) -> Self {
        Self {
            io: Mutex::new(Some(io)),
        }
    }

    /// Drops the stream, which ends it. Whoever uses it afterwards gets an error.
    pub(crate) fn close(&self) {
        let io = lock(&self.io).take();
        drop(io);
    }

    fn poll<R>(&self, operation: impl FnOnce(Pin<&mut ScheduledIo<T>>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>>
    where
        T: Unpin,
    {
        match &mut *lock(&self.io) {
            Some(io) => operation(Pin::new(io)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for &Transport<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.poll(|io| io.poll_read(cx, buf));
        telemetry::received_bytes(buf.filled().len() - before);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for &Transport<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.poll(|io| io.poll_write(cx, buf));
        if let Poll::Ready(Ok(count)) = written {
            telemetry::sent_bytes(count);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_shutdown(cx))
    }
}
