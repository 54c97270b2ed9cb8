//! The options of every command that calls on nodes.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use p2p_crypto::Difficulty;
use p2p_socket::{Config, NetworkVersion};
use tokio_util::sync::CancellationToken;

use super::Visitor;
use crate::{failure::Failure, identity, network::Network, units::seconds};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Visitor options")]
pub(crate) struct VisitOptions {
    /// The network to announce: mainnet, ghostnet, shadownet, sandbox, or a chain name.
    #[arg(long, value_name = "NAME", default_value = "mainnet")]
    pub(crate) network: Network,
    /// The identity file to use; a fresh identity for this run if there is none.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The proof of work that a fresh identity gets, if there is no `--identity`.
    ///
    /// The default is ready at once, and too little for nodes of the public networks, which demand 26 and hang up on
    /// less. They still tell who they are before.
    #[arg(long, value_name = "D", default_value = "12")]
    difficulty: Difficulty,
    /// How long looking up a name, connecting, authenticating and the answer may take each.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// How many nodes to call at a time.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) concurrency: u16,
}

impl VisitOptions {
    /// Reads or makes the identity.
    pub(crate) async fn visitor(&self, interrupt: &CancellationToken) -> Result<Visitor, Failure> {
        let identity = match &self.identity {
            Some(file) => identity::read(file)?,
            None => identity::generate(self.difficulty, interrupt).await?,
        };
        let difficulty_reached = identity.stamp().difficulty_reached(&identity.public_key());
        // Whatever a node shows is told, so nothing is demanded of it.
        let config = Config::new(identity, NetworkVersion::current(self.network.chain_name()))
            .required_difficulty(Difficulty::NONE)
            .handshake_timeout(self.timeout)
            .cancellation(interrupt.clone());
        Ok(Visitor {
            config,
            timeout: self.timeout,
            difficulty_reached,
            private: true,
            interrupt: interrupt.clone(),
        })
    }
}
