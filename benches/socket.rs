//! Connections over loopback TCP, beside what one would take instead, on the same messages.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod connections;

use std::sync::Arc;

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use tokio::runtime::Runtime;

use connections::{
    handshakes::handshakes,
    peers::{Naive, Noise, Ours, Peer, Plain, Tls},
    transfer::{one_way, round_trips},
};

/// One way, as fast as it goes, until the last byte has been received.
fn messages(c: &mut Criterion) {
    fn add<P: Peer>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, name: &str, peer: &P, size: usize) {
        group.bench_function(BenchmarkId::new(name, size), |b| {
            b.iter_custom(|count| runtime.block_on(one_way(peer, size, count)));
        });
    }
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("one_way");
    for size in [100, 65_536] {
        group.throughput(Throughput::Bytes(size as u64));
        add(&mut group, &runtime, "ours", &Ours::new(), size);
        add(&mut group, &runtime, "tokio TCP", &Plain, size);
        add(&mut group, &runtime, "snow", &Noise::new(), size);
        add(&mut group, &runtime, "tokio-rustls", &Tls::new(), size);
        add(&mut group, &runtime, "Framed + crypto_box", &Naive, size);
    }
}

/// A message there and its answer back, one at a time.
fn questions(c: &mut Criterion) {
    fn add<P: Peer>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, name: &str, peer: &P) {
        group.bench_function(name, |b| {
            b.iter_custom(|count| runtime.block_on(round_trips(peer, 100, count)));
        });
    }
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("round_trip");
    add(&mut group, &runtime, "ours", &Ours::new());
    add(&mut group, &runtime, "tokio TCP", &Plain);
    add(&mut group, &runtime, "Framed + crypto_box", &Naive);
}

/// From dialling to both sides accepted, one after the other.
fn greetings(c: &mut Criterion) {
    fn add<P: Peer>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, name: &str, peer: P) {
        let peer = Arc::new(peer);
        group.bench_function(name, |b| {
            b.iter_custom(|count| runtime.block_on(handshakes(&peer, count as usize, 1)));
        });
    }
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("handshake");
    add(&mut group, &runtime, "ours", Ours::new());
    add(&mut group, &runtime, "snow", Noise::new());
    add(&mut group, &runtime, "tokio-rustls", Tls::new());
}

criterion_group!(benches, messages, questions, greetings);
criterion_main!(benches);
