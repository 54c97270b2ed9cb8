//! `p2p probe`: call on nodes and tell what they are.

mod probed;

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use p2p_framing::encoding::ControlMessage;
use p2p_socket::{DisconnectionReason, Drain};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::probed::{Probed, Table};
use crate::{
    bars,
    endpoint::Endpoint,
    failure::Failure,
    log::colours,
    report::Report,
    visit::{Answer, Node, Step, Visit, VisitOptions, Visitor},
};

const AFTER_HELP: &str = "Examples:
  p2p probe node.example.org                          the default port, on mainnet
  p2p probe 192.0.2.7:9732 [2001:db8::7]:9732 --network ghostnet
  p2p --json probe $(cat nodes.txt) --identity identity.json > nodes.jsonl

The difficulty of a node is what its stamp reaches, by luck often more than the 26 that it had to. The times are those of \
the TCP connection, about one round trip, and of the handshake after that.

Exit status: 0 if every target has answered, be it with a refusal, 9 if one has not, 2 for a wrong usage, 3 to 5 for an \
unusable identity file as `p2p identity show` tells, 130 if interrupted.";

/// A target did not answer.
const NOT_REACHED: u8 = 9;

/// How long parting may take. Nothing is lost if it does not.
const PARTING: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Probe {
    /// The nodes to call; without a port it is 9732.
    #[arg(value_name = "HOST[:PORT]", required = true)]
    targets: Vec<Endpoint>,
    #[command(flatten)]
    visit: VisitOptions,
}

impl Probe {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let visitor = Arc::new(self.visit.visitor(interrupt).await?);
        let count = self.targets.len();
        let mut waiting = self.targets.into_iter().enumerate();
        let mut calls = JoinSet::new();
        let mut probed = Vec::with_capacity(count);
        let progress = progress(count);
        loop {
            while calls.len() < self.visit.concurrency.into()
                && !interrupt.is_cancelled()
                && let Some((index, target)) = waiting.next()
            {
                let visitor = visitor.clone();
                calls.spawn(async move { (index, probe(&visitor, &target).await) });
            }
            match calls.join_next().await {
                Some(Ok((index, result))) => {
                    report.detail(&result);
                    probed.push((index, result));
                    progress.inc(1);
                }
                Some(Err(error)) => return Err(Failure::caused_by("probe", "probe_failed", &error)),
                None => break,
            }
        }
        progress.finish_and_clear();
        probed.sort_by_key(|(index, _)| *index);
        let probed: Vec<_> = probed.into_iter().map(|(_, probed)| probed).collect();
        report.text(&Table {
            probed: &probed,
            colours: colours(&io::stdout()),
            columns: Term::stdout().size_checked().map(|(_, columns)| columns.into()),
        });
        Ok(if probed.iter().all(Probed::is_reached) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NOT_REACHED)
        })
    }
}

/// How many have been called, on a terminal: the table comes only when all have been.
fn progress(count: usize) -> ProgressBar {
    let progress = ProgressBar::with_draw_target(Some(count as u64), bars::target());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {pos} of {len} called") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}

/// Calls on the first address of `target` that takes a connection.
async fn probe(visitor: &Visitor, target: &Endpoint) -> Probed {
    let resolved = tokio::select! {
        resolved = target.resolve(visitor.timeout) => resolved,
        () = visitor.interrupt.cancelled() => Err(Failure::interrupted("resolve")),
    };
    let mut last = match resolved {
        Err(failure) => return Probed::new(target, None, visitor, &Visit::failed(Step::Resolve, failure)),
        Ok(addresses) => {
            let mut last = None;
            for address in addresses {
                let visit = visitor.visit(address).await;
                let connected = visit.connected_in.is_some();
                last = Some((address, visit));
                if connected {
                    break;
                }
            }
            last
        }
    };
    let Some((address, visit)) = &mut last else {
        let failure = Failure::new("resolve", "name_not_found", "the name has no address");
        return Probed::new(target, None, visitor, &Visit::failed(Step::Resolve, failure));
    };
    let probed = Probed::new(target, Some(*address), visitor, visit);
    if let Answer::Taken(node) = &visit.answer {
        part(node).await;
    }
    probed
}

/// Says goodbye, as nodes do.
pub(crate) async fn part(node: &Node) {
    // Whether it hears that makes no difference to us.
    let _ = node.try_send(ControlMessage::Disconnect);
    let _ = node
        .close(DisconnectionReason::ExplicitRequest, Drain::Flush(PARTING))
        .await;
}
