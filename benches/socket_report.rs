//! What connections achieve and cost, beside plain TCP, Noise, TLS and what one writes first: `cargo xtask bench socket`.
//!
//! Options: `--quick` measures a third as long; `--json FILE` writes the table as JSON as well; `--only PART` measures one
//! part: memory, bulk, small, answers, handshakes, peers, many or long.

mod connections;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use benches::report::{Row, conclude, isa, median, missed, processor, table, write_json};
use connections::{
    fan_out::fan_out,
    handshakes::handshakes,
    memory,
    peers::{Naive, Noise, Ours, Peer, Plain, Tls, pair},
    transfer::{flood, one_way, one_way_over_many, round_trips},
};
use tokio::runtime::Runtime;

const LAYER: &str = "p2p-socket";

const LARGE: usize = 64 * 1024;
const SMALL: usize = 100;

#[derive(Default)]
struct Options {
    quick: bool,
    json: Option<PathBuf>,
    only: Option<String>,
}

struct Peers {
    ours: Arc<Ours>,
    noise: Arc<Noise>,
    tls: Arc<Tls>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [first, peer, count] if first == memory::ARGUMENT => match count.parse() {
            Ok(count) => memory::measure_here(peer, count),
            Err(_) => Err(format!("not a number: {count}")),
        },
        _ => Options::parse(arguments.into_iter()).and_then(|options| report(&options)),
    };
    conclude(result)
}

fn report(options: &Options) -> Result<(), String> {
    let mut rows = Vec::new();
    if options.includes("memory") {
        rows.extend(memory_rows(options)?);
    }
    let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let peers = Peers {
            ours: Arc::new(Ours::new()),
            noise: Arc::new(Noise::new()),
            tls: Arc::new(Tls::new()),
        };
        if options.includes("bulk") {
            rows.extend(bulk_rows(&peers, options).await);
        }
        if options.includes("small") {
            rows.push(small_row(&peers, options).await);
        }
        if options.includes("answers") {
            rows.push(round_trip_row(&peers, options).await);
        }
        if options.includes("handshakes") {
            rows.extend(handshake_rows(&peers, options).await);
        }
        if options.includes("peers") {
            rows.push(fan_out_row(&peers, options).await);
        }
        if options.includes("many") {
            rows.extend(many_rows(&peers, options).await);
        }
        if options.includes("long") {
            rows.push(long_row(&peers, options).await);
        }
    });

    println!("{}\n", processor());
    print!("{}", table(&rows));
    println!("\n{} goals missed", missed(&rows));
    if let Some(file) = &options.json {
        write_json(file, &rows).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Measures each in turn, `rounds` times, and takes the medians. Each measurement gives a rate.
macro_rules! medians {
    ($rounds:expr, $($measure:expr),+ $(,)?) => {{
        let mut rates = [$({ let _ = stringify!($measure); Vec::new() }),+];
        for _ in 0..$rounds {
            let mut each = rates.iter_mut();
            $(if let Some(rates) = each.next() { rates.push($measure.await); })+
        }
        rates.map(median)
    }};
}

/// A row for each peer, with a goal for the ratio of the rates.
fn beside(work: &str, unit: &'static str, ours: f64, peer: &'static str, theirs: f64, least: f64) -> Row {
    let row = Row::new(LAYER, format!("{work}, beside {peer}"), ours, unit).beside(peer, theirs);
    row.goal(format!("ratio >= {least}"), ours >= least * theirs)
}

/// A goal that depends on the instruction set.
fn goal(avx512: f64, avx2: f64) -> f64 {
    if isa().starts_with("AVX-512") { avx512 } else { avx2 }
}

impl Options {
    fn includes(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }

    fn rounds(&self) -> usize {
        if self.quick { 5 } else { 11 }
    }

    fn scaled(&self, quick: u64) -> u64 {
        if self.quick { quick } else { 3 * quick }
    }
}

async fn bulk_rows(peers: &Peers, options: &Options) -> Vec<Row> {
    async fn rate<P: Peer>(peer: &P, count: u64) -> f64 {
        (count * LARGE as u64) as f64 / 1e6 / one_way(peer, LARGE, count).await.as_secs_f64()
    }
    let count = options.scaled(1500);
    let [ours, plain, noise, tls, naive] = medians!(
        options.rounds(),
        rate(&*peers.ours, count),
        rate(&Plain, count),
        rate(&*peers.noise, count),
        rate(&*peers.tls, count),
        rate(&Naive, count / 4),
    );
    let row = |peer, theirs, goal| beside("64 KiB messages", "MB/s", ours, peer, theirs, goal);
    vec![
        row("tokio TCP", plain, goal(0.45, 0.25)),
        row("snow", noise, goal(2.0, 1.0)),
        row("tokio-rustls", tls, goal(2.0, 1.0)),
        row("Framed + crypto_box", naive, goal(6.0, 3.3)),
    ]
}

async fn small_row(peers: &Peers, options: &Options) -> Row {
    async fn rate<P: Peer>(peer: &P, count: u64) -> f64 {
        count as f64 / 1e3 / one_way(peer, SMALL, count).await.as_secs_f64()
    }
    let [ours, naive] = medians!(
        options.rounds(),
        rate(&*peers.ours, options.scaled(600_000)),
        rate(&Naive, options.scaled(15_000)),
    );
    let peer = "Framed + crypto_box, flushed each";
    beside("100 B messages", "k/s", ours, peer, naive, goal(60.0, 40.0))
}

async fn round_trip_row(peers: &Peers, options: &Options) -> Row {
    async fn rate<P: Peer>(peer: &P, count: u64) -> f64 {
        count as f64 / 1e3 / round_trips(peer, SMALL, count).await.as_secs_f64()
    }
    let count = options.scaled(5000);
    let [ours, plain] = medians!(2 * options.rounds(), rate(&*peers.ours, count), rate(&Plain, count));
    beside(
        "100 B there and back, one in flight",
        "k/s",
        ours,
        "tokio TCP",
        plain,
        0.8,
    )
}

async fn handshake_rows(peers: &Peers, options: &Options) -> [Row; 3] {
    const AT_A_TIME: usize = 16;
    async fn rate<P: Peer>(peer: &Arc<P>, count: u64) -> f64 {
        count as f64 / handshakes(peer, count as usize, AT_A_TIME).await.as_secs_f64()
    }
    let count = options.scaled(800);
    let plain = Arc::new(Plain);
    let [ours, noise, tls, plain] = medians!(
        options.rounds(),
        rate(&peers.ours, count),
        rate(&peers.noise, count / 2),
        rate(&peers.tls, count / 2),
        rate(&plain, count),
    );
    let work = "handshakes, connecting included, 16 at a time";
    [
        beside(work, "1/s", ours, "snow XX", noise, 4.0),
        beside(work, "1/s", ours, "tokio-rustls, TLS 1.3", tls, 2.5),
        Row::new(LAYER, format!("{work}, beside connecting alone"), ours, "1/s").beside("tokio TCP", plain),
    ]
}

fn memory_rows(_: &Options) -> Result<Vec<Row>, String> {
    const CONNECTIONS: usize = 5000;
    const LIMIT: f64 = 3072.0;
    let ours = memory::measure("ours", CONNECTIONS)?;
    let naive = memory::measure("naive", 1000)?;
    let plain = memory::measure("plain", CONNECTIONS)?;
    // Both without the TCP stream and its registration, which are not theirs.
    let row = |work: &str, ours: f64, naive: f64| {
        Row::new(
            LAYER,
            format!("resident beyond a TcpStream, {work}"),
            ours - plain.idle,
            "B",
        )
        .beside("split Framed with queues", naive - plain.idle)
    };
    let idle = row("idle, of 5000 connections", ours.idle, naive.idle);
    let used = row("after a message of 64 KiB", ours.used, naive.used);
    let (small, saving) = (used.ours <= LIMIT, used.ours * 20.0 <= used.theirs.unwrap_or(0.0));
    let grown = (ours.after_burst - ours.used) * (2 * CONNECTIONS) as f64 / 1e6;
    let queued = (memory::BURSTS * memory::BURST_BYTES) as f64 / 1e6;
    let work = format!(
        "resident growth by bursts of 4 MiB on {} connections in turn",
        memory::BURSTS
    );
    let is_small = idle.ours <= LIMIT;
    Ok(vec![
        idle.goal("<= 3 KiB", is_small),
        used.goal("<= 3 KiB and ratio <= 1/20", small && saving),
        Row::new(LAYER, work, grown, "MB")
            .ratio(grown / queued)
            .goal("ratio <= 0.02 of what was queued", grown <= 0.02 * queued),
        Row::new(LAYER, "resident, a TcpStream", plain.idle, "B"),
    ])
}

async fn fan_out_row(peers: &Peers, options: &Options) -> Row {
    let rounds = options.scaled(10) as u32;
    let [once, each] = fan_out(&peers.ours, 1000, 1024, rounds)
        .await
        .map(|time| time.as_nanos() as f64);
    let work = "1 KiB to each of 1000 peers, encoded once";
    let row = Row::new(LAYER, work, once, "ns per peer").beside("ours, encoded for each", each);
    row.goal("ratio <= 1", once <= each)
}

async fn many_rows(peers: &Peers, options: &Options) -> Vec<Row> {
    const CONNECTIONS: [u64; 4] = [1, 10, 100, 1000];
    // At least a megabyte for each.
    let count = 16_000;
    let mut rates = [const { Vec::new() }; CONNECTIONS.len()];
    for _ in 0..options.rounds().div_ceil(2) {
        for (rates, connections) in rates.iter_mut().zip(CONNECTIONS) {
            let elapsed = one_way_over_many(&*peers.ours, connections, LARGE, count).await;
            rates.push((count * LARGE as u64) as f64 / 1e6 / elapsed.as_secs_f64());
        }
    }
    let rates = rates.map(median);
    let best = rates.into_iter().fold(0.0, f64::max);
    CONNECTIONS
        .into_iter()
        .zip(rates)
        .map(|(connections, rate)| {
            Row::new(
                LAYER,
                format!("64 KiB messages over {connections} connections"),
                rate,
                "MB/s",
            )
            .ratio(rate / best)
            .goal("ratio >= 0.85 of the best", rate >= 0.85 * best)
        })
        .collect()
}

/// Whether a connection that has carried much is as fast as a new one.
async fn long_row(peers: &Peers, options: &Options) -> Row {
    let (gigabytes, messages) = (if options.quick { 1 } else { 10 }, options.scaled(600_000));
    let rate = |elapsed: Duration| messages as f64 / 1e3 / elapsed.as_secs_f64();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let (here, there) = pair(&*peers.ours).await;
    let mut ends = flood(here, there, LARGE, gigabytes << 14).await;
    for _ in 0..options.rounds() {
        let start = std::time::Instant::now();
        ends = flood(ends.0, ends.1, SMALL, messages).await;
        old.push(rate(start.elapsed()));
        new.push(rate(one_way(&*peers.ours, SMALL, messages).await));
    }
    let (old, new) = (median(old), median(new));
    Row::new(LAYER, format!("100 B messages after {gigabytes} GiB"), old, "k/s")
        .beside("ours, new connection", new)
        .goal("ratio >= 0.9", old >= 0.9 * new)
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--only" => options.only = Some(arguments.next().ok_or("--only needs a part")?),
                "--json" => options.json = Some(arguments.next().map(PathBuf::from).ok_or("--json needs a file")?),
                _ => return Err(format!("unexpected argument `{argument}`")),
            }
        }
        Ok(options)
    }
}
