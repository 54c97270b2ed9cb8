//! A flushing close succeeds only if nothing can be lost any more.

mod common;
#[path = "common/resets.rs"]
mod resets;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use common::{
    LIMIT, PATIENCE, RawConnection, accepted, address, against, bye, config, connected_against, message, ours, settle,
};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_io_scheduler::{IoScheduler, Limits};
use p2p_socket::{CloseError, ConnectionError, ConnectionOptions, Drain, NodeMetadata, authenticate};
use resets::Resets;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// Bytes per second: next to nothing within the limit below.
const SLOW: &str = "1kB";

async fn connected_over(tcp: TcpStream, role: Role, scheduler: &IoScheduler) -> RawConnection {
    let config = config(role as u8)
        .handshake_timeout(PATIENCE)
        .scheduler(scheduler.clone());
    let peer = authenticate(tcp, role, address(), &config, NodeMetadata::default());
    let peer = peer.await.unwrap();
    let options = ConnectionOptions::default();
    peer.accept(RawEncoding::default(), options).await.unwrap()
}

/// Both ends read slower than the other writes. When the limit has passed, everything is with the operating system, but
/// there are bytes left to read, too: TCP resets the connection, and the remote loses what it had not read.
#[tokio::test]
async fn what_a_reset_destroys_was_not_flushed() {
    let limit = Duration::from_millis(300);
    let accepting = TcpSocket::new_v4().unwrap();
    accepting.set_recv_buffer_size(4096).unwrap();
    accepting.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = accepting.listen(1).unwrap();
    let dialling = TcpSocket::new_v4().unwrap();
    dialling.set_send_buffer_size(1 << 20).unwrap();
    let (left, right) = tokio::join!(dialling.connect(listener.local_addr().unwrap()), listener.accept());
    let schedulers = [Limits::default(); 2].map(IoScheduler::new);
    let (left, mut right) = tokio::join!(
        connected_over(left.unwrap(), Role::Initiator, &schedulers[0]),
        connected_over(right.unwrap().0, Role::Responder, &schedulers[1])
    );
    for scheduler in &schedulers {
        scheduler.set_limits(Limits {
            download: Some(SLOW.parse().unwrap()),
            upload: None,
        });
    }
    right.send_flushed(message(0, 30_000)).await.unwrap();
    left.send_flushed(message(1, 60_000)).await.unwrap();
    let error = left.close(bye(), Drain::Flush(limit)).await.unwrap_err();
    assert!(
        matches!(error, CloseError::Unconfirmed { limit: told } if told == limit),
        "{error:?}"
    );
    schedulers[1].set_limits(Limits::default());
    let lost: Result<Bytes, _> = right.recv().await.map(|received| received.message);
    assert!(matches!(lost, Err(ConnectionError::Io(_))), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_resets_has_not_taken_everything() {
    let (io, mut adversary) = against(Role::Responder);
    let us = async { accepted(ours(Resets::new(io), Role::Responder).await.unwrap()).await };
    let (connection, ()) = tokio::join!(us, adversary.establish());
    let connection = connection.unwrap();
    connection.send_flushed(message(0, 10)).await.unwrap();
    let (closed, ()) = tokio::join!(connection.close(bye(), Drain::Flush(LIMIT)), async {
        settle().await;
        drop(adversary);
    });
    let error = closed.unwrap_err();
    assert!(matches!(error, CloseError::Failed(ConnectionError::Io(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_can_not_be_told_to_the_remote_is_a_failure() {
    let (io, mut adversary) = against(Role::Responder);
    let us = async { accepted(ours(Endless(io), Role::Responder).await.unwrap()).await };
    let (connection, ()) = tokio::join!(us, adversary.establish());
    let error = connection.unwrap().close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
    assert!(matches!(error, CloseError::Failed(ConnectionError::Io(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_thrown_away_because_the_remote_misbehaved_was_not_flushed() {
    let (mut connection, mut adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    connection.send(message(0, 3 << 20)).await.unwrap();
    let chunk = adversary.seal_corrupted(&message(1, 10));
    adversary.send(&chunk).await;
    assert!(connection.recv().await.is_err());
    let error = connection.close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
    assert!(
        matches!(error, CloseError::Failed(ConnectionError::Decipher)),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_to_flush_after_a_discard_is_told() {
    let (connection, adversary) = connected_against(Role::Responder, ConnectionOptions::default()).await;
    connection.send(message(0, 3 << 20)).await.unwrap();
    connection.close(bye(), Drain::Discard).await.unwrap();
    let error = connection.close(bye(), Drain::Flush(LIMIT)).await.unwrap_err();
    assert!(
        matches!(error, CloseError::Failed(ConnectionError::ClosedLocally)),
        "{error:?}"
    );
    connection.close(bye(), Drain::Discard).await.unwrap();
    drop(adversary);
}

/// Its direction can not be ended.
struct Endless(DuplexStream);

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Endless {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}
