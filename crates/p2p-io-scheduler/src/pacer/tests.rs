use proptest::prelude::*;

use super::*;

fn rate(bytes_per_second: u64) -> BytesPerSecond {
    BytesPerSecond::try_from(bytes_per_second).unwrap()
}

/// Takes shares as soon as they are available, looking only when the timer rings, which it does `lateness(tick)` late.
fn transfer(rate_: u64, duration: Duration, mut lateness: impl FnMut(u64) -> Duration) -> Vec<(Duration, u64)> {
    let mut pacer = Pacer::new(rate(rate_), Duration::ZERO);
    let share = pacer.share();
    let mut taken = Vec::new();
    let mut now = Duration::ZERO;
    let mut tick = 0;
    while now < duration {
        pacer.update(now, true);
        while pacer.available() >= share {
            pacer.take(share);
            taken.push((now, share));
        }
        tick += 1;
        let due = pacer.time_of(share) + lateness(tick);
        // Tokio's timer rings on whole milliseconds.
        now = Duration::from_millis(due.as_nanos().div_ceil(1_000_000) as u64);
    }
    taken
}

/// The most that any window of at least `WINDOW` holds beyond `rate * window`.
fn worst_excess(taken: &[(Duration, u64)], rate: u64) -> f64 {
    // excess of [a, b] = (sum up to b - rate * b) - (sum before a - rate * a): the greatest over all a <= b - WINDOW.
    let (mut worst, mut lowest) = (f64::MIN, f64::MAX);
    let (mut start, mut sum, mut sum_before_start) = (0, 0.0, 0.0);
    for (at, bytes) in taken {
        sum += *bytes as f64;
        while taken[start].0 + WINDOW <= *at {
            lowest = f64::min(lowest, sum_before_start - rate as f64 * taken[start].0.as_secs_f64());
            sum_before_start += taken[start].1 as f64;
            start += 1;
        }
        worst = f64::max(worst, sum - rate as f64 * at.as_secs_f64() - lowest);
    }
    worst
}

fn total(taken: &[(Duration, u64)]) -> u64 {
    taken.iter().map(|(_, bytes)| bytes).sum()
}

const RATES: [u64; 7] = [
    1000,
    100_000,
    1_000_000,
    9_999_999,
    50_000_000,
    500_000_000,
    1_500_000_000,
];

#[test]
fn the_cap_is_used_to_within_one_percent() {
    for rate in RATES {
        let used = total(&transfer(rate, Duration::from_secs(5), |_| Duration::ZERO)) as f64 / (5 * rate) as f64;
        assert!(
            (0.99..=1.001).contains(&used) || (rate == 1000 && used > 0.97),
            "{rate} B/s: {used}"
        );
    }
}

#[test]
fn every_window_holds_the_cap_and_a_quantum() {
    for rate_ in RATES {
        let quantum = Pacer::new(rate(rate_), Duration::ZERO).quantum() as f64;
        let excess = worst_excess(&transfer(rate_, Duration::from_secs(3), |_| Duration::ZERO), rate_);
        assert!(excess <= quantum, "{rate_} B/s: {excess}");
    }
}

#[test]
fn late_timers_cost_little() {
    for rate in [1_000_000, 50_000_000, 500_000_000] {
        let late = |tick: u64| Duration::from_micros(tick * 7919 % 1900);
        let used = total(&transfer(rate, Duration::from_secs(5), late)) as f64 / (5 * rate) as f64;
        assert!((0.97..=1.001).contains(&used), "{rate} B/s: {used}");
    }
}

#[test]
fn the_start_and_idle_time_give_no_burst() {
    let mut pacer = Pacer::new(rate(1_000_000), Duration::ZERO);
    assert_eq!(pacer.available(), 0);
    pacer.update(Duration::from_secs(3600), false);
    assert_eq!(pacer.available(), pacer.quantum());
    assert_eq!(pacer.quantum(), 2000);
}

/// A reader that finds its socket empty for a moment does not wait for bytes, but still wants them.
#[test]
fn a_moment_in_which_nobody_waits_loses_nothing() {
    let mut pacer = Pacer::new(rate(20_000_000), Duration::ZERO);
    let now = Duration::from_secs(1);
    pacer.update(now, true);
    pacer.take(pacer.available());
    pacer.update(now + Duration::from_millis(3), false);
    assert_eq!(pacer.available(), 60_000);
    pacer.update(now + Duration::from_secs(1), false);
    assert_eq!(pacer.available(), pacer.quantum());
}

#[test]
fn a_rate_change_keeps_at_most_a_quantum() {
    let mut pacer = Pacer::new(rate(1_000_000_000), Duration::ZERO);
    pacer.set_rate(rate(1000), Duration::from_secs(1));
    assert_eq!(pacer.available(), 256);
    pacer.take(256);
    assert_eq!(pacer.time_of(100), Duration::from_millis(1100));
    pacer.set_rate(rate(100_000), Duration::from_secs(1));
    assert_eq!(pacer.time_of(100), Duration::from_millis(1001));
}

#[test]
fn a_low_rate_does_not_pay_for_a_high_one() {
    let mut pacer = Pacer::new(rate(5_000_000), Duration::ZERO);
    let now = Duration::from_millis(2);
    pacer.update(now, false);
    pacer.take(10_000);
    pacer.set_rate(rate(1), now);
    assert_eq!(pacer.time_of(1), now + Duration::from_secs(1));
    pacer.update(now + Duration::from_secs(1), true);
    assert_eq!(pacer.available(), 1);
}

#[test]
fn extreme_rates_do_not_overflow() {
    for bytes_per_second in [1, u64::MAX] {
        let mut pacer = Pacer::new(rate(bytes_per_second), Duration::ZERO);
        assert!(pacer.time_of(16384) > Duration::ZERO);
        pacer.update(Duration::from_secs(1 << 40), true);
        assert!(pacer.available() >= 256);
        pacer.take(256);
    }
}

proptest! {
    #[test]
    fn no_schedule_breaks_the_window(
        rate_ in prop_oneof![1_000..100_000_u64, 1_000_000..1_000_000_000_u64],
        steps in prop::collection::vec((0..30_000_u64, 0..100_000_u64, any::<bool>()), 1..400),
    ) {
        let mut pacer = Pacer::new(rate(rate_), Duration::ZERO);
        let mut now = Duration::ZERO;
        let mut taken = Vec::new();
        for (microseconds, wanted, waits) in steps {
            now += Duration::from_micros(microseconds);
            pacer.update(now, waits);
            let bytes = pacer.available().min(wanted);
            pacer.take(bytes);
            taken.push((now, bytes));
        }
        let quantum = pacer.quantum() as f64;
        // The sums are floating point here.
        prop_assert!(worst_excess(&taken, rate_) <= quantum + 1.0);
    }
}
