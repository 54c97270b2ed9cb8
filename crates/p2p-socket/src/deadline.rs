use std::time::Duration;

use tokio::time::Instant;

/// Further away than any process lives, and near enough for every clock: 30 years.
pub(crate) const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The moment `limit` after `start`. A limit like [`Duration::MAX`] means never, not an overflow.
pub(crate) fn after(start: Instant, limit: Duration) -> Instant {
    start + limit.min(NEVER)
}
