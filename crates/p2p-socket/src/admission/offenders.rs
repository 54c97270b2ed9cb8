use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Network, Refused};
use crate::{AdmissionLimits, deadline::NEVER};

/// Who has wasted our time lately.
///
/// Of each network one moment is kept: when everything will be forgiven. It lies one forgiveness further away for each
/// offence, so nothing has to be counted down.
#[derive(Debug)]
pub(super) struct Offenders {
    limit: u32,
    forgiveness: Duration,
    capacity: usize,
    forgiven_at: BTreeMap<Network, Instant>,
    /// The same, soonest first.
    by_time: BTreeSet<(Instant, Network)>,
}

impl Offenders {
    pub(super) fn new(limits: &AdmissionLimits) -> Self {
        Self {
            limit: limits.offences,
            forgiveness: limits.forgiveness.min(NEVER / limits.offences.max(1)),
            capacity: limits.remembered_offenders,
            forgiven_at: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.forgiven_at.len()
    }

    /// Fails if the network has too many offences that are not forgiven.
    pub(super) fn check(&mut self, network: Network, now: Instant) -> Result<(), Refused> {
        self.forgive(now);
        let Some(limit) = self.limit.checked_sub(1) else {
            return Ok(());
        };
        let remaining = self
            .forgiven_at
            .get(&network)
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        match remaining.checked_sub(self.forgiveness.saturating_mul(limit)) {
            Some(wait) if !wait.is_zero() => Err(Refused { network, wait }),
            _ => Ok(()),
        }
    }

    /// Counts an offence; those above the limit don't count.
    pub(super) fn add(&mut self, network: Network, now: Instant) {
        self.forgive(now);
        let previous = self.forgiven_at.remove(&network);
        if let Some(at) = previous {
            self.by_time.remove(&(at, network));
        }
        let furthest = now + self.forgiveness.saturating_mul(self.limit);
        let at = furthest.min(previous.unwrap_or(now) + self.forgiveness);
        if at > now {
            self.forgiven_at.insert(network, at);
            self.by_time.insert((at, network));
        }
        while self.by_time.len() > self.capacity {
            self.forget_soonest();
        }
    }

    fn forgive(&mut self, now: Instant) {
        while self.by_time.first().is_some_and(|(at, _)| *at <= now) {
            self.forget_soonest();
        }
    }

    fn forget_soonest(&mut self) {
        if let Some((_, network)) = self.by_time.pop_first() {
            self.forgiven_at.remove(&network);
        }
    }
}
