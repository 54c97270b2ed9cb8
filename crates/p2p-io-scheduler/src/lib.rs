//! placeholder
#![allow(missing_docs)]
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
#[derive(Clone, Debug, Default)]
pub struct IoScheduler;
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("closed")]
pub struct SchedulerClosed;
impl IoScheduler {
    pub fn register<T>(&self, io: T) -> Result<ScheduledIo<T>, SchedulerClosed> {
        Ok(ScheduledIo {
            io,
            handle: ScheduledHandle::default(),
        })
    }
}
#[derive(Clone, Copy, Debug, Default)]
pub struct Stat {
    pub total_sent: u64,
    pub total_received: u64,
    pub current_inflow: u64,
    pub current_outflow: u64,
}
#[derive(Clone, Debug, Default)]
pub struct ScheduledHandle(Arc<(AtomicU64, AtomicU64)>);
impl ScheduledHandle {
    pub fn stat(&self) -> Stat {
        Stat {
            total_sent: self.0.0.load(Ordering::Relaxed),
            total_received: self.0.1.load(Ordering::Relaxed),
            ..Stat::default()
        }
    }
}
#[derive(Debug)]
pub struct ScheduledIo<T> {
    io: T,
    handle: ScheduledHandle,
}
impl<T> ScheduledIo<T> {
    pub fn handle(&self) -> ScheduledHandle {
        self.handle.clone()
    }
}
impl<T: AsyncRead + Unpin> AsyncRead for ScheduledIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.handle
            .0
            .1
            .fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}
impl<T: AsyncWrite + Unpin> AsyncWrite for ScheduledIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.handle.0.0.fetch_add(n as u64, Ordering::Relaxed);
        Poll::Ready(Ok(n))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
