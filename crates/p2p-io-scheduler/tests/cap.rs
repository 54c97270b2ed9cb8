//! The cap holds, is used, and does not burst; upload and download are separate; limits change while running.

mod common;

use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

const QUANTUM: f64 = 16.0 * 1024.0;

async fn writes_of_8_connections(cap: u64, duration: Duration) -> Vec<(Duration, usize)> {
    let scheduler = IoScheduler::new(upload(cap));
    let sockets: Vec<_> = [64, 100, 1000, 1024, 4096, 10_000, 16_384, 65_536]
        .into_iter()
        .map(|size| {
            let (io, socket) = register_weighted(&scheduler, 1);
            (greedy_writer(io, size), socket)
        })
        .collect();
    sleep(duration).await;
    let mut entries = Vec::new();
    for (task, socket) in sockets {
        task.abort();
        entries.extend(socket.written.entries());
    }
    entries
}

#[tokio::test(start_paused = true)]
async fn the_cap_is_used_to_within_one_percent_and_never_broken() {
    for cap in [100_000, 1_000_000, 5_000_000, 50_000_000, 500_000_000] {
        let duration = Duration::from_secs(5);
        let entries = writes_of_8_connections(cap, duration).await;
        let used = entries.iter().map(|(_, bytes)| *bytes as f64).sum::<f64>() / (cap as f64 * duration.as_secs_f64());
        let quantum = (cap as f64 * 0.002).clamp(256.0, QUANTUM);
        let excess = worst_excess(entries, cap);
        println!(
            "cap of {cap} B/s over 5 s: {:.2} % used; any window of at least 100 ms is at most {excess:.0} B above it, \
             a quantum is {quantum} B",
            used * 100.0
        );
        assert!((0.99..=1.01).contains(&used), "{cap} B/s: {used}");
        assert!(
            excess <= quantum,
            "{cap} B/s: {excess} bytes beyond the cap, the quantum is {quantum}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_start_is_no_burst() {
    let entries = writes_of_8_connections(1_000_000, Duration::from_millis(50)).await;
    for until in [0, 1, 2, 5, 10, 20, 49] {
        let sent: usize = entries
            .iter()
            .filter(|(at, _)| at.as_millis() <= until)
            .map(|(_, bytes)| bytes)
            .sum();
        assert!(
            sent <= 1000 * until as usize + 2000,
            "{sent} bytes in the first {until} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_not_saved_up() {
    let scheduler = IoScheduler::new(upload(1_000_000));
    let (mut io, _) = register_weighted(&scheduler, 1);
    io.write_all(&[0; 5000]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let start = Instant::now();
    io.write_all(&[0; 102_000]).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn upload_and_download_are_separate() {
    let scheduler = IoScheduler::new(Limits {
        upload: rate(256 << 10),
        download: rate(1 << 20),
    });
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let (io, socket) = register_weighted(&scheduler, 1);
        let (mut reader, mut writer) = tokio::io::split(io);
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while reader.read_exact(&mut buffer).await.is_ok() {}
        });
        tokio::spawn(async move { while writer.write_all(&[0; 3000]).await.is_ok() {} });
        sockets.push(socket);
    }
    sleep(Duration::from_secs(5)).await;
    let written: usize = sockets.iter().map(|socket| socket.written.total()).sum();
    let read: usize = sockets.iter().map(|socket| socket.read.total()).sum();
    assert!(
        (0.99..=1.001).contains(&(written as f64 / (5.0 * 262_144.0))),
        "{written}"
    );
    assert!((0.99..=1.001).contains(&(read as f64 / (5.0 * 1_048_576.0))), "{read}");
}

#[tokio::test(start_paused = true)]
async fn limits_change_within_50_milliseconds() {
    let scheduler = IoScheduler::new(upload(100_000));
    let (io, socket) = register_weighted(&scheduler, 1);
    let writer = greedy_writer(io, 1000);
    let mut start = Duration::ZERO;
    for cap in [100_000, 2_000_000, 50_000, 1000, 20_000_000] {
        scheduler.set_limits(upload(cap));
        assert_eq!(scheduler.limits(), upload(cap));
        sleep(Duration::from_secs(1)).await;
        let settled = start + Duration::from_millis(50);
        start += Duration::from_secs(1);
        let sent = socket.written.between(settled, start) as f64;
        let due = cap as f64 * 0.95;
        assert!((sent - due).abs() <= 0.011 * due + 256.0, "{sent} instead of {due}");
    }
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn removing_the_limit_frees_those_who_wait() {
    let scheduler = IoScheduler::new(upload(1));
    let (mut io, _) = register_weighted(&scheduler, 1);
    let writer = tokio::spawn(async move { io.write_all(&[0; 1 << 20]).await });
    sleep(Duration::from_millis(10)).await;
    let start = Instant::now();
    scheduler.set_limits(Limits::default());
    writer.await.unwrap().unwrap();
    assert!(start.elapsed() <= Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_capped_reader_slows_its_remote_down() {
    let scheduler = IoScheduler::new(download(100_000));
    let (near, mut far) = tokio::io::duplex(4096);
    let mut io = scheduler.register(near).unwrap();
    let remote = tokio::spawn(async move {
        let start = Instant::now();
        far.write_all(&[0; 100_000]).await.unwrap();
        start.elapsed()
    });
    let mut received = vec![0; 100_000];
    io.read_exact(&mut received).await.unwrap();
    let took = remote.await.unwrap();
    assert!(
        (Duration::from_millis(940)..=Duration::from_millis(1010)).contains(&took),
        "{took:?}"
    );
}
