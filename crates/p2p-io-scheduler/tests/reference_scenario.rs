//! The scenario of the reference's own test of its scheduler, which only prints there: eight clients with queues of 16 KiB
//! and limits of 1 MiB/s down and 256 KiB/s up exchange messages of 64 B to 64 KiB with one server for five seconds.

mod common;

use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Limits, RegisterOptions, ScheduledHandle};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};
use tokio::time::sleep;

const CLIENTS: usize = 8;
const DOWNLOAD: u64 = 1 << 20;
const UPLOAD: u64 = 256 << 10;
const QUEUE: usize = 16 << 10;
const SECONDS: u64 = 5;

/// What the pipe between client and server may hold.
const PIPE: usize = 64 << 10;

/// Sends messages of all sizes and receives whatever comes, until the scheduler ends it.
fn converse(io: impl AsyncRead + AsyncWrite + Send + 'static, seed: usize) {
    let (mut reader, mut writer) = split(io);
    tokio::spawn(async move {
        for turn in seed.. {
            let message = vec![turn as u8; 64 << (turn % 11)];
            if writer.write_all(&message).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while reader.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
    });
}

#[tokio::test(start_paused = true)]
async fn eight_clients_of_the_reference() {
    let options = RegisterOptions {
        read_queue: QUEUE,
        write_queue: QUEUE,
        ..RegisterOptions::default()
    };
    let server = IoScheduler::default();
    let mut clients: Vec<(IoScheduler, ScheduledHandle, ScheduledHandle)> = Vec::new();
    for seed in 0..CLIENTS {
        let scheduler = IoScheduler::new(Limits {
            download: rate(DOWNLOAD),
            upload: rate(UPLOAD),
        });
        let (near, far) = duplex(PIPE);
        let near = scheduler.register_with(near, options).unwrap();
        let far = server.register_with(far, options).unwrap();
        clients.push((scheduler, near.handle(), far.handle()));
        converse(near, seed);
        converse(far, seed * 3);
    }
    sleep(Duration::from_secs(SECONDS)).await;

    for (index, (scheduler, client, at_server)) in clients.iter().enumerate() {
        let (stat, remote) = (client.stat(), at_server.stat());
        let used = |bytes: u64, cap: u64| bytes as f64 / (cap * SECONDS) as f64;
        let (down, up) = (used(stat.total_received, DOWNLOAD), used(stat.total_sent, UPLOAD));
        println!(
            "client {index}: {:.2} % of the download and {:.2} % of the upload limit",
            down * 100.0,
            up * 100.0
        );
        assert!(
            (0.99..=1.001).contains(&down),
            "client {index}: {down} of the download limit"
        );
        assert!((0.99..=1.001).contains(&up), "client {index}: {up} of the upload limit");
        assert_eq!(scheduler.global_stat(), stat, "one connection is all there is");
        // What one side has sent has come, but for what is in the pipe.
        assert!((0..=PIPE as u64).contains(&(remote.total_sent - stat.total_received)));
        assert!((0..=PIPE as u64).contains(&(stat.total_sent - remote.total_received)));
        assert!(stat.current_inflow.abs_diff(DOWNLOAD) <= DOWNLOAD / 2, "{stat:?}");
    }
    let total = server.global_stat();
    let of_clients = |figure: fn(&ScheduledHandle) -> u64| clients.iter().map(|(_, _, far)| figure(far)).sum::<u64>();
    assert_eq!(total.total_sent, of_clients(|far| far.stat().total_sent));
    assert_eq!(total.total_received, of_clients(|far| far.stat().total_received));

    for (scheduler, ..) in &clients {
        scheduler.shutdown(Duration::ZERO).await;
    }
    server.shutdown(Duration::ZERO).await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.connections().len(), 0, "everyone has gone");
}
