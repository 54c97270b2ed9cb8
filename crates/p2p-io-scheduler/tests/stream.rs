//! A scheduled connection is a stream like the one beneath it: the same bytes, the same ends.

mod common;

use std::io::IoSlice;
use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn raw_16_bytes_pass_through() {
    for limits in [
        Limits::default(),
        Limits {
            upload: rate(10),
            download: rate(10),
        },
    ] {
        let scheduler = IoScheduler::new(limits);
        let (near, far) = duplex(64);
        let mut near = scheduler.register(near).unwrap();
        let mut far = scheduler.register(far).unwrap();
        near.write_all(b"0123456789abcdef").await.unwrap();
        let mut received = [0; 16];
        far.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"0123456789abcdef");
        assert_eq!(near.stat().total_sent, 16);
        assert_eq!(far.stat().total_received, 16);
    }
}

#[tokio::test(start_paused = true)]
async fn every_byte_arrives_in_order_both_ways() {
    let scheduler = IoScheduler::new(Limits {
        upload: rate(1_000_000),
        download: rate(300_000),
    });
    let (near, far) = duplex(1000);
    let near = scheduler.register(near).unwrap();
    let sent: Vec<u8> = (0..200_000_u32).map(|i| (i * 37 + (i >> 8) * 5) as u8).collect();
    let exchange = |stream: (tokio::io::ReadHalf<_>, tokio::io::WriteHalf<_>)| {
        let (mut reader, mut writer) = stream;
        let sent = sent.clone();
        async move {
            let write = async {
                for message in sent.chunks(777) {
                    writer.write_all(message).await.unwrap();
                }
                writer.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let read = async { reader.read_to_end(&mut received).await.unwrap() };
            tokio::join!(write, read);
            received
        }
    };
    let far: Box<dyn Stream> = Box::new(far);
    let near: Box<dyn Stream> = Box::new(near);
    let (at_near, at_far) = tokio::join!(exchange(tokio::io::split(near)), exchange(tokio::io::split(far)));
    assert!(at_near == sent && at_far == sent);
    assert_eq!(scheduler.global_stat().total_sent, 200_000);
    assert_eq!(scheduler.global_stat().total_received, 200_000);
}

trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> Stream for T {}

#[tokio::test(start_paused = true)]
async fn empty_reads_and_writes_need_no_budget() {
    let scheduler = IoScheduler::new(Limits {
        upload: rate(1),
        download: rate(1),
    });
    let (near, _far) = duplex(64);
    let mut near = scheduler.register(near).unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(timeout(second, near.write(&[])).await.unwrap().unwrap(), 0);
    assert_eq!(timeout(second, near.read(&mut [])).await.unwrap().unwrap(), 0);
    assert!(
        near.closing_reasons().is_empty(),
        "an empty read is no end of the stream"
    );
}

#[tokio::test(start_paused = true)]
async fn a_single_byte_waits_for_a_single_byte() {
    let scheduler = IoScheduler::new(upload(10));
    let (mut io, socket) = register_weighted(&scheduler, 1);
    for _ in 0..5 {
        io.write_all(b"x").await.unwrap();
    }
    let last = socket.written.entries().last().unwrap().0;
    assert!(
        (Duration::from_millis(490)..=Duration::from_millis(510)).contains(&last),
        "{last:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn vectored_writes_are_limited_too() {
    for limits in [Limits::default(), upload(10_000)] {
        let scheduler = IoScheduler::new(limits);
        let (mut io, socket) = register_weighted(&scheduler, 1);
        let message = vec![7; 900];
        let mut written = 0;
        while written < 9000 {
            let slices = [
                IoSlice::new(&[]),
                IoSlice::new(&message[..100]),
                IoSlice::new(&message[100..]),
            ];
            written += io.write_vectored(&slices).await.unwrap();
        }
        assert_eq!(socket.written.total(), written);
        let took = socket.written.entries().last().unwrap().0;
        assert_eq!(
            took >= Duration::from_millis(850),
            limits != Limits::default(),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn the_stream_can_be_taken_back() {
    let scheduler = IoScheduler::default();
    let (near, mut far) = duplex(64);
    let mut io = scheduler.register(near).unwrap();
    io.get_mut().write_all(b"un").await.unwrap();
    let mut near = io.into_inner();
    near.write_all(b"counted").await.unwrap();
    drop(near);
    let mut received = String::new();
    far.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "uncounted");
    assert_eq!(scheduler.global_stat().total_sent, 0);
    assert!(scheduler.connections().is_empty());
}

#[test]
fn handles_and_streams_go_where_they_are_needed() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<IoScheduler>();
    is_send_and_sync::<p2p_io_scheduler::ScheduledHandle>();
    is_send_and_sync::<p2p_io_scheduler::ScheduledIo<tokio::net::TcpStream>>();
}

#[test]
fn connections_pass_from_one_runtime_to_another() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let scheduler = IoScheduler::new(upload(100_000));
    let (mut io, socket) = register_weighted(&scheduler, 1);
    for _ in 0..3 {
        // Ends in the middle of a wait, and its pacer with it.
        runtime().block_on(async {
            let _ = timeout(Duration::from_millis(20), io.write_all(&[0; 1 << 20])).await;
        });
    }
    let before = socket.written.total();
    runtime().block_on(io.write_all(&[0; 1000])).unwrap();
    assert_eq!(socket.written.total(), before + 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_share_one_scheduler() {
    let scheduler = IoScheduler::new(Limits {
        upload: rate(200_000_000),
        download: rate(200_000_000),
    });
    let transfers: Vec<_> = (0..16_u8)
        .map(|number| {
            let (near, far) = duplex(5000);
            let (mut near, mut far) = (scheduler.register(near).unwrap(), scheduler.register(far).unwrap());
            tokio::spawn(async move {
                let message = vec![number; 500_000];
                let write = async {
                    near.write_all(&message).await.unwrap();
                    drop(near);
                };
                let mut received = Vec::new();
                tokio::join!(write, async { far.read_to_end(&mut received).await.unwrap() });
                assert!(received == message);
            })
        })
        .collect();
    for transfer in transfers {
        transfer.await.unwrap();
    }
    let stat = scheduler.global_stat();
    assert_eq!((stat.total_sent, stat.total_received), (8_000_000, 8_000_000));
    assert!(scheduler.connections().is_empty());
}
