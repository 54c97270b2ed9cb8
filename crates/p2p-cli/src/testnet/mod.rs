//! `p2p testnet`: a network of our own on loopback, to try things on.

mod node;
mod plan;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use clap::Args;
use p2p_crypto::Difficulty;
use p2p_framing::{Point, PointList};
use p2p_socket::{Config, NetworkVersion};
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::{
    node::{LIFETIME, Node},
    plan::{Hostility, Kind, PlannedNode, Shares, plan},
};
use crate::{
    failure::Failure,
    network::Network,
    report::{Event, Report},
    units::counted,
};

const AFTER_HELP: &str = "Examples:
  p2p testnet 20                                         until Ctrl-C
  p2p --json testnet 200 --seed 7 --hostile 30           one line for each node
  p2p testnet 50 --first-port 20000 --network TEST       ports 20000 to 20049

The seed decides what every node is, its key, and whom it knows. The hostile ones hang up, say nothing or garbage, announce \
much and send little, name a hundred neighbours that are none, or talk without an end.

Exit status: 0 never, as it runs until it is interrupted: then 130; 1 if a port can not be had, 2 for a wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Testnet {
    /// How many nodes.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    nodes: u16,
    /// What decides everything but the ports.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// The port of the first node, the others following; free ports without it.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    first_port: Option<u16>,
    /// The network to announce: mainnet, ghostnet, shadownet, sandbox, or a chain name.
    #[arg(long, value_name = "NAME", default_value = "TESTNET")]
    network: Network,
    /// How many in a hundred refuse, naming others.
    #[arg(long, value_name = "PERCENT", default_value_t = 15, value_parser = clap::value_parser!(u8).range(..=33))]
    nacking: u8,
    /// How many in a hundred are dead.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=33))]
    dead: u8,
    /// How many in a hundred are hostile.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=33))]
    hostile: u8,
}

impl Testnet {
    pub(crate) async fn run(self, report: &Report, interrupt: &CancellationToken) -> Result<ExitCode, Failure> {
        let shares = Shares {
            nacking: self.nacking,
            dead: self.dead,
            hostile: self.hostile,
        };
        let planned = plan(self.nodes.into(), shares, self.seed);
        let mut places = Vec::with_capacity(planned.len());
        for (index, node) in planned.iter().enumerate() {
            places.push(Place::take(self.port(index)?, node.kind)?);
        }
        let addresses: Vec<_> = places.iter().map(|place| place.address).collect();
        report.event(&Ready {
            seed: self.seed,
            nodes: planned.len(),
            chain_name: self.network.to_string(),
            entry: addresses[0],
        });
        let running = Running::of(&planned);
        let mut nodes = JoinSet::new();
        // Kept, so that nobody else takes the ports of the dead.
        let mut dead = Vec::new();
        for (index, (planned, place)) in planned.into_iter().zip(places).enumerate() {
            let points = points(&planned, index, &addresses);
            report.detail(&NodeReady {
                index,
                address: place.address,
                kind: planned.kind.name(),
                peer_id: planned.identity.peer_id().to_string(),
                points: points.as_slice().iter().map(Point::to_string).collect(),
            });
            let config = Config::new(planned.identity, NetworkVersion::current(self.network.chain_name()))
                .required_difficulty(Difficulty::NONE)
                .handshake_timeout(LIFETIME)
                .advertised_port(place.address.port());
            let node = Node {
                kind: planned.kind,
                config,
                points,
            };
            match place.socket {
                Socket::Listening(listener) => {
                    nodes.spawn(node.serve(listener));
                }
                Socket::Closed(socket) => dead.push(socket),
            }
        }
        report.event(&running);
        interrupt.cancelled().await;
        Err(Failure::interrupted("testnet"))
    }

    /// The port of a node, 0 for a free one.
    fn port(&self, index: usize) -> Result<u16, Failure> {
        let Some(first) = self.first_port else {
            return Ok(0);
        };
        let port = u16::try_from(index).ok().and_then(|index| first.checked_add(index));
        port.ok_or_else(|| {
            let message = format!("{} nodes from port {first} on would go beyond port 65535", self.nodes);
            Failure::new("usage", "wrong_usage", message).with_exit_status(Failure::EXIT_USAGE)
        })
    }
}

/// What a node names: its neighbours, or for a liar addresses where nobody is.
fn points(planned: &PlannedNode, index: usize, addresses: &[SocketAddr]) -> PointList {
    let points: Vec<Point> = match planned.kind {
        Kind::Hostile(Hostility::Liar) => (0..PointList::MAX_LENGTH)
            .map(|place| {
                let [high, low] = (index as u16).to_be_bytes();
                // On loopback as a whole, and hardly anybody listens there.
                SocketAddr::from((Ipv4Addr::new(127, 100 + high, low, place as u8 + 1), 1)).into()
            })
            .collect(),
        _ => planned
            .neighbours
            .iter()
            .map(|other| addresses[*other].into())
            .collect(),
    };
    PointList::new(points).unwrap_or_default()
}

/// An address on loopback, taken.
struct Place {
    address: SocketAddr,
    socket: Socket,
}

enum Socket {
    Listening(TcpListener),
    /// Bound, but nobody can connect to it.
    Closed(TcpSocket),
}

impl Place {
    fn take(port: u16, kind: Kind) -> Result<Self, Failure> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let take = || {
            let socket = TcpSocket::new_v4()?;
            socket.bind(wanted)?;
            let address = socket.local_addr()?;
            let socket = match kind {
                Kind::Dead => Socket::Closed(socket),
                _ => Socket::Listening(socket.listen(1024)?),
            };
            std::io::Result::Ok(Self { address, socket })
        };
        take().map_err(|error| {
            Failure::new(
                "listen",
                "can_not_listen",
                format!("can not listen on {wanted}: {error}"),
            )
        })
    }
}

#[derive(Serialize)]
struct Ready {
    seed: u64,
    nodes: usize,
    chain_name: String,
    entry: SocketAddr,
}

impl Event for Ready {
    const NAME: &'static str = "testnet";
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            nodes,
            chain_name,
            entry,
        } = self;
        write!(
            f,
            "{} of {chain_name} by seed {seed}; try: p2p crawl {entry} --network {chain_name} --interval 0",
            counted(*nodes, "node")
        )
    }
}

#[derive(Serialize)]
struct NodeReady {
    index: usize,
    address: SocketAddr,
    kind: &'static str,
    peer_id: String,
    points: Vec<String>,
}

impl Event for NodeReady {
    const NAME: &'static str = "testnet_node";
}

impl fmt::Display for NodeReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.peer_id, self.address, self.kind)
    }
}

/// How many of the nodes are not as nodes should be, by intent.
#[derive(Serialize)]
struct Running {
    dead: usize,
    hostile: usize,
    /// Addresses that hostile nodes name, and where nobody is.
    made_up_addresses: usize,
}

impl Running {
    fn of(planned: &[PlannedNode]) -> Self {
        let count = |is: fn(&Kind) -> bool| planned.iter().filter(|node| is(&node.kind)).count();
        let liars = count(|kind| *kind == Kind::Hostile(Hostility::Liar));
        Self {
            dead: count(|kind| *kind == Kind::Dead),
            hostile: count(|kind| matches!(kind, Kind::Hostile(_))),
            made_up_addresses: liars * PointList::MAX_LENGTH,
        }
    }
}

impl Event for Running {
    const NAME: &'static str = "testnet_running";
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dead,
            hostile,
            made_up_addresses,
        } = self;
        if dead + hostile > 0 {
            write!(
                f,
                "by intent, {dead} of them {} dead and {hostile} hostile",
                if *dead == 1 { "is" } else { "are" }
            )?;
            if *made_up_addresses > 0 {
                write!(f, ", and {made_up_addresses} addresses that are named are made up")?;
            }
            writeln!(f, ": calls on them may fail")?;
        }
        f.write_str("running until Ctrl-C")
    }
}
