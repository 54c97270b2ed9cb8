//! Connections of one configuration share its bandwidth, and end with its scheduler.

mod common;

use std::time::Duration;

use common::{PATIENCE, address, config, message};
use p2p_crypto::Role;
use p2p_framing::encoding::RawEncoding;
use p2p_io_scheduler::{IoScheduler, Limits};
use p2p_socket::{
    AuthenticateError, Config, Connection, ConnectionError, ConnectionOptions, DisconnectionReason, NodeMetadata,
    SendError, authenticate,
};
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep},
};

type RawConnection = Connection<bytes::Bytes, NodeMetadata>;

async fn connect(io: DuplexStream, role: Role, config: &Config) -> RawConnection {
    let peer = authenticate(io, role, address(), config, NodeMetadata::default())
        .await
        .unwrap();
    peer.accept(RawEncoding::default(), ConnectionOptions::default())
        .await
        .unwrap()
}

async fn pair(here: &Config, there: &Config) -> (RawConnection, RawConnection) {
    let (left, right) = tokio::io::duplex(64 * 1024);
    tokio::join!(
        connect(left, Role::Initiator, here),
        connect(right, Role::Responder, there)
    )
}

fn limited(download: Option<&str>, upload: Option<&str>) -> IoScheduler {
    let rate = |text: &str| text.parse().unwrap();
    IoScheduler::new(Limits {
        download: download.map(rate),
        upload: upload.map(rate),
    })
}

/// How long 1 MB takes from one to the other, in seconds.
async fn time_of_a_megabyte(here: &Config, there: &Config) -> f64 {
    let (sender, mut receiver) = pair(here, there).await;
    let start = Instant::now();
    sender.send(message(0, 1_000_000)).await.unwrap();
    receiver.recv().await.unwrap();
    start.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn an_upload_limit_holds() {
    let seconds = time_of_a_megabyte(&config(1).scheduler(limited(None, Some("100kB"))), &config(2)).await;
    assert!((9.9..10.2).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_download_limit_holds_by_back_pressure() {
    let seconds = time_of_a_megabyte(&config(1), &config(2).scheduler(limited(Some("100kB"), None))).await;
    assert!((9.9..10.2).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn two_connections_share_a_limit() {
    let (here, there) = (config(1).scheduler(limited(None, Some("100kB"))), config(2));
    let ((first, mut at_first), (second, mut at_second)) = tokio::join!(pair(&here, &there), pair(&here, &there));
    let start = Instant::now();
    first.send(message(0, 500_000)).await.unwrap();
    second.send(message(1, 500_000)).await.unwrap();
    let finished = async |receiver: &mut RawConnection| {
        receiver.recv().await.unwrap();
        start.elapsed().as_secs_f64()
    };
    let (one, other) = tokio::join!(finished(&mut at_first), finished(&mut at_second));
    assert!(
        (9.7..10.3).contains(&one) && (9.7..10.3).contains(&other),
        "{one} s, {other} s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_shuts_down_ends_its_connections() {
    let scheduler = IoScheduler::default();
    let (here, there) = (config(1).scheduler(scheduler.clone()), config(2));
    let (mut ours, mut theirs) = pair(&here, &there).await;
    scheduler.shutdown(Duration::ZERO).await;
    assert!(matches!(ours.recv().await, Err(ConnectionError::SchedulerClosed(_))));
    assert_eq!(ours.closing_reason(), Some(DisconnectionReason::SchedulerShutDown));
    assert!(matches!(
        ours.send(message(0, 1)).await,
        Err(SendError::Closed(ConnectionError::SchedulerClosed(_)))
    ));
    ours.closed().await;
    assert!(matches!(theirs.recv().await, Err(ConnectionError::ClosedByPeer)));

    let (io, _remote) = tokio::io::duplex(1024);
    let refused = authenticate(io, Role::Initiator, address(), &here, NodeMetadata::default()).await;
    assert!(matches!(refused, Err(AuthenticateError::SchedulerClosed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_shuts_down_ends_a_handshake() {
    let scheduler = IoScheduler::default();
    let config = config(1).scheduler(scheduler.clone());
    let (io, _silent) = tokio::io::duplex(1024);
    let shutdown = async {
        sleep(Duration::from_millis(100)).await;
        scheduler.shutdown(Duration::ZERO).await;
    };
    let (refused, ()) = tokio::join!(
        authenticate(io, Role::Responder, address(), &config, NodeMetadata::default()),
        shutdown
    );
    assert!(matches!(refused, Err(AuthenticateError::SchedulerClosed(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_limit_a_connection_can_be_used_outside_of_the_runtime() {
    let [here, there] = [1, 2].map(|seed| config(seed).handshake_timeout(PATIENCE));
    let here = here.scheduler(limited(Some("1MB"), Some("1MB")));
    let (mut left, mut right) = pair(&here, &there).await;
    let outside = std::thread::spawn(move || {
        left.try_send(message(0, 100)).unwrap();
        let mut receiving = std::pin::pin!(left.recv());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while receiving.as_mut().poll(&mut cx).is_pending() {
            std::thread::yield_now();
        }
    });
    assert_eq!(right.recv().await.unwrap().message, message(0, 100));
    right.send(message(1, 100)).await.unwrap();
    while !outside.is_finished() {
        sleep(Duration::from_millis(1)).await;
    }
    outside.join().unwrap();
}
