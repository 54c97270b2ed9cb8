//! `p2p bench`: what a connection to somewhere else can do.
//!
//! ```text
//! client  request (what, size, time)        payload … payload  end
//! server                              ready                         result (count)
//! ```
//!
//! A download goes the other way, and an echo both. Every message has a number and contents that depend on it; whoever
//! receives it checks both, and whoever receives them counts.

mod channel;
mod events;
mod latency;
mod measure;
mod message;
mod pattern;
mod serve;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use self::{message::MAX_MESSAGE, pattern::Pattern};
use crate::{
    dial::Target, endpoint::bind_address, events::Listening, failure::Failure, peer_options::PeerOptions,
    report::Report, server, units::seconds,
};

const AFTER_HELP: &str = "Examples:
  p2p bench --serve --bind 0.0.0.0:9732                  over there
  p2p bench 192.0.2.7:9732                               here
  p2p --json bench 192.0.2.7:9732 --duration 10s | jq .

It measures one after the other: round trips of single messages of 100 bytes; the throughput each way in large messages, then \
in messages of 100 bytes; and handshakes, several at a time. Rates are of what has arrived, counted and checked by whoever \
received it, without what encryption adds on the wire. What is on its way when a time is up may take up to --close-timeout.

Exit status: 0 if all was measured, 1 if not, 2 for a wrong usage, 3 to 5 for an unusable identity file, 130 if interrupted.";

/// How many bytes may wait to be sent: what waits when the time is up has still to arrive, and a slow line takes long for it.
/// The largest message has to fit, with what it counts for beyond its bytes.
const QUEUE: usize = MAX_MESSAGE + 64 * 1024;

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Bench {
    /// Where `p2p bench --serve` listens.
    #[arg(value_name = "HOST:PORT")]
    target: Option<Target>,
    /// Be the other side of measurements until interrupted.
    #[arg(long)]
    serve: bool,
    /// With `--serve`, the address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9732", value_parser = bind_address)]
    bind: SocketAddr,
    /// With `--serve`, how many connections to serve at a time. More are refused with a nack.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    max_clients: u16,
    /// With `--serve`, how long to serve a connection at most.
    #[arg(long, value_name = "TIME", default_value = "2min", value_parser = seconds)]
    client_time: Duration,
    /// How long each of the six measurements takes.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = seconds)]
    duration: Duration,
    /// The size in bytes of the messages by which the throughput is measured: 9 to 1048576.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(Pattern::MIN_MESSAGE as i64..=MAX_MESSAGE as i64))]
    message_size: u32,
    /// How many handshakes to have under way at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    #[command(flatten)]
    peer: PeerOptions,
}

impl Bench {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        if self.serve == self.target.is_some() {
            let message = "either the <HOST:PORT> of a server or --serve is expected (see --help)";
            return Err(Failure::new("usage", "wrong_usage", message).with_exit_status(Failure::EXIT_USAGE));
        }
        let Some(target) = self.target else {
            let (listener, address) = server::bind(self.bind).await?;
            let mut session = self.peer.session(Some(address.port()), MAX_MESSAGE, interrupt).await?;
            session.options.outgoing_queue = QUEUE;
            report.event(&Listening {
                address: address.to_string(),
                port: address.port(),
                peer_id: session.config.identity().peer_id().to_string(),
            });
            serve::serve(&listener, session, self.max_clients.into(), self.client_time, report).await;
            return Ok(ExitCode::SUCCESS);
        };
        let mut session = self.peer.session(None, MAX_MESSAGE, interrupt).await?;
        session.options.outgoing_queue = QUEUE;
        let plan = measure::Plan {
            duration: self.duration,
            message_size: self.message_size,
            parallel: self.parallel,
        };
        tokio::select! {
            measured = measure::measure(&plan, &target, &session, report) => measured,
            () = interrupt.cancelled() => Err(Failure::interrupted("bench")),
        }
    }
}
