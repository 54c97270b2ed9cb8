//! `p2p listen`: wait for peers and serve several at once.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    num::NonZeroU64,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use p2p_crypto::Role;
use p2p_socket::{Admission, Displaced, Permit, Refused, RejectionMotive, Sender, TrySendError};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    errors,
    events::{self, Accepted, Listening, MessageSent},
    exchange::ExchangeOptions,
    failure::Failure,
    lines::Lines,
    peer_options::PeerOptions,
    report::Report,
    session::{Session, Tally},
};

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9732")]
    bind: SocketAddr,
    /// Stop after so many connections, and fail if one of them did.
    #[arg(long, value_name = "N")]
    connections: Option<NonZeroU64>,
    /// How many accepted peers there may be at a time. More are refused with a nack.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    max_peers: u16,
    #[command(flatten)]
    exchange: ExchangeOptions,
    #[command(flatten)]
    peer: PeerOptions,
}

impl Listen {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        self.exchange.prepare()?;
        let failed = |error: io::Error| {
            let message = format!("can not listen on {}: {error}", self.bind);
            Failure::new("listen", "can_not_listen", message)
        };
        let listener = TcpListener::bind(self.bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let max_message = self.exchange.max_message();
        let session = self.peer.session(Some(address.port()), max_message, interrupt).await?;
        report.event(&Listening {
            address: address.to_string(),
            port: address.port(),
            peer_id: session.config.identity().peer_id().to_string(),
        });
        let service = Arc::new(Service {
            session,
            exchange: self.exchange,
            admission: Admission::default(),
            places: Semaphore::new(self.max_peers.into()),
            report: report.clone(),
            peers: Peers::default(),
            input_ended: CancellationToken::new(),
        });
        let serve = service.clone().serve(&listener, self.connections);
        let input = service.send_input();
        tokio::pin!(serve);
        let failures = tokio::select! {
            failures = &mut serve => failures,
            () = input => serve.await,
        };
        Ok(if failures == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// What all connections of a listener share.
struct Service {
    session: Session,
    exchange: ExchangeOptions,
    admission: Admission,
    places: Semaphore,
    report: Report,
    peers: Peers,
    /// Cancelled when standard input has ended after it had something to send.
    input_ended: CancellationToken,
}

impl Service {
    /// How long to wait after the operating system refused to give a connection, because there are no file descriptors
    /// left for instance: long enough not to burn a core, short enough not to be felt.
    const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

    /// Takes connections until there were so many, or the user interrupts, and waits for them to end. Gives the number
    /// of those that failed.
    async fn serve(self: Arc<Self>, listener: &TcpListener, connections: Option<NonZeroU64>) -> u64 {
        let mut tasks = JoinSet::new();
        let mut failures = 0;
        let mut refused_before = false;
        let mut refusals = Refusals::default();
        let mut number = 0;
        while connections.is_none_or(|most| number < most.get()) {
            tokio::select! {
                () = self.session.interrupt.cancelled() => break,
                Some(ended) = tasks.join_next() => failures += self.count_failure(ended),
                accepted = listener.accept() => match accepted {
                    Ok((tcp, remote)) => {
                        refused_before = false;
                        match self.admission.admit(remote.ip()) {
                            Ok(permit) => {
                                tasks.spawn(self.clone().connection(permit, tcp, remote, number));
                                number += 1;
                            }
                            Err(refused) => refusals.tell(&refused, &self.report),
                        }
                    }
                    Err(error) => {
                        // Told once, not five times a second.
                        if !std::mem::replace(&mut refused_before, true) {
                            let message = format!("can not take a connection now: {error}");
                            self.report.error(&Failure::new("listen", "can_not_take_connection", message));
                        }
                        sleep(Self::ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        while let Some(ended) = tasks.join_next().await {
            failures += self.count_failure(ended);
        }
        failures
    }

    fn count_failure(&self, ended: Result<Result<(), Failure>, tokio::task::JoinError>) -> u64 {
        match ended {
            Ok(Ok(())) => 0,
            Ok(Err(_)) => 1,
            Err(error) => {
                self.report
                    .error(&Failure::caused_by("session", "connection_failed", &error));
                1
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        permit: Permit,
        tcp: TcpStream,
        remote: SocketAddr,
        number: u64,
    ) -> Result<(), Failure> {
        let report = self.report.of_connection(number);
        // A place is taken before the remote is, and kept to the end.
        let mut place = None;
        let refuse = || {
            place = self.places.try_acquire().ok();
            place.is_none().then_some(RejectionMotive::TooManyConnections)
        };
        let opened = permit
            .run(self.session.open(tcp, Role::Responder, remote, refuse, &report))
            .await;
        let opened = opened.unwrap_or_else(|Displaced { .. }| {
            let message = "too many connections had not finished their handshake, and this one had to go";
            Err(Failure::new("authenticate", "displaced", message))
        });
        let peer = match opened {
            Ok(peer) => peer,
            Err(failure) => {
                if failure.offence {
                    permit.offence();
                }
                if !self.session.interrupt.is_cancelled() {
                    report.error(&failure);
                }
                return Err(failure);
            }
        };
        drop(permit);
        let tally = Arc::new(Tally::default());
        let _registered = self.peers.insert(
            number,
            Addressee {
                sender: peer.sender(),
                tally: tally.clone(),
                report: report.clone(),
            },
        );
        // Whoever comes after the end of standard input has nothing to do with it.
        let late = self.input_ended.is_cancelled();
        // Not before: whoever reads this may count on the next line of input going to this peer, too.
        report.event(&Accepted);
        let input = async {
            if late {
                std::future::pending::<()>().await;
            }
            self.input_ended.cancelled().await;
            Ok(())
        };
        self.exchange
            .run(&self.session, peer, &tally, input, false, &report)
            .await
    }

    /// Sends each line of standard input to everyone who is connected. Lines wait while nobody is.
    async fn send_input(&self) {
        if !self.exchange.sends_input() {
            return;
        }
        let mut lines = Lines::new(tokio::io::stdin(), self.session.max_message);
        let mut sent_any = false;
        loop {
            match lines.next().await {
                Ok(Some(line)) => {
                    sent_any = true;
                    self.send_to_all(&line).await;
                }
                // Without any input, as from /dev/null, the connections are left alone.
                Ok(None) => break,
                Err(failure) => {
                    self.report.error(&failure);
                    break;
                }
            }
        }
        if sent_any {
            self.input_ended.cancel();
        }
    }

    async fn send_to_all(&self, line: &Bytes) {
        for Addressee { sender, tally, report } in self.peers.wait_for_some().await {
            let result = match sender.try_send(line.clone()) {
                Ok(()) => Ok(()),
                Err(TrySendError::Full(message)) => {
                    // One peer that does not read must not stop the others for ever.
                    match timeout(self.session.close_timeout, sender.send_encoded(&message)).await {
                        Ok(result) => result.map_err(|error| errors::send(&error)),
                        Err(_) => Err(Failure::new(
                            "session",
                            "timeout",
                            "the remote does not read what is sent to it",
                        )),
                    }
                }
                Err(TrySendError::Failed(error)) => Err(errors::send(&error)),
                Err(_) => continue,
            };
            match result {
                Ok(()) => report.detail(&MessageSent {
                    index: tally.count_sent(),
                    size: line.len(),
                }),
                Err(failure) if failure.error == "timeout" => report.error(&failure),
                // Whoever serves the connection tells why it ended.
                Err(_) => {}
            }
        }
    }
}

/// Connections that were refused, told once a second at most: a flood must not flood the output, too.
#[derive(Default)]
struct Refusals {
    untold: u64,
    told: Option<Instant>,
}

impl Refusals {
    const PAUSE: Duration = Duration::from_secs(1);

    fn tell(&mut self, refused: &Refused, report: &Report) {
        self.untold += 1;
        if self.told.is_some_and(|told| told.elapsed() < Self::PAUSE) {
            return;
        }
        self.told = Some(Instant::now());
        report.event(&events::Refused {
            count: std::mem::take(&mut self.untold),
            network: refused.network.to_string(),
        });
    }
}

/// Someone to send standard input to.
#[derive(Clone)]
struct Addressee {
    sender: Sender<Bytes>,
    tally: Arc<Tally>,
    report: Report,
}

/// Who is connected now.
#[derive(Default)]
struct Peers {
    by_number: Mutex<BTreeMap<u64, Addressee>>,
    joined: Notify,
}

impl Peers {
    fn insert(&self, number: u64, addressee: Addressee) -> Registered<'_> {
        self.lock().insert(number, addressee);
        self.joined.notify_waiters();
        Registered { peers: self, number }
    }

    /// Everyone who is connected, once there is someone.
    async fn wait_for_some(&self) -> Vec<Addressee> {
        loop {
            let joined = self.joined.notified();
            let all: Vec<_> = self.lock().values().cloned().collect();
            if !all.is_empty() {
                return all;
            }
            joined.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Addressee>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the peers, given up when dropped.
struct Registered<'a> {
    peers: &'a Peers,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.peers.lock().remove(&self.number);
    }
}
