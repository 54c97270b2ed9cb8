//! What connections achieve and cost, beside plain TCP, Noise, TLS and what one writes first: `cargo xtask bench socket`.
//!
//! With `--plots`, throughput by message size and by number of connections is drawn as well.

mod connections;

use std::{process::ExitCode, sync::Arc, time::Duration};

use benches::{
    contest::Effort,
    findings::{Findings, exit, panic_message, report},
    report::{Row, connections as in_words, goal_for, isa},
    statistics::median,
};
use connections::{
    contest::{Contestant, Rates, Work},
    fan_out::fan_out,
    memory,
    peers::{Buffered, Naive, Noise, Ours, Plain, Tls, pair},
    scaling::{Curves, Entry, SIZES, draw},
    transfer::{flood, one_way},
};
use p2p_crypto::InstructionSet;
use tokio::runtime::Runtime;

const LAYER: &str = "p2p-socket";

const LARGE: usize = 64 * 1024;
const SMALL: usize = 100;

/// A part that takes longer has come to a standstill: the longest takes a minute and a half.
const LIMIT: Duration = Duration::from_secs(360);

const PLAIN: &str = "tokio TCP";
const NOISE: &str = "snow, Noise XX with ring";
const TLS: &str = "tokio-rustls, ChaCha20-Poly1305";
const NAIVE: &str = "Framed + crypto_box, flushed each";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [first, peer, count] if first == memory::ARGUMENT => exit(memory::measure_here(peer, count)),
        _ => report(LAYER, measure),
    }
}

fn measure(findings: &mut Findings) -> Result<(), String> {
    findings.part("memory", |options| memory_rows(options.quick))?;
    let effort = effort(findings.options.quick);
    findings.part("bulk", |_| within_limit(bulk_rows(effort)))?;
    findings.part("small", |_| within_limit(small_rows(effort)))?;
    findings.part("answers", |_| within_limit(answer_rows(effort)))?;
    findings.part("handshakes", |_| within_limit(handshake_rows(effort)))?;
    let quick = findings.options.quick;
    findings.part("peers", |_| within_limit(fan_out_rows(quick)))?;
    findings.part("long", |_| within_limit(long_rows(quick, effort)))?;
    let (mut by_size, mut by_connections) = (None, None);
    findings.part("sizes", |_| {
        let curves = within_limit(sizes(quick))?;
        let rows = curves.rows(LAYER, |size| format!("messages of {size} B"));
        by_size = Some(curves);
        Ok(rows)
    })?;
    findings.part("connections", |_| {
        let curves = within_limit(numbers(quick))?;
        let work = |number| format!("64 KiB messages over {}", in_words(number));
        let mut rows = curves.rows_beside_the_best(LAYER, 0.85, work);
        rows.extend(curves.rows(LAYER, work));
        by_connections = Some(curves);
        Ok(rows)
    })?;
    if let (Some(directory), Some(by_size), Some(by_connections)) = (&findings.options.plots, by_size, by_connections) {
        let file = directory.join("socket-throughput.svg");
        std::fs::write(&file, draw(&by_size, &by_connections))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Gives a part a runtime of its own, which what hangs or panics can't take from the next one.
fn within_limit<T: Send + 'static>(part: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    let part = runtime.spawn(part);
    let outcome = runtime.block_on(async { tokio::time::timeout(LIMIT, part).await });
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(match error.try_into_panic() {
            Ok(panic) => panic_message(&*panic),
            Err(error) => error.to_string(),
        }),
        Err(_) => Err(format!("no end after {} s", LIMIT.as_secs())),
    }
}

fn effort(quick: bool) -> Effort {
    let (rounds, milliseconds) = if quick { (5, 60) } else { (21, 200) };
    Effort {
        rounds,
        turn: Duration::from_millis(milliseconds),
    }
}

/// Ours with the sets that have goals, the widest first: AVX2 as well where there is more, because many processors have
/// no more.
fn ours() -> Vec<(String, Arc<dyn Contestant>)> {
    let named = |set: InstructionSet| (set.to_string(), Arc::new(Ours::with(set)) as Arc<dyn Contestant>);
    let mut sets: Vec<_> = InstructionSet::available().map(named).collect();
    sets.reverse();
    let has_goal = |name: &str| goal_for(name, 0.0, 0.0).is_some();
    if sets.iter().any(|(name, _)| has_goal(name)) {
        sets.retain(|(name, _)| has_goal(name));
    }
    sets
}

/// A peer, and the goals for the ratio with AVX-512 and with AVX2.
type Against = (&'static str, Arc<dyn Contestant>, Option<[f64; 2]>);

/// A row for each set of ours and each peer.
async fn rows_against(work: (&str, Work), unit: (&str, f64), peers: Vec<Against>, effort: Effort) -> Vec<Row> {
    let ours = ours();
    let contestants: Vec<_> = ours.iter().map(|(_, contestant)| contestant.clone()).collect();
    let contestants: Vec<_> = contestants
        .into_iter()
        .chain(peers.iter().map(|peer| peer.1.clone()))
        .collect();
    let rates = Rates::measure(&contestants, work.1, effort).await;
    let mut rows = Vec::new();
    for (index, (isa, _)) in ours.iter().enumerate() {
        for (place, (name, _, goals)) in peers.iter().enumerate() {
            let place = ours.len() + place;
            let row = Row::new(LAYER, work.0, rates.of(index) * unit.1, unit.0)
                .beside(name, rates.of(place) * unit.1)
                .ratio(rates.ratio(index, place))
                .with(isa);
            let goal = goals.and_then(|[avx512, avx2]| goal_for(isa, avx512, avx2));
            rows.push(match goal {
                Some(goal) => row.at_least(goal),
                None => row,
            });
        }
    }
    rows
}

async fn bulk_rows(effort: Effort) -> Vec<Row> {
    let peers: Vec<Against> = vec![
        (PLAIN, Arc::new(Plain), Some([0.45, 0.25])),
        (NOISE, Arc::new(Noise::new()), Some([2.0, 1.0])),
        (TLS, Arc::new(Tls::new()), Some([2.0, 1.0])),
        (NAIVE, Arc::new(Naive), Some([6.0, 3.3])),
    ];
    let work = ("64 KiB messages, one connection", Work::OneWay { size: LARGE });
    rows_against(work, ("MB/s", LARGE as f64 / 1e6), peers, effort).await
}

async fn small_rows(effort: Effort) -> Vec<Row> {
    let peers: Vec<Against> = vec![
        (NAIVE, Arc::new(Naive), Some([60.0, 40.0])),
        ("tokio TCP with BufWriter", Arc::new(Buffered), None),
    ];
    let work = ("100 B messages, one connection", Work::OneWay { size: SMALL });
    rows_against(work, ("k/s", 1e-3), peers, effort).await
}

async fn answer_rows(effort: Effort) -> Vec<Row> {
    let peers: Vec<Against> = vec![(PLAIN, Arc::new(Plain), Some([0.8, 0.8]))];
    let work = ("100 B there and back, one in flight", Work::RoundTrips { size: SMALL });
    rows_against(work, ("k/s", 1e-3), peers, effort).await
}

async fn handshake_rows(effort: Effort) -> Vec<Row> {
    let peers: Vec<Against> = vec![
        ("snow XX", Arc::new(Noise::new()), Some([4.0, 4.0])),
        ("tokio-rustls, TLS 1.3", Arc::new(Tls::new()), Some([2.5, 2.5])),
        ("tokio TCP, connecting alone", Arc::new(Plain), None),
    ];
    let work = (
        "handshakes, connecting included, 16 at a time",
        Work::Handshakes { at_a_time: 16 },
    );
    let mut rows = rows_against(work, ("1/s", 1.0), peers, effort).await;
    // The agreement of keys is the same with all sets.
    rows.retain(|row| row.isa == isa());
    rows
}

fn memory_rows(quick: bool) -> Result<Vec<Row>, String> {
    const CONNECTIONS: usize = 5000;
    let ours = memory::measure("ours", CONNECTIONS)?;
    let naive = memory::measure("naive", if quick { 500 } else { 1000 })?;
    let plain = memory::measure("plain", CONNECTIONS)?;
    // Both without the TCP stream and its registration, which are not theirs.
    let row = |work: &str, ours: f64, naive: f64| {
        let work = format!("resident beyond a TcpStream, {work}");
        Row::new(LAYER, work, ours - plain.idle, "B").beside("split Framed with queues", naive - plain.idle)
    };
    let idle = row("idle, of 5000 connections", ours.idle, naive.idle);
    let used = row("after a message of 64 KiB each", ours.used, naive.used);
    let is_small = |row: &Row| row.ours.is_some_and(|ours| ours <= 3072.0);
    let saves = used.ratio.is_some_and(|ratio| ratio <= 0.05);
    let (idle_met, used_met) = (is_small(&idle), is_small(&used) && saves);
    let grown = (ours.after_burst - ours.used) * (2 * CONNECTIONS) as f64 / 1e6;
    let queued = (memory::BURSTS * memory::BURST_BYTES) as f64 / 1e6;
    let work = format!(
        "resident growth by bursts of 4 MiB on {} connections in turn",
        memory::BURSTS
    );
    Ok(vec![
        idle.goal("<= 3 KiB", idle_met),
        used.goal("<= 3 KiB and <= 1/20 x", used_met),
        Row::new(LAYER, work, grown, "MB")
            .beside("what was queued", queued)
            .goal("<= 0.02 x", grown <= 0.02 * queued),
        Row::new(LAYER, "resident, a TcpStream", plain.idle, "B"),
    ])
}

async fn fan_out_rows(quick: bool) -> Vec<Row> {
    let [once, each] = fan_out(&Ours::new(), 1000, 1024, if quick { 10 } else { 100 })
        .await
        .map(|time| time.as_nanos() as f64);
    let row = Row::new(LAYER, "1 KiB to each of 1000 peers, encoded once", once, "ns per peer");
    vec![row.beside("ours, encoded for each", each)]
}

/// Whether a connection that has carried much is as fast as a new one.
async fn long_rows(quick: bool, effort: Effort) -> Vec<Row> {
    let gibibytes = if quick { 1 } else { 10 };
    let messages = if quick { 600_000 } else { 1_800_000 };
    let peer = Ours::new();
    let rate = |elapsed: Duration| messages as f64 / 1e3 / elapsed.as_secs_f64();
    let (here, there) = pair(&peer).await;
    let mut ends = flood(here, there, LARGE, gibibytes << 14).await;
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let start = std::time::Instant::now();
        ends = flood(ends.0, ends.1, SMALL, messages).await;
        let old = rate(start.elapsed());
        rounds.push((old, rate(one_way(&peer, SMALL, messages).await)));
    }
    let old = median(rounds.iter().map(|(old, _)| *old).collect());
    let new = median(rounds.iter().map(|(_, new)| *new).collect());
    let ratio = median(rounds.iter().map(|(old, new)| old / new).collect());
    let row = Row::new(LAYER, format!("100 B messages after {gibibytes} GiB"), old, "k/s");
    vec![row.beside("ours, a new connection", new).ratio(ratio).at_least(0.95)]
}

fn entries() -> Vec<Entry> {
    let ours = ours().into_iter().map(|(isa, contestant)| Entry {
        name: format!("p2p-socket, {isa}"),
        isa: Some(isa),
        contestant,
    });
    let peers: [(&str, Arc<dyn Contestant>); 5] = [
        (PLAIN, Arc::new(Plain)),
        ("tokio TCP with BufWriter", Arc::new(Buffered)),
        (NOISE, Arc::new(Noise::new())),
        (TLS, Arc::new(Tls::new())),
        (NAIVE, Arc::new(Naive)),
    ];
    let peers = peers.map(|(name, contestant)| Entry {
        name: name.to_owned(),
        isa: None,
        contestant,
    });
    ours.chain(peers).collect()
}

async fn sizes(quick: bool) -> Curves {
    let sizes: &[usize] = if quick { &[100, 16_384, 1_048_576] } else { &SIZES };
    let effort = Effort {
        rounds: if quick { 3 } else { 7 },
        turn: effort(quick).turn,
    };
    Curves::by_size(&entries(), sizes, effort).await
}

async fn numbers(quick: bool) -> Curves {
    let effort = Effort {
        rounds: if quick { 3 } else { 5 },
        turn: Duration::from_millis(if quick { 200 } else { 600 }),
    };
    let mut entries = entries();
    if quick {
        entries.retain(|entry| entry.isa.is_some() || entry.name == PLAIN);
    }
    Curves::by_connections(&entries, effort).await
}
