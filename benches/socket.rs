//! Connections over loopback TCP, beside plain TCP on the same messages.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{ChainName, Config, Connection, ConnectionOptions, NetworkVersion, NodeMetadata, authenticate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

type RawConnection = Connection<Bytes, NodeMetadata>;

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap().0);
    dialled.set_nodelay(true).unwrap();
    accepted.set_nodelay(true).unwrap();
    (dialled, accepted)
}

async fn connect(io: TcpStream, role: Role, config: &Config) -> RawConnection {
    let remote = io.peer_addr().unwrap();
    let peer = authenticate(io, role, remote, config, NodeMetadata::default())
        .await
        .unwrap();
    peer.accept(RawEncoding::default(), ConnectionOptions::default())
        .await
        .unwrap()
}

fn config() -> Config {
    let version = NetworkVersion::current(ChainName::from("BENCH"));
    Config::new(Identity::generate(Difficulty::NONE), version).required_difficulty(Difficulty::NONE)
}

async fn pair(here: &Config, there: &Config) -> (RawConnection, RawConnection) {
    let (dialled, accepted) = tcp_pair().await;
    tokio::join!(
        connect(dialled, Role::Initiator, here),
        connect(accepted, Role::Responder, there)
    )
}

/// One way, as fast as it goes, until the last byte has been received.
fn one_way(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("one_way");
    for size in [100, 65536] {
        let message = Bytes::from(vec![7; size]);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("ours", size), |b| {
            b.iter_custom(|count| runtime.block_on(send_messages(message.clone(), count)));
        });
        group.bench_function(BenchmarkId::new("plain TCP", size), |b| {
            b.iter_custom(|count| runtime.block_on(send_bytes(message.clone(), count)));
        });
    }
}

async fn send_messages(message: Bytes, count: u64) -> Duration {
    let (here, mut there) = pair(&config(), &config()).await;
    let start = Instant::now();
    let size = message.len();
    let receiving = tokio::spawn(async move {
        for _ in 0..count {
            assert_eq!(there.recv().await.unwrap().message.len(), size);
        }
    });
    for _ in 0..count {
        here.send(message.clone()).await.unwrap();
    }
    receiving.await.unwrap();
    start.elapsed()
}

/// Each message written as it is; the reader reads as much as there is.
async fn send_bytes(message: Bytes, count: u64) -> Duration {
    let (mut here, mut there) = tcp_pair().await;
    let start = Instant::now();
    let total = message.len() as u64 * count;
    let receiving = tokio::spawn(async move {
        let (mut buffer, mut received) = (vec![0; 256 * 1024], 0);
        while received < total {
            received += there.read(&mut buffer).await.unwrap() as u64;
        }
    });
    for _ in 0..count {
        here.write_all(&message).await.unwrap();
    }
    receiving.await.unwrap();
    start.elapsed()
}

/// A message there and its answer back, one at a time.
fn round_trip(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("round_trip");
    group.bench_function("ours", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let (mut here, mut there) = pair(&config(), &config()).await;
                let answering = tokio::spawn(async move {
                    while let Ok(received) = there.recv().await {
                        there.send(received.message).await.unwrap();
                    }
                });
                let start = Instant::now();
                for _ in 0..count {
                    here.send(Bytes::from_static(&[7; 100])).await.unwrap();
                    here.recv().await.unwrap();
                }
                let elapsed = start.elapsed();
                drop(here);
                answering.await.unwrap();
                elapsed
            })
        });
    });
    group.bench_function("plain TCP", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let (mut here, mut there) = tcp_pair().await;
                let answering = tokio::spawn(async move {
                    let mut buffer = [0; 100];
                    while there.read_exact(&mut buffer).await.is_ok() {
                        there.write_all(&buffer).await.unwrap();
                    }
                });
                let mut buffer = [7; 100];
                let start = Instant::now();
                for _ in 0..count {
                    here.write_all(&buffer).await.unwrap();
                    here.read_exact(&mut buffer).await.unwrap();
                }
                let elapsed = start.elapsed();
                drop(here);
                answering.await.unwrap();
                elapsed
            })
        });
    });
}

/// From dialling to both sides accepted, one after the other.
fn handshake(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (here, there) = (config(), config());
    c.bench_function("handshake", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..count {
                    pair(&here, &there).await;
                }
                start.elapsed()
            })
        });
    });
}

criterion_group!(benches, one_way, round_trip, handshake);
criterion_main!(benches);
