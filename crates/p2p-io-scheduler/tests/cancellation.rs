//! Operations that are cancelled and connections that go while they wait leave nothing behind and hold nobody up.

mod common;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep, timeout};

/// How much of the cap one greedy connection gets while `disturb` goes on.
async fn used_beside<F: Future<Output = ()>>(cap: u64, disturb: impl FnOnce(IoScheduler) -> F) -> f64 {
    let scheduler = IoScheduler::new(upload(cap));
    let (io, socket) = register_weighted(&scheduler, 1);
    greedy_writer(io, 4096);
    let start = Instant::now();
    disturb(scheduler).await;
    sleep(Duration::from_secs(5) - start.elapsed()).await;
    socket.written.total() as f64 / (5 * cap) as f64
}

#[tokio::test(start_paused = true)]
async fn dropped_waiters_leak_nothing() {
    let used = used_beside(1_000_000, |scheduler| async move {
        for _ in 0..1000 {
            let (mut io, _) = register_weighted(&scheduler, 1000);
            // Queued, then dropped before or after its bytes are dealt.
            let _ = timeout(Duration::from_millis(1), io.write_all(&[0; 1])).await;
            let _ = timeout(Duration::ZERO, io.write_all(&[0; 1 << 16])).await;
            drop(io);
        }
    })
    .await;
    assert!(used >= 0.985, "{used}");
}

#[tokio::test(start_paused = true)]
async fn cancelled_operations_hold_nobody_up() {
    let mut kept = Vec::new();
    let used = used_beside(1_000_000, |scheduler| {
        for _ in 0..500 {
            kept.push(register_weighted(&scheduler, 1));
        }
        async {
            for (io, _) in &mut kept {
                // Stays in the queue, is dealt its bytes, and never comes for them.
                let _ = timeout(Duration::ZERO, io.write_all(&[0; 1 << 16])).await;
            }
        }
    })
    .await;
    // Half a second's bytes were dealt to nobody. They come back after 4 ms each.
    assert!(used >= 0.97, "{used}");
    assert_eq!(kept.iter().map(|(_, socket)| socket.written.total()).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_not_ready_holds_nobody_up() {
    let used = used_beside(1_000_000, |scheduler| async move {
        for _ in 0..100 {
            let (near, far) = duplex(10);
            let mut io = scheduler.register(near).unwrap();
            tokio::spawn(async move {
                let _far = far;
                io.write_all(&[0; 1 << 16]).await
            });
        }
    })
    .await;
    assert!(used >= 0.985, "{used}");
}

#[tokio::test(start_paused = true)]
async fn idle_readers_take_no_bandwidth() {
    let scheduler = IoScheduler::new(download(1_000_000));
    let mut remotes = Vec::new();
    for _ in 0..100 {
        let (near, far) = duplex(1000);
        let mut io = scheduler.register(near).unwrap();
        tokio::spawn(async move { io.read(&mut [0; 1000]).await });
        remotes.push(far);
    }
    let (io, socket) = register_weighted(&scheduler, 1);
    greedy_reader(io, 4096);
    sleep(Duration::from_secs(5)).await;
    let used = socket.read.total() as f64 / 5e6;
    assert!((0.99..=1.001).contains(&used), "{used}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_write_sends_nothing_twice() {
    let scheduler = IoScheduler::new(upload(10_000));
    let (mut io, socket) = register_weighted(&scheduler, 1);
    let mut written = 0;
    for _ in 0..200 {
        // `write` is cancel safe: either it took bytes and says how many, or none.
        if let Ok(result) = timeout(Duration::from_millis(1), io.write(&[0; 100])).await {
            written += result.unwrap();
        }
    }
    assert_eq!(socket.written.total(), written);
    assert!(written > 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_when_nobody_waits() {
    let scheduler = IoScheduler::new(upload(1000));
    let (mut io, _) = register_weighted(&scheduler, 1);
    io.write_all(&[0; 100]).await.unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 1, "the pacer stays a little");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(tasks(), 0);
    let waiting = tokio::spawn(async move { io.write_all(&[0; 1 << 20]).await });
    sleep(Duration::from_millis(50)).await;
    assert_eq!(tasks(), 2);
    waiting.abort();
    drop(scheduler);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(tasks(), 0, "the pacer ends with the scheduler");
}

/// A thousand connections that wait for their remotes are not looked at while another one is busy under the cap.
#[tokio::test(start_paused = true)]
async fn idle_connections_cost_no_wake_ups() {
    let scheduler = IoScheduler::new(Limits {
        upload: rate(1_000_000),
        download: rate(1_000_000),
    });
    let polls = Arc::new(AtomicUsize::new(0));
    let mut remotes = Vec::new();
    for _ in 0..1000 {
        let (near, far) = duplex(1000);
        let mut io = scheduler.register(near).unwrap();
        let polls = Arc::clone(&polls);
        tokio::spawn(async move {
            let mut buffer = [0; 1000];
            let mut read = pin!(io.read(&mut buffer));
            poll_fn(|cx| {
                polls.fetch_add(1, Relaxed);
                read.as_mut().poll(cx)
            })
            .await
        });
        remotes.push(far);
    }
    sleep(Duration::from_millis(200)).await;
    let before = polls.load(Relaxed);
    let (io, socket) = register_weighted(&scheduler, 1);
    greedy_reader(io, 4096);
    sleep(Duration::from_secs(5)).await;
    assert!(socket.read.total() > 4_900_000, "one was busy");
    assert_eq!(polls.load(Relaxed), before, "the others were not woken");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks, 1000 + 1 + 1, "theirs, the busy one's and one pacer");
}
