//! Closing a connection sends or discards what is queued, as told, and never takes longer than it may.

mod common;

use std::error::Error;
use std::io;
use std::time::Duration;

use common::*;
use p2p_io_scheduler::{
    CloseError, ClosingReason, Direction, Drain, IoScheduler, Limits, Queued, RegisterOptions, ScheduledIo,
    SchedulerClosed,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A connection with these bytes in a queue of 1000 bytes, over a pipe of 10 bytes which is full unless there is a limit.
async fn connect(scheduler: &IoScheduler, queued: usize) -> (ScheduledIo<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(10);
    let options = RegisterOptions {
        write_queue: 1000,
        ..RegisterOptions::default()
    };
    let mut io = scheduler.register_with(near, options).unwrap();
    let pipe = if scheduler.limits() == Limits::default() { 10 } else { 0 };
    io.write_all(&vec![7; queued + pipe]).await.unwrap();
    assert_eq!(io.queued(), Queued { read: 0, write: queued });
    (io, far)
}

async fn received(mut far: DuplexStream) -> Vec<u8> {
    let mut received = Vec::new();
    let read = timeout(60 * SECOND, far.read_to_end(&mut received)).await;
    read.expect("the stream is at its end").unwrap();
    received
}

#[tokio::test(start_paused = true)]
async fn flushing_sends_everything_and_ends_the_stream() {
    for (limits, expected) in [(Limits::default(), 510), (upload(1000), 500)] {
        let (mut io, far) = connect(&IoScheduler::new(limits), 500).await;
        let (closed, received) = tokio::join!(io.close(Drain::Flush, SECOND), received(far));
        closed.unwrap();
        assert_eq!(received, vec![7; expected]);
        assert_eq!(io.stat().total_sent, expected as u64);
        assert_eq!(io.queued(), Queued::default());
        assert!(io.closing_reasons().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn discarding_sends_nothing_more_and_is_immediate() {
    for (limits, expected) in [(Limits::default(), 10), (upload(1000), 0)] {
        let (mut io, far) = connect(&IoScheduler::new(limits), 500).await;
        let start = Instant::now();
        io.close(Drain::Discard, SECOND).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(received(far).await.len(), expected);
        assert_eq!(io.stat().total_sent, expected as u64);
        assert_eq!(io.queued(), Queued::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_never_reads_is_waited_for_until_the_deadline() {
    for (limits, sent, lost) in [
        (Limits::default(), 10, 500),
        // The pipe takes ten bytes, and then no more.
        (upload(1000), 10, 490),
        // Not even one share comes up in time.
        (upload(1), 0, 500),
    ] {
        let deadline = 2500 * SECOND / 1000;
        let (mut io, far) = connect(&IoScheduler::new(limits), 500).await;
        let start = Instant::now();
        let error = io.close(Drain::Flush, deadline).await.unwrap_err();
        assert_eq!(start.elapsed(), deadline);
        assert!(matches!(error, CloseError::DeadlineExceeded { .. }), "{error}");
        assert_eq!(error.lost(), lost);
        assert_eq!(
            error.to_string(),
            format!("the deadline passed before the connection was closed; {lost} queued bytes are lost")
        );
        assert_eq!(io.stat().total_sent, sent);
        assert_eq!(io.queued(), Queued::default());
        // The stream is at its end nevertheless.
        assert_eq!(received(far).await.len() as u64, sent);
        io.write(b"x").await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_is_enough_for_what_can_be_done_at_once() {
    for deadline in [Duration::ZERO, Duration::MAX] {
        let (mut io, far) = connect(&IoScheduler::default(), 0).await;
        io.close(Drain::Flush, deadline).await.unwrap();
        assert_eq!(received(far).await.len(), 10);
    }
    let (mut io, _far) = connect(&IoScheduler::default(), 1).await;
    assert_eq!(io.close(Drain::Flush, Duration::ZERO).await.unwrap_err().lost(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_twice_is_harmless() {
    for first in [Drain::Discard, Drain::Flush] {
        for second in [Drain::Discard, Drain::Flush] {
            let (mut io, _far) = connect(&IoScheduler::default(), 500).await;
            assert_eq!(io.close(first, SECOND).await.is_ok(), first == Drain::Discard);
            let start = Instant::now();
            io.close(second, SECOND).await.unwrap();
            io.shutdown().await.unwrap();
            io.flush().await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
            assert_eq!(io.stat().total_sent, 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_close_loses_nothing_and_can_be_repeated() {
    let (mut io, mut far) = connect(&IoScheduler::new(upload(1000)), 500).await;
    let mut sent = Vec::new();
    for _ in 0..10 {
        assert!(timeout(SECOND / 100, io.close(Drain::Flush, SECOND)).await.is_err());
        let mut buf = [0; 10];
        let read = timeout(SECOND / 1000, far.read(&mut buf))
            .await
            .map_or(0, Result::unwrap);
        sent.extend_from_slice(&buf[..read]);
        assert!(io.queued().write > 0);
    }
    io.write_all(b"still open").await.unwrap();
    let (closed, rest) = tokio::join!(io.close(Drain::Flush, SECOND), received(far));
    closed.unwrap();
    sent.extend(rest);
    let mut expected = vec![7; 500];
    expected.extend(b"still open");
    assert_eq!(sent, expected);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_is_gone_is_an_error_and_a_reason() {
    let (mut io, far) = connect(&IoScheduler::default(), 500).await;
    drop(far);
    let error = io.close(Drain::Flush, SECOND).await.unwrap_err();
    let CloseError::Io { lost: 500, source } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
    assert!(error.source().is_some());
    let cause = ClosingReason::ClosedByPeer {
        direction: Direction::Sending,
    };
    io.add_closing_reason(ClosingReason::Other("closed".into()));
    assert_eq!(
        io.closing_reasons(),
        [cause, ClosingReason::Other("closed".into())],
        "the cause stays the first"
    );
    io.close(Drain::Flush, SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_shuts_down_ends_a_close() {
    let scheduler = IoScheduler::default();
    let (mut io, far) = connect(&scheduler, 500).await;
    let start = Instant::now();
    let (error, ()) = tokio::join!(io.close(Drain::Flush, 10 * SECOND), scheduler.shutdown(2 * SECOND));
    let error = error.unwrap_err();
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(error.lost(), 500);
    let CloseError::Io { source, .. } = error else {
        panic!("{error:?}");
    };
    assert!(source.into_inner().unwrap().is::<SchedulerClosed>());
    assert_eq!(io.closing_reasons(), [ClosingReason::SchedulerShutDown]);
    assert_eq!(received(far).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_can_still_read() {
    let (mut io, mut far) = connect(&IoScheduler::default(), 0).await;
    far.write_all(b"last words").await.unwrap();
    io.close(Drain::Flush, SECOND).await.unwrap();
    let mut received = [0; 10];
    io.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"last words");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_discards_what_is_queued() {
    let scheduler = IoScheduler::default();
    let (io, far) = connect(&scheduler, 500).await;
    drop(io);
    assert_eq!(received(far).await.len(), 10);
    assert_eq!(scheduler.global_stat().total_sent, 10);
    assert!(scheduler.connections().is_empty());
}
