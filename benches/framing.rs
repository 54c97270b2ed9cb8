//! A stream of messages through chunks and back, without I/O, beside the cryptography alone on the same bytes.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use p2p_crypto::{ChannelKey, Nonce, Opener, Sealer};
use p2p_framing::{ChunkOpener, ChunkSealer, ChunkSize, encoding::RawEncoding};
use tokio_util::codec::{Decoder, Encoder};

/// How much goes through in one turn, in bytes.
const STREAM: usize = 1 << 20;

fn sealer() -> Sealer {
    Sealer::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24]))
}

fn opener() -> Opener {
    Opener::new(ChannelKey::from_bytes([1; 32]), Nonce::from_bytes([2; 24]))
}

fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Bytes(STREAM as u64));
    for size in [100, 1024, 65536] {
        let message = Bytes::from(vec![7; size]);
        let count = STREAM / size;
        group.bench_function(BenchmarkId::new("messages", size), |b| {
            let mut sealer = ChunkSealer::new(sealer(), ChunkSize::MAX);
            let mut opener = ChunkOpener::new(opener());
            let mut encoding = RawEncoding::default();
            let (mut plaintext, mut wire, mut received) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
            b.iter(|| {
                for _ in 0..count {
                    encoding.encode(message.clone(), &mut plaintext).unwrap();
                }
                sealer.seal_run([&plaintext[..]], &mut wire).unwrap();
                opener
                    .open_complete(&mut wire, |opened| received.extend_from_slice(opened))
                    .unwrap();
                let mut decoded = 0;
                while let Some(message) = encoding.decode(&mut received).unwrap() {
                    assert_eq!(message.len(), size);
                    decoded += 1;
                }
                assert_eq!(decoded, count);
                plaintext.clear();
                wire.clear();
            });
        });
    }
    group.bench_function("crypto alone", |b| {
        let (mut sealer, mut opener) = (sealer(), opener());
        let mut data = vec![7; STREAM];
        b.iter(|| {
            for chunk in data.chunks_mut(ChunkSize::MAX.max_plaintext()) {
                let tag = sealer.seal(chunk).unwrap();
                opener.open(chunk, &tag).unwrap();
            }
        });
    });
}

criterion_group!(benches, stream);
criterion_main!(benches);
