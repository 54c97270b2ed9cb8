//! A connection that is stuck stops only itself, also where all share a cap.

mod common;

use std::time::Duration;

use common::{RawConnection, address, config, message, settle};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_io_scheduler::{IoScheduler, Limits};
use p2p_socket::{Config, ConnectionOptions, NodeMetadata, TrySendError, authenticate};
use tokio::{
    io::DuplexStream,
    time::{Instant, timeout},
};

async fn connect(io: DuplexStream, role: Role, config: &Config) -> RawConnection {
    let options = ConnectionOptions {
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        outgoing_queue: 300_000,
        ..ConnectionOptions::default()
    };
    let peer = authenticate(io, role, address(), config, NodeMetadata::default())
        .await
        .unwrap();
    peer.accept(RawEncoding::default(), options).await.unwrap()
}

async fn pair(ours: &Config) -> (RawConnection, RawConnection) {
    let (left, right) = tokio::io::duplex(64 * 1024);
    let theirs = config(2);
    tokio::join!(
        connect(left, Role::Initiator, ours),
        connect(right, Role::Responder, &theirs)
    )
}

/// Sends until nobody takes any more.
async fn fill(connection: &RawConnection) {
    loop {
        match connection.try_send(message(0, 10_000)) {
            Ok(()) => {}
            Err(TrySendError::Full(encoded)) => {
                let waiting = connection.send_encoded(&encoded);
                if timeout(Duration::from_secs(60), waiting).await.is_err() {
                    return;
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// How long a megabyte takes there and back.
async fn time_of_a_megabyte(ours: &RawConnection, theirs: &mut RawConnection) -> Duration {
    let start = Instant::now();
    for index in 0..100 {
        ours.send(message(index, 10_000)).await.unwrap();
        assert_eq!(theirs.recv().await.unwrap().message, message(index, 10_000));
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_stuck_in_either_direction_take_nothing_from_the_others() {
    for cap in [None, Some("1MB")] {
        let rate = cap.map(|cap| cap.parse().unwrap());
        let scheduler = IoScheduler::new(Limits {
            download: rate,
            upload: rate,
        });
        let ours = config(1).scheduler(scheduler);
        let (lively, mut other) = pair(&ours).await;
        let alone = time_of_a_megabyte(&lively, &mut other).await;

        let (never_reads, flooding) = pair(&ours).await;
        let (flooded, never_read) = pair(&ours).await;
        tokio::join!(fill(&flooding), fill(&flooded));
        settle().await;
        let beside = time_of_a_megabyte(&lively, &mut other).await;
        assert!(
            beside <= alone + alone / 10 + Duration::from_millis(10),
            "{beside:?} beside stuck ones, {alone:?} alone with the cap {cap:?}"
        );

        // Nothing of theirs is lost, either.
        let (mut never_reads, mut never_read) = (never_reads, never_read);
        assert_eq!(never_reads.recv().await.unwrap().message, message(0, 10_000));
        assert_eq!(never_read.recv().await.unwrap().message, message(0, 10_000));
    }
}
