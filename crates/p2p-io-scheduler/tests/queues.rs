//! The queues hold as many bytes as they are given and no more, keep their order, and lose none.

mod common;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Limits, Queued, RegisterOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep, timeout};

const MILLISECOND: Duration = Duration::from_millis(1);

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|i| (i * 37 + (i >> 8) * 5) as u8).collect()
}

#[tokio::test(start_paused = true)]
async fn a_write_queue_takes_exactly_its_bound() {
    // Once there is no room in the pipe, once no grant: of one byte in a second, none has been earned yet.
    for (limits, pipe) in [(Limits::default(), 1), (upload(1), 1000)] {
        for bound in [0, 1, 2, 100] {
            for offered in [1, bound.max(2) - 1, bound.max(1), bound + 1, 10 * bound + 1] {
                let (mut io, _far) = connect(limits, pipe, 0, bound);
                if limits == Limits::default() {
                    assert_eq!(accepted(&mut io, b"x"), Some(1), "into the pipe");
                }
                let offer = vec![1; offered];
                let expected = offered.min(bound);
                assert_eq!(accepted(&mut io, &offer).unwrap_or(0), expected, "{offered} of {bound}");
                assert_eq!(accepted(&mut io, &offer).unwrap_or(0), offered.min(bound - expected));
                while accepted(&mut io, &offer).is_some() {}
                assert_eq!(io.queued(), Queued { read: 0, write: bound });
                assert_eq!(accepted(&mut io, &[]), Some(0), "nothing always fits");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nothing_is_accepted_that_cannot_be_sent() {
    let (mut io, _far) = connect(Limits::default(), 4, 0, 0);
    assert_eq!(accepted(&mut io, &[0; 9]), Some(4));
    assert_eq!(accepted(&mut io, &[0; 5]), None);
    assert_eq!(io.queued(), Queued::default());
    assert_eq!(io.stat().total_sent, 4);
}

#[tokio::test(start_paused = true)]
async fn what_has_room_in_the_stream_is_not_queued() {
    let (mut io, _far) = connect(Limits::default(), 100, 0, 100);
    assert_eq!(accepted(&mut io, &[0; 100]), Some(100));
    assert_eq!(io.queued().write, 0);
    assert_eq!(io.stat().total_sent, 100);
}

#[tokio::test(start_paused = true)]
async fn the_stat_counts_what_the_stream_took() {
    let (mut io, mut far) = connect(Limits::default(), 10, 0, 100);
    io.write_all(&[0; 60]).await.unwrap();
    assert_eq!((io.stat().total_sent, io.queued().write), (10, 50));
    far.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(
        (io.stat().total_sent, io.queued().write),
        (10, 50),
        "nothing is sent in the background"
    );
    assert!(once(io.flush()).is_pending());
    assert_eq!((io.stat().total_sent, io.queued().write), (20, 40));
    // A later write sends what is queued before.
    far.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(accepted(&mut io, &[0; 100]), Some(70));
    assert_eq!((io.stat().total_sent, io.queued().write), (30, 100));
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_when_the_stream_has_everything() {
    for limits in [Limits::default(), upload(10_000)] {
        let (mut io, mut far) = connect(limits, 64, 0, 5000);
        let sent = pattern(5000);
        let remote = tokio::spawn(async move {
            let mut received = vec![0; 5000];
            far.read_exact(&mut received).await.unwrap();
            (received, far)
        });
        let start = Instant::now();
        io.write_all(&sent).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "the queue takes it all");
        io.flush().await.unwrap();
        assert_eq!((io.stat().total_sent, io.queued().write), (5000, 0));
        assert!(remote.await.unwrap().0 == sent);
        if limits != Limits::default() {
            let took = start.elapsed().as_millis();
            assert!((480..=505).contains(&took), "{took} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_sends_what_is_queued() {
    let (mut io, mut far) = connect(upload(10_000), 64, 0, 5000);
    let sent = pattern(5000);
    io.write_all(&sent).await.unwrap();
    let mut received = Vec::new();
    let (shutdown, read) = tokio::join!(io.shutdown(), far.read_to_end(&mut received));
    shutdown.unwrap();
    read.unwrap();
    assert!(received == sent);
    let error = io.write(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "nothing is queued for nobody");
    io.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_cap_holds_for_queued_bytes() {
    let socket = Endless::default();
    let options = RegisterOptions {
        write_queue: 30_000,
        ..RegisterOptions::default()
    };
    let mut io = IoScheduler::new(upload(100_000))
        .register_with(socket.clone(), options)
        .unwrap();
    for _ in 0..20 {
        io.write_all(&[0; 25_000]).await.unwrap();
        io.flush().await.unwrap();
    }
    assert_eq!(socket.written.total(), 500_000);
    let took = socket.written.entries().last().unwrap().0.as_secs_f64();
    assert!((4.95..=5.05).contains(&took), "{took}");
    let excess = worst_excess(socket.written.entries(), 100_000);
    assert!(excess <= 256.0, "{excess}");
}

#[tokio::test(start_paused = true)]
async fn cancelled_operations_lose_nothing_that_was_accepted() {
    let (mut io, mut far) = connect(upload(20_000), 50, 0, 300);
    let sent = pattern(10_000);
    let remote = tokio::spawn(async move {
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        received
    });
    let mut done = 0;
    for i in 0..200_000 {
        // Writes and flushes in turn, each given up after a moment.
        if i % 3 == 0 {
            let _ = timeout(MILLISECOND, io.flush()).await;
        } else if let Ok(accepted) = timeout(MILLISECOND / 2, io.write(&sent[done..(done + 123).min(10_000)])).await {
            done += accepted.unwrap();
        }
        if done == sent.len() {
            break;
        }
    }
    assert_eq!(done, 10_000);
    let _ = timeout(MILLISECOND, io.shutdown()).await;
    io.shutdown().await.unwrap();
    assert!(remote.await.unwrap() == sent);
    assert_eq!(io.stat().total_sent, 10_000);
}

#[tokio::test(start_paused = true)]
async fn small_reads_are_served_from_one_large_one() {
    let socket = Endless::default();
    let options = RegisterOptions {
        read_queue: 100,
        ..RegisterOptions::default()
    };
    let mut io = IoScheduler::default().register_with(socket.clone(), options).unwrap();
    for read in 0..100 {
        assert_eq!(io.queued().read, if read == 0 { 0 } else { 100 - read });
        io.read_exact(&mut [0]).await.unwrap();
    }
    assert_eq!(socket.read.entries().len(), 1);
    assert_eq!(io.stat().total_received, 100);
    // The next ones: 99 of 100, what is left, and two that are as large as the queue, or larger.
    for (size, read, total) in [
        (99, 99, 200),
        (5, 1, 200),
        (0, 0, 200),
        (100, 100, 300),
        (101, 101, 401),
    ] {
        assert_eq!(io.read(&mut vec![0; size]).await.unwrap(), read);
        assert_eq!(socket.read.total(), total);
        assert_eq!(io.stat().total_received, total as u64);
    }
    assert_eq!(io.queued(), Queued::default());
}

#[tokio::test(start_paused = true)]
async fn queues_of_0_and_1_bytes_read_nothing_ahead() {
    for read_queue in [0, 1] {
        let (mut io, mut far) = connect(Limits::default(), 100, read_queue, 0);
        far.write_all(&[0; 100]).await.unwrap();
        for total in 1..=100 {
            io.read_exact(&mut [0]).await.unwrap();
            assert_eq!((io.stat().total_received, io.queued().read), (total, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reading_ahead_stays_within_the_cap_and_slows_the_remote_down() {
    const CAP: u64 = 100_000;
    let socket = Endless::default();
    let options = RegisterOptions {
        read_queue: 4096,
        ..RegisterOptions::default()
    };
    let mut io = IoScheduler::new(download(CAP))
        .register_with(socket.clone(), options)
        .unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        io.read_exact(&mut [0; 10]).await.unwrap();
        assert!(io.queued().read <= 4096);
    }
    let used = socket.read.total() as f64 / (2 * CAP) as f64;
    assert!((0.99..=1.005).contains(&used), "{used}");
    let excess = worst_excess(socket.read.entries(), CAP);
    assert!(excess <= 256.0, "{excess}");

    // Over a pipe, the remote gets rid of what was read, what is queued and what the pipe holds, and waits.
    let (mut io, mut far) = connect(download(CAP), 1000, 500, 0);
    let remote = tokio::spawn(async move { far.write_all(&[0; 10_000]).await });
    io.read_exact(&mut [0; 10]).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert!(io.stat().total_received <= 510, "{}", io.stat().total_received);
    assert!(!remote.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_comes_after_what_is_queued() {
    let (mut io, mut far) = connect(Limits::default(), 100, 50, 0);
    far.write_all(&pattern(70)).await.unwrap();
    drop(far);
    io.read_exact(&mut [0]).await.unwrap();
    assert!(io.closing_reasons().is_empty());
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, pattern(70)[1..]);
    assert_eq!(io.closing_reasons().len(), 1);
}

/// A stream that takes slices, and remembers what it was given each time.
#[derive(Default)]
struct Slices(Vec<Vec<usize>>);

impl AsyncRead for Slices {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Slices {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.push(bufs.iter().map(|buf| buf.len()).collect());
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_limited_vectored_write_uses_all_slices_up_to_the_grant() {
    let mut io = IoScheduler::new(upload(1000)).register(Slices::default()).unwrap();
    sleep(Duration::from_secs(1)).await;
    let tens = [0; 10];
    let slices: Vec<_> = (0..1000)
        .map(|i| IoSlice::new(if i % 2 == 0 { &tens } else { &[] }))
        .collect();
    let written = io.write_vectored(&slices).await.unwrap();
    let given = &io.get_ref().0[0];
    assert!(
        given.len() > 1 && given.iter().all(|bytes| (1..=10).contains(bytes)),
        "{given:?}"
    );
    assert_eq!(given.iter().sum::<usize>(), written);
    assert_eq!(io.stat().total_sent, written as u64);
}

#[tokio::test(start_paused = true)]
async fn a_vectored_write_is_queued_across_its_slices() {
    let (mut io, mut far) = connect(Limits::default(), 1, 0, 7);
    io.write_all(b"0").await.unwrap();
    let slices = [IoSlice::new(b"123"), IoSlice::new(b""), IoSlice::new(b"45678")];
    assert_eq!(io.write_vectored(&slices).await.unwrap(), 7);
    let mut received = [0; 8];
    let (flush, read) = tokio::join!(io.flush(), far.read_exact(&mut received));
    flush.unwrap();
    read.unwrap();
    assert_eq!(&received, b"01234567");
}

/// A stream that takes one byte every second time it is asked, and keeps it.
#[derive(Default)]
struct Fickle {
    taken: Vec<u8>,
    is_ready: bool,
}

impl AsyncRead for Fickle {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fickle {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.is_ready = !self.is_ready;
        if self.is_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.taken.extend(buf.first());
        Poll::Ready(Ok(buf.len().min(1)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_what_is_queued_when_the_stream_becomes_ready_in_between() {
    for limits in [Limits::default(), upload(100_000)] {
        for write_queue in [0, 1, 2, 7, 100] {
            let options = RegisterOptions {
                write_queue,
                ..RegisterOptions::default()
            };
            let mut io = IoScheduler::new(limits)
                .register_with(Fickle::default(), options)
                .unwrap();
            let sent = pattern(500);
            for message in sent.chunks(3) {
                io.write_all(message).await.unwrap();
            }
            io.flush().await.unwrap();
            assert!(io.get_ref().taken == sent, "{write_queue}");
            assert_eq!(io.stat().total_sent, 500);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_waits_for_room_is_woken() {
    let (mut io, mut far) = connect(Limits::default(), 8, 0, 8);
    io.write_all(&[0; 16]).await.unwrap();
    let waiting = tokio::spawn(async move {
        poll_fn(|cx| Pin::new(&mut io).poll_write(cx, &[1; 8])).await.unwrap();
        io
    });
    sleep(MILLISECOND).await;
    assert!(!waiting.is_finished());
    far.read_exact(&mut [0; 4]).await.unwrap();
    let io = timeout(MILLISECOND, waiting).await.unwrap().unwrap();
    assert_eq!(io.queued().write, 8);
    assert_eq!(io.stat().total_sent, 12);
}
