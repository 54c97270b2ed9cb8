//! `p2p listen --top`: who is connected, and how much flows.

mod flow;
mod view;

use std::{collections::HashMap, convert::Infallible, fmt, time::Instant};

use p2p_crypto::Role;
use serde::Serialize;
use tokio::time::{Duration, MissedTickBehavior, interval};

use self::{
    flow::Flow,
    view::{Heading, frame},
};
use super::peers::{Connected, Peers};
use crate::{
    events::Listening,
    report::{Event, Report},
    screen::Screen,
    units::{counted, rate},
};

/// Looks every `pause`, and shows it on the terminal, or tells it a line at a time if there is none. Whatever else is told
/// in the meantime is at the bottom of the terminal.
pub(super) async fn watch(peers: &Peers, listening: &Listening, pause: Duration, report: &Report) -> Infallible {
    let screen = if report.is_json() { None } else { Screen::take() };
    let screen = screen.map(|screen| (report.aside(), screen));
    let mut watched = Watched::default();
    let started = Instant::now();
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let flows = watched.look(&peers.all(), Instant::now());
        match &screen {
            Some((aside, screen)) => {
                let heading = Heading {
                    listening,
                    up: started.elapsed(),
                };
                screen.show(&frame(&heading, &flows, &aside.lines(), screen.size()));
            }
            None => report.event(&flows),
        }
    }
}

/// The flows of those who are connected.
#[derive(Default)]
struct Watched {
    by_number: HashMap<u64, (Flow, Flow)>,
}

impl Watched {
    fn look(&mut self, peers: &[(u64, Connected)], now: Instant) -> Flows {
        self.by_number
            .retain(|number, _| peers.iter().any(|(connected, _)| connected == number));
        let mut connections: Vec<_> = peers
            .iter()
            .map(|(number, peer)| {
                let begin = || (Flow::since(peer.since), Flow::since(peer.since));
                let (inflow, outflow) = self.by_number.entry(*number).or_insert_with(begin);
                let stat = peer.control.stat();
                inflow.read(now, stat.total_received);
                outflow.read(now, stat.total_sent);
                let info = peer.control.info();
                ConnectionFlow {
                    connection: *number,
                    remote_address: peer.remote.to_string(),
                    incoming: info.role == Role::Responder,
                    peer_id: info.peer_id.to_string(),
                    seconds: peer.since.elapsed().as_secs_f64(),
                    weight: peer.control.scheduled().weight().get(),
                    queued: peer.sender.queued_bytes(),
                    inflow: DirectionFlow::of(inflow),
                    outflow: DirectionFlow::of(outflow),
                }
            })
            .collect();
        let sum = |part: fn(&ConnectionFlow) -> &DirectionFlow| {
            let flows = connections.iter().map(part);
            let (now, average) = flows.fold((0.0, 0.0), |(now, average), flow| {
                (now + flow.now, average + flow.average)
            });
            Sum { now, average }
        };
        let (inflow, outflow) = (sum(|flow| &flow.inflow), sum(|flow| &flow.outflow));
        for connection in &mut connections {
            connection.inflow.share = share(connection.inflow.average, inflow.average);
            connection.outflow.share = share(connection.outflow.average, outflow.average);
        }
        // As little moves as possible: by the average, and by age among equals.
        connections.sort_by(|one, other| other.flow().total_cmp(&one.flow()));
        Flows {
            connections,
            inflow,
            outflow,
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// What flows now. The busiest connections are first.
#[derive(Serialize)]
struct Flows {
    inflow: Sum,
    outflow: Sum,
    connections: Vec<ConnectionFlow>,
}

/// What flows one way over all connections, in bytes a second.
#[derive(Serialize)]
struct Sum {
    now: f64,
    /// Over the last ten seconds.
    average: f64,
}

/// What flows over a connection.
#[derive(Serialize)]
struct ConnectionFlow {
    connection: u64,
    remote_address: String,
    incoming: bool,
    peer_id: String,
    /// How long it has been connected.
    seconds: f64,
    weight: u32,
    /// How many bytes wait to be sent.
    queued: usize,
    inflow: DirectionFlow,
    outflow: DirectionFlow,
}

impl ConnectionFlow {
    fn flow(&self) -> f64 {
        self.inflow.average + self.outflow.average
    }
}

/// What flows over a connection one way, in bytes a second on the wire.
#[derive(Serialize)]
struct DirectionFlow {
    now: f64,
    /// Over the last ten seconds.
    average: f64,
    /// What part that is of all that flows this way, from 0 to 1.
    share: f64,
    /// Since the beginning, in bytes.
    total: u64,
}

impl DirectionFlow {
    /// The share is filled in when the whole is known.
    fn of(flow: &Flow) -> Self {
        Self {
            now: flow.now(),
            average: flow.average(),
            share: 0.0,
            total: flow.total(),
        }
    }
}

impl Event for Flows {
    const NAME: &'static str = "flows";
}

impl fmt::Display for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.connections.len();
        let queued: usize = self.connections.iter().map(|connection| connection.queued).sum();
        write!(
            f,
            "{count} connected: {} out, {} in; in the last 10 s {} out, {} in; {} to be sent",
            rate(self.outflow.now),
            rate(self.inflow.now),
            rate(self.outflow.average),
            rate(self.inflow.average),
            counted(queued, "byte"),
        )
    }
}
