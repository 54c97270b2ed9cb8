//! Resident memory of connections. Each measurement runs in a process of its own, so that what others left in the
//! allocator does not count.

use std::{net::SocketAddr, process::Command, time::Duration};

use bytes::Bytes;
use p2p_crypto::Role;
use tokio::net::{TcpListener, TcpStream};

use super::peers::{Channel, NaiveHalves, Ours, Peer};

/// The argument that makes the report measure memory: the peer and the number of connections follow.
pub(crate) const ARGUMENT: &str = "--memory-of";

/// How many connections have a burst, and what waits to be received then.
pub(crate) const BURSTS: usize = 100;
pub(crate) const BURST_BYTES: usize = 4 << 20;

/// Bytes for one end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// When it has just been accepted.
    pub(crate) idle: f64,
    /// After it has carried one message of 64 KiB each way.
    pub(crate) used: f64,
    /// After [`BURSTS`] of them had a burst, one after the other.
    pub(crate) after_burst: f64,
}

/// Runs this program again to measure.
pub(crate) fn measure(peer: &str, connections: usize) -> Result<Resident, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args([ARGUMENT, peer, &connections.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match figures[..] {
        [idle, used, after_burst] => Ok(Resident {
            idle,
            used,
            after_burst,
        }),
        _ => Err(format!(
            "measuring the memory of {peer} failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The other side of [`measure`].
pub(crate) fn measure_here(peer: &str, connections: &str) -> Result<(), String> {
    let connections = connections
        .parse()
        .map_err(|_| format!("not a number: {connections}"))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    let resident = runtime.block_on(async {
        match peer {
            "ours" => Ok(resident(&Ours::new(), connections, true).await),
            "naive" => Ok(resident(&NaiveHalves, connections, false).await),
            "plain" => Ok(resident(&Streams, connections, false).await),
            _ => Err(format!("no memory is measured for `{peer}`")),
        }
    })?;
    println!("{} {} {}", resident.idle, resident.used, resident.after_burst);
    Ok(())
}

async fn resident<P: Peer>(peer: &P, connections: usize, bursts: bool) -> Resident {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut pairs = Vec::with_capacity(connections);
    let message = Bytes::from(vec![7; 64 * 1024]);
    // What the first ones need, all share.
    for _ in 0..16 {
        let (mut here, mut there) = connect(peer, &listener, address).await;
        one_message(&mut here, &mut there, &message).await;
        if bursts {
            burst(&mut here, &mut there, &message).await;
        }
    }
    settle().await;
    let before = resident_bytes();
    for _ in 0..connections {
        pairs.push(connect(peer, &listener, address).await);
    }
    settle().await;
    let per_end = |bytes: f64| (bytes - before) / (2 * connections) as f64;
    let idle = per_end(resident_bytes());
    for (here, there) in &mut pairs {
        one_message(here, there, &message).await;
        one_message(there, here, &message).await;
    }
    settle().await;
    let used = per_end(resident_bytes());
    if bursts {
        for (here, there) in pairs.iter_mut().take(BURSTS) {
            burst(here, there, &message).await;
        }
        settle().await;
    }
    Resident {
        idle,
        used,
        after_burst: per_end(resident_bytes()),
    }
}

async fn one_message<C: Channel>(from: &mut C, to: &mut C, message: &Bytes) {
    tokio::join!(
        async {
            from.send(message).await;
            from.flush().await;
        },
        to.receive(message.len())
    );
}

/// Has many messages wait at the receiver, and receives them.
async fn burst<C: Channel>(from: &mut C, to: &mut C, message: &Bytes) {
    let messages = BURST_BYTES / message.len();
    for _ in 0..messages {
        from.send(message).await;
    }
    from.flush().await;
    for _ in 0..messages {
        to.receive(message.len()).await;
    }
}

async fn connect<P: Peer>(peer: &P, listener: &TcpListener, address: SocketAddr) -> (P::Channel, P::Channel) {
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (accepted, dialler) = accepted.unwrap();
    tokio::join!(
        peer.connect(dialled.unwrap(), Role::Initiator, address),
        peer.connect(accepted, Role::Responder, dialler)
    )
}

/// Bare TCP streams, without even a buffer.
struct Streams;

struct Bare(TcpStream);

impl Peer for Streams {
    type Channel = Bare;

    async fn connect(&self, io: TcpStream, _: Role, _: SocketAddr) -> Bare {
        Bare(io)
    }
}

impl Channel for Bare {
    async fn send(&mut self, message: &Bytes) {
        tokio::io::AsyncWriteExt::write_all(&mut self.0, message).await.unwrap();
    }

    async fn flush(&mut self) {}

    async fn receive(&mut self, size: usize) -> u8 {
        let mut message = vec![0; size];
        tokio::io::AsyncReadExt::read_exact(&mut self.0, &mut message)
            .await
            .unwrap();
        super::peers::look_at(&message)
    }
}

/// Until every task waits.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// The resident set of this process.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .split_whitespace()
            .next()?
            .parse::<f64>()
            .ok()
    });
    1024.0 * kilobytes.unwrap_or(f64::NAN)
}
