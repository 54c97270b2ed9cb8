//! Sealing, opening, agreeing and searching, beside crypto_box.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crypto_box::{SalsaBox, aead::AeadInPlace};
use p2p_crypto::{ChannelKey, Difficulty, Nonce, Opener, Sealer, SecretKey, Stamp, StampSearch};

const SIZES: [usize; 4] = [100, 1024, 16 * 1024, 65517];

fn nonce() -> Nonce {
    Nonce::from_bytes([3; 24])
}

fn key() -> ChannelKey {
    let (here, there) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    ChannelKey::agree(&here, &there.public_key()).unwrap()
}

fn reference() -> SalsaBox {
    let there = SecretKey::from_bytes([2; 32]).public_key();
    SalsaBox::new(
        &crypto_box::PublicKey::from(*there.as_bytes()),
        &crypto_box::SecretKey::from([1; 32]),
    )
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
        let (oracle, mut nonce) = (reference(), nonce());
        group.bench_function(BenchmarkId::new("crypto_box", size), |b| {
            b.iter(|| {
                nonce = nonce.incremented();
                oracle
                    .encrypt_in_place_detached(nonce.as_bytes().into(), b"", black_box(&mut data))
                    .unwrap()
            });
        });
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
        let oracle = reference();
        group.bench_function(BenchmarkId::new("crypto_box", size), |b| {
            let open = |data: &mut Vec<u8>| {
                let (nonce, tag) = (nonce(), tag.as_bytes().into());
                oracle
                    .decrypt_in_place_detached(nonce.as_bytes().into(), b"", data, tag)
                    .unwrap();
            };
            b.iter_batched_ref(|| sealed.clone(), open, BatchSize::SmallInput);
        });
    }
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
    group.bench_function("one by one", |b| {
        let mut nonce = nonce();
        b.iter(|| {
            for _ in 0..ATTEMPTS {
                nonce = nonce.incremented();
                assert!(!target.accepts(&public_key, &Stamp::from_bytes(*nonce.as_bytes())));
            }
        });
    });
}

criterion_group!(benches, seal, open, agree, stamp_search);
criterion_main!(benches);
