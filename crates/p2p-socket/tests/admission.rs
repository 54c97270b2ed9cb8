//! Floods of connections don't keep honest peers out.

mod common;
#[path = "common/network.rs"]
mod network;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use common::{accepted, config};
use network::{Link, connect};
use p2p_crypto::Role;
use p2p_socket::{Admission, AdmissionLimits, NodeMetadata, authenticate};
use tokio::{
    io::DuplexStream,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval, sleep},
};

/// What a listener in front of the network sees: streams and where they come from.
type Backlog = mpsc::UnboundedSender<(DuplexStream, IpAddr)>;

/// Serves whoever comes, as a program would, and keeps what was accepted.
fn listen(admission: Admission) -> Backlog {
    let (backlog, mut incoming) = mpsc::unbounded_channel::<(DuplexStream, IpAddr)>();
    tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        while let Some((io, address)) = incoming.recv().await {
            let Ok(permit) = admission.admit(address) else {
                continue;
            };
            tasks.spawn(async move {
                let (remote, config) = (SocketAddr::new(address, 9732), config(1));
                let handshake = authenticate(io, Role::Responder, remote, &config, NodeMetadata::default());
                let peer = match permit.run(handshake).await {
                    Ok(Ok(peer)) => peer,
                    Ok(Err(error)) if error.is_offence() => return permit.offence(),
                    _ => return,
                };
                let Ok(Ok(mut connection)) = permit.run(accepted(peer)).await else {
                    return;
                };
                drop(permit);
                while connection.recv().await.is_ok() {}
            });
        }
    });
    backlog
}

/// A thousand connections a second that say nothing and stay, for as long as the test runs.
fn flood(backlog: Backlog, from: impl Fn(u32) -> IpAddr + Send + 'static) {
    tokio::spawn(async move {
        let mut pace = interval(Duration::from_millis(1));
        let mut held = Vec::new();
        for number in 0.. {
            pace.tick().await;
            let (ours, theirs) = tokio::io::duplex(1024);
            if backlog.send((theirs, from(number))).is_err() {
                return;
            }
            held.push(ours);
        }
    });
}

/// How long an honest peer 25 ms away takes from dialling until it is accepted, or fails.
async fn honest(backlog: &Backlog, address: &str) -> Result<Duration, String> {
    let (ours, theirs) = connect(&Link::with_delay(Duration::from_millis(25)));
    let start = Instant::now();
    backlog.send((theirs, address.parse().unwrap())).unwrap();
    let remote = "10.9.9.9:9732".parse().unwrap();
    let peer = authenticate(ours, Role::Initiator, remote, &config(2), NodeMetadata::default())
        .await
        .map_err(|error| format!("{error:?}"))?;
    let connection = accepted(peer).await.map_err(|error| format!("{error:?}"))?;
    // Accepted on both sides: a message goes through.
    connection
        .send_flushed("hello".into())
        .await
        .map_err(|error| format!("{error:?}"))?;
    Ok(start.elapsed())
}

async fn check_flood(from: impl Fn(u32) -> IpAddr + Send + 'static) {
    let admission = Admission::default();
    let backlog = listen(admission.clone());
    flood(backlog.clone(), from);
    for round in 0..20 {
        sleep(Duration::from_millis(487)).await;
        assert!(admission.half_open() <= AdmissionLimits::DEFAULT_HALF_OPEN);
        for address in ["198.51.100.7", "2001:db8:7::7"] {
            let elapsed = honest(&backlog, address).await.unwrap();
            assert!(elapsed < Duration::from_secs(1), "{elapsed:?} in round {round}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_silent_connections_a_second_from_one_address() {
    check_flood(|_| [192, 0, 2, 1].into()).await;
}

#[tokio::test(start_paused = true)]
async fn from_one_ipv6_network() {
    let network = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0).to_bits();
    check_flood(move |number| Ipv6Addr::from_bits(network | u128::from(number)).into()).await;
}

#[tokio::test(start_paused = true)]
async fn from_every_network_of_a_site() {
    let site = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1).to_bits();
    check_flood(move |number| Ipv6Addr::from_bits(site | u128::from(number % 65_536) << 64).into()).await;
}

#[tokio::test(start_paused = true)]
async fn from_as_many_networks_as_connections() {
    check_flood(|number| {
        let [_, first, second, third] = number.to_be_bytes();
        [20 + first, second, third, 1].into()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn from_our_own_machine() {
    check_flood(|_| [127, 0, 0, 1].into()).await;
}

/// The flood shares the address of the honest peer, as behind a proxy on our own machine.
#[tokio::test(start_paused = true)]
async fn from_the_same_address_on_our_own_machine() {
    let admission = Admission::default();
    let backlog = listen(admission.clone());
    flood(backlog.clone(), |_| [127, 0, 0, 1].into());
    for _ in 0..20 {
        sleep(Duration::from_millis(487)).await;
        let elapsed = honest(&backlog, "127.0.0.1").await.unwrap();
        assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_admission_the_flood_holds_as_much_as_it_likes() {
    let limits = AdmissionLimits {
        half_open: usize::MAX,
        half_open_per_network: usize::MAX,
        offences: 0,
        ..AdmissionLimits::default()
    };
    let admission = Admission::new(&limits);
    flood(listen(admission.clone()), |_| [192, 0, 2, 1].into());
    sleep(Duration::from_secs(4)).await;
    assert!(admission.half_open() > 3000, "the flood of these tests is one");
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_given_back_however_the_handshake_ends() {
    let admission = Admission::default();
    let address = IpAddr::from([192, 0, 2, 1]);
    drop(admission.admit(address).unwrap());
    admission.admit(address).unwrap().offence();
    let permit = admission.admit(address).unwrap();
    assert_eq!(permit.run(async { 7 }).await, Ok(7));
    assert_eq!(admission.half_open(), 1);
    let waiting = tokio::spawn(async move { permit.run(std::future::pending::<()>()).await });
    sleep(Duration::from_millis(1)).await;
    waiting.abort();
    waiting.await.unwrap_err();
    assert_eq!(admission.half_open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_displaced_handshake_is_dropped() {
    let limits = AdmissionLimits {
        half_open: 1,
        ..AdmissionLimits::default()
    };
    let admission = Admission::new(&limits);
    let (mut ours, theirs) = tokio::io::duplex(1024);
    let permit = admission.admit([192, 0, 2, 1].into()).unwrap();
    let (displaced, end) = tokio::join!(
        permit.run(async move {
            let _theirs = theirs;
            std::future::pending::<()>().await;
        }),
        async {
            let _second = admission.admit([198, 51, 100, 1].into()).unwrap();
            tokio::io::AsyncReadExt::read(&mut ours, &mut [0]).await
        }
    );
    assert!(displaced.is_err());
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn offenders_are_refused_before_any_work() {
    let admission = Admission::default();
    let backlog = listen(admission.clone());
    let address = IpAddr::from([192, 0, 2, 1]);
    for _ in 0..AdmissionLimits::DEFAULT_OFFENCES {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        backlog.send((theirs, address)).unwrap();
        // A port scanner, which is answered with an error each time.
        tokio::io::AsyncWriteExt::write_all(&mut ours, &[0, 1, 0])
            .await
            .unwrap();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut ours, &mut answer)
            .await
            .unwrap();
        assert!(!answer.is_empty());
    }
    let (mut ours, theirs) = tokio::io::duplex(1024);
    backlog.send((theirs, address)).unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut ours, &mut answer)
        .await
        .unwrap();
    assert!(answer.is_empty());
    assert_eq!(admission.admit(address).unwrap_err().network.to_string(), "192.0.2.1");
    sleep(AdmissionLimits::DEFAULT_FORGIVENESS).await;
    assert!(honest(&backlog, "192.0.2.1").await.is_ok());
}
