//! `p2p crawl`: walk through a network from node to node.

mod frontier;
mod picture;
mod record;
mod state_file;
mod summary;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use p2p_framing::{PointList, encoding::ControlMessage};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    frontier::{Frontier, Next},
    record::{CallResult, Record},
    state_file::StateFile,
    summary::Summary,
};
use crate::{
    bars,
    endpoint::Endpoint,
    failure::Failure,
    probe::part,
    report::Report,
    units::{counted, doing, seconds_or_zero},
    visit::{Answer, Node, VisitOptions, Visitor},
};

const AFTER_HELP: &str = "Examples:
  p2p crawl boot.example.org --identity identity.json --state crawl.jsonl --svg crawl.svg
  p2p testnet 200 --seed 7                               a network to try it on, and then:
  p2p crawl 127.0.0.1:PORT --network TESTNET --interval 0

The first one, given again after Ctrl-C or a crash, goes on from its state file.

Each node is called once: it is asked for peers if it takes us, and its alternatives are read if it does not. The same IPv4 \
address, or IPv6 network of 64 bits, is called at most once in --interval. A node can only name addresses that reach as far as its own: none of the \
internet can send us into our own network.

Exit status: 0 if all that could be found was called, 1 if a file can not be written, 2 for a wrong usage, 3 to 5 for an \
unusable identity file, 9 if none of the seeds could be looked up, 130 if interrupted.";

/// No seed could be looked up.
const NOT_REACHED: u8 = 9;

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Crawl {
    /// Where to begin; without a port it is 9732.
    #[arg(value_name = "HOST[:PORT]", required = true)]
    seeds: Vec<Endpoint>,
    #[command(flatten)]
    visit: VisitOptions,
    /// The least time between two calls on the same IPv4 address or IPv6 network of 64 bits.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds_or_zero)]
    interval: Duration,
    /// How many addresses to know at most; more are counted and forgotten.
    ///
    /// The nodes of an IPv4 /24 or IPv6 /48 together may name as many as there is still room for, half of them at most: so
    /// there is always room for what others name.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_addresses: u32,
    /// Write every call to this file, a line of JSON each, and go on from what is in it.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Draw what was found into this file at the end.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Crawl {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        self.svg.as_deref().map_or(Ok(()), picture::check)?;
        let network = self.visit.network.to_string();
        let opened = self.state.as_deref().map(|path| StateFile::open(path, &network));
        let (state, before) = opened
            .transpose()?
            .map_or((None, Vec::new()), |(state, before)| (Some(state), before));
        let visitor = Arc::new(self.visit.visitor(interrupt).await?.visible());
        let mut walk = Walk {
            frontier: Frontier::new(self.interval, usize::try_from(self.max_addresses).unwrap_or(usize::MAX)),
            distances: HashMap::new(),
            records: Vec::new(),
            state,
            view: View::start(),
        };
        // All of them first: nobody is to be called again because another one named it.
        before
            .iter()
            .for_each(|record| walk.frontier.mark_called(record.address));
        before.into_iter().for_each(|record| walk.remember(record));
        self.add_seeds(&mut walk, &visitor, report).await?;
        let walked = walk.go(&visitor, self.visit.concurrency.into(), report).await;
        walk.view.bar.finish_and_clear();
        let drawn = self
            .svg
            .as_deref()
            .map_or(Ok(()), |path| picture::write(path, &walk.records));
        // Whatever went wrong, what was found is told.
        let frontier = &walk.frontier;
        report.event(&Summary::new(
            &walk.records,
            frontier.known(),
            frontier.waiting(),
            frontier.refused(),
        ));
        walked.and(drawn)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Looks the seeds up. One that has no address is told; only if none has one there is nothing to do.
    async fn add_seeds(&self, walk: &mut Walk, visitor: &Visitor, report: &Report) -> Result<(), Failure> {
        let mut last = None;
        for seed in &self.seeds {
            match seed.resolve(visitor.timeout).await {
                Ok(addresses) => addresses.into_iter().for_each(|address| walk.add_seed(address)),
                Err(failure) => {
                    if let Some(before) = last.replace(failure) {
                        report.error(&before);
                    }
                }
            }
        }
        match last {
            Some(failure) if walk.frontier.known() == 0 => Err(failure.with_exit_status(NOT_REACHED)),
            Some(failure) => {
                report.error(&failure);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A crawl on its way.
struct Walk {
    frontier: Frontier,
    /// How many steps from the seeds an address was first heard of.
    distances: HashMap<SocketAddr, u32>,
    records: Vec<Record>,
    state: Option<StateFile>,
    view: View,
}

impl Walk {
    fn add_seed(&mut self, address: SocketAddr) {
        let address = canonical(address);
        self.distances.entry(address).or_insert(0);
        self.frontier.add_seed(address, Instant::now());
    }

    /// Calls on everyone that can be found.
    async fn go(&mut self, visitor: &Arc<Visitor>, concurrency: usize, report: &Report) -> Result<(), Failure> {
        let mut calls = JoinSet::new();
        loop {
            let mut pause = None;
            while calls.len() < concurrency && !visitor.interrupt.is_cancelled() {
                match self.frontier.next(Instant::now()) {
                    Next::Call(address) => {
                        let visitor = visitor.clone();
                        let distance = self.distances.get(&address).copied().unwrap_or(0);
                        calls.spawn(async move { call(&visitor, address, distance).await });
                    }
                    Next::At(time) => {
                        pause = Some(time);
                        break;
                    }
                    Next::Nobody => break,
                }
            }
            self.view.show(self, calls.len());
            if calls.is_empty() && (pause.is_none() || visitor.interrupt.is_cancelled()) {
                return Ok(());
            }
            let pause_ends = async {
                match pause {
                    Some(time) => sleep_until(time.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(called) = calls.join_next() => {
                    let record = called.map_err(|error| Failure::caused_by("crawl", "call_failed", &error))?;
                    // A call that was broken off says nothing of the node: the next crawl makes it again.
                    if record.error.as_deref() == Some("cancelled") || record.error.as_deref() == Some("interrupted") {
                        continue;
                    }
                    if let Some(state) = &mut self.state {
                        state.add(&record)?;
                    }
                    report.detail(&record);
                    self.remember(record);
                }
                () = pause_ends => {}
                // The calls end by themselves then.
                () = visitor.interrupt.cancelled(), if !visitor.interrupt.is_cancelled() => {}
            }
        }
    }

    /// Counts a call that was made, and takes the addresses that it brought.
    fn remember(&mut self, record: Record) {
        self.frontier.mark_called(record.address);
        self.distances.entry(record.address).or_insert(record.distance);
        let now = Instant::now();
        for point in &record.points {
            let point = canonical(*point);
            self.frontier.add(point, record.address, now);
            self.distances.entry(point).or_insert(record.distance.saturating_add(1));
        }
        self.view.count(record.result);
        self.records.push(record);
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Calls on one node, and asks it for peers.
async fn call(visitor: &Visitor, address: SocketAddr, distance: u32) -> Record {
    let mut visit = visitor.visit(address).await;
    let mut advertised = PointList::default();
    if let Answer::Taken(node) = &mut visit.answer {
        // Someone who talks without an end, or not at all, gets no more time than a step of the handshake.
        advertised = timeout(visitor.timeout, ask(node))
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        part(node).await;
    }
    Record::new(address, distance, &visit, &advertised)
}

/// How much else a node may say before it names its peers, in bytes.
///
/// # Security
///
/// Without it, someone who talks as fast as we read would keep a core busy until the deadline.
const MAX_TALK: usize = 4 * 1024 * 1024;

/// The addresses that a node names first.
async fn ask(node: &mut Node) -> Option<PointList> {
    node.send(ControlMessage::Bootstrap).await.ok()?;
    let mut heard = 0_usize;
    while heard < MAX_TALK {
        let received = node.recv().await.ok()?;
        if let ControlMessage::Advertise(points) = received.message {
            return Some(points);
        }
        heard = heard.saturating_add(received.encoded_size);
    }
    None
}

/// The live view, on a terminal.
struct View {
    bar: ProgressBar,
    taken: u64,
    refused: u64,
    failed: u64,
}

impl View {
    fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, bars::target());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            taken: 0,
            refused: 0,
            failed: 0,
        }
    }

    fn count(&mut self, result: CallResult) {
        match result {
            CallResult::Taken => self.taken += 1,
            CallResult::Refused => self.refused += 1,
            CallResult::Failed => self.failed += 1,
        }
    }

    fn show(&self, walk: &Walk, calling: usize) {
        let Self {
            taken, refused, failed, ..
        } = self;
        let (found, waiting) = (walk.frontier.known(), walk.frontier.waiting());
        self.bar.set_message(format!(
            "{found} found: {} us, {}, {failed} failed; {}, {waiting} waiting",
            doing(*taken, "take"),
            doing(*refused, "refuse"),
            counted(calling, "call"),
        ));
    }
}
