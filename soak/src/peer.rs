//! A peer: it listens, dials others, talks, refuses, breaks off and misbehaves, all at random.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use p2p_crypto::{Difficulty, Identity, Role};
use p2p_framing::{PointList, encoding::RawEncoding};
use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits};
use p2p_socket::{
    Admission, Authenticated, ChainName, Config, Connection, ConnectionOptions, Control, DisconnectionReason, Drain,
    NetworkVersion, NodeMetadata, Receiver, RejectionMotive, authenticate,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::ledger::{Account, Ledger, Messages};

/// How long flushing may take.
const CLOSE: Duration = Duration::from_secs(5);

/// A connection on which nothing moves for so long hangs. How long one lasts in all is up to the caps.
const HANG: Duration = Duration::from_secs(30);

/// How many connections a peer dials at once.
const MAX_DIALLED: usize = 8;

/// Beyond so many connections a peer refuses more, as a node does. Without a bound those with the narrowest caps would
/// be given more to carry than they can, and have ever more connections that take ever longer.
const MAX_CONNECTIONS: usize = 24;

/// 127.1.0.0, the first of the addresses from which peers dial. Each is used once.
const FIRST_ADDRESS: u32 = 0x7f01_0000;

/// What all peers have in common.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) ledger: Ledger,
    pub(crate) counts: Counts,
    /// How many connections were dialled.
    pub(crate) dialled: AtomicU32,
    /// Cancelled when nobody dials any more, and then when nobody listens any more.
    pub(crate) no_more_dialling: CancellationToken,
    pub(crate) no_more_listening: CancellationToken,
}

impl World {
    /// Connects from an address that nobody else has had. With a port that is used again, an end that reads its last
    /// messages slowly would be taken for that of another connection.
    async fn connect(&self, remote: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
        let number = self.dialled.fetch_add(1, Ordering::Relaxed);
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::from(FIRST_ADDRESS + number), 0).into())?;
        let stream = socket.connect(remote).await?;
        let local = stream.local_addr()?;
        Ok((stream, local))
    }
}

/// What happened, beside messages.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) nacked: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) garbage: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Debug)]
pub(crate) struct Peer {
    world: Arc<World>,
    config: Config,
    scheduler: IoScheduler,
    address: SocketAddr,
}

impl Peer {
    pub(crate) fn new(world: Arc<World>, address: SocketAddr, rng: &mut Rng) -> Self {
        // A third of the peers has caps, some of them narrow.
        let cap = |rng: &mut Rng| {
            let rate = NonZeroU64::new(rng.u64(200_000..20_000_000))?;
            (rng.u8(..) < 85).then(|| BytesPerSecond::new(rate))
        };
        let limits = Limits {
            download: cap(rng),
            upload: cap(rng),
        };
        let scheduler = IoScheduler::new(limits);
        let version = NetworkVersion::current(ChainName::from("SOAK"));
        let config = Config::new(Identity::generate(Difficulty::NONE), version)
            .required_difficulty(Difficulty::NONE)
            .scheduler(scheduler.clone());
        Self {
            world,
            config,
            scheduler,
            address,
        }
    }

    /// Listens and dials until told otherwise, then waits for everything to end.
    pub(crate) async fn live(self, listener: TcpListener, mut rng: Rng) {
        let me = Arc::new(self);
        let dialling = tokio::spawn(me.clone().dial_others(rng.fork()));
        let admission = Admission::default();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = me.world.no_more_listening.cancelled() => break,
                Some(_) = tasks.join_next() => {}
                accepted = listener.accept() => {
                    let Ok((stream, remote)) = accepted else {
                        sleep(Duration::from_millis(50)).await;
                        continue;
                    };
                    let Ok(permit) = admission.admit(remote.ip()) else { continue };
                    let (me, mut rng) = (me.clone(), rng.fork());
                    tasks.spawn(async move {
                        let link = (remote, me.address);
                        let opened = permit.run(me.open(stream, Role::Responder, remote, &mut rng)).await;
                        drop(permit);
                        let account = match opened {
                            Ok(Some(connection)) => me.talk(connection, Role::Responder, rng).await,
                            _ => Account::aborted(),
                        };
                        me.world.ledger.enter(link, Role::Responder, account);
                    });
                }
            }
        }
        while tasks.join_next().await.is_some() {}
        let _ = dialling.await;
    }

    async fn dial_others(self: Arc<Self>, mut rng: Rng) {
        let mut tasks = JoinSet::new();
        while !self.world.no_more_dialling.is_cancelled() {
            sleep(Duration::from_millis(rng.u64(..200))).await;
            while tasks.len() >= MAX_DIALLED {
                tasks.join_next().await;
            }
            let other = self.world.addresses[rng.usize(..self.world.addresses.len())];
            let (me, rng) = (self.clone(), rng.fork());
            tasks.spawn(async move { me.dial(other, rng).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn dial(&self, remote: SocketAddr, mut rng: Rng) {
        let Ok((stream, local)) = self.world.connect(remote).await else {
            return count(&self.world.counts.failed);
        };
        let account = if rng.u8(..) < 25 {
            self.send_garbage(stream, rng).await;
            Account::aborted()
        } else {
            match self.open(stream, Role::Initiator, remote, &mut rng).await {
                Some(connection) => self.talk(connection, Role::Initiator, rng).await,
                None => Account::aborted(),
            }
        };
        self.world.ledger.enter((local, remote), Role::Initiator, account);
    }

    /// Noise, a part of something, or nothing; then a wait for the end or none.
    async fn send_garbage(&self, mut stream: TcpStream, mut rng: Rng) {
        count(&self.world.counts.garbage);
        let noise: Vec<u8> = (0..rng.usize(..2000)).map(|_| rng.u8(..)).collect();
        let _ = stream.write_all(&noise).await;
        if rng.bool() {
            let mut answer = Vec::new();
            let ending = stream.read_to_end(&mut answer);
            if timeout(Config::DEFAULT_HANDSHAKE_TIMEOUT * 2, ending).await.is_err() {
                self.complain("a stranger was not turned away");
            }
        }
    }

    async fn open(
        &self,
        stream: TcpStream,
        role: Role,
        remote: SocketAddr,
        rng: &mut Rng,
    ) -> Option<Connection<Bytes, NodeMetadata>> {
        let _ = stream.set_nodelay(true);
        let handshake = authenticate(stream, role, remote, &self.config, NodeMetadata::default());
        let peer: Authenticated<_, _> = match handshake.await {
            Ok(peer) => peer,
            Err(_) => {
                count(&self.world.counts.failed);
                return None;
            }
        };
        let full = role == Role::Responder && self.scheduler.connections().len() > MAX_CONNECTIONS;
        if full || rng.u8(..) < 15 {
            count(&self.world.counts.nacked);
            let _ = peer
                .nack(RejectionMotive::TooManyConnections, PointList::default())
                .await;
            return None;
        }
        let options = ConnectionOptions {
            incoming_queue: ConnectionOptions::MIN_INCOMING_QUEUE + rng.usize(..200_000),
            outgoing_queue: 100_000 + rng.usize(..200_000),
            ..ConnectionOptions::default()
        };
        let accepted = peer.accept(RawEncoding::default(), options).await;
        accepted.inspect_err(|_| count(&self.world.counts.failed)).ok()
    }

    fn complain(&self, what: &str) {
        let (limits, connections) = (self.scheduler.limits(), self.scheduler.connections().len());
        let complaint = format!("{}: {what}; {limits:?}, {connections} connections", self.address);
        self.world.ledger.complain(complaint);
    }

    /// The dialling side leaves first, in one of the possible ways; the other one when it is told.
    async fn talk(&self, connection: Connection<Bytes, NodeMetadata>, role: Role, mut rng: Rng) -> Account {
        let mut account = Account::default();
        let (sender, receiver, control) = connection.split();
        let receiving = tokio::spawn(receive(receiver, rng.fork()));
        for _ in 0..rng.usize(..60) {
            let size = if rng.u8(..) < 10 {
                rng.usize(..90_000)
            } else {
                rng.usize(..2000)
            };
            let message: Bytes = std::iter::repeat_with(|| rng.u8(..)).take(size).collect();
            match unless_it_hangs(&control, sender.send(message.clone())).await {
                Some(Ok(())) => account.sent.push(&message),
                Some(Err(_)) => break,
                None => {
                    self.complain(&format!(
                        "{role:?} hung while sending: {:?} receiver done {}, {:?}",
                        control.stat(),
                        receiving.is_finished(),
                        control.closing_reasons()
                    ));
                    break;
                }
            }
            if rng.u8(..) < 30 {
                sleep(Duration::from_millis(rng.u64(..100))).await;
            }
        }
        if role == Role::Initiator {
            match rng.u8(..10) {
                0 => {
                    control.cancellation().cancel();
                    account.aborted = true;
                }
                1 => {
                    let _ = control
                        .close(DisconnectionReason::ExplicitRequest, Drain::Discard)
                        .await;
                    account.aborted = true;
                }
                _ => {
                    let flush = control.close(DisconnectionReason::ExplicitRequest, Drain::Flush(CLOSE));
                    match timeout(CLOSE + Duration::from_secs(5), flush).await {
                        Ok(result) => account.flushed = result.is_ok(),
                        Err(_) => self.complain("closing took too long"),
                    }
                }
            }
        }
        if unless_it_hangs(&control, control.closed()).await.is_none() {
            self.complain(&format!(
                "{role:?} hung until the end: {:?} receiver done {}, sender closed {} {:?}",
                control.stat(),
                receiving.is_finished(),
                control.is_closed(),
                control.closing_reasons()
            ));
            control.cancellation().cancel();
            account.aborted = true;
        }
        drop(sender);
        if let Ok(received) = receiving.await {
            account.received = received;
        }
        account
    }
}

/// Gives up when nothing has moved on the connection for too long.
async fn unless_it_hangs<F: Future>(control: &Control<NodeMetadata>, doing: F) -> Option<F::Output> {
    let moved = || {
        let stat = control.stat();
        (stat.total_received, stat.total_sent)
    };
    let mut doing = pin!(doing);
    let mut before = moved();
    loop {
        if let Ok(done) = timeout(HANG, doing.as_mut()).await {
            return Some(done);
        }
        let now = moved();
        if now == before {
            return None;
        }
        before = now;
    }
}

async fn receive(mut receiver: Receiver<Bytes>, mut rng: Rng) -> Messages {
    let mut messages = Messages::default();
    while let Ok(received) = receiver.recv().await {
        messages.push(&received.message);
        if rng.u8(..) < 5 {
            sleep(Duration::from_millis(rng.u64(..20))).await;
        }
    }
    messages
}
