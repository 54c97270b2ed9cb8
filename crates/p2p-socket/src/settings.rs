use std::{sync::Arc, time::Duration};

use p2p_crypto::{Difficulty, Identity};
use p2p_io_scheduler::{ByteSize, IoScheduler, Limits};
use serde::{Deserialize, Serialize};

use crate::{
    AdmissionLimits, ChainName, Config, ConnectionOptions, InvalidOptions, MemoryBudget, NetworkVersion, human,
};

/// What a program lets its users set in a configuration file, in any format that serde knows.
///
/// Only the chain name must be there. Sizes, rates and times have units: `"64 KiB"`, `"10 MB/s"`, `"5s"`. A field that does
/// not exist is an error, and so is, when it comes to [`config`](Self::config), a value that contradicts another one.
///
/// ```
/// use p2p_crypto::{Difficulty, Identity};
/// use p2p_socket::Settings;
///
/// let settings: Settings = toml::from_str(
///     r#"
///     chain_name = "MY_NETWORK"
///     required_difficulty = 0
///     handshake_timeout = "2s"
///     memory_budget = "512 MiB"
///
///     [limits]
///     upload = "10 MB/s"
///
///     [connection]
///     incoming_queue = "1 MiB"
///
///     [admission]
///     half_open = 1000
///     "#,
/// )?;
/// let config = settings.config(Identity::generate(Difficulty::NONE))?;
/// assert_eq!(config.announced_version().chain_name, settings.chain_name);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The network. Its current version is announced.
    pub chain_name: ChainName,
    /// See [`Config::required_difficulty`]; that of mainnet by default.
    #[serde(default = "mainnet", with = "human::difficulty")]
    pub required_difficulty: Difficulty,
    /// See [`Config::advertised_port`]; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertised_port: Option<u16>,
    /// See [`Config::handshake_timeout`]; [`Config::DEFAULT_HANDSHAKE_TIMEOUT`] by default.
    #[serde(default = "default_handshake_timeout", with = "human::duration")]
    pub handshake_timeout: Duration,
    /// The size of the [`MemoryBudget`]; without one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_budget: Option<ByteSize>,
    /// How fast all connections together may go; without a limit by default.
    #[serde(default)]
    pub limits: Limits,
    /// How connections behave, to [accept](crate::Authenticated::accept) them with.
    #[serde(default)]
    pub connection: ConnectionOptions,
    /// What strangers may take of a listener, to make an [`Admission`](crate::Admission) of.
    #[serde(default)]
    pub admission: AdmissionLimits,
}

impl Settings {
    /// The defaults for a network.
    #[must_use]
    pub fn new(chain_name: ChainName) -> Self {
        Self {
            chain_name,
            required_difficulty: mainnet(),
            advertised_port: None,
            handshake_timeout: default_handshake_timeout(),
            memory_budget: None,
            limits: Limits::default(),
            connection: ConnectionOptions::default(),
            admission: AdmissionLimits::default(),
        }
    }

    /// A configuration for `identity`, with a scheduler and a memory budget of its own.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] if settings contradict each other.
    pub fn config(&self, identity: impl Into<Arc<Identity>>) -> Result<Config, InvalidSettings> {
        self.validate()?;
        let config = Config::new(identity, NetworkVersion::current(self.chain_name.clone()))
            .required_difficulty(self.required_difficulty)
            .advertised_port(self.advertised_port.unwrap_or(0))
            .handshake_timeout(self.handshake_timeout)
            .scheduler(IoScheduler::new(self.limits));
        Ok(match self.memory_budget {
            Some(budget) => config.memory_budget(MemoryBudget::new(saturated(budget))),
            None => config,
        })
    }

    fn validate(&self) -> Result<(), InvalidSettings> {
        self.connection.validate()?;
        let Self {
            connection, admission, ..
        } = self;
        if self.handshake_timeout.is_zero() {
            return Err(InvalidSettings::HandshakeTimeout);
        }
        let chunk_size = connection.chunk_size.bytes();
        if connection.outgoing_queue < chunk_size {
            return Err(InvalidSettings::OutgoingQueue {
                value: connection.outgoing_queue.into(),
                chunk_size: chunk_size.into(),
            });
        }
        let needed = connection.incoming_queue.saturating_add(connection.outgoing_queue);
        if let Some(value) = self.memory_budget
            && saturated(value) < needed
        {
            let needed = needed.into();
            return Err(InvalidSettings::MemoryBudget { value, needed });
        }
        if admission.half_open_per_network > admission.half_open {
            return Err(InvalidSettings::HalfOpen {
                per_network: admission.half_open_per_network,
                in_all: admission.half_open,
            });
        }
        Ok(())
    }
}

/// More memory than there is, is as much as one likes.
fn saturated(size: ByteSize) -> usize {
    size.try_into().unwrap_or(usize::MAX)
}

fn mainnet() -> Difficulty {
    Difficulty::MAINNET
}

fn default_handshake_timeout() -> Duration {
    Config::DEFAULT_HANDSHAKE_TIMEOUT
}

/// Settings that contradict each other. Each says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// The options of connections are invalid in themselves.
    #[error("[connection]: {0}")]
    Connection(#[from] InvalidOptions),
    /// No chunk would ever be full.
    #[error(
        "[connection]: an outgoing_queue of {value} holds no chunk of {chunk_size}; write at least \"{chunk_size}\", or a smaller chunk_size"
    )]
    OutgoingQueue {
        /// The queue.
        value: ByteSize,
        /// The chunk.
        chunk_size: ByteSize,
    },
    /// Nobody is that fast.
    #[error("a handshake_timeout of 0 lets nobody in; write a time such as \"5s\"")]
    HandshakeTimeout,
    /// The queues of a single connection exceed the budget.
    #[error(
        "a memory_budget of {value} has no room for the queues of one connection; write at least \"{needed}\", or smaller queues in [connection]"
    )]
    MemoryBudget {
        /// The budget.
        value: ByteSize,
        /// Both queues.
        needed: ByteSize,
    },
    /// One network may have more half-open connections than there are.
    #[error(
        "[admission]: half_open_per_network = {per_network} is more than half_open = {in_all}; write at most {in_all}, or a greater half_open"
    )]
    HalfOpen {
        /// Of one network.
        per_network: usize,
        /// In all.
        in_all: usize,
    },
}
