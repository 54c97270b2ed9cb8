use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::ConnectionOptions;

/// The memory that the queues of many connections may take together, in bytes. Clones share it: give one to every
/// [`Config`](crate::Config) of the process.
///
/// A connection takes the bounds of both its queues when it is accepted, and gives them back when the last of its
/// handles and its task are gone. One for which there is not enough left is refused with a nack. So the budget holds
/// whatever remotes do, and no connection ever waits for what others hold: 1 GiB is enough for 64 connections with the
/// default queues, and for more with smaller ones.
///
/// # Security
///
/// Each accepted remote can make us fill two queues. This stops many that do it together.
///
/// ```
/// use p2p_crypto::{Difficulty, Identity};
/// use p2p_socket::{ChainName, Config, MemoryBudget, NetworkVersion};
///
/// let budget = MemoryBudget::new(1 << 30);
/// let version = NetworkVersion::current(ChainName::from("MY_NETWORK"));
/// let config = Config::new(Identity::generate(Difficulty::NONE), version).memory_budget(budget.clone());
/// assert_eq!(budget.free(), 1 << 30);
/// ```
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    free: Arc<AtomicUsize>,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            free: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    /// How many bytes no connection has taken.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.load(Relaxed)
    }

    pub(crate) fn reserve(&self, options: &ConnectionOptions) -> Result<MemoryShare, MemoryBudgetExhausted> {
        let needed = options.incoming_queue.saturating_add(options.outgoing_queue);
        self.free
            .fetch_update(Relaxed, Relaxed, |free| free.checked_sub(needed))
            .map_err(|free| MemoryBudgetExhausted { needed, free })?;
        Ok(MemoryShare {
            budget: self.clone(),
            bytes: needed,
        })
    }
}

/// What a connection has taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    budget: MemoryBudget,
    bytes: usize,
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Relaxed);
    }
}

/// The connections that there are leave too little of a [`MemoryBudget`] for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queues of a connection need {needed} bytes, and {free} are left of the memory budget")]
#[non_exhaustive]
pub struct MemoryBudgetExhausted {
    /// What both queues may take, in bytes.
    pub needed: usize,
    /// What was left, in bytes.
    pub free: usize,
}
