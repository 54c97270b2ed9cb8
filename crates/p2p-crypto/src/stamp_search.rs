use blake2b_simd::many::{HashManyJob, hash_many};
use blake2b_simd::{Hash, Params};

use crate::{PublicKey, Stamp, Target};

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
}

impl StampSearch {
    /// A search that tries `start` first.
    #[must_use]
    pub const fn new(public_key: PublicKey, target: Target, start: Stamp) -> Self {
        Self {
            public_key,
            target,
            next: start,
            attempts: 0,
        }
    }

    /// Tries at most `max_attempts` further stamps and returns the first that passes.
    ///
    /// After `None`, the next call goes on where this one ended; after a stamp, it goes on behind that stamp.
    pub fn advance(&mut self, max_attempts: u64) -> Option<Stamp> {
        let mut params = Params::new();
        params.hash_length(32);
        let mut inputs: [HashInput; BATCH] = [[0; _]; BATCH];
        for input in &mut inputs {
            input[..PublicKey::SIZE].copy_from_slice(self.public_key.as_bytes());
        }

        let mut left = max_attempts;
        while left > 0 {
            let length = left.min(BATCH as u64);
            let found = self.try_batch(&params, &mut inputs[..length as usize]);
            if found.is_some() {
                return found;
            }
            left -= length;
        }
        None
    }

    /// How many stamps were tried since the search began, the found ones included.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Tries one stamp for each of `inputs`, in which the public key stands already.
    fn try_batch(&mut self, params: &Params, inputs: &mut [HashInput]) -> Option<Stamp> {
        let first = self.next;
        for input in &mut *inputs {
            input[PublicKey::SIZE..].copy_from_slice(self.next.as_bytes());
            self.next = self.next.incremented();
        }

        let mut jobs: [HashManyJob<'_>; BATCH] = std::array::from_fn(|lane| {
            HashManyJob::new(params, inputs.get(lane).map_or(&[], |input| input.as_slice()))
        });
        let jobs = &mut jobs[..inputs.len()];
        hash_many(&mut *jobs);

        let greatest = self.target.most_significant_word();
        for (job, position) in jobs.iter().zip(1..) {
            if most_significant_word(&job.to_hash()) > greatest {
                continue;
            }
            let stamp = (1..position).fold(first, |stamp, _| stamp.incremented());
            // The word decides nearly always. Only what it lets through is compared in full.
            if self.target.accepts(&self.public_key, &stamp) {
                self.next = stamp.incremented();
                self.attempts += position;
                return Some(stamp);
            }
        }
        self.attempts += inputs.len() as u64;
        None
    }
}

/// The last eight bytes of the digest: it is read little-endian.
fn most_significant_word(digest: &Hash) -> u64 {
    digest
        .as_bytes()
        .last_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

/// How many stamps are hashed together. A multiple of every vector width that `blake2b_simd` has (up to 4), and
/// great enough that preparing the batch costs little beside hashing it.
const BATCH: usize = 16;

/// What is hashed: public key and stamp.
type HashInput = [u8; PublicKey::SIZE + Stamp::SIZE];

#[cfg(test)]
mod tests;
