//! How much flows, from what a counter showed and when.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The readings of a counter over the last while.
#[derive(Debug)]
pub(super) struct Flow {
    readings: VecDeque<(Instant, u64)>,
}

impl Flow {
    /// What the average goes over.
    const WINDOW: Duration = Duration::from_secs(10);

    /// How many readings are kept at most, however often someone looks.
    const MOST: usize = 256;

    /// The flow of something that began at nothing then.
    pub(super) fn since(start: Instant) -> Self {
        Self {
            readings: VecDeque::from([(start, 0)]),
        }
    }

    /// Takes a reading.
    pub(super) fn read(&mut self, now: Instant, total: u64) {
        self.readings.push_back((now, total));
        // The last one from before the window is its beginning.
        while self.readings.len() > Self::MOST
            || self
                .readings
                .get(1)
                .is_some_and(|(at, _)| now.duration_since(*at) >= Self::WINDOW)
        {
            self.readings.pop_front();
        }
    }

    /// Bytes since the connection began.
    pub(super) fn total(&self) -> u64 {
        self.readings.back().map_or(0, |(_, total)| *total)
    }

    /// Bytes a second between the last two readings.
    pub(super) fn now(&self) -> f64 {
        self.from(self.readings.len().saturating_sub(2))
    }

    /// Bytes a second over the last ten seconds, or since it began if that is later.
    pub(super) fn average(&self) -> f64 {
        self.from(0)
    }

    fn from(&self, index: usize) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.readings.get(index), self.readings.back()) else {
            return 0.0;
        };
        let seconds = to.duration_since(*from).as_secs_f64();
        if seconds > 0.0 {
            after.saturating_sub(*before) as f64 / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_is_that_of_the_last_step_and_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut flow = Flow::since(start);
        assert_eq!((flow.now(), flow.average(), flow.total()), (0.0, 0.0, 0));
        // 1000 a second for 20 seconds, and then nothing.
        for second in 1..=40_u64 {
            flow.read(start + Duration::from_secs(second), 1000 * second.min(20));
            match second {
                1..=20 => assert_eq!((flow.now(), flow.average()), (1000.0, 1000.0)),
                25 => assert_eq!((flow.now(), flow.average()), (0.0, 500.0)),
                30.. => assert_eq!((flow.now(), flow.average()), (0.0, 0.0)),
                _ => {}
            }
        }
        assert_eq!(flow.total(), 20_000);
        assert_eq!(flow.readings.len(), 11);
    }

    #[test]
    fn looking_often_takes_no_memory() {
        let start = Instant::now();
        let mut flow = Flow::since(start);
        for step in 0..10_000_u64 {
            flow.read(start + Duration::from_millis(step), step);
        }
        assert_eq!(flow.readings.len(), Flow::MOST);
        assert!((flow.average() - 1000.0).abs() < 1e-6);
    }
}
