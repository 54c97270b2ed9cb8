//! Receivers and senders use the transport from their own tasks; when they stop, nothing is left lying.

mod common;

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use common::{ROLES, accepted, against, connected, connected_against, message, ours, settle};
use futures_core::Stream;
use p2p_crypto::Role;
use p2p_socket::{ConnectionError, ConnectionOptions};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_message_has_left_when_send_returns() {
    for role in ROLES {
        let (connection, adversary) = connected_against(role, ConnectionOptions::default()).await;
        settle().await;
        let sent_before = connection.stat().total_sent;
        connection.try_send(message(0, 10)).unwrap();
        // Nobody else has run in between.
        assert_eq!(connection.stat().total_sent - sent_before, 18 + 4 + 10);
        assert_eq!(connection.sender().queued_bytes(), 0);
        drop(adversary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_reads_in_its_own_task() {
    let (left, mut right) = connected().await;
    settle().await;
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut receiving = pin!(right.recv());
    assert!(receiving.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    left.try_send(message(0, 10)).unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    // Nobody else has run in between.
    match receiving.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(Ok(received)) => assert_eq!(received.message, message(0, 10)),
        other => panic!("{other:?}"),
    }
}

/// A message comes in more reads than a receiver makes at a time, and the receiver goes away in between.
#[tokio::test(start_paused = true)]
async fn what_a_dropped_recv_has_left_unread_is_read_ahead() {
    for by_hand in [false, true] {
        let (io, mut adversary) = against(Role::Responder);
        let us = async { accepted(ours(Crumbs(io), Role::Responder).await.unwrap()).await };
        let (connection, ()) = tokio::join!(us, adversary.establish());
        let (_sender, mut receiver, _control) = connection.unwrap().split();
        settle().await;
        let cx = &mut Context::from_waker(Waker::noop());
        let chunk = adversary.seal_message(&message(0, 1000));
        if by_hand {
            assert!(receiver.poll_recv(cx).is_pending());
            adversary.send(&chunk).await;
            assert!(receiver.poll_recv(cx).is_pending());
        } else {
            let mut receiving = pin!(receiver.recv());
            assert!(receiving.as_mut().poll(cx).is_pending());
            adversary.send(&chunk).await;
            assert!(receiving.as_mut().poll(cx).is_pending());
        }
        settle().await;
        assert_eq!(receiver.try_recv().unwrap().message, message(0, 1000));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_recv_was_woken_for_is_read_ahead() {
    let (left, right) = connected().await;
    let (_sender, mut receiver, _control) = right.split();
    settle().await;
    for seen in [false, true] {
        {
            let mut receiving = pin!(receiver.recv());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(receiving.as_mut().poll(&mut cx).is_pending());
            if seen {
                assert!(receiving.as_mut().poll(&mut cx).is_pending());
            }
            left.send(message(0, 10)).await.unwrap();
            left.flush().await.unwrap();
        }
        settle().await;
        assert!(receiver.queued_bytes() > 0, "nobody has read");
        assert_eq!(receiver.try_recv().unwrap().message, message(0, 10));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_noticed_although_a_stream_is_polled_no_more() {
    let (left, right) = connected().await;
    let (_sender, mut receiver, control) = right.split();
    settle().await;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut receiver).poll_next(&mut cx).is_pending());
    left.send_flushed(message(0, 10)).await.unwrap();
    drop(left);
    control.closed().await;
    assert_eq!(receiver.recv().await.unwrap().message, message(0, 10));
    assert!(matches!(receiver.recv().await, Err(ConnectionError::ClosedByPeer)));
}

#[tokio::test(start_paused = true)]
async fn the_end_is_noticed_between_two_recvs() {
    let (left, right) = connected().await;
    let (_sender, mut receiver, control) = right.split();
    let (received, sent) = tokio::join!(receiver.recv(), left.send_flushed(message(0, 300_000)));
    assert_eq!(received.unwrap().message, message(0, 300_000));
    sent.unwrap();
    drop(left);
    control.closed().await;
}

/// On several threads: receivers that give up again and again, and messages one at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn receivers_that_come_and_go_miss_nothing() {
    let mut talks = Vec::new();
    for _ in 0..4 {
        let (mut left, mut right) = connected().await;
        talks.push(tokio::spawn(async move {
            let answering = tokio::spawn(async move {
                for index in 0..2000 {
                    loop {
                        tokio::select! {
                            received = right.recv() => {
                                assert_eq!(received.unwrap().message, message(index, 20));
                                break;
                            }
                            () = tokio::task::yield_now() => {}
                        }
                    }
                    right.send(message(index, 30)).await.unwrap();
                }
                right
            });
            for index in 0..2000 {
                left.send(message(index, 20)).await.unwrap();
                assert_eq!(left.recv().await.unwrap().message, message(index, 30));
            }
            drop(answering.await.unwrap());
        }));
    }
    for talk in talks {
        talk.await.unwrap();
    }
}

/// A pipe that gives ten bytes at a time.
struct Crumbs(DuplexStream);

impl AsyncRead for Crumbs {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut crumb = [0; 10];
        let size = crumb.len().min(buf.remaining());
        let mut crumb = ReadBuf::new(&mut crumb[..size]);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut crumb);
        buf.put_slice(crumb.filled());
        read
    }
}

impl AsyncWrite for Crumbs {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
