//! What the scheduler achieves and costs, beside plain TCP and `async-speed-limit`: `cargo xtask bench scheduler`.
//!
//! With `--plots`, connections that join one by one are drawn as well.

mod scheduler;

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use benches::findings::{Findings, report};
use benches::options::Options;
use benches::report::{Row, connections};
use benches::statistics::median;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use scheduler::grants::Load;
use scheduler::sharing::{Limiter, MIXED_WRITE_BYTES, PEER, Sharing};
use scheduler::{join, throughput};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LAYER: &str = "p2p-io-scheduler";

fn main() -> ExitCode {
    report(LAYER, measure)
}

fn measure(findings: &mut Findings) -> Result<(), String> {
    findings.part("shared cap", |options| {
        Ok(grant_rows("one cap of 1 GB/s, 1 KiB writes", Load::shared_cap, options))
    })?;
    findings.part("own pace", |options| {
        Ok(grant_rows("32 kB/s for each, 128 B writes", Load::own_pace, options))
    })?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    findings.part("no limit", |options| {
        Ok(vec![runtime.block_on(throughput_row(options))])
    })?;
    findings.part("caps", |options| {
        let caps = [100_000, 1_000_000, 50_000_000, 500_000_000];
        Ok(caps
            .into_iter()
            .flat_map(|cap| runtime.block_on(cap_rows(cap, options)))
            .collect())
    })?;
    findings.part("fairness", |options| {
        let caps = [1_000_000, 20_000_000];
        Ok(caps
            .into_iter()
            .flat_map(|cap| runtime.block_on(fairness_rows(cap, options)))
            .collect())
    })?;
    findings.part("plot", |options| {
        if let Some(directory) = &options.plots {
            let interval = Duration::from_secs(1) / if options.quick { 5 } else { 1 };
            let file = directory.join("scheduler-join.svg");
            let svg = runtime.block_on(join::plot(interval));
            std::fs::write(&file, svg).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(Vec::new())
    })
}

/// Time and allocations per grant; the rounds go through all sizes, so that a busy moment does not meet one only.
fn grant_rows(work: &str, load: impl Fn(u64) -> Load, options: &Options) -> Vec<Row> {
    const CONNECTIONS: [u64; 5] = [1, 10, 100, 1000, 10_000];
    let (rounds, grants) = if options.quick { (3, 100_000) } else { (9, 300_000) };
    let mut nanoseconds = [const { Vec::new() }; CONNECTIONS.len()];
    let mut allocations = [0.0; CONNECTIONS.len()];
    for _ in 0..rounds {
        for (index, &count) in CONNECTIONS.iter().enumerate() {
            let mut region = Region::new(ALLOCATOR);
            let mut allocated = 0;
            let elapsed = load(count).run(grants, |begins| {
                if begins {
                    region.reset();
                } else {
                    allocated = region.change().allocations;
                }
            });
            nanoseconds[index].push(elapsed.as_nanos() as f64 / grants as f64);
            allocations[index] = allocated as f64 / grants as f64;
        }
    }
    // Each tick has a cost of its own, which many connections share; so what counts is that more never cost more.
    let mut cheapest = f64::INFINITY;
    let mut rows = Vec::new();
    for (count, nanoseconds) in CONNECTIONS.into_iter().zip(nanoseconds) {
        let nanoseconds = median(nanoseconds);
        cheapest = cheapest.min(nanoseconds);
        let ratio = nanoseconds / cheapest;
        let work = format!("grant, {work}, {}", connections(count));
        let row = Row::new(LAYER, work, nanoseconds, "ns").ratio(ratio);
        rows.push(row.goal("<= 1.5 x the cheapest above", ratio <= 1.5));
    }
    let most = allocations.into_iter().fold(0.0, f64::max);
    let row = Row::new(
        LAYER,
        format!("allocations, {work}, the most of these"),
        most,
        "per grant",
    );
    rows.push(row.goal("< 0.01", most < 0.01));
    rows
}

async fn throughput_row(options: &Options) -> Row {
    let (count, bytes) = if options.quick { (7, 100 << 20) } else { (21, 512 << 20) };
    let rounds = throughput::rounds(count, bytes).await;
    let ours = median(rounds.iter().map(|(ours, _)| *ours).collect());
    let theirs = median(rounds.iter().map(|(_, theirs)| *theirs).collect());
    let ratio = median(rounds.iter().map(|(ours, theirs)| ours / theirs).collect());
    let work = format!(
        "one connection without a limit, writes of {} KiB",
        throughput::WRITE_BYTES / 1024
    );
    Row::new(LAYER, work, ours, "MB/s")
        .beside("tokio TCP", theirs)
        .ratio(ratio)
        .at_least(0.97)
}

async fn cap_rows(cap: u64, options: &Options) -> [Row; 2] {
    let sharing = Sharing::new(cap, [65_536; 8], duration(options));
    let (ours, theirs) = (sharing.run(Limiter::Ours).await, sharing.run(Limiter::Theirs).await);
    let error = ours.cap_error_percent();
    let megabytes = cap as f64 / 1e6;
    // What is beyond the cap is at most one quantum.
    let quantum_percent = 100.0 * (cap as f64 / 500.0).clamp(256.0, 16384.0) / (cap as f64 / 10.0);
    let first = ours.first_100_ms_percent();
    let mut error_row = Row::new(LAYER, format!("cap of {megabytes} MB/s: error"), error, "%")
        .beside(PEER, theirs.cap_error_percent())
        .goal("within 3 %", error.abs() <= 3.0);
    // The ratio of two errors says nothing.
    error_row.ratio = None;
    [
        error_row,
        Row::new(
            LAYER,
            format!("cap of {megabytes} MB/s: first 100 ms"),
            first,
            "% of the cap",
        )
        .beside(PEER, theirs.first_100_ms_percent())
        .goal(
            format!("<= {:.1} %", 100.0 + quantum_percent),
            first <= 100.0 + quantum_percent,
        ),
    ]
}

async fn fairness_rows(cap: u64, options: &Options) -> [Row; 2] {
    let sharing = Sharing::new(cap, MIXED_WRITE_BYTES, duration(options));
    let (ours, theirs) = (sharing.run(Limiter::Ours).await, sharing.run(Limiter::Theirs).await);
    let work = format!("8 connections, writes of 64 B to 64 KiB, {} MB/s", cap / 1_000_000);
    let (whole, second) = (ours.jain(), ours.worst_second_jain());
    [
        Row::new(LAYER, format!("{work}: all the time"), whole, "Jain's index")
            .beside(PEER, theirs.jain())
            .goal(">= 0.999", whole >= 0.999),
        Row::new(LAYER, format!("{work}: worst second"), second, "Jain's index")
            .beside(PEER, theirs.worst_second_jain())
            .goal(">= 0.99", second >= 0.99),
    ]
}

fn duration(options: &Options) -> Duration {
    Duration::from_secs(if options.quick { 1 } else { 5 })
}
