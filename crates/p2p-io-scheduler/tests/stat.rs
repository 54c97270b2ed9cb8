//! Totals are exact; flows follow the moving average.

mod common;

use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Limits, Stat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{interval, sleep};

#[tokio::test(start_paused = true)]
async fn totals_are_the_bytes_on_the_wire() {
    for limits in [
        Limits::default(),
        Limits {
            upload: rate(100_000),
            download: rate(200_000),
        },
    ] {
        let scheduler = IoScheduler::new(limits);
        let mut sent = 0;
        let mut received = 0;
        for size in [1, 100, 5000, 70_000] {
            let (mut io, socket) = register_weighted(&scheduler, 1);
            io.write_all(&vec![0; size]).await.unwrap();
            io.read_exact(&mut vec![0; size / 2 + 1]).await.unwrap();
            let stat = io.stat();
            assert_eq!(stat.total_sent, socket.written.total() as u64);
            assert_eq!(stat.total_received, socket.read.total() as u64);
            assert_eq!(
                (stat.total_sent, stat.total_received),
                (size as u64, size as u64 / 2 + 1)
            );
            sent += stat.total_sent;
            received += stat.total_received;
        }
        let stat = scheduler.global_stat();
        assert_eq!(
            (stat.total_sent, stat.total_received),
            (sent, received),
            "also of those that are gone"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn flows_follow_the_moving_average() {
    let scheduler = IoScheduler::default();
    let (mut io, _) = register_weighted(&scheduler, 1);
    assert_eq!(io.stat(), Stat::default());
    let mut clock = interval(Duration::from_millis(100));
    let mut average = 0.0;
    for second in 1..=10 {
        for _ in 0..10 {
            clock.tick().await;
            io.write_all(&[0; 100]).await.unwrap();
        }
        sleep(Duration::from_millis(50)).await;
        // The present second is not over: nothing of it counts yet.
        assert_eq!(io.stat().current_outflow, f64::round(average) as u64, "second {second}");
        average = 0.2 * 1000.0 + 0.8 * average;
    }
    sleep(Duration::from_secs(4)).await;
    average *= 0.8_f64.powi(3);
    assert_eq!(io.stat().current_outflow, average.round() as u64);
    assert_eq!(scheduler.global_stat().current_outflow, average.round() as u64);
    assert_eq!(scheduler.global_stat().current_inflow, 0);
}

#[tokio::test(start_paused = true)]
async fn a_capped_flow_converges_to_the_cap() {
    let scheduler = IoScheduler::new(upload(1_000_000));
    let (io, _) = register_weighted(&scheduler, 1);
    let handle = io.handle();
    let writer = greedy_writer(io, 5000);
    sleep(Duration::from_secs(30)).await;
    let flow = handle.stat().current_outflow;
    assert!((990_000..=1_001_000).contains(&flow), "{flow}");
    writer.abort();
}
