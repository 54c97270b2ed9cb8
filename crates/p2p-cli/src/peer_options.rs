//! The options that every command with a connection has, and what is made of them.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use p2p_crypto::Difficulty;
use p2p_framing::ChunkSize;
use p2p_io_scheduler::{BytesPerSecond, IoScheduler, Limits};
use p2p_socket::{Config, ConnectionOptions, NodeMetadata, Packing, SupportedVersions};
use tokio_util::sync::CancellationToken;

use crate::{failure::Failure, identity, network::Network, session::Session, units::seconds};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Peer options")]
pub(crate) struct PeerOptions {
    /// The identity file to use; a fresh identity for this run if there is none.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The proof of work that the remote must show, and that a fresh identity gets.
    ///
    /// 0 demands none and is ready at once. Nodes of the public networks demand 26, which takes some seconds to make.
    #[arg(long, value_name = "D", default_value_t = Difficulty::NONE)]
    difficulty: Difficulty,
    /// The network to announce and to demand of the remote: mainnet, ghostnet, shadownet, sandbox, or a chain name.
    #[arg(long, visible_alias = "chain", value_name = "NAME", default_value = "mainnet")]
    network: Network,
    /// Accept a remote of any chain and version; it is refused with a nack otherwise.
    #[arg(long)]
    any_version: bool,
    /// Ask the remote not to tell others about us.
    #[arg(long)]
    private: bool,
    /// Ask the remote for no operations that are not in a block.
    #[arg(long)]
    disable_mempool: bool,
    /// The port to advertise; without this option `listen` advertises its own, and the others none (0).
    #[arg(long, value_name = "PORT")]
    advertise: Option<u16>,
    /// How long connecting, authenticating and accepting may take each.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = seconds)]
    timeout: Duration,
    /// How long sending what is queued may take when closing, how long a remote may take nothing while a message waits, and for
    /// how long in all it may make others wait that read faster.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds)]
    close_timeout: Duration,
    /// The most to send over all connections together, per second: 500kB, 20MB, 1MiB or a number of bytes.
    #[arg(long, value_name = "RATE")]
    max_upload: Option<BytesPerSecond>,
    /// The most to receive over all connections together, per second.
    #[arg(long, value_name = "RATE")]
    max_download: Option<BytesPerSecond>,
    /// How many bytes a chunk that we send may have on the wire: 19 to 65535.
    #[arg(long, value_name = "BYTES", default_value = "65535", value_parser = chunk_size)]
    chunk_size: ChunkSize,
    /// Begin a new chunk with each message, as the reference implementation does.
    #[arg(long)]
    one_message_per_chunk: bool,
}

impl PeerOptions {
    /// What connections of these options share. `port` is where we listen, if we do.
    pub(crate) async fn session(
        self,
        port: Option<u16>,
        max_message: usize,
        interrupt: &CancellationToken,
    ) -> Result<Session, Failure> {
        let identity = match &self.identity {
            Some(file) => identity::read(file)?,
            None => identity::generate(self.difficulty, interrupt).await?,
        };
        let versions = SupportedVersions::current(self.network.chain_name());
        let limits = Limits {
            download: self.max_download,
            upload: self.max_upload,
        };
        let config = Config::new(identity, versions.announced())
            .required_difficulty(self.difficulty)
            .advertised_port(self.advertise.or(port).unwrap_or(0))
            .handshake_timeout(self.timeout)
            .scheduler(IoScheduler::new(limits))
            .cancellation(interrupt.clone());
        let queue = queue(max_message);
        let options = ConnectionOptions {
            chunk_size: self.chunk_size,
            packing: if self.one_message_per_chunk {
                Packing::OneMessagePerChunk
            } else {
                Packing::Packed
            },
            incoming_queue: queue,
            outgoing_queue: queue,
        };
        Ok(Session {
            config,
            interrupt: interrupt.clone(),
            versions: (!self.any_version).then_some(versions),
            metadata: NodeMetadata {
                disable_mempool: self.disable_mempool,
                private_node: self.private,
            },
            options,
            max_message,
            timeout: self.timeout,
            close_timeout: self.close_timeout,
        })
    }
}

/// The bound of each queue in bytes: it has to hold the largest message with its length, and a chunk beside it.
pub(crate) fn queue(max_message: usize) -> usize {
    let queue = max_message.saturating_add(ConnectionOptions::MIN_INCOMING_QUEUE);
    queue.max(ConnectionOptions::DEFAULT_QUEUE)
}

fn chunk_size(text: &str) -> Result<ChunkSize, String> {
    let bytes: usize = text.parse().map_err(|_| "a number of bytes is expected".to_owned())?;
    ChunkSize::new(bytes).map_err(|error| error.to_string())
}
