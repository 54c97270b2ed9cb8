//! Ways to get more than one's share, or to cost the others theirs, that do not work.

mod common;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, ScheduledHandle, Weight};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep, timeout};

const CAP: u64 = 1_000_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn greedy_writers(scheduler: &IoScheduler, count: usize) -> Vec<Endless> {
    let start = |_| {
        let (io, socket) = register_weighted(scheduler, 1);
        greedy_writer(io, 4096);
        socket
    };
    (0..count).map(start).collect()
}

fn written(sockets: &[Endless], from: Duration, to: Duration) -> f64 {
    sockets
        .iter()
        .map(|socket| socket.written.between(from, to) as f64)
        .sum()
}

/// Registers again for each message, as one who was never served.
#[tokio::test(start_paused = true)]
async fn registering_again_gains_nothing() {
    for (others, message) in [(10, 500), (99, 200), (999, 64)] {
        let scheduler = IoScheduler::new(upload(CAP));
        let honest = greedy_writers(&scheduler, others);
        sleep(seconds(1)).await;
        let task = tokio::spawn({
            let scheduler = scheduler.clone();
            async move {
                while let Ok(mut io) = scheduler.register(Endless::default()) {
                    if io.write_all(&vec![0; message]).await.is_err() {
                        break;
                    }
                }
            }
        });
        sleep(seconds(4)).await;
        let share = written(&honest, seconds(1), seconds(5)) / (4.0 * CAP as f64);
        let due = others as f64 / (others + 1) as f64;
        println!(
            "{others} beside one that registers again and again: {:.2} % of what is due",
            100.0 * share / due
        );
        assert!(share >= 0.99 * due, "{others} connections have {share}, due are {due}");
        task.abort();
    }
}

/// In each millisecond some new connections come and want a share's worth, all together less than the cap.
#[tokio::test(start_paused = true)]
async fn newcomers_do_not_starve_those_who_are_there() {
    for (per_millisecond, message) in [(2, 250), (5, 100), (10, 50)] {
        let scheduler = IoScheduler::new(upload(CAP));
        let old = greedy_writers(&scheduler, 10);
        let start = Instant::now();
        while start.elapsed() < seconds(2) {
            for _ in 0..per_millisecond {
                let mut io = scheduler.register(Endless::default()).unwrap();
                tokio::spawn(async move { io.write_all(&vec![0; message]).await });
            }
            sleep(Duration::from_millis(1)).await;
        }
        let share = written(&old, seconds(1), seconds(2)) / CAP as f64;
        println!(
            "{per_millisecond} newcomers a millisecond leave {:.1} % to those who are there",
            100.0 * share
        );
        assert!(share >= 0.45, "{share}");
    }
}

/// Weight does not let one save up what it leaves.
#[tokio::test(start_paused = true)]
async fn a_heavy_trickler_saves_nothing_up() {
    for (weight, others) in [(1, 9), (100, 99), (1000, 999)] {
        let scheduler = IoScheduler::new(upload(CAP));
        let others = greedy_writers(&scheduler, others);
        let (mut io, _) = register_weighted(&scheduler, weight);
        let start = Instant::now();
        while start.elapsed() < seconds(2) {
            io.write_all(&[0]).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        greedy_writer(io, 4096);
        sleep(seconds(1)).await;
        let due = others.len() as f64 / (others.len() as f64 + f64::from(weight));
        let share = written(&others, Duration::from_millis(2050), seconds(3)) / (0.95 * CAP as f64);
        println!(
            "beside a trickler of weight {weight} that turns greedy: {:.1} % of what is due",
            100.0 * share / due
        );
        assert!(share >= 0.9 * due, "weight {weight}: {share} instead of {due}");
    }
}

/// Writes that are begun and dropped, over and over.
#[tokio::test(start_paused = true)]
async fn cancelled_writes_cost_the_others_nothing() {
    for (cancellers, period) in [(10, 25), (50, 5), (50, 25), (200, 25), (1000, 40)] {
        let scheduler = IoScheduler::new(upload(CAP));
        let mut cancelling: Vec<_> = (0..cancellers).map(|_| register_weighted(&scheduler, 1)).collect();
        let greedy = greedy_writers(&scheduler, 1);
        let mut start = None;
        for turn in 0..5000 / period {
            for (io, _) in &mut cancelling {
                let _ = once(io.write(&[0; 4096]));
            }
            sleep(Duration::from_millis(period)).await;
            // The first time nobody can know.
            if turn * period >= 500 && start.is_none() {
                start = Some(turn * period + period);
            }
        }
        let (from, to) = (Duration::from_millis(start.unwrap()), seconds(5));
        let total: f64 = written(&greedy, from, to)
            + cancelling
                .iter()
                .map(|(_, socket)| socket.written.between(from, to) as f64)
                .sum::<f64>();
        let used = total / (CAP as f64 * (to - from).as_secs_f64());
        println!(
            "beside {cancellers} that cancel every {period} ms: {:.2} % of the cap used",
            100.0 * used
        );
        assert!(used >= 0.985, "{used}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_greatest_weights_are_proportional() {
    let greatest = Weight::MAX.get();
    for cap in [CAP, 50 * CAP] {
        let scheduler = IoScheduler::new(upload(cap));
        let sockets = [1, 2, 5].map(|weight| {
            let (io, socket) = register_weighted(&scheduler, weight * greatest / 10);
            greedy_writer(io, 4096);
            (socket, f64::from(weight))
        });
        sleep(seconds(5)).await;
        let total: f64 = sockets.iter().map(|(socket, _)| socket.written.total() as f64).sum();
        for (socket, weight) in &sockets {
            let share = socket.written.total() as f64 / total * 8.0 / weight;
            assert!((0.99..=1.01).contains(&share), "weight {weight} at {cap} B/s: {share}");
        }
    }
    assert_eq!(Weight::new(greatest + 1), None);
    assert_eq!(Weight::new(0), None);
}

#[tokio::test(start_paused = true)]
async fn setting_the_same_limits_again_changes_nothing() {
    let limits = upload(50 * CAP);
    let scheduler = IoScheduler::new(limits);
    let greedy = greedy_writers(&scheduler, 3);
    for _ in 0..1000 {
        scheduler.set_limits(limits);
        sleep(Duration::from_millis(1)).await;
    }
    let used = written(&greedy, seconds(0), seconds(1)) / (50.0 * CAP as f64);
    assert!(used >= 0.98, "{used}");
}

/// A stream that never finishes shutting down.
struct Stubborn;

impl AsyncRead for Stubborn {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Stubborn {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_shuts_down_is_ended_with_the_scheduler() {
    let scheduler = IoScheduler::default();
    let mut io = scheduler.register(Stubborn).unwrap();
    let ending = tokio::spawn(async move { io.shutdown().await });
    sleep(Duration::from_millis(1)).await;
    scheduler.shutdown(Duration::from_millis(10)).await;
    let ended = timeout(Duration::from_millis(1), ending).await.expect("it is woken");
    assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::NotConnected);
}

/// A waker that can be counted.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_handle_keeps_nothing_of_those_who_waited() {
    let scheduler = IoScheduler::default();
    let mut io = scheduler.register(Stubborn).unwrap();
    let handle: ScheduledHandle = io.handle();
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let mut buffer = [0; 10];
    assert!(
        Pin::new(&mut Box::pin(io.read(&mut buffer)))
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop((io, waker));
    assert_eq!(Arc::strong_count(&counted), 1, "{handle:?} holds a waker");
}
