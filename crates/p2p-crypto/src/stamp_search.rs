use crate::stamp_kernel::Candidates;
use crate::{InstructionSet, PublicKey, Stamp, Target};

/// A search for a stamp that `target` accepts, in steps of any size.
///
/// The candidates are the start, the start + 1, … as big-endian integers modulo 2^192. Which one is found depends
/// on the start alone, not on how the attempts are cut into steps. The search knows no clock, thread or
/// randomness; [`search_in_parallel`](crate::search_in_parallel) drives one on every core.
///
/// ```
/// use p2p_crypto::{Difficulty, PublicKey, Stamp, StampSearch};
///
/// let public_key = PublicKey::from_bytes([7; 32]);
/// let target = Difficulty::try_from(4.0)?.target();
/// let mut search = StampSearch::new(public_key, target, Stamp::from_bytes([0; 24]));
/// let stamp = loop {
///     if let Some(stamp) = search.advance(10) {
///         break stamp;
///     }
///     println!("{} stamps tried", search.attempts());
/// };
/// assert!(target.accepts(&public_key, &stamp));
/// # Ok::<(), p2p_crypto::InvalidDifficulty>(())
/// ```
#[derive(Debug, Clone)]
pub struct StampSearch {
    public_key: PublicKey,
    target: Target,
    next: Stamp,
    attempts: u64,
    instruction_set: InstructionSet,
}

impl StampSearch {
    /// A search that tries `start` first.
    #[must_use]
    pub fn new(public_key: PublicKey, target: Target, start: Stamp) -> Self {
        Self {
            public_key,
            target,
            next: start,
            attempts: 0,
            instruction_set: InstructionSet::widest(),
        }
    }

    /// Searches with these instructions from now on, which changes nothing but the speed.
    #[must_use]
    pub const fn with_instruction_set(mut self, instruction_set: InstructionSet) -> Self {
        self.instruction_set = instruction_set;
        self
    }

    /// Tries at most `max_attempts` further stamps and returns the first that passes.
    ///
    /// After `None`, the next call goes on where this one ended; after a stamp, it goes on behind that stamp.
    pub fn advance(&mut self, max_attempts: u64) -> Option<Stamp> {
        let mut left = max_attempts;
        while left > 0 {
            let candidates = Candidates::new(&self.public_key, &self.next);
            let run = left.min(candidates.available());
            let greatest = self.target.most_significant_word();
            let Some(before) = candidates.first(self.instruction_set, run, greatest) else {
                self.skip(run);
                left -= run;
                continue;
            };
            self.skip(before);
            let stamp = self.next;
            self.skip(1);
            left -= before + 1;
            // The word decides nearly always. Only what it lets through is compared in full.
            if self.target.accepts(&self.public_key, &stamp) {
                return Some(stamp);
            }
        }
        None
    }

    fn skip(&mut self, attempts: u64) {
        self.next = self.next.plus(attempts);
        self.attempts += attempts;
    }

    /// How many stamps were tried since the search began, the found ones included.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }
}

#[cfg(test)]
mod tests;
