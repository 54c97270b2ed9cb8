//! Connections over loopback TCP that always want more share one upload cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::throughput::tcp_pair;

pub(crate) const PEER: &str = "async-speed-limit 0.4.2";

/// Writes of these sizes, one per connection.
pub(crate) const MIXED_WRITE_BYTES: [usize; 8] = [64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536];

/// What holds the cap.
#[derive(Clone, Copy)]
pub(crate) enum Limiter {
    Ours,
    Theirs,
}

pub(crate) struct Sharing {
    pub(crate) bytes_per_second: u64,
    /// One connection each.
    pub(crate) write_bytes: [usize; 8],
    /// How long after the one before a connection begins to write.
    pub(crate) join_interval: Duration,
    pub(crate) duration: Duration,
    pub(crate) sample_interval: Duration,
}

/// How many bytes each receiver has at one moment.
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) received: Vec<u64>,
}

/// What the receivers saw, beginning with nothing at 0.
pub(crate) struct Record {
    pub(crate) samples: Vec<Sample>,
    bytes_per_second: u64,
}

impl Sharing {
    pub(crate) fn new(bytes_per_second: u64, write_bytes: [usize; 8], duration: Duration) -> Self {
        Self {
            bytes_per_second,
            write_bytes,
            join_interval: Duration::ZERO,
            duration,
            sample_interval: Duration::from_millis(50),
        }
    }

    pub(crate) async fn run(&self, limiter: Limiter) -> Record {
        let mut tasks = JoinSet::new();
        let (mut streams, mut counters) = (Vec::new(), Vec::new());
        for _ in self.write_bytes {
            let (here, there) = tcp_pair().await;
            let counter = Arc::new(AtomicU64::new(0));
            tasks.spawn(receive(there, Arc::clone(&counter)));
            streams.push(here);
            counters.push(counter);
        }

        let limited = self.limit(limiter, streams);
        let start = Instant::now();
        for ((connection, size), position) in limited.into_iter().zip(self.write_bytes).zip(0..) {
            tasks.spawn(send(connection, size, start + self.join_interval * position));
        }

        let mut samples = vec![Sample {
            at: Duration::ZERO,
            received: vec![0; counters.len()],
        }];
        let mut next = self.sample_interval;
        while next <= self.duration {
            sleep_until(start + next).await;
            samples.push(Sample {
                at: start.elapsed(),
                received: counters.iter().map(|counter| counter.load(Relaxed)).collect(),
            });
            next += self.sample_interval;
        }
        tasks.shutdown().await;
        Record {
            samples,
            bytes_per_second: self.bytes_per_second,
        }
    }

    fn limit(&self, limiter: Limiter, streams: Vec<TcpStream>) -> Vec<Box<dyn AsyncWrite + Send + Unpin>> {
        match limiter {
            Limiter::Ours => {
                let cap = BytesPerSecond::try_from(self.bytes_per_second).unwrap();
                let scheduler = IoScheduler::new(Limits {
                    upload: Some(cap),
                    ..Limits::default()
                });
                let limit = |stream| Box::new(scheduler.register(stream).unwrap()) as Box<_>;
                streams.into_iter().map(limit).collect()
            }
            Limiter::Theirs => {
                let limiter = <async_speed_limit::Limiter>::new(self.bytes_per_second as f64);
                let limit = |stream| Box::new(limiter.clone().limit(stream)) as Box<_>;
                streams.into_iter().map(limit).collect()
            }
        }
    }
}

async fn receive(mut stream: TcpStream, received: Arc<AtomicU64>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = stream.read(&mut buffer).await {
        received.fetch_add(bytes as u64, Relaxed);
    }
}

async fn send(mut connection: Box<dyn AsyncWrite + Send + Unpin>, write_bytes: usize, from: Instant) {
    sleep_until(from).await;
    let data = vec![0; write_bytes];
    while connection.write_all(&data).await.is_ok() {}
}

impl Record {
    /// By how many percent the whole is over (positive) or under the cap.
    pub(crate) fn cap_error_percent(&self) -> f64 {
        100.0 * (self.share_of_cap(self.last()) - 1.0)
    }

    /// What has arrived after the first 100 ms, in percent of what the cap allows by then.
    pub(crate) fn first_100_ms_percent(&self) -> f64 {
        let first = |sample: &&Sample| sample.at >= Duration::from_millis(100);
        100.0 * self.share_of_cap(self.samples.iter().find(first).unwrap_or(self.last()))
    }

    /// Jain's index over the whole time.
    pub(crate) fn jain(&self) -> f64 {
        benches::statistics::jain(
            &self
                .last()
                .received
                .iter()
                .map(|&bytes| bytes as f64)
                .collect::<Vec<_>>(),
        )
    }

    /// The lowest of Jain's indices over each second.
    pub(crate) fn worst_second_jain(&self) -> f64 {
        let mut begin = &self.samples[0];
        let mut worst = f64::INFINITY;
        for end in &self.samples {
            if end.at - begin.at >= Duration::from_secs(1) {
                let shares = end.received.iter().zip(&begin.received);
                let shares: Vec<_> = shares.map(|(end, begin)| (end - begin) as f64).collect();
                worst = worst.min(benches::statistics::jain(&shares));
                begin = end;
            }
        }
        worst
    }

    fn share_of_cap(&self, sample: &Sample) -> f64 {
        let bytes: u64 = sample.received.iter().sum();
        bytes as f64 / sample.at.as_secs_f64() / self.bytes_per_second as f64
    }

    fn last(&self) -> &Sample {
        &self.samples[self.samples.len() - 1]
    }
}
