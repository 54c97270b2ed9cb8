//! A limit of time that does not count how long the machine stood still.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;

/// In how many parts the time is measured: standing still once costs no more than one of them.
const PARTS: u32 = 100;

/// What `work` gives, unless the program has run for `limit` before. Of what lies between, a machine that stands still for an
/// hour, or a user who stops the program for a while, counts for a hundredth.
///
/// # Cancel safety
///
/// As cancel safe as `work`.
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    for _ in 0..PARTS {
        if let Ok(result) = timeout(limit / PARTS, &mut work).await {
            return Some(result);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn standing_still_is_forgiven_and_taking_long_is_not() {
        let stood_still = async {
            advance(100 * LIMIT).await;
            sleep(LIMIT / 2).await;
        };
        assert_eq!(within(LIMIT, stood_still).await, Some(()));
        let started = Instant::now();
        assert_eq!(within(LIMIT, sleep(2 * LIMIT)).await, None);
        // To the millisecond in which the clock of the runtime counts, each time.
        assert!((LIMIT..LIMIT + Duration::from_millis(PARTS.into())).contains(&started.elapsed()));
    }
}
