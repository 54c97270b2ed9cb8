//! How long a peer may make others wait.

use std::time::Duration;

use tokio::time::Instant;

/// Of so much time, one part of waiting is forgiven: who is slow now and then is not cut off after days, and who reads as
/// slowly as it dares costs the others a hundredth of their time.
const FORGIVEN: u32 = 100;

/// What is left of the time for which a peer may make others wait.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    used: Duration,
    since: Instant,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            used: Duration::ZERO,
            since: Instant::now(),
        }
    }

    pub(super) fn left(&self, now: Instant) -> Duration {
        self.limit.saturating_sub(self.used(now))
    }

    /// Others have waited for so long, up to now.
    pub(super) fn use_up(&mut self, waited: Duration, now: Instant) {
        self.used = self.used(now).saturating_add(waited);
        self.since = now;
    }

    fn used(&self, now: Instant) -> Duration {
        let forgiven = now.saturating_duration_since(self.since) / FORGIVEN;
        self.used.saturating_sub(forgiven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_adds_up_and_is_forgiven_slowly() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let mut patience = Patience::new(seconds(30));
        assert_eq!(patience.left(now + seconds(1_000_000)), seconds(30));
        patience.use_up(seconds(20), now);
        assert_eq!(patience.left(now), seconds(10));
        assert_eq!(patience.left(now + seconds(500)), seconds(15));
        patience.use_up(seconds(15), now + seconds(500));
        assert_eq!(patience.left(now + seconds(500)), Duration::ZERO);
        assert_eq!(patience.left(now + seconds(600)), seconds(1));
        assert_eq!(patience.left(now + seconds(100_000)), seconds(30));
    }
}
