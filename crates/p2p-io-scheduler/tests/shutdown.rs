//! The end of a connection and of the scheduler.

mod common;

use std::io;
use std::time::Duration;

use common::*;
use p2p_io_scheduler::{ClosingReason, Direction, IoScheduler, Limits, ScheduledIo, SchedulerClosed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep, timeout};

fn is_scheduler_closed<T>(result: io::Result<T>) -> bool {
    result
        .err()
        .and_then(io::Error::into_inner)
        .is_some_and(|inner| inner.is::<SchedulerClosed>())
}

async fn is_closed<T: AsyncRead + AsyncWrite + Unpin>(io: &mut ScheduledIo<T>) -> bool {
    is_scheduler_closed(io.write(b"x").await)
        && is_scheduler_closed(io.read(&mut [0]).await)
        && is_scheduler_closed(io.flush().await)
}

#[tokio::test(start_paused = true)]
async fn shutdown_without_connections_is_immediate() {
    let scheduler = IoScheduler::default();
    let start = Instant::now();
    scheduler.shutdown(Duration::from_secs(10)).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (near, _far) = duplex(64);
    assert_eq!(scheduler.register(near).err(), Some(SchedulerClosed));
}

#[tokio::test(start_paused = true)]
async fn connections_have_until_the_deadline() {
    let scheduler = IoScheduler::new(upload(1000));
    let (mut quick, quick_socket) = register_weighted(&scheduler, 1);
    let (slow, _) = register_weighted(&scheduler, 1);
    let slow_handle = slow.handle();
    let slow = tokio::spawn(async move {
        let mut slow = slow;
        let result = slow.write_all(&[0; 1 << 20]).await;
        (slow, result)
    });
    let quick = tokio::spawn(async move { quick.write_all(&[0; 100]).await });
    let start = Instant::now();
    scheduler.shutdown(Duration::from_secs(2)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    quick.await.unwrap().unwrap();
    assert_eq!(quick_socket.written.total(), 100);
    let (mut slow, result) = slow.await.unwrap();
    assert!(is_scheduler_closed(result), "a write that waits for its share is ended");
    assert!(is_closed(&mut slow).await);
    assert_eq!(slow_handle.closing_reasons(), [ClosingReason::SchedulerShutDown]);
    slow.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_returns_when_the_last_connection_goes() {
    let scheduler = IoScheduler::default();
    let (io, _) = register_weighted(&scheduler, 1);
    let handle = io.handle();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        drop(io);
    });
    let start = Instant::now();
    scheduler.shutdown(Duration::from_secs(10)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert!(handle.closing_reasons().is_empty());
}

#[tokio::test(start_paused = true)]
async fn operations_that_wait_for_the_socket_are_ended() {
    for limits in [
        Limits::default(),
        Limits {
            upload: rate(1000),
            download: rate(1000),
        },
    ] {
        let scheduler = IoScheduler::new(limits);
        let (near, _far) = duplex(8);
        let (mut reader, mut writer) = tokio::io::split(scheduler.register(near).unwrap());
        let read = tokio::spawn(async move { reader.read(&mut [0; 8]).await });
        let write = tokio::spawn(async move { writer.write_all(&[0; 9]).await });
        sleep(Duration::from_secs(1)).await;
        scheduler.shutdown(Duration::ZERO).await;
        assert!(is_scheduler_closed(
            timeout(Duration::from_secs(1), read).await.unwrap().unwrap()
        ));
        assert!(is_scheduler_closed(
            timeout(Duration::from_secs(1), write).await.unwrap().unwrap()
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_can_be_cancelled_and_repeated() {
    let scheduler = IoScheduler::default();
    let (mut io, _) = register_weighted(&scheduler, 1);
    assert!(
        timeout(Duration::from_secs(1), scheduler.shutdown(Duration::from_secs(10)))
            .await
            .is_err()
    );
    io.write_all(b"still open").await.unwrap();
    assert!(scheduler.register(duplex(1).0).is_err());
    let slow = tokio::spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.shutdown(Duration::from_secs(3600)).await }
    });
    scheduler.shutdown(Duration::ZERO).await;
    scheduler.shutdown(Duration::ZERO).await;
    assert!(is_closed(&mut io).await);
    drop(io);
    timeout(Duration::from_millis(1), slow).await.unwrap().unwrap();
}

#[tokio::test]
async fn closing_reasons_are_kept_in_order() {
    let scheduler = IoScheduler::default();
    let (near, far) = duplex(64);
    let mut io = scheduler.register(near).unwrap();
    let handle = io.handle();
    drop(far);
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    io.write_all(b"x").await.unwrap_err();
    handle.add_closing_reason(ClosingReason::Other("enough".into()));
    drop(io);
    let reasons = [
        ClosingReason::ClosedByPeer {
            direction: Direction::Receiving,
        },
        ClosingReason::ClosedByPeer {
            direction: Direction::Sending,
        },
        ClosingReason::Other("enough".into()),
    ];
    assert_eq!(handle.closing_reasons(), reasons);
    let texts = reasons.each_ref().map(ToString::to_string);
    assert_eq!(
        texts,
        [
            "closed by peer while receiving",
            "closed by peer while sending",
            "enough"
        ]
    );
    for n in 0..100 {
        handle.add_closing_reason(ClosingReason::Other(n.to_string().into()));
    }
    assert_eq!(handle.closing_reasons().len(), 16);
    assert_eq!(handle.closing_reasons()[0], reasons[0], "the cause stays the first");
}

#[tokio::test]
async fn a_handle_outlives_its_connection_and_holds_nothing_open() {
    let scheduler = IoScheduler::default();
    let (near, mut far) = duplex(64);
    let mut io = scheduler.register(near).unwrap();
    let handle = io.handle();
    assert_eq!(handle.id(), io.id());
    assert_eq!(scheduler.connections()[0].id(), io.id());
    io.write_all(b"four").await.unwrap();
    drop(io);
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert_eq!(handle.stat().total_sent, 4);
    handle.set_weight(p2p_io_scheduler::Weight::new(7).unwrap());
    let other = scheduler.register(far).unwrap();
    assert_ne!(other.id(), handle.id());
    handle.set_weight(p2p_io_scheduler::Weight::new(9).unwrap());
    assert_eq!(other.weight().get(), 1);
}
