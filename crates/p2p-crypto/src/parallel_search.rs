use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::{PublicKey, Stamp, StampSearch, Target};

/// Searches a stamp for `public_key` on so many `threads`, each from a random start, until one finds it.
///
/// About ten times a second, `progress` is called on the calling thread, which sleeps otherwise. It cancels the
/// search by breaking; the result is then `None`. All threads have ended when this function returns.
///
/// A search for a hard target takes as long as it takes: seconds at [`Difficulty::MAINNET`](crate::Difficulty::MAINNET),
/// centuries at difficulty 60. Only `progress` ends it early.
///
/// # Panics
///
/// If the operating system has no randomness to give or refuses to start a thread, and if `progress` panics. The
/// threads have ended then, too.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::ops::ControlFlow;
///
/// use p2p_crypto::{Difficulty, PublicKey, search_in_parallel};
///
/// let public_key = PublicKey::from_bytes([7; 32]);
/// let target = Difficulty::try_from(4.0)?.target();
/// let stamp = search_in_parallel(&public_key, target, NonZeroUsize::MIN, |progress| {
///     println!("{} stamps", progress.attempts);
///     ControlFlow::Continue(())
/// });
/// assert!(stamp.is_some_and(|stamp| target.accepts(&public_key, &stamp)));
/// # Ok::<(), p2p_crypto::InvalidDifficulty>(())
/// ```
pub fn search_in_parallel(
    public_key: &PublicKey,
    target: Target,
    threads: NonZeroUsize,
    mut progress: impl FnMut(&SearchProgress) -> ControlFlow<()>,
) -> Option<Stamp> {
    let board = Board::default();
    thread::scope(|scope| {
        let _ended = EndOnDrop(&board);
        let (finder, findings) = mpsc::channel();
        for _ in 0..threads.get() {
            let search = StampSearch::new(*public_key, target, Stamp::generate());
            let (finder, board) = (finder.clone(), &board);
            scope.spawn(move || work(search, &finder, board));
        }
        drop(finder);

        loop {
            match findings.recv_timeout(PROGRESS_INTERVAL) {
                Ok(stamp) => return Some(stamp),
                Err(RecvTimeoutError::Timeout) => {}
                // Every worker panicked; the scope passes the panic on.
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            let so_far = SearchProgress {
                attempts: board.attempts.load(Ordering::Relaxed),
            };
            if progress(&so_far).is_break() {
                return None;
            }
        }
    })
}

/// How far a parallel search has come. How long it has taken is for whoever has a clock to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchProgress {
    /// How many stamps all threads together have tried.
    pub attempts: u64,
}

/// How long the calling thread sleeps between two reports: often enough for a display that moves.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How many stamps a thread tries before it looks whether the search has ended. A millisecond's work or less, so
/// that the end is prompt, and enough that sharing the counter costs nothing.
const ATTEMPTS_PER_STEP: u64 = 4096;

/// What the threads share.
#[derive(Default)]
struct Board {
    ended: AtomicBool,
    attempts: AtomicU64,
}

/// Tells the workers to end, also when the calling thread panics: the scope waits for them in any case.
struct EndOnDrop<'a>(&'a Board);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

fn work(mut search: StampSearch, finder: &Sender<Stamp>, board: &Board) {
    while !board.ended.load(Ordering::Relaxed) {
        let before = search.attempts();
        let found = search.advance(ATTEMPTS_PER_STEP);
        board.attempts.fetch_add(search.attempts() - before, Ordering::Relaxed);
        if let Some(stamp) = found {
            // Nobody listens any more if another thread was first.
            let _ = finder.send(stamp);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
