//! `p2p dial`: connect to a peer and talk to it.

use std::{net::SocketAddr, process::ExitCode, str::FromStr, time::Duration};

use clap::Args;
use p2p_crypto::Role;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    events::Accepted,
    exchange::{self, ExchangeOptions},
    failure::Failure,
    lines::Lines,
    peer_options::PeerOptions,
    report::Report,
    session::{Peer, Session, Tally},
};

#[derive(Debug, Args)]
pub(crate) struct Dial {
    /// Where the peer listens.
    #[arg(value_name = "HOST:PORT")]
    target: Target,
    #[command(flatten)]
    exchange: ExchangeOptions,
    #[command(flatten)]
    peer: PeerOptions,
}

impl Dial {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let Self { target, exchange, peer } = self;
        let exchange = exchange.prepare()?;
        let session = peer.session(None, exchange.max_message(), interrupt).await?;
        let peer = target.open(&session, report).await?;
        let tally = Tally::default();
        let outbox = session.outbox(peer.sender(), &peer.control());
        let input = async {
            if !exchange.sends_input() {
                return Ok(());
            }
            let mut lines = Lines::new(tokio::io::stdin(), exchange.max_message());
            while let Some(line) = lines.next().await? {
                exchange::send(&outbox, line, &tally, report).await?;
            }
            outbox.sender.flush().await.map_err(|error| crate::errors::send(&error))
        };
        let result = exchange.run(&session, peer, &tally, input, true, report).await;
        Ok(if result.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// A host and a port, not yet looked up.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    text: String,
}

impl Target {
    /// Connects and shakes hands.
    pub(crate) async fn open(&self, session: &Session, report: &Report) -> Result<Peer, Failure> {
        let (tcp, remote) = tokio::select! {
            connected = self.connect(session.timeout) => connected?,
            () = session.interrupt.cancelled() => return Err(Failure::interrupted("connect")),
        };
        let peer = session.open(tcp, Role::Initiator, remote, || Ok(()), report).await?;
        report.event(&Accepted);
        Ok(peer)
    }

    /// Tries all addresses of the host one after the other.
    async fn connect(&self, limit: Duration) -> Result<(TcpStream, SocketAddr), Failure> {
        let text = &self.text;
        match timeout(limit, TcpStream::connect(text)).await {
            Ok(Ok(tcp)) => match tcp.peer_addr() {
                Ok(remote) => Ok((tcp, remote)),
                Err(error) => Err(Failure::caused_by("connect", "connection_failed", &error)),
            },
            Ok(Err(error)) => Err(Failure::new(
                "connect",
                "connection_failed",
                format!("can not connect to {text}: {error}"),
            )),
            Err(_) => Err(Failure::new(
                "connect",
                "timeout",
                format!("can not connect to {text}: no answer within {} s", limit.as_secs_f64()),
            )),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match port.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(port)) if port > 0 => Ok(Self { text: text.to_owned() }),
            _ => Err("a host, a colon and a port from 1 to 65535 are expected".to_owned()),
        }
    }
}
