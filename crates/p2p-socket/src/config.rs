use std::{sync::Arc, time::Duration};

use p2p_crypto::{Difficulty, Identity, InstructionSet};
use p2p_io_scheduler::IoScheduler;
use tokio_util::sync::CancellationToken;

use crate::{MemoryBudget, NetworkVersion};

/// What we are and what we demand, the same for every connection. Cheap to clone. With the feature `serde`, `Settings` makes
/// one from a configuration file.
///
/// ```
/// use std::time::Duration;
/// use p2p_crypto::{Difficulty, Identity};
/// use p2p_socket::{ChainName, Config, NetworkVersion};
///
/// let identity = Identity::generate(Difficulty::try_from(1.0)?);
/// let config = Config::new(identity, NetworkVersion::current(ChainName::from("MY_NETWORK")))
///     .required_difficulty(Difficulty::try_from(1.0)?)
///     .advertised_port(9732)
///     .handshake_timeout(Duration::from_secs(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) identity: Arc<Identity>,
    pub(crate) announced_version: NetworkVersion,
    pub(crate) required_difficulty: Difficulty,
    pub(crate) advertised_port: Option<u16>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) scheduler: IoScheduler,
    pub(crate) cancellation: CancellationToken,
    pub(crate) memory_budget: Option<MemoryBudget>,
    pub(crate) instruction_set: InstructionSet,
    pub(crate) decides_at_once: bool,
}

impl Config {
    /// How long a handshake may take, unless told otherwise: 5 seconds, as in the reference
    /// (`authentication_timeout`).
    ///
    /// # Security
    ///
    /// A remote that says nothing, or one byte a second, holds its place no longer than this.
    pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

    /// Requires the proof of work of mainnet, advertises no port, limits neither bandwidth nor memory.
    pub fn new(identity: impl Into<Arc<Identity>>, announced_version: NetworkVersion) -> Self {
        Self {
            identity: identity.into(),
            announced_version,
            required_difficulty: Difficulty::MAINNET,
            advertised_port: None,
            handshake_timeout: Self::DEFAULT_HANDSHAKE_TIMEOUT,
            scheduler: IoScheduler::default(),
            cancellation: CancellationToken::new(),
            memory_budget: None,
            instruction_set: InstructionSet::widest(),
            decides_at_once: false,
        }
    }

    /// The proof of work that a remote must show.
    ///
    /// # Security
    ///
    /// It makes identities expensive: without it, one attacker is as many peers as it likes.
    #[must_use]
    pub fn required_difficulty(self, required_difficulty: Difficulty) -> Self {
        Self {
            required_difficulty,
            ..self
        }
    }

    /// The port on which we listen; 0 means that we don't.
    #[must_use]
    pub fn advertised_port(self, port: u16) -> Self {
        Self {
            advertised_port: Some(port).filter(|port| *port != 0),
            ..self
        }
    }

    /// How long authentication may take, and how long accepting or refusing may take after that.
    #[must_use]
    pub fn handshake_timeout(self, handshake_timeout: Duration) -> Self {
        Self {
            handshake_timeout,
            ..self
        }
    }

    /// The scheduler that shares the bandwidth between all connections of this configuration.
    #[must_use]
    pub fn scheduler(self, scheduler: IoScheduler) -> Self {
        Self { scheduler, ..self }
    }

    /// A token that ends every handshake and connection of this configuration. Octez: `canceler`.
    #[must_use]
    pub fn cancellation(self, cancellation: CancellationToken) -> Self {
        Self { cancellation, ..self }
    }

    /// The memory that the queues of all connections may take together, also those of other configurations with the same
    /// budget.
    #[must_use]
    pub fn memory_budget(self, memory_budget: MemoryBudget) -> Self {
        Self {
            memory_budget: Some(memory_budget),
            ..self
        }
    }

    /// Says that whoever [authenticates](crate::authenticate) accepts or refuses the remote without waiting for anything.
    /// Where the remote was faster, our metadata then goes out together with the answer: one packet and one wake-up less.
    ///
    /// Off by default: who looks a remote up somewhere first would keep it waiting for the metadata, too, and a remote that
    /// is dropped without an answer does not get it.
    #[must_use]
    pub fn decides_at_once(self, decides_at_once: bool) -> Self {
        Self {
            decides_at_once,
            ..self
        }
    }

    /// What to seal and open with, instead of the widest set that the processor has. It changes nothing but the speed,
    /// and is there to measure it.
    ///
    /// ```
    /// use p2p_crypto::{Difficulty, Identity, InstructionSet};
    /// use p2p_socket::{ChainName, Config, NetworkVersion};
    ///
    /// let config = Config::new(Identity::generate(Difficulty::NONE), NetworkVersion::current(ChainName::from("TEST")));
    /// let configs = InstructionSet::available().map(|set| config.clone().instruction_set(set));
    /// # assert!(configs.count() > 0);
    /// ```
    #[must_use]
    pub fn instruction_set(self, instruction_set: InstructionSet) -> Self {
        Self {
            instruction_set,
            ..self
        }
    }

    /// Our keys and proof of work.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What we announce to speak.
    #[must_use]
    pub fn announced_version(&self) -> &NetworkVersion {
        &self.announced_version
    }
}
