//! What the tests of connections share.
#![allow(dead_code, reason = "every test program uses its own part of it")]

pub(crate) mod adversary;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use p2p_crypto::{Difficulty, Identity, Role, SecretKey, Stamp};
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    AcceptError, AuthenticateError, Authenticated, ChainName, Config, Connection, ConnectionOptions,
    DisconnectionReason, NetworkVersion, NodeMetadata, authenticate,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    time::sleep,
};

pub(crate) type RawConnection = Connection<Bytes, NodeMetadata>;

/// Larger than anything that a test has in flight.
pub(crate) const WIDE: usize = 1 << 20;

pub(crate) fn address() -> SocketAddr {
    "10.0.0.1:9732".parse().unwrap()
}

/// Every stamp passes difficulty 0.
pub(crate) fn identity(seed: u8) -> Identity {
    Identity::new(SecretKey::from_bytes([seed; 32]), Stamp::from_bytes([seed; 24]))
}

pub(crate) fn config(seed: u8) -> Config {
    Config::new(identity(seed), NetworkVersion::current(ChainName::from("TEST"))).required_difficulty(Difficulty::NONE)
}

/// How long something may take by a real clock, also on a machine that stops for a while.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Two authenticated peers over anything.
pub(crate) async fn authenticated<A, B>(
    left: A,
    right: B,
) -> (Authenticated<A, NodeMetadata>, Authenticated<B, NodeMetadata>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let [left_config, right_config] = [1, 2].map(|seed| config(seed).handshake_timeout(PATIENCE));
    let (left, right) = tokio::join!(
        authenticate(left, Role::Initiator, address(), &left_config, NodeMetadata::default()),
        authenticate(
            right,
            Role::Responder,
            address(),
            &right_config,
            NodeMetadata::default()
        ),
    );
    (left.unwrap(), right.unwrap())
}

/// Two connections over an in-memory pipe of `capacity` bytes each way.
pub(crate) async fn connected_with(
    capacity: usize,
    left_options: ConnectionOptions,
    right_options: ConnectionOptions,
) -> (RawConnection, RawConnection) {
    let (left, right) = tokio::io::duplex(capacity);
    let (left, right) = authenticated(left, right).await;
    let encoding = RawEncoding::default();
    let (left, right) = tokio::join!(
        left.accept(encoding.sharing(), left_options),
        right.accept(encoding, right_options)
    );
    (left.unwrap(), right.unwrap())
}

pub(crate) async fn connected() -> (RawConnection, RawConnection) {
    connected_with(WIDE, ConnectionOptions::default(), ConnectionOptions::default()).await
}

/// A connection and the authenticated other end, which has accepted too but left the driving to the test.
pub(crate) fn duplex() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(WIDE)
}

/// Bytes that differ from place to place.
pub(crate) fn message(index: usize, size: usize) -> Bytes {
    (0..size)
        .map(|at| (index * 37 + at + (at >> 8) * 5 + size) as u8)
        .collect()
}

pub(crate) const ROLES: [Role; 2] = [Role::Initiator, Role::Responder];

pub(crate) fn other(role: Role) -> Role {
    match role {
        Role::Initiator => Role::Responder,
        Role::Responder => Role::Initiator,
    }
}

/// One of ours and an adversary on the other end of a pipe.
pub(crate) fn against(role: Role) -> (DuplexStream, adversary::Adversary) {
    let (ours, theirs) = duplex();
    (ours, adversary::Adversary::new(theirs, other(role)))
}

/// Authenticates whoever is at the other end of `io`, as peer 1.
pub(crate) async fn ours<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    role: Role,
) -> Result<Authenticated<T, NodeMetadata>, AuthenticateError> {
    authenticate(io, role, address(), &config(1), NodeMetadata::default()).await
}

/// Accepts with raw messages and the default options.
pub(crate) async fn accepted<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    peer: Authenticated<T, NodeMetadata>,
) -> Result<RawConnection, AcceptError> {
    peer.accept(RawEncoding::default(), ConnectionOptions::default()).await
}

/// A connection of ours and an adversary that has established it in order.
pub(crate) async fn connected_against(role: Role, options: ConnectionOptions) -> (RawConnection, adversary::Adversary) {
    let (io, mut adversary) = against(role);
    let (connection, ()) = tokio::join!(
        async {
            ours(io, role)
                .await
                .unwrap()
                .accept(RawEncoding::default().sharing(), options)
                .await
                .unwrap()
        },
        adversary.establish()
    );
    (connection, adversary)
}

/// Longer than anything that goes well takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// Lets every task run until all of them wait.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

pub(crate) fn bye() -> DisconnectionReason {
    DisconnectionReason::user("bye")
}

/// Two connections over a pipe that holds few bytes.
pub(crate) async fn narrow(capacity: usize) -> (RawConnection, RawConnection) {
    connected_with(capacity, ConnectionOptions::default(), ConnectionOptions::default()).await
}
