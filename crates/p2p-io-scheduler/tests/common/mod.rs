//! A socket that always goes, a record of what passed, and the figures made of it.
#![allow(dead_code, reason = "each test file uses a part")]

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits, RegisterOptions, ScheduledIo, Weight};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What passed through a socket, and when.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    start: Instant,
    entries: Arc<Mutex<Vec<(Duration, usize)>>>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            entries: Arc::default(),
        }
    }
}

impl Record {
    pub(crate) fn entries(&self) -> Vec<(Duration, usize)> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn total(&self) -> usize {
        self.between(Duration::ZERO, Duration::MAX)
    }

    pub(crate) fn between(&self, from: Duration, to: Duration) -> usize {
        self.entries
            .lock()
            .unwrap()
            .iter()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(_, bytes)| bytes)
            .sum()
    }

    fn add(&self, bytes: usize) {
        self.entries.lock().unwrap().push((self.start.elapsed(), bytes));
    }
}

/// A socket that takes and gives whatever is asked, at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endless {
    pub(crate) written: Record,
    pub(crate) read: Record,
}

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = buf.remaining();
        buf.initialize_unfilled();
        buf.advance(bytes);
        self.read.add(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.written.add(buf.len());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

pub(crate) fn rate(bytes_per_second: u64) -> Option<BytesPerSecond> {
    Some(BytesPerSecond::try_from(bytes_per_second).unwrap())
}

pub(crate) fn upload(bytes_per_second: u64) -> Limits {
    Limits {
        upload: rate(bytes_per_second),
        ..Limits::default()
    }
}

pub(crate) fn download(bytes_per_second: u64) -> Limits {
    Limits {
        download: rate(bytes_per_second),
        ..Limits::default()
    }
}

pub(crate) fn register_weighted(scheduler: &IoScheduler, weight: u32) -> (ScheduledIo<Endless>, Endless) {
    let socket = Endless::default();
    let weight = Weight::new(weight).unwrap();
    let io = scheduler
        .register_with(
            socket.clone(),
            RegisterOptions {
                weight,
                ..RegisterOptions::default()
            },
        )
        .unwrap();
    (io, socket)
}

/// A task that writes messages of this size as fast as it may.
pub(crate) fn greedy_writer(mut io: ScheduledIo<Endless>, message: usize) -> JoinHandle<()> {
    tokio::spawn(async move {
        let message = vec![0; message];
        while io.write_all(&message).await.is_ok() {}
    })
}

/// A task that reads into a buffer of this size as fast as it may.
pub(crate) fn greedy_reader(mut io: ScheduledIo<Endless>, buffer: usize) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut buffer = vec![0; buffer];
        while io.read_exact(&mut buffer).await.is_ok() {}
    })
}

/// Jain's index: 1 if all are equal, 1/n if one has everything.
pub(crate) fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// The most that any window of at least 100 ms holds beyond `rate * window`, in bytes.
pub(crate) fn worst_excess(mut entries: Vec<(Duration, usize)>, rate: u64) -> f64 {
    const NANOSECONDS: i128 = 1_000_000_000;
    entries.sort();
    // Bytes times 10^9, to be exact.
    let line = |at: Duration| i128::from(rate) * at.as_nanos() as i128;
    let (mut worst, mut lowest) = (0, i128::MAX / 2);
    let (mut start, mut sum, mut sum_before_start) = (0, 0, 0);
    for (at, bytes) in &entries {
        sum += *bytes as i128 * NANOSECONDS;
        while entries[start].0 + Duration::from_millis(100) <= *at {
            lowest = lowest.min(sum_before_start - line(entries[start].0));
            sum_before_start += entries[start].1 as i128 * NANOSECONDS;
            start += 1;
        }
        worst = worst.max(sum - line(*at) - lowest);
    }
    worst as f64 / NANOSECONDS as f64
}

/// A connection with queues over a pipe that holds `pipe` bytes each way, and its remote.
pub(crate) fn connect(
    limits: Limits,
    pipe: usize,
    read_queue: usize,
    write_queue: usize,
) -> (ScheduledIo<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(pipe);
    let options = RegisterOptions {
        read_queue,
        write_queue,
        ..RegisterOptions::default()
    };
    (IoScheduler::new(limits).register_with(near, options).unwrap(), far)
}

/// Polls an operation once and drops it.
pub(crate) fn once<F: Future>(operation: F) -> Poll<F::Output> {
    pin!(operation).poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn accepted(io: &mut ScheduledIo<DuplexStream>, bytes: &[u8]) -> Option<usize> {
    match once(io.write(bytes)) {
        Poll::Ready(accepted) => Some(accepted.unwrap()),
        Poll::Pending => None,
    }
}
