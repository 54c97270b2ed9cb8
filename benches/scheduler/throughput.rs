//! Without a limit: loopback TCP through the scheduler and plain, in turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use p2p_io_scheduler::IoScheduler;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const WRITE_BYTES: usize = 64 * 1024;

/// Megabytes per second in each round: scheduled, plain.
pub(crate) async fn rounds(count: usize, bytes: u64) -> Vec<(f64, f64)> {
    let mut rounds = Vec::new();
    for round in 0..count {
        // Whoever goes second may find a warmer or a busier machine.
        let (ours, theirs) = if round % 2 == 0 {
            let ours = scheduled(bytes).await;
            (ours, plain(bytes).await)
        } else {
            let theirs = plain(bytes).await;
            (scheduled(bytes).await, theirs)
        };
        rounds.push((ours, theirs));
    }
    rounds
}

async fn scheduled(bytes: u64) -> f64 {
    let (scheduler, (here, there)) = (IoScheduler::default(), tcp_pair().await);
    let (here, there) = (scheduler.register(here).unwrap(), scheduler.register(there).unwrap());
    bytes as f64 / 1e6 / transfer(here, there, bytes).await.as_secs_f64()
}

async fn plain(bytes: u64) -> f64 {
    let (here, there) = tcp_pair().await;
    bytes as f64 / 1e6 / transfer(here, there, bytes).await.as_secs_f64()
}

pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap().0);
    dialled.set_nodelay(true).unwrap();
    accepted.set_nodelay(true).unwrap();
    (dialled, accepted)
}

async fn transfer(
    mut here: impl AsyncWrite + Unpin + Send + 'static,
    mut there: impl AsyncRead + Unpin,
    bytes: u64,
) -> Duration {
    let start = Instant::now();
    let sending = tokio::spawn(async move {
        let data = vec![7; WRITE_BYTES];
        for _ in 0..bytes / WRITE_BYTES as u64 {
            here.write_all(&data).await.unwrap();
        }
    });
    let mut buffer = vec![0; 256 * 1024];
    let (mut received, mut sum) = (0, 0);
    loop {
        let read = there.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        received += read as u64;
        // Touches every cache line, as whoever uses the bytes would.
        sum ^= buffer[..read].iter().step_by(64).fold(0, |sum, byte| sum ^ byte);
    }
    black_box(sum);
    sending.await.unwrap();
    assert_eq!(received, bytes / WRITE_BYTES as u64 * WRITE_BYTES as u64);
    start.elapsed()
}
