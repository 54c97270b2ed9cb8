//! Sealing, opening, agreeing and searching, beside crypto_box, blake2 and, with the feature `peers`, libsodium.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use benches::peers::{CryptoBox, SecretBox, try_stamps};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use p2p_crypto::{ChannelKey, Difficulty, Nonce, Opener, Piece, Sealer, SecretKey, Stamp, StampSearch};

const SIZES: [usize; 4] = [100, 1024, 16 * 1024, 65517];

fn nonce() -> Nonce {
    Nonce::from_bytes([3; 24])
}

fn key() -> ChannelKey {
    let (here, there) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    ChannelKey::agree(&here, &there.public_key()).unwrap()
}

fn peers() -> Vec<(&'static str, Box<dyn SecretBox>)> {
    vec![
        ("crypto_box", Box::new(CryptoBox::new([1; 32], [2; 32]))),
        #[cfg(feature = "peers")]
        (
            "libsodium",
            Box::new(benches::peers::Libsodium::new(*key().expose_bytes())),
        ),
    ]
}

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut data = vec![7; size];
        let mut sealer = Sealer::new(key(), nonce());
        group.bench_function(BenchmarkId::new("ours", size), |b| {
            b.iter(|| sealer.seal(black_box(&mut data)).unwrap());
        });
        for (name, peer) in peers() {
            let mut nonce = nonce();
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    nonce = nonce.incremented();
                    peer.seal(nonce.as_bytes(), black_box(&mut data))
                });
            });
        }
    }
}

/// The clone of the sealed data is outside of what is measured.
fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut sealed = vec![7; size];
        let tag = Sealer::new(key(), nonce()).seal(&mut sealed).unwrap();
        group.bench_function(BenchmarkId::new("ours", size), |b| {
            let setup = || (sealed.clone(), Opener::new(key(), nonce()));
            b.iter_batched_ref(
                setup,
                |(data, opener)| opener.open(data, &tag).unwrap(),
                BatchSize::SmallInput,
            );
        });
        for (name, peer) in peers() {
            let open = |data: &mut Vec<u8>| assert!(peer.open(nonce().as_bytes(), data, tag.as_bytes()));
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter_batched_ref(|| sealed.clone(), open, BatchSize::SmallInput);
            });
        }
    }
}

/// Sixteen chunks of 100 bytes, together and one by one.
fn batch(c: &mut Criterion) {
    const COUNT: usize = 16;
    let mut group = c.benchmark_group("seal 16 chunks of 100 B");
    group.throughput(Throughput::Elements(COUNT as u64));
    let (mut data, mut tags) = ([[7; 100]; COUNT], [[0; 16]; COUNT]);
    let mut sealer = Sealer::new(key(), nonce());
    group.bench_function("together", |b| {
        b.iter(|| {
            let pieces = data.iter_mut().zip(&mut tags);
            let mut pieces: Vec<Piece<'_>> = pieces.map(|(data, tag)| Piece { data, tag }).collect();
            sealer.seal_batch(black_box(&mut pieces)).unwrap();
        });
    });
    group.bench_function("one by one", |b| {
        b.iter(|| {
            for (data, tag) in data.iter_mut().zip(&mut tags) {
                *tag = *sealer.seal(black_box(data)).unwrap().as_bytes();
            }
        });
    });
}

fn agree(c: &mut Criterion) {
    let (here, there) = (
        SecretKey::from_bytes([1; 32]),
        SecretKey::from_bytes([2; 32]).public_key(),
    );
    c.bench_function("agree", |b| {
        b.iter(|| ChannelKey::agree(black_box(&here), black_box(&there)).unwrap());
    });
}

/// Both try stamps that never pass.
fn stamp_search(c: &mut Criterion) {
    const ATTEMPTS: u64 = 4096;
    let (public_key, target) = (
        SecretKey::from_bytes([1; 32]).public_key(),
        Difficulty::try_from(256.0).unwrap().target(),
    );
    let mut group = c.benchmark_group("stamp_search");
    group.throughput(Throughput::Elements(ATTEMPTS));
    let mut search = StampSearch::new(public_key, target, Stamp::from_bytes([0; 24]));
    group.bench_function("ours", |b| b.iter(|| search.advance(ATTEMPTS)));
    group.bench_function("blake2", |b| {
        let mut start = 0;
        b.iter(|| {
            start += ATTEMPTS;
            try_stamps(public_key.as_bytes(), start, ATTEMPTS, 0)
        });
    });
}

criterion_group!(benches, seal, open, batch, agree, stamp_search);
criterion_main!(benches);
