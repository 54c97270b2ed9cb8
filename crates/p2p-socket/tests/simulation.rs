//! Hundreds of simulated networks: peers that connect, talk, refuse and leave at random, over links that delay, stall
//! and break. Whatever happens, nothing is torn, doubled or out of order, nothing takes longer than its deadline, what
//! was flushed over a link that held has arrived, and in the end nothing is left.

mod common;
#[path = "common/network.rs"]
mod network;

use std::{hash::DefaultHasher, hash::Hash, hash::Hasher, time::Duration};

use bytes::Bytes;
use common::{config, message};
use fastrand::Rng;
use network::{Link, State, connect};
use p2p_crypto::Role;
use p2p_framing::{PointList, encoding::RawEncoding};
use p2p_socket::{
    Admission, Config, ConnectionOptions, DisconnectionReason, Drain, NodeMetadata, Receiver, RejectionMotive,
    authenticate,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::Handle,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const SEEDS: u64 = 300;

/// Longer than everything together: whatever takes so long hangs.
const HANG: Duration = Duration::from_secs(600);

const CLOSE: Duration = Duration::from_secs(3);

/// How a side of a connection fared.
#[derive(Debug, Default, Hash)]
struct Account {
    accepted: bool,
    sent: Vec<Bytes>,
    received: Vec<Bytes>,
    /// It left in order, and was told that everything was sent.
    flushed: bool,
    error: Option<String>,
}

/// How long something may take, checked.
async fn within<F: Future>(limit: Duration, what: &str, future: F) -> F::Output {
    let start = Instant::now();
    let output = timeout(HANG, future).await.unwrap_or_else(|_| panic!("{what} hangs"));
    assert!(start.elapsed() <= limit, "{what} took {:?}", start.elapsed());
    output
}

/// One side of a connection. The dialling side leaves first, in one of the possible ways, the other one when it is told.
async fn peer(io: DuplexStream, role: Role, mut rng: Rng) -> Account {
    let mut account = Account::default();
    let config = config(if role == Role::Initiator { 1 } else { 2 });
    let deadline = Config::DEFAULT_HANDSHAKE_TIMEOUT;
    let remote = common::address();
    let authenticating = authenticate(io, role, remote, &config, NodeMetadata::default());
    let peer = match within(deadline, "authenticating", authenticating).await {
        Ok(peer) => peer,
        Err(error) => {
            account.error = Some(error.to_string());
            return account;
        }
    };
    if rng.u8(..) < 20 {
        let nack = peer.nack(RejectionMotive::TooManyConnections, PointList::default());
        let result = within(deadline, "refusing", nack).await;
        account.error = Some(format!("nacked: {}", result.is_ok()));
        return account;
    }
    let options = ConnectionOptions {
        incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE,
        outgoing_queue: 4000 + rng.usize(..100_000),
        ..ConnectionOptions::default()
    };
    let connection = match within(deadline, "accepting", peer.accept(RawEncoding::default(), options)).await {
        Ok(connection) => connection,
        Err(error) => {
            account.error = Some(error.to_string());
            return account;
        }
    };
    account.accepted = true;
    let (sender, receiver, control) = connection.split();
    let mut receiving_rng = rng.fork();
    let receiving = tokio::spawn(async move { receive(receiver, &mut receiving_rng).await });
    for index in 0..rng.usize(..30) {
        let message = message(index, rng.usize(..3000));
        let sending = async {
            match index % 3 {
                0 => sender.send_flushed(message.clone()).await,
                _ => sender.send(message.clone()).await,
            }
        };
        // A link that has stalled for good holds a sender as long as nobody closes.
        match timeout(Duration::from_secs(20), sending).await {
            Ok(Ok(())) => account.sent.push(message),
            Ok(Err(_)) => break,
            Err(_) => {
                control.cancellation().cancel();
                break;
            }
        }
        if rng.u8(..) < 60 {
            sleep(Duration::from_millis(rng.u64(..300))).await;
        }
    }
    if role == Role::Initiator {
        match rng.u8(..8) {
            0 => control.cancellation().cancel(),
            1 => {
                let discard = control.close(DisconnectionReason::ExplicitRequest, Drain::Discard);
                within(Duration::ZERO, "discarding", discard).await.unwrap();
            }
            2 => drop(sender),
            _ => {
                let flush = control.close(DisconnectionReason::ExplicitRequest, Drain::Flush(CLOSE));
                account.flushed = within(CLOSE, "flushing", flush).await.is_ok();
            }
        }
        if !control.is_closed() {
            let _ = control
                .close(DisconnectionReason::ExplicitRequest, Drain::Discard)
                .await;
        }
    } else if timeout(Duration::from_secs(60), control.closed()).await.is_err() {
        let discard = control.close(DisconnectionReason::ExplicitRequest, Drain::Discard);
        within(Duration::ZERO, "discarding", discard).await.unwrap();
    }
    let (received, error) = within(HANG, "receiving", receiving).await.unwrap();
    account.received = received;
    account.error = Some(error);
    account
}

async fn receive(mut receiver: Receiver<Bytes>, rng: &mut Rng) -> (Vec<Bytes>, String) {
    let mut messages = Vec::new();
    loop {
        match receiver.recv().await {
            Ok(received) => messages.push(received.message),
            Err(error) => return (messages, error.to_string()),
        }
        if rng.u8(..) < 20 {
            sleep(Duration::from_millis(rng.u64(..50))).await;
        }
    }
}

/// What happens to a link while it is in use. Gives back whether everything that was sent had time to arrive.
async fn weather(link: Link, mut rng: Rng) -> bool {
    let mut held = true;
    for _ in 0..rng.u8(..4) {
        sleep(Duration::from_millis(rng.u64(..3000))).await;
        match rng.u8(..4) {
            0 => {
                link.set(State::Cut);
                return false;
            }
            1 => {
                link.set(State::Stalled);
                // Longer than a deadline, sometimes.
                let pause = Duration::from_millis(rng.u64(..8000));
                held &= pause < Duration::from_secs(1);
                sleep(pause).await;
                link.set(State::Up);
            }
            _ => {}
        }
    }
    held
}

/// Someone who sends random bytes to a listener and sees how far he gets.
async fn garbage(io: DuplexStream, mut rng: Rng) {
    let (mut read, mut write) = tokio::io::split(io);
    let noise: Vec<u8> = (0..rng.usize(..500)).map(|_| rng.u8(..)).collect();
    let _ = write.write_all(&noise).await;
    let mut answer = Vec::new();
    let _ = within(Duration::from_secs(6), "noise", read.read_to_end(&mut answer)).await;
}

/// What comes of a seed.
#[derive(Debug, PartialEq)]
struct Run {
    /// Of all that happened.
    digest: u64,
    connections: usize,
    /// Those that were flushed over a link that held, so that every message had to arrive.
    flushed: usize,
}

/// Runs the network of a seed to its end.
async fn simulate(seed: u64) -> Run {
    let mut rng = Rng::with_seed(seed);
    let admission = Admission::default();
    let mut tasks = JoinSet::new();
    let mut strangers = JoinSet::new();
    for number in 0..1 + rng.u8(..4) {
        let link = Link::with_delay(Duration::from_millis(rng.u64(..100)));
        let (left, right) = connect(&link);
        let (left_rng, right_rng, weather_rng, start) = (rng.fork(), rng.fork(), rng.fork(), rng.u64(..1000));
        let admission = admission.clone();
        tasks.spawn(async move {
            sleep(Duration::from_millis(start)).await;
            let permit = admission.admit([10, 0, number, 1].into()).unwrap();
            let (left, right, held) = tokio::join!(
                peer(left, Role::Initiator, left_rng),
                peer(right, Role::Responder, right_rng),
                weather(link.clone(), weather_rng)
            );
            drop(permit);
            (number, left, right, held && link.state() == State::Up)
        });
        if rng.bool() {
            let (stranger, door) = connect(&Link::with_delay(Duration::from_millis(rng.u64(..100))));
            strangers.spawn(garbage(stranger, rng.fork()));
            strangers.spawn(async move {
                let config = config(3);
                let metadata = NodeMetadata::default();
                let result = authenticate(door, Role::Responder, common::address(), &config, metadata).await;
                assert!(result.is_err(), "noise was let in");
            });
        }
    }
    let (mut digests, mut flushed) = (Vec::new(), 0);
    while let Some(ended) = tasks.join_next().await {
        let (number, left, right, held) = ended.unwrap();
        for (from, to) in [(&left, &right), (&right, &left)] {
            // The last one sent may have been queued when its future was given up.
            let common = from.sent.len().min(to.received.len());
            assert_eq!(
                from.sent[..common],
                to.received[..common],
                "torn, doubled or out of order"
            );
            assert!(to.received.len() <= from.sent.len() + 1, "from nowhere");
        }
        if left.flushed && held && right.accepted {
            assert_eq!(left.sent, right.received, "flushed and lost: {:?}", right.error);
            flushed += 1;
        }
        let mut hasher = DefaultHasher::new();
        (number, left, right).hash(&mut hasher);
        digests.push(hasher.finish());
    }
    while let Some(ended) = strangers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(admission.half_open(), 0);
    // Links carry their last bytes, connections end their tasks.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "tasks left");
    digests.sort_unstable();
    let mut hasher = DefaultHasher::new();
    digests.hash(&mut hasher);
    Run {
        digest: hasher.finish(),
        connections: digests.len(),
        flushed,
    }
}

fn run(seed: u64) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(simulate(seed))));
    result.unwrap_or_else(|_| panic!("seed {seed}"))
}

#[test]
fn hundreds_of_seeds() {
    let runs: Vec<Run> = (0..SEEDS).map(run).collect();
    let connections: usize = runs.iter().map(|run| run.connections).sum();
    let flushed: usize = runs.iter().map(|run| run.flushed).sum();
    println!("{SEEDS} networks, {connections} connections, {flushed} flushed over links that held");
    assert!(connections > 500 && flushed > 100);
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in [3, 1415, 9265] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
