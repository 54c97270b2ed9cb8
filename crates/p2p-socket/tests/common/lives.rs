//! Connections that live and end in every way that is told to operators.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use p2p_crypto::Role;
use p2p_framing::PointList;
use p2p_socket::{Admission, AdmissionLimits, Drain, RejectionMotive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::common::{
    LIMIT, accepted, adversary::Adversary, against, authenticated, bye, connected, connected_against, duplex, ours,
    settle,
};

pub(crate) const SECRET_MESSAGE: &str = "the message that nobody else shall see";

/// A connection each way: an orderly life, a garbled one, a refusal, failures of the transport, and strangers.
pub(crate) async fn live_all() {
    let (left, mut right) = connected().await;
    left.send(SECRET_MESSAGE.into()).await.unwrap();
    assert_eq!(right.recv().await.unwrap().message, SECRET_MESSAGE);
    left.close(bye(), Drain::Flush(LIMIT)).await.unwrap();
    right.closed().await;

    let (io, mut garbler) = against(Role::Responder);
    let (refused, ()) = tokio::join!(ours(io, Role::Responder), async move {
        garbler.send(&[0, 3, 1, 2, 3]).await;
    });
    refused.unwrap_err();

    let (left, right) = duplex();
    let (left, right) = authenticated(left, right).await;
    let (left, right) = tokio::join!(
        accepted(left),
        right.nack(RejectionMotive::TooManyConnections, PointList::default())
    );
    left.unwrap_err();
    right.unwrap();

    writing_fails_during_the_handshake().await;
    writing_fails_later().await;

    let admission = Admission::new(&AdmissionLimits {
        half_open: 1,
        offences: 1,
        ..AdmissionLimits::default()
    });
    let permits = ["192.0.2.1", "192.0.2.2"].map(|address| admission.admit(address.parse().unwrap()).unwrap());
    permits.into_iter().for_each(p2p_socket::Permit::offence);
    admission.admit("192.0.2.2".parse().unwrap()).unwrap_err();

    let (left, adversary) = connected_against(Role::Initiator, Default::default()).await;
    left.cancellation().cancel();
    left.closed().await;
    drop(adversary);
    settle().await;
}

async fn writing_fails_during_the_handshake() {
    let (io, _silent) = against(Role::Initiator);
    let (io, switch) = FailingWrites::new(io);
    switch.store(true, Relaxed);
    ours(io, Role::Initiator).await.unwrap_err();
}

async fn writing_fails_later() {
    let (io, mut adversary): (_, Adversary) = against(Role::Initiator);
    let (io, switch) = FailingWrites::new(io);
    let connect = async { accepted(ours(io, Role::Initiator).await.unwrap()).await.unwrap() };
    let (connection, ()) = tokio::join!(connect, adversary.establish());
    switch.store(true, Relaxed);
    connection.send("into the void".into()).await.unwrap();
    settle().await;
    drop(adversary);
    connection.closed().await;
}

/// A stream that can be read, and written until the switch is on.
struct FailingWrites<T> {
    io: T,
    switch: Arc<AtomicBool>,
}

impl<T> FailingWrites<T> {
    fn new(io: T) -> (Self, Arc<AtomicBool>) {
        let switch = Arc::<AtomicBool>::default();
        (
            Self {
                io,
                switch: switch.clone(),
            },
            switch,
        )
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FailingWrites<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FailingWrites<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.switch.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::HostUnreachable.into()));
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The rows of the table in the documentation whose header begins with `kind`: the texts of their cells.
pub(crate) fn documented(kind: &str) -> Vec<Vec<&'static str>> {
    include_str!("../../src/telemetry/telemetry.md")
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {kind} |")))
        .skip(2)
        .map_while(|line| line.strip_prefix('|'))
        .map(|row| row.split('|').map(str::trim).collect())
        .collect()
}

/// What stands between backticks.
pub(crate) fn names(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}
