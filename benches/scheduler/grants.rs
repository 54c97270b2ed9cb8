//! What a grant costs with so many connections that all want more than they get.
//!
//! The connections write to sinks that take everything, and the clock is paused: it jumps to the next tick as soon as
//! nobody has anything to do, so the time that passes is all work: the pacer, the queue, the wake-ups and the writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Builder;
use tokio::sync::Notify;

/// What everyone writes: buffers of their own would measure the memory of the users.
static DATA: [u8; 1024] = [0; 1024];

/// Connections that all write as much as they may.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u64,
    /// Of all connections together.
    pub(crate) bytes_per_second: u64,
    pub(crate) write_bytes: usize,
}

impl Load {
    /// One cap for all: the more connections, the less for each.
    pub(crate) fn shared_cap(connections: u64) -> Self {
        Self {
            connections,
            bytes_per_second: 1_000_000_000,
            write_bytes: 1024,
        }
    }

    /// A cap that grows with the connections, so that each of them goes at the same pace, and the few carry the cost of a
    /// tick alone.
    pub(crate) fn own_pace(connections: u64) -> Self {
        Self {
            connections,
            bytes_per_second: 32_000 * connections,
            write_bytes: 128,
        }
    }

    /// The time that `grants` grants take once all connections are under way. `measured` is told when that begins (it
    /// is given `true`) and ends.
    pub(crate) fn run(self, grants: u64, mut measured: impl FnMut(bool)) -> Duration {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let cap = BytesPerSecond::try_from(self.bytes_per_second).unwrap();
            let scheduler = IoScheduler::new(Limits {
                upload: Some(cap),
                ..Limits::default()
            });
            let counter = Arc::new(Counter::default());
            for _ in 0..self.connections {
                let mut connection = scheduler.register(Sink(Arc::clone(&counter))).unwrap();
                let data = &DATA[..self.write_bytes];
                tokio::spawn(async move { while connection.write(data).await.is_ok() {} });
            }
            counter.reaches(4 * self.connections + 1000).await;
            measured(true);
            let start = Instant::now();
            let grants_before = counter.grants.load(Relaxed);
            counter.reaches(grants_before + grants).await;
            let elapsed = start.elapsed();
            measured(false);
            let counted = counter.grants.load(Relaxed) - grants_before;
            scheduler.shutdown(Duration::ZERO).await;
            elapsed.mul_f64(grants as f64 / counted as f64)
        })
    }
}

/// Counts the writes of all sinks.
#[derive(Default)]
struct Counter {
    grants: AtomicU64,
    awaited: AtomicU64,
    reached: Notify,
}

impl Counter {
    async fn reaches(&self, grants: u64) {
        self.awaited.store(grants, Relaxed);
        self.reached.notified().await;
    }
}

struct Sink(Arc<Counter>);

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let grants = self.0.grants.fetch_add(1, Relaxed) + 1;
        if grants == self.0.awaited.load(Relaxed) {
            self.0.reached.notify_one();
        }
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Sink {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
