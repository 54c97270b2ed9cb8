//! Ten thousand random schedules: connections that come, go, stall, are cancelled and dropped while they wait, beside
//! some that always want more. Cap, fairness and every byte are kept.

use super::*;

const DURATION_MILLISECONDS: u64 = 400;
/// By then, those who always want more have shown it.
const SETTLED_MILLISECONDS: u64 = 100;

/// What a connection does that does not always want more.
#[derive(Clone, Debug)]
enum Whim {
    /// Wants so many bytes now and then.
    Modest,
    /// Waits, does not come when it is woken, and tries again later.
    Cancels,
    /// Gets bytes, and its socket takes none or half of them.
    Stalls,
    /// Is dropped after it got something or while it waits, and comes again as another one.
    Leaves,
}

#[derive(Clone, Debug)]
struct Visitor {
    whim: Whim,
    weight: u32,
    operation: u64,
    /// It acts about once in so many milliseconds.
    every: u64,
}

#[derive(Clone, Debug)]
struct Schedule {
    cap: u64,
    /// Weight and operation size of those who always want more.
    greedy: Vec<(u32, u64)>,
    visitors: Vec<Visitor>,
    /// How late each tick is, in microseconds, in turns.
    lateness: Vec<u64>,
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let operation = || prop_oneof![Just(64), Just(65_536), 1..20_000_u64];
    let whim = prop_oneof![
        Just(Whim::Modest),
        Just(Whim::Cancels),
        Just(Whim::Stalls),
        Just(Whim::Leaves)
    ];
    let visitor = (whim, 1..6_u32, operation(), 1..40_u64).prop_map(|(whim, weight, operation, every)| Visitor {
        whim,
        weight,
        operation,
        every,
    });
    (
        prop_oneof![100_000..2_000_000_u64, 2_000_000..50_000_000_u64],
        prop::collection::vec((1..6_u32, operation()), 2..5),
        prop::collection::vec(visitor, 0..8),
        prop::collection::vec(0..900_u64, 1..20),
    )
        .prop_map(|(cap, greedy, visitors, lateness)| Schedule {
            cap,
            greedy,
            visitors,
            lateness,
        })
}

/// What passed, and what is left at the end.
struct Outcome {
    /// When, who (those who always want more come first), how many bytes.
    transfers: Vec<(Duration, usize, u64)>,
    dealt_and_not_fetched: u64,
    /// What was earned and not taken.
    lag: u64,
    end: Duration,
}

fn play(schedule: &Schedule) -> Outcome {
    let mut queue: FairQueue<FlowKey> = FairQueue::new(Some(rate(schedule.cap)), Duration::ZERO);
    let greedy: Vec<_> = schedule.greedy.iter().map(|(w, _)| queue.insert(weight(*w))).collect();
    let mut visiting: Vec<_> = schedule
        .visitors
        .iter()
        .map(|v| queue.insert(weight(v.weight)))
        .collect();
    let mut transfers = Vec::new();
    let mut woken = Vec::new();
    let mut now = Duration::ZERO;
    for time in 0..DURATION_MILLISECONDS {
        let late = schedule.lateness[time as usize % schedule.lateness.len()];
        now = milliseconds(time) + Duration::from_micros(late);
        woken.clear();
        queue.tick(now, &mut woken);
        let mut act = |queue: &mut FairQueue<FlowKey>, index: usize| {
            if let Some((_, operation)) = schedule.greedy.get(index) {
                while let Acquired::Granted(bytes) = queue.acquire(greedy[index], *operation, now) {
                    transfers.push((now, index, bytes));
                }
                return;
            }
            let visitor = index - greedy.len();
            let Visitor {
                whim,
                operation,
                every,
                weight: w,
            } = &schedule.visitors[visitor];
            let key = visiting[visitor];
            let is_woken = woken.contains(&key) && !matches!(whim, Whim::Cancels);
            if !is_woken && !(time * 7 + index as u64 * 13).is_multiple_of(*every) {
                return;
            }
            match (whim, queue.acquire(key, *operation, now)) {
                (Whim::Stalls, Acquired::Granted(bytes)) => {
                    let used = if time % 2 == 0 { 0 } else { bytes / 2 };
                    transfers.push((now, index, used));
                    queue.give_back(key, bytes - used, false);
                }
                (Whim::Leaves, outcome) => {
                    if let Acquired::Granted(bytes) = outcome {
                        transfers.push((now, index, bytes));
                    }
                    queue.remove(key);
                    visiting[visitor] = queue.insert(weight(*w));
                }
                (_, Acquired::Granted(bytes)) => transfers.push((now, index, bytes)),
                (_, Acquired::Queued { .. }) => {
                    queue.set_waker(key, key);
                }
            }
        };
        // Whoever acts first must have no advantage.
        let actors = greedy.len() + schedule.visitors.len();
        for turn in 0..actors {
            act(&mut queue, (turn + time as usize) % actors);
        }
    }
    let dealt = queue.flows.iter().map(|(_, flow)| u64::from(flow.dealt)).sum();
    let pacer = queue.pacer.as_mut().unwrap();
    pacer.update(now, true);
    Outcome {
        transfers,
        dealt_and_not_fetched: dealt,
        lag: pacer.whole_lag(),
        end: now,
    }
}

/// The most that any window of at least 100 ms holds beyond `cap * window`.
fn worst_excess(transfers: &[(Duration, usize, u64)], cap: u64) -> f64 {
    let line = |at: Duration| cap as f64 * at.as_secs_f64();
    let (mut worst, mut lowest) = (f64::MIN, f64::MAX);
    let (mut start, mut sum, mut sum_before_start) = (0, 0.0, 0.0);
    for (at, _, bytes) in transfers {
        sum += *bytes as f64;
        while transfers[start].0 + milliseconds(100) <= *at {
            lowest = f64::min(lowest, sum_before_start - line(transfers[start].0));
            sum_before_start += transfers[start].2 as f64;
            start += 1;
        }
        worst = f64::max(worst, sum - line(*at) - lowest);
    }
    worst
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn cap_fairness_and_every_byte_are_kept_under_churn(schedule in schedule()) {
        let outcome = play(&schedule);
        let total: u64 = outcome.transfers.iter().map(|(_, _, bytes)| bytes).sum();

        // Conservation: what was earned was transferred, or is dealt, or is not taken yet.
        let earned = u128::from(schedule.cap) * outcome.end.as_nanos() / 1_000_000_000;
        let accounted = u128::from(total + outcome.dealt_and_not_fetched + outcome.lag);
        prop_assert!(earned.abs_diff(accounted) <= 1, "{earned} bytes earned, {accounted} accounted for");

        // Cap.
        let quantum = Pacer::new(rate(schedule.cap), Duration::ZERO).quantum();
        let excess = worst_excess(&outcome.transfers, schedule.cap);
        prop_assert!(excess <= quantum as f64 + 1.0, "{excess} bytes beyond the cap; a quantum is {quantum}");

        // Fairness among those who always want more.
        let settled = milliseconds(SETTLED_MILLISECONDS);
        let shares: Vec<_> = schedule
            .greedy
            .iter()
            .enumerate()
            .map(|(index, (weight, _))| {
                let of_this = outcome.transfers.iter().filter(|(at, who, _)| *who == index && *at >= settled);
                of_this.map(|(_, _, bytes)| *bytes).sum::<u64>() as f64 / f64::from(*weight)
            })
            .collect();
        let (least, most) = shares.iter().fold((f64::MAX, 0.0), |(least, most), share| (share.min(least), share.max(most)));
        prop_assert!(
            most - least <= 0.02 * most + 2.0 * quantum as f64,
            "bytes by weight: {shares:?}; a quantum is {quantum}"
        );
    }
}
