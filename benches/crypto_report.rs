//! What sealing, opening and searching achieve beside crypto_box, libsodium and blake2: `cargo xtask bench crypto`.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::contest::{Effort, Outcome, contest, timed};
use benches::findings::{Findings, report};
use benches::options::Options;
use benches::peers::{CryptoBox, SecretBox, try_stamps};
use benches::report::{Row, goal_for};
use benches::statistics::median;
use p2p_crypto::{
    ChannelKey, Difficulty, InstructionSet, Nonce, Opener, PublicKey, Sealer, SecretKey, Stamp, StampSearch, Tag,
    search_in_parallel,
};

const LAYER: &str = "p2p-crypto";
const NONCE: [u8; 24] = [3; 24];
const SECRETS: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn main() -> ExitCode {
    report(LAYER, measure)
}

fn measure(findings: &mut Findings) -> Result<(), String> {
    findings.part("crypto_box", |options| {
        let peer = CryptoBox::new(SECRETS[0], SECRETS[1]);
        let effort = Effort::new(options.quick);
        let rows = |set| box_rows(set, "crypto_box 0.9", &peer, 65_517, [7.0, 3.0], effort);
        Ok(sets().flat_map(rows).collect())
    })?;
    #[cfg(feature = "peers")]
    findings.part("libsodium", |options| {
        let rows = |set| libsodium_rows(set, Effort::new(options.quick));
        Ok(sets().flat_map(rows).collect())
    })?;
    findings.part("stamps", |options| {
        let rows = sets().map(|set| search_row(set, Effort::new(options.quick)));
        Ok(rows.collect())
    })?;
    findings.part("two cores", |options| Ok(vec![two_cores_row(options)]))
}

/// Those that have goals: AVX2 as well where there is more, because many processors have no more.
fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::available().filter(|set| goal_for(&set.to_string(), 0.0, 0.0).is_some())
}

#[cfg(feature = "peers")]
fn libsodium_rows(set: InstructionSet, effort: Effort) -> Vec<Row> {
    use benches::peers::{Libsodium, LibsodiumWithoutAvx512};

    let key = *key().expose_bytes();
    let (name, peer): (_, Box<dyn SecretBox>) = if set < InstructionSet::widest() {
        (
            "libsodium 1.0.22 without AVX-512",
            Box::new(LibsodiumWithoutAvx512::new(key)),
        )
    } else {
        ("libsodium 1.0.22", Box::new(Libsodium::new(key)))
    };
    let mut rows = box_rows(set, name, &*peer, 65_517, [2.0, 1.1], effort).to_vec();
    rows.extend(box_rows(set, name, &*peer, 100, [2.2, 1.8], effort));
    rows.extend(batch_rows(set, name, &*peer, effort));
    rows
}

fn key() -> ChannelKey {
    let [here, there] = SECRETS.map(SecretKey::from_bytes);
    ChannelKey::agree(&here, &there.public_key()).expect("the keys are honest")
}

fn sealer(set: InstructionSet) -> Sealer {
    Sealer::new(key(), Nonce::from_bytes(NONCE)).with_instruction_set(set)
}

fn opener(set: InstructionSet) -> Opener {
    Opener::new(key(), Nonce::from_bytes(NONCE)).with_instruction_set(set)
}

/// Pieces of data and their tags, sealed under consecutive nonces.
#[derive(Clone)]
struct Pieces {
    data: Vec<Vec<u8>>,
    tags: Vec<[u8; 16]>,
}

impl Pieces {
    fn new(count: usize, size: usize) -> Self {
        Self {
            data: vec![vec![7; size]; count],
            tags: vec![[0; 16]; count],
        }
    }

    fn sealed(mut self) -> Self {
        let mut sealer = sealer(InstructionSet::widest());
        for (data, tag) in self.data.iter_mut().zip(&mut self.tags) {
            *tag = *sealer.seal(data).expect("nonces are left").as_bytes();
        }
        self
    }

    #[cfg(feature = "peers")]
    fn clear(&mut self) {
        for data in &mut self.data {
            data.fill(7);
        }
    }

    fn restore(&mut self, from: &Self) {
        for (data, from) in self.data.iter_mut().zip(&from.data) {
            data.copy_from_slice(from);
        }
        self.tags.copy_from_slice(&from.tags);
    }

    fn seal_with(&mut self, peer: &dyn SecretBox) {
        for ((data, tag), nonce) in self.data.iter_mut().zip(&mut self.tags).zip(nonces()) {
            *tag = peer.seal(nonce.as_bytes(), data);
        }
    }

    fn open_with(&mut self, peer: &dyn SecretBox) {
        for ((data, tag), nonce) in self.data.iter_mut().zip(&self.tags).zip(nonces()) {
            assert!(peer.open(nonce.as_bytes(), data, tag));
        }
    }

    #[cfg(feature = "peers")]
    fn batch(&mut self) -> Vec<p2p_crypto::Piece<'_>> {
        let pairs = self.data.iter_mut().zip(&mut self.tags);
        pairs.map(|(data, tag)| p2p_crypto::Piece { data, tag }).collect()
    }
}

fn nonces() -> impl Iterator<Item = Nonce> {
    std::iter::successors(Some(Nonce::from_bytes(NONCE)), |nonce| Some(nonce.incremented()))
}

/// Pieces of one size, one after the other.
fn box_rows(
    set: InstructionSet,
    name: &'static str,
    peer: &dyn SecretBox,
    size: usize,
    goal: [f64; 2],
    effort: Effort,
) -> [Row; 2] {
    // As many as fit well into the second cache.
    let count = (200_000 / size).clamp(1, 64);
    let (mut ours, mut theirs) = (Pieces::new(count, size), Pieces::new(count, size));
    let mut sealer = sealer(set);
    let sealing = contest(
        effort,
        || {
            timed(|| {
                for (data, tag) in ours.data.iter_mut().zip(&mut ours.tags) {
                    *tag = *sealer.seal(data).expect("nonces are left").as_bytes();
                }
            })
        },
        || timed(|| theirs.seal_with(peer)),
    );

    let sealed = Pieces::new(count, size).sealed();
    let opening = contest(
        effort,
        || {
            ours.restore(&sealed);
            let mut opener = opener(set);
            timed(|| {
                for (data, tag) in ours.data.iter_mut().zip(&ours.tags) {
                    opener.open(data, &Tag::from_bytes(*tag)).expect("it was sealed so");
                }
            })
        },
        || {
            theirs.restore(&sealed);
            timed(|| theirs.open_with(peer))
        },
    );
    assert!(ours.data == theirs.data, "both open the same");
    let row = |verb: &str, outcome| {
        let bytes = (count * size) as f64;
        row(
            set,
            format!("{verb} {size} B"),
            name,
            outcome,
            bytes * 1e3,
            "MB/s",
            goal,
        )
    };
    [row("seal", sealing), row("open", opening)]
}

/// Sixteen pieces of 100 bytes, ours together and theirs one after the other.
#[cfg(feature = "peers")]
fn batch_rows(set: InstructionSet, name: &'static str, peer: &dyn SecretBox, effort: Effort) -> [Row; 2] {
    const COUNT: usize = 16;
    let (mut ours, mut theirs) = (Pieces::new(COUNT, 100), Pieces::new(COUNT, 100));
    let mut sealer = sealer(set);
    let sealing = contest(
        effort,
        || timed(|| sealer.seal_batch(&mut ours.batch()).expect("nonces are left")),
        || timed(|| theirs.seal_with(peer)),
    );

    let sealed = Pieces::new(COUNT, 100).sealed();
    // A session goes on: what opens has met the beginning of the nonces before, as what sealed above had.
    let (mut sealer, mut opener) = (self::sealer(set), opener(set));
    let opening = contest(
        effort,
        || {
            ours.clear();
            sealer.seal_batch(&mut ours.batch()).expect("nonces are left");
            timed(|| opener.open_batch(&mut ours.batch()).expect("they were sealed so"))
        },
        || {
            theirs.restore(&sealed);
            timed(|| theirs.open_with(peer))
        },
    );
    assert!(ours.data == theirs.data, "both open the same");
    let row = |verb: &str, outcome| {
        let work = format!("{verb} {COUNT} chunks of 100 B");
        row(set, work, name, outcome, COUNT as f64 * 1e3, "million/s", [8.0, 3.3])
    };
    [row("seal", sealing), row("open", opening)]
}

fn row(
    set: InstructionSet,
    work: String,
    peer: &'static str,
    outcome: Outcome,
    amount: f64,
    unit: &'static str,
    [avx512, avx2]: [f64; 2],
) -> Row {
    let row = Row::new(LAYER, work, amount / outcome.ours, unit)
        .beside(peer, amount / outcome.theirs)
        .ratio(outcome.ratio)
        .with(set.to_string());
    match goal_for(&set.to_string(), avx512, avx2) {
        Some(goal) => row.at_least(goal),
        None => row,
    }
}

/// Both try stamps that never pass.
fn search_row(set: InstructionSet, effort: Effort) -> Row {
    const ATTEMPTS: u64 = 4096;
    let public_key = PublicKey::from_bytes([7; 32]);
    let target = hopeless();
    let mut search = StampSearch::new(public_key, target, Stamp::from_bytes([0; 24])).with_instruction_set(set);
    let mut start = 0;
    let outcome = contest(
        effort,
        || timed(|| assert_eq!(search.advance(ATTEMPTS), None)),
        || {
            start += ATTEMPTS;
            timed(|| assert_eq!(black_box(try_stamps(public_key.as_bytes(), start, ATTEMPTS, 0)), 0))
        },
    );
    let amount = ATTEMPTS as f64 * 1e3;
    row(
        set,
        "stamp search, one core".to_owned(),
        "blake2",
        outcome,
        amount,
        "million/s",
        [10.0, 4.5],
    )
}

fn hopeless() -> p2p_crypto::Target {
    Difficulty::try_from(256.0).expect("256 is the greatest").target()
}

/// The parallel search on two threads and on one, in turns.
fn two_cores_row(options: &Options) -> Row {
    let (rounds, duration) = if options.quick { (3, 300) } else { (9, 1000) };
    let rates: Vec<(f64, f64)> = (0..rounds)
        .map(|_| (search_rate(2, duration), search_rate(1, duration)))
        .collect();
    let both = median(rates.iter().map(|(two, _)| *two).collect());
    let one = median(rates.iter().map(|(_, one)| *one).collect());
    let ratio = median(rates.iter().map(|(two, one)| two / one).collect());
    Row::new(LAYER, "stamp search, two cores", both, "million/s")
        .beside("ours on one", one)
        .ratio(ratio)
        .at_least(1.9)
}

/// Millions of stamps a second on so many threads.
fn search_rate(threads: usize, milliseconds: u64) -> f64 {
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let (start, mut attempts, mut elapsed) = (Instant::now(), 0, Duration::ZERO);
    search_in_parallel(&PublicKey::from_bytes([7; 32]), hopeless(), threads, |progress| {
        attempts = progress.attempts;
        elapsed = start.elapsed();
        if elapsed < Duration::from_millis(milliseconds) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    attempts as f64 / elapsed.as_secs_f64() / 1e6
}
