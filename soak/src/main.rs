//! Sixty-four peers on real sockets for minutes: at the end the books must balance, every task and descriptor be gone,
//! and the memory be what it was. Run it with `cargo xtask soak`.

mod ledger;
mod peer;
mod usage;

use std::{
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use clap::Parser;
use fastrand::Rng;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::peer::{Peer, World};

/// Lets many peers live together, and checks that nothing is lost, held or left.
#[derive(Debug, Parser)]
struct Options {
    /// How long they live, in minutes.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// How many there are.
    #[arg(long, default_value_t = 64)]
    peers: usize,
    /// Where the random decisions begin; drawn if it is not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// Every connection ends within this time once nobody dials any more.
const WIND_DOWN: Duration = Duration::from_secs(120);

/// How much larger the memory may be at the end than in the first third: what threads and the allocator keep.
const GROWTH_ALLOWED_KIB: u64 = 8 * 1024;

#[tokio::main]
async fn main() -> std::io::Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{} peers for {} minutes, seed {seed}", options.peers, options.minutes);
    let mut wrong = live(&options, seed).await?;
    if wrong.is_empty() {
        println!("nothing lost, nothing held, nothing left");
        return Ok(ExitCode::SUCCESS);
    }
    let count = wrong.len();
    wrong.truncate(20);
    eprintln!("{count} things are wrong:\n  {}", wrong.join("\n  "));
    Ok(ExitCode::FAILURE)
}

/// Everything that is wrong at the end.
async fn live(options: &Options, seed: u64) -> std::io::Result<Vec<String>> {
    let (descriptors, tasks) = (usage::descriptors(), alive_tasks());
    let mut rng = Rng::with_seed(seed);
    let mut listeners = Vec::new();
    for _ in 0..options.peers {
        listeners.push(TcpListener::bind("127.0.0.1:0").await?);
    }
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    let world = Arc::new(World {
        addresses,
        ..World::default()
    });
    let mut peers = JoinSet::new();
    for (listener, address) in listeners.into_iter().zip(&world.addresses) {
        let peer = Peer::new(world.clone(), *address, &mut rng);
        peers.spawn(peer.live(listener, rng.fork()));
    }

    let memory = watch_memory(Duration::from_secs_f64(60.0 * options.minutes)).await;
    world.no_more_dialling.cancel();
    let mut wrong = Vec::new();
    // Dialling ends with its connections; only then may the listeners go.
    let ended = timeout(WIND_DOWN, async {
        sleep(Duration::from_secs(1)).await;
        while alive_tasks() > tasks + 2 * options.peers {
            sleep(Duration::from_millis(100)).await;
        }
        world.no_more_listening.cancel();
        while peers.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        wrong.push(format!("{} tasks have not ended", alive_tasks() - tasks));
    }
    sleep(Duration::from_secs(1)).await;
    report(&world, &mut wrong);
    if alive_tasks() != tasks {
        wrong.push(format!("{} tasks at the end, {tasks} at the start", alive_tasks()));
    }
    if usage::descriptors() != descriptors {
        wrong.push(format!(
            "descriptors: {:?} at the end, {descriptors:?} at the start",
            usage::descriptors()
        ));
    }
    for (index, minute) in memory.chunks_exact(60).enumerate() {
        let kib = minute.last().unwrap_or(&0);
        println!("memory: {kib} KiB after {} minutes", index + 1);
    }
    let third = memory.len() / 3;
    if let (Some(early), Some(late)) = (
        memory[..third].iter().max(),
        memory[memory.len() - third..].iter().max(),
    ) {
        println!("memory: {early} KiB at most in the first third, {late} KiB in the last");
        if *late > early + GROWTH_ALLOWED_KIB {
            wrong.push(format!("the memory grew from {early} to {late} KiB"));
        }
    }
    println!("tasks: {tasks} before and {} after", alive_tasks());
    match (descriptors, usage::descriptors()) {
        (Some(before), Some(after)) => println!("descriptors: {before} before and {after} after"),
        _ => println!("descriptors: this system does not tell"),
    }
    Ok(wrong)
}

/// Waits, and gives what the process used each second.
async fn watch_memory(time: Duration) -> Vec<u64> {
    let end = Instant::now() + time;
    let mut samples = Vec::new();
    while Instant::now() < end {
        sleep(Duration::from_secs(1).min(time)).await;
        samples.extend(usage::memory());
    }
    samples
}

fn report(world: &World, wrong: &mut Vec<String>) {
    let (totals, mistakes) = world.ledger.close();
    wrong.extend(mistakes);
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counts = &world.counts;
    println!(
        "{} connections, {} flushed; {} messages sent = {} received + {} lost with connections that were broken off",
        totals.connections, totals.flushed, totals.sent, totals.received, totals.lost
    );
    println!(
        "{} nacks, {} strangers with noise, {} handshakes that failed",
        of(&counts.nacked),
        of(&counts.garbage),
        of(&counts.failed)
    );
    if totals.received == 0 {
        wrong.push("nothing was received at all".into());
    }
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
