//! A stream of messages through chunks and back, without I/O, beside the cryptography alone on the same bytes.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod stream;

use benches::report::goal_for;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use p2p_crypto::InstructionSet;
use stream::{Cryptography, MessageStream};

/// Messages as large as the report's; the smaller ones as many at once as give as much.
const BYTES: usize = 65_536;

fn stream(c: &mut Criterion) {
    for size in [100, 1024, BYTES] {
        let mut group = c.benchmark_group(format!("stream of {size} B"));
        let (message, count) = (Bytes::from(vec![7; size]), BYTES / size);
        let encoded = count * (4 + size);
        group.throughput(Throughput::Bytes((count * size) as u64));
        for set in sets() {
            group.bench_function(BenchmarkId::new("messages", set), |b| {
                let mut stream = MessageStream::new(set);
                b.iter(|| {
                    stream.send(&message, count);
                    stream.open();
                    for _ in 0..count {
                        assert_eq!(stream.receive().map(|message| message.len()), Some(size));
                    }
                });
            });
            group.bench_function(BenchmarkId::new("cryptography alone", set), |b| {
                let mut cryptography = Cryptography::new(set, encoded);
                b.iter(|| cryptography.seal_and_open());
            });
        }
    }
}

/// Those with kernels of our own; without them, what there is.
fn sets() -> Vec<InstructionSet> {
    let (own, other): (Vec<_>, Vec<_>) =
        InstructionSet::available().partition(|set| goal_for(&set.to_string(), 0.0, 0.0).is_some());
    if own.is_empty() { other } else { own }
}

criterion_group!(benches, stream);
criterion_main!(benches);
