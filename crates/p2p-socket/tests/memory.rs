//! What remotes can make us hold, measured: every byte of the heap is counted.

mod common;

use std::{
    alloc::System,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use common::{
    RawConnection,
    adversary::{Adversary, raw},
    config, connected_against, identity, message, settle,
};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_socket::{
    Admission, AdmissionLimits, ChainName, ConnectionError, ConnectionMessage, ConnectionOptions, NetworkVersion,
    NodeMetadata, authenticate,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    task::JoinSet,
};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of the heap in use.
fn held() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// One after the other, as the heap is everybody's: a test beside this one would count. Each has a thread to itself, because
/// its connections share working space.
#[test]
fn nobody_makes_us_hold_more_than_is_allowed() {
    for test in [
        ten_thousand_half_open_connections_hold_4_kib_each_at_most,
        a_declared_gigabyte_takes_what_has_arrived,
        a_slow_reader_holds_its_configured_bytes,
        a_remote_that_does_not_read_takes_the_configured_bytes,
        an_ended_connection_leaves_nothing,
    ] {
        std::thread::spawn(test).join().unwrap();
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// A remote that has sent `sent` and sends nothing more. It has no buffers: what is measured is ours.
struct Silent {
    sent: Bytes,
}

impl AsyncRead for Silent {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.sent.is_empty() {
            return Poll::Pending;
        }
        let count = buf.remaining().min(self.sent.len());
        buf.put_slice(&self.sent.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Silent {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What a stranger may take before its proof of work is checked.
const HALF_OPEN: usize = 4096;

const CONNECTIONS: usize = 10_000;

/// The bytes that each of 10,000 half-open connections holds, its task, permit and timer included.
async fn held_half_open(sent: &Bytes) -> usize {
    let admission = Admission::new(&AdmissionLimits {
        half_open: CONNECTIONS,
        half_open_per_network: CONNECTIONS,
        ..AdmissionLimits::default()
    });
    let config = config(1);
    let mut tasks = JoinSet::new();
    let before = held();
    for number in 0..CONNECTIONS {
        let ip = IpAddr::from([10, 0, (number >> 8) as u8, number as u8]);
        let permit = admission.admit(ip).unwrap();
        let (config, io) = (config.clone(), Silent { sent: sent.clone() });
        tasks.spawn(async move {
            let remote = SocketAddr::new(ip, 9732);
            let metadata = NodeMetadata::default();
            let result = permit
                .run(authenticate(io, Role::Responder, remote, &config, metadata))
                .await;
            result.map(|result| result.map(drop))
        });
    }
    settle().await;
    assert_eq!(admission.half_open(), CONNECTIONS);
    let each = (held() - before) / CONNECTIONS;
    tasks.shutdown().await;
    each
}

fn ten_thousand_half_open_connections_hold_4_kib_each_at_most() {
    run(async {
        let hello = |chain_name: &str| {
            let identity = identity(66);
            let message = ConnectionMessage {
                port: None,
                public_key: identity.public_key(),
                proof_of_work_stamp: identity.stamp(),
                message_nonce: p2p_crypto::Nonce::from_bytes([6; 24]),
                version: NetworkVersion::current(ChainName::from(chain_name)),
            };
            message.encode().unwrap().as_wire().to_vec()
        };
        let usual = hello("TEZOS_MAINNET");
        let largest = hello(&"x".repeat(ConnectionMessage::MAX_SIZE - 90));
        assert_eq!(largest.len(), 2 + ConnectionMessage::MAX_SIZE);
        let endless = [&[0xff, 0xff][..], &[0; 65_000]].concat();
        for (name, sent) in [
            ("nothing", &[][..]),
            ("one byte", &usual[..1]),
            ("all but a byte", &usual[..usual.len() - 1]),
            ("all but a byte of the largest", &largest[..largest.len() - 1]),
            ("a declared 65535", &endless[..]),
        ] {
            let each = held_half_open(&Bytes::copy_from_slice(sent)).await;
            println!("half-open after {name}: {each} bytes");
            assert!(each <= HALF_OPEN, "{name}: {each} bytes");
        }
    });
}

/// The two buffers of 256 KiB that the connections of a thread share, and as much again for chunks that are opened whole.
const WORKING_SPACE: usize = 768 << 10;

fn a_declared_gigabyte_takes_what_has_arrived() {
    run(async {
        let options = ConnectionOptions {
            incoming_queue: 2 << 30,
            ..ConnectionOptions::default()
        };
        let (io, mut adversary) = common::against(Role::Responder);
        let (connection, ()) = tokio::join!(
            async {
                let peer = common::ours(io, Role::Responder).await.unwrap();
                peer.accept(RawEncoding::new(1 << 30), options).await.unwrap()
            },
            adversary.establish()
        );
        let before = held();
        let mut arrived = 0;
        for piece in [
            &[0x40, 0, 0, 0][..],
            &[7; 100],
            &[7; 65_000],
            &[7; 65_000],
            &[7; 65_000],
        ] {
            let chunk = adversary.seal(piece);
            adversary.send(&chunk).await;
            settle().await;
            arrived += piece.len();
            let grown = held().saturating_sub(before);
            println!("{arrived} bytes of a gigabyte arrived: {grown} held");
            assert!(grown <= 2 * arrived + WORKING_SPACE, "{grown} bytes for {arrived}");
        }
        drop(connection);
    });
}

/// A pipe that, once told so, gives one stretch of bytes again and again, and takes nothing. It has no buffers of its own.
struct Flood {
    io: DuplexStream,
    switch: Arc<OnceLock<Bytes>>,
    at: usize,
}

impl AsyncRead for Flood {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(bytes) = self.switch.get().cloned() else {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        };
        let count = buf.remaining().min(bytes.len() - self.at);
        if count == 0 {
            return Poll::Pending;
        }
        buf.put_slice(&bytes[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.switch.get() {
            Some(_) => Poll::Pending,
            None => Pin::new(&mut self.io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The other end of a [`Flood`].
struct Flooding {
    adversary: Adversary,
    switch: Arc<OnceLock<Bytes>>,
    bytes: Bytes,
}

impl Flooding {
    async fn begin(&mut self) {
        self.switch.set(self.bytes.clone()).unwrap();
        // Wakes whoever reads, and never gets there.
        self.adversary.send(&[0]).await;
    }
}

/// A connection, and what turns its transport into a flood of messages of `size`. From then on nothing but the
/// connection uses the heap.
async fn flooded(options: &ConnectionOptions, size: usize) -> (RawConnection, Flooding) {
    let (io, mut adversary) = common::against(Role::Responder);
    let switch = Arc::new(OnceLock::new());
    let io = Flood {
        io,
        switch: switch.clone(),
        at: 0,
    };
    let (connection, ()) = tokio::join!(
        async {
            let peer = common::ours(io, Role::Responder).await.unwrap();
            peer.accept(RawEncoding::default(), options.clone()).await.unwrap()
        },
        adversary.establish()
    );
    let mut bytes = Vec::new();
    let message = raw(&message(1, size));
    let messages = message.repeat(60_000_usize.div_ceil(message.len()));
    while bytes.len() < options.incoming_queue + WORKING_SPACE {
        for piece in messages.chunks(60_000) {
            bytes.extend(adversary.seal(piece));
        }
    }
    let flooding = Flooding {
        adversary,
        switch,
        bytes: bytes.into(),
    };
    (connection, flooding)
}

fn a_slow_reader_holds_its_configured_bytes() {
    run(async {
        let options = ConnectionOptions {
            incoming_queue: 4 << 20,
            ..ConnectionOptions::default()
        };
        // Some are a little larger than what a buffer grows to by doubling.
        for size in [0, 1, 100, 5000, 60_000, 270_000, 530_000, 1_060_000, 2_000_000] {
            let (mut connection, mut flooding) = flooded(&options, size).await;
            let before = held();
            flooding.begin().await;
            settle().await;
            let grown = held().saturating_sub(before);
            let bound = options.incoming_queue + WORKING_SPACE;
            println!("messages of {size} bytes that nobody takes: {grown} held");
            assert!(
                grown <= bound,
                "messages of {size}: {grown} bytes held, at most {bound}"
            );
            assert_eq!(connection.recv().await.unwrap().message, message(1, size));
        }
    });
}

fn a_remote_that_does_not_read_takes_the_configured_bytes() {
    run(async {
        let options = ConnectionOptions {
            outgoing_queue: 1 << 20,
            ..ConnectionOptions::default()
        };
        for size in [0, 1, 100, 5000, 60_000, 500_000] {
            let (connection, mut flooding) = flooded(&options, size).await;
            flooding.bytes = Bytes::new();
            flooding.begin().await;
            let before = held();
            let mut sent = 0;
            while tokio::time::timeout(Duration::from_millis(1), connection.send(message(sent, size)))
                .await
                .is_ok()
            {
                sent += 1;
            }
            let grown = held().saturating_sub(before);
            let bound = options.outgoing_queue + WORKING_SPACE;
            println!("{sent} messages of {size} bytes for one who does not read: {grown} held");
            assert!(
                grown <= bound,
                "messages of {size}: {grown} bytes held, at most {bound}"
            );
        }
    });
}

fn an_ended_connection_leaves_nothing() {
    run(async {
        let mut before = 0;
        for index in 0..21 {
            let (mut connection, mut adversary) =
                connected_against(Role::Responder, ConnectionOptions::default()).await;
            connection.send(message(index, 100_000)).await.unwrap();
            let chunk = adversary.seal_message(&message(index, 60_000));
            adversary.send(&chunk).await;
            connection.recv().await.unwrap();
            drop((adversary, chunk));
            assert!(matches!(connection.recv().await, Err(ConnectionError::ClosedByPeer)));
            drop(connection);
            settle().await;
            // The first one makes what is made once, for the thread and the clock.
            if index == 0 {
                before = held();
            }
        }
        let left = held().saturating_sub(before);
        println!("20 connections came and went: {left} bytes left");
        assert!(left <= 4096, "{left} bytes");
    });
}
