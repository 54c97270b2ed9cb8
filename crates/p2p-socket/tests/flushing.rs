//! A message counts as flushed when the transport has it, not before.

mod common;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use common::{accepted, authenticated, connected_against, duplex, message, settle};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{ConnectionError, ConnectionOptions, SendError};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::{Instant, sleep},
};

/// A pipe that can be told to take no bytes, or to keep them when flushed.
struct Gate {
    io: DuplexStream,
    /// Whether writing waits, and whether flushing does.
    write_waits: Arc<AtomicBool>,
    flush_waits: Arc<AtomicBool>,
}

impl AsyncRead for Gate {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_waits.load(Ordering::SeqCst) {
            wake_soon(cx);
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flush_waits.load(Ordering::SeqCst) {
            wake_soon(cx);
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn wake_soon(cx: &Context<'_>) {
    let waker = cx.waker().clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(10)).await;
        waker.wake();
    });
}

#[tokio::test(start_paused = true)]
async fn send_flushed_waits_until_the_bytes_have_left() {
    for (write_waits, flush_waits) in [(true, false), (false, true)] {
        let (left, right) = duplex();
        let gate = Gate {
            io: left,
            write_waits: Arc::default(),
            flush_waits: Arc::default(),
        };
        let switches = [gate.write_waits.clone(), gate.flush_waits.clone()];
        let (left, right) = authenticated(gate, right).await;
        let (left, right) = tokio::join!(
            left.accept(RawEncoding::default(), ConnectionOptions::default()),
            accepted(right)
        );
        let (left, mut right) = (left.unwrap(), right.unwrap());
        switches[0].store(write_waits, Ordering::SeqCst);
        switches[1].store(flush_waits, Ordering::SeqCst);
        // Queued at once, flushed not before it has left.
        left.send(message(0, 10)).await.unwrap();
        let start = Instant::now();
        let sent = async {
            left.send_flushed(message(1, 10)).await.unwrap();
            start.elapsed()
        };
        let flushed = async {
            left.flush().await.unwrap();
            start.elapsed()
        };
        let (sent, flushed, ()) = tokio::join!(sent, flushed, async {
            sleep(Duration::from_secs(7)).await;
            for switch in &switches {
                switch.store(false, Ordering::SeqCst);
            }
        });
        assert!(
            sent >= Duration::from_secs(7) && flushed >= Duration::from_secs(7),
            "{sent:?}, {flushed:?}"
        );
        for index in 0..2 {
            assert_eq!(right.recv().await.unwrap().message, message(index, 10));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn send_flushed_does_not_wait_for_what_is_sent_later() {
    let (left, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    let (flushed, ()) = tokio::join!(left.send_flushed(message(0, 10)), async {
        // Fills the pipe, and is never read.
        left.send(message(1, 3 << 20)).await.unwrap();
    });
    flushed.unwrap();
    assert_eq!(&adversary.open().await.unwrap()[4..14], &message(0, 10));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_flush_is_told_of_the_end() {
    let (left, adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    let (flushed, ()) = tokio::join!(left.send_flushed(message(1, 3 << 20)), async {
        settle().await;
        drop(adversary);
    });
    let error = flushed.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Closed(ConnectionError::Io(_) | ConnectionError::ClosedByPeer)
        ),
        "{error:?}"
    );
}
