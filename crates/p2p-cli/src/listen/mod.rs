//! `p2p listen`: wait for peers and serve several at once.

mod broadcast;
mod patience;
mod peers;
mod top;

use std::{
    net::SocketAddr,
    num::NonZeroU64,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use clap::Args;
use p2p_io_scheduler::ByteSize;
use p2p_socket::MemoryBudget;
use tokio_util::sync::CancellationToken;

use self::{
    broadcast::send_to_all,
    patience::Patience,
    peers::{Connected, Peers},
};
use crate::{
    endpoint::bind_address,
    events::{Accepted, Listening},
    exchange::{Exchange, ExchangeOptions},
    failure::Failure,
    lines::Lines,
    peer_options::{PeerOptions, queue},
    places::{PlaceLimits, Share},
    report::Report,
    server::{self, Guest, Server},
    session::Tally,
    units::seconds,
};

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9732", value_parser = bind_address)]
    bind: SocketAddr,
    /// Stop after so many connections, and fail if one of them did.
    #[arg(long, value_name = "N")]
    connections: Option<NonZeroU64>,
    /// How many accepted peers there may be at a time. More are refused with a nack.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    max_peers: u16,
    /// How many accepted peers may come from the same IPv4 address or IPv6 /64, so that one alone can not take all places.
    /// [default: 8, or a quarter of those that there is room for if that is less; for our own machine all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_peers_per_address: Option<u16>,
    /// The most memory that the queues of all peers may take together: 64MB, 1GiB or a number of bytes. More peers are
    /// refused with a nack.
    ///
    /// Each peer counts with the bounds of both its queues, 8 MiB each, or more if that takes no message of
    /// `--max-message`.
    #[arg(long, value_name = "SIZE")]
    memory_budget: Option<ByteSize>,
    /// Show who is connected and how much flows each way: a live table on a terminal, a line at a time otherwise.
    #[arg(long)]
    top: bool,
    /// How often `--top` looks.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    interval: Duration,
    #[command(flatten)]
    exchange: ExchangeOptions,
    #[command(flatten)]
    peer: PeerOptions,
}

impl Listen {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let exchange = self.exchange.prepare()?;
        let max_message = exchange.max_message();
        let memory_budget = memory_budget(self.memory_budget, max_message)?;
        let max_peers = usize::from(self.max_peers);
        let room = memory_budget.as_ref().map_or(max_peers, |budget| {
            let peers = budget.free() / queue(max_message).saturating_mul(2);
            peers.min(max_peers)
        });
        let limits = PlaceLimits {
            all: max_peers,
            of_one_network: self
                .max_peers_per_address
                .map_or_else(|| Share::fair(room), |most| Share::Fixed(most.into())),
        };
        let (listener, address) = server::bind(self.bind).await?;
        let mut session = self.peer.session(Some(address.port()), max_message, interrupt).await?;
        if let Some(budget) = memory_budget {
            session.config = session.config.memory_budget(budget);
        }
        let listening = Listening {
            address: address.to_string(),
            port: address.port(),
            peer_id: session.config.identity().peer_id().to_string(),
        };
        report.event(&listening);
        let service = Arc::new(Service {
            server: Arc::new(Server::new(session, limits, report.clone())),
            exchange,
            peers: Peers::default(),
            input_ended: CancellationToken::new(),
        });
        let serve = async {
            let serve = {
                let service = service.clone();
                move |guest| service.clone().serve(guest)
            };
            service.server.run(&listener, self.connections, serve).await
        };
        let input = service.send_input();
        tokio::pin!(serve);
        let to_the_end = async {
            tokio::select! {
                failures = &mut serve => failures,
                () = input => serve.await,
            }
        };
        let failures = if self.top {
            tokio::select! {
                failures = to_the_end => failures,
                never = top::watch(&service.peers, &listening, self.interval, report) => match never {},
            }
        } else {
            to_the_end.await
        };
        Ok(if failures == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// What all peers may take together, if there is a limit; it must be enough for one.
fn memory_budget(size: Option<ByteSize>, max_message: usize) -> Result<Option<MemoryBudget>, Failure> {
    let Some(size) = size else {
        return Ok(None);
    };
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    let needed = queue(max_message).saturating_mul(2);
    if bytes < needed {
        let needed = ByteSize::from(needed);
        let message = format!("a memory budget of {size} is too small: the queues of one peer may take {needed}");
        return Err(Failure::new("usage", "wrong_usage", message).with_exit_status(Failure::EXIT_USAGE));
    }
    Ok(Some(MemoryBudget::new(bytes)))
}

/// What all connections of a listener share.
struct Service {
    server: Arc<Server>,
    exchange: Exchange,
    peers: Peers,
    /// Cancelled when standard input has ended after it had something to send.
    input_ended: CancellationToken,
}

impl Service {
    /// Serves someone who was accepted.
    async fn serve(self: Arc<Self>, guest: Guest) -> Result<(), Failure> {
        let Guest {
            number,
            remote,
            peer,
            report,
        } = guest;
        let tally = Arc::new(Tally::default());
        let cut_off = Arc::new(AtomicBool::new(false));
        let _registered = self.peers.insert(
            number,
            Connected {
                sender: peer.sender(),
                control: peer.control(),
                remote,
                tally: tally.clone(),
                report: report.clone(),
                since: Instant::now(),
                cut_off: cut_off.clone(),
                patience: Arc::new(Mutex::new(Patience::new(self.server.session.close_timeout))),
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
        let session = &self.server.session;
        let outcome = self.exchange.run(session, peer, &tally, input, false, &report).await;
        // That has been told, and is a failure of this connection.
        if cut_off.load(Relaxed) {
            outcome.and(Err(unread()))
        } else {
            outcome
        }
    }

    /// Sends each line of standard input to everyone who is connected. Lines wait while nobody is.
    async fn send_input(&self) {
        if !self.exchange.sends_input() {
            return;
        }
        let mut lines = Lines::new(tokio::io::stdin(), self.server.session.max_message);
        let mut sent_any = false;
        loop {
            match lines.next().await {
                Ok(Some(line)) => {
                    sent_any = true;
                    let peers = self.peers.wait_for_some().await;
                    send_to_all(peers, &line, self.server.session.close_timeout).await;
                }
                // Without any input, as from /dev/null, the connections are left alone.
                Ok(None) => break,
                Err(failure) => {
                    self.server.report.error(&failure);
                    break;
                }
            }
        }
        if sent_any {
            self.input_ended.cancel();
        }
    }
}

fn unread() -> Failure {
    Failure::new("session", "timeout", "the remote does not read what is sent to it")
}
