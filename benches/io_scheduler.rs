//! What registering with a scheduler costs: loopback TCP with and without, and a grant with more and more connections.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

#[path = "scheduler/grants.rs"]
mod grants;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grants::Load;
use p2p_io_scheduler::IoScheduler;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (dialled.unwrap(), accepted.unwrap().0)
}

async fn send(
    mut here: impl AsyncWrite + Unpin,
    mut there: impl AsyncRead + Unpin + Send + 'static,
    size: usize,
    count: u64,
) -> Duration {
    let start = Instant::now();
    let total = size as u64 * count;
    let receiving = tokio::spawn(async move {
        let (mut buffer, mut received) = (vec![0; 256 * 1024], 0);
        while received < total {
            received += there.read(&mut buffer).await.unwrap() as u64;
        }
    });
    let data = vec![7; size];
    for _ in 0..count {
        here.write_all(&data).await.unwrap();
    }
    receiving.await.unwrap();
    start.elapsed()
}

fn unlimited(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("unlimited");
    for size in [100, 65536] {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("scheduled", size), |b| {
            b.iter_custom(|count| {
                runtime.block_on(async {
                    let (scheduler, (here, there)) = (IoScheduler::default(), tcp_pair().await);
                    send(
                        scheduler.register(here).unwrap(),
                        scheduler.register(there).unwrap(),
                        size,
                        count,
                    )
                    .await
                })
            });
        });
        group.bench_function(BenchmarkId::new("plain TCP", size), |b| {
            b.iter_custom(|count| {
                runtime.block_on(async {
                    let (here, there) = tcp_pair().await;
                    send(here, there, size, count).await
                })
            });
        });
    }
}

fn grant(c: &mut Criterion) {
    for (name, load) in [
        ("grant, shared cap", Load::shared_cap as fn(u64) -> Load),
        ("grant, own pace", Load::own_pace),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(1)).sample_size(20);
        for connections in [1, 10, 100, 1000, 10_000] {
            group.bench_function(BenchmarkId::from_parameter(connections), |b| {
                b.iter_custom(|grants| load(connections).run(grants, |_| ()));
            });
        }
    }
}

criterion_group!(benches, unlimited, grant);
criterion_main!(benches);
