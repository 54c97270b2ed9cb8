use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

mod churn;

fn rate(bytes_per_second: u64) -> BytesPerSecond {
    BytesPerSecond::try_from(bytes_per_second).unwrap()
}

fn weight(weight: u32) -> Weight {
    Weight::new(weight).unwrap()
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What one flow does, and what it got.
#[derive(Clone, Debug)]
struct Plan {
    weight: u32,
    operation: u64,
    /// Bytes that come to be sent per millisecond; `None` for as many as possible.
    demand: Option<u64>,
}

/// Runs the flows for some milliseconds, each transferring as soon as it may, and returns what each one transferred.
fn run(cap: u64, plans: &[Plan], duration: u64) -> Vec<u64> {
    let mut queue = FairQueue::new(Some(rate(cap)), Duration::ZERO);
    let keys: Vec<_> = plans.iter().map(|plan| queue.insert(weight(plan.weight))).collect();
    let mut transferred = vec![0; plans.len()];
    let mut woken: Vec<usize> = Vec::new();
    for time in 0..duration {
        let now = milliseconds(time);
        queue.tick(now, &mut woken);
        woken.clear();
        for (index, plan) in plans.iter().enumerate() {
            let mut backlog = plan
                .demand
                .map_or(u64::MAX, |demand| demand * time - transferred[index]);
            while backlog > 0 {
                match queue.acquire(keys[index], plan.operation.min(backlog), now) {
                    Acquired::Granted(bytes) => {
                        transferred[index] += bytes;
                        backlog -= bytes;
                    }
                    Acquired::Queued { .. } => break,
                }
            }
        }
    }
    transferred
}

/// Weighted max-min fair rates by definition: share what is left among those who still want more, and settle those
/// whose demand is met, until nobody's is.
fn max_min(cap: f64, demands: &[(f64, f64)]) -> Vec<f64> {
    let mut rates = vec![None; demands.len()];
    loop {
        let settled: f64 = rates.iter().flatten().sum();
        let open = |rates: &[Option<f64>]| (0..demands.len()).filter(|&i| rates[i].is_none()).collect::<Vec<_>>();
        let weights: f64 = open(&rates).iter().map(|&i| demands[i].0).sum();
        let per_weight = (cap - settled) / weights;
        let met: Vec<_> = open(&rates)
            .into_iter()
            .filter(|&i| demands[i].1 <= per_weight * demands[i].0)
            .collect();
        if met.is_empty() {
            return (0..demands.len())
                .map(|i| rates[i].unwrap_or(per_weight * demands[i].0))
                .collect();
        }
        met.into_iter().for_each(|i| rates[i] = Some(demands[i].1));
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let operation = prop_oneof![Just(64), Just(1000), Just(65_536), 1..20_000_u64];
    (1..6_u32, operation, prop::option::of(1..100_u64)).prop_map(|(weight, operation, demand)| Plan {
        weight,
        operation,
        demand,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn shares_are_those_of_the_max_min_model(plans in prop::collection::vec(plan(), 1..12), cap in 1..20_u64) {
        let cap = cap * 50_000;
        let transferred = run(cap, &plans, 2000);
        let demands: Vec<_> = plans
            .iter()
            .map(|plan| (f64::from(plan.weight), plan.demand.map_or(f64::INFINITY, |demand| demand as f64 * 1000.0)))
            .collect();
        for (index, rate) in max_min(cap as f64, &demands).into_iter().enumerate() {
            let due = 2.0 * rate;
            let got = transferred[index] as f64;
            // What is under way at the end, and the first ticks of those who show only then how much they want.
            prop_assert!((got - due).abs() <= 0.02 * due + 4096.0, "flow {index} of {plans:?}: {got} instead of {due}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32),
    Remove(usize),
    Transfer {
        flow: usize,
        wanted: u64,
        used: u64,
        is_ready: bool,
    },
    SetWeight(usize, u32),
    SetRate(Option<u64>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let any_flow = 0..1000_usize;
    prop_oneof![
        2 => (1..1000_u32).prop_map(Step::Insert),
        1 => any_flow.clone().prop_map(Step::Remove),
        12 => (any_flow.clone(), 1..70_000_u64, 0..70_000_u64, any::<bool>())
            .prop_map(|(flow, wanted, used, is_ready)| Step::Transfer { flow, wanted, used, is_ready }),
        1 => (any_flow, 1..=1000_u32).prop_map(|(flow, weight)| Step::SetWeight(flow, weight)),
        1 => prop::option::weighted(0.8, 1..10_000_000_u64).prop_map(Step::SetRate),
        6 => (0..30_000_u64).prop_map(Step::Wait),
    ]
}

/// What the queue must agree with: who waits, and how much was earned and used.
#[derive(Default)]
struct Model {
    flows: Vec<FlowKey>,
    waiting: BTreeSet<FlowKey>,
    /// Bytes times 10^9.
    earned: u128,
    used: u128,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_schedule_agrees_with_the_model(steps in prop::collection::vec(step(), 1..300)) {
        let mut cap = Some(100_000);
        let mut queue = FairQueue::new(cap.map(rate), Duration::ZERO);
        let mut model = Model::default();
        let mut now = Duration::ZERO;
        let mut woken = Vec::new();
        let mut most_quanta = 16_384;
        for step in steps {
            let flow_of = |index: usize| model.flows.get(index % model.flows.len().max(1)).copied();
            match step {
                Step::Insert(w) => model.flows.push(queue.insert(weight(w))),
                Step::Remove(index) => if let Some(key) = flow_of(index) {
                    prop_assert_eq!(queue.remove(key).is_some(), model.waiting.remove(&key));
                    model.flows.retain(|flow| *flow != key);
                },
                Step::Transfer { flow, wanted, used, is_ready } => if let Some(key) = flow_of(flow) {
                    match queue.acquire(key, wanted, now) {
                        Acquired::Granted(granted) => {
                            prop_assert!((1..=wanted).contains(&granted));
                            prop_assert!(!model.waiting.contains(&key), "a waiting flow is woken first");
                            let used = if is_ready { used.min(granted) } else { 0 };
                            if cap.is_some() {
                                model.used += u128::from(used) * 1_000_000_000;
                            }
                            if used < granted {
                                queue.give_back(key, granted - used, is_ready);
                            }
                        }
                        Acquired::Queued { .. } => {
                            queue.set_waker(key, key);
                            model.waiting.insert(key);
                        }
                    }
                },
                Step::SetWeight(index, w) => if let Some(key) = flow_of(index) {
                    queue.set_weight(key, weight(w));
                },
                Step::SetRate(new) => {
                    // A new limit after none starts with nothing earned; so does the account.
                    if cap.is_none() || new.is_none() {
                        (model.earned, model.used) = (0, 0);
                    }
                    cap = new;
                    most_quanta = 16_384;
                    queue.set_rate(cap.map(rate), now, &mut woken);
                }
                Step::Wait(microseconds) => {
                    now += Duration::from_micros(microseconds);
                    model.earned += u128::from(cap.unwrap_or(0)) * u128::from(microseconds) * 1000;
                    let next = queue.tick(now, &mut woken);
                    prop_assert!(next.is_none_or(|next| next >= now));
                    prop_assert_eq!(next.is_some(), queue.someone_waits());
                }
            }
            for key in woken.drain(..) {
                prop_assert!(model.waiting.remove(&key), "only who waits is woken, and once");
            }
            prop_assert_eq!(queue.someone_waits(), !model.waiting.is_empty());
            prop_assert!(model.used <= model.earned + most_quanta * 1_000_000_000);
        }

        // Everyone who waits is served in the end.
        let cap = cap.unwrap_or(1);
        for _ in 0..100_000 {
            let Some(next) = queue.tick(now, &mut woken) else { break };
            now = next;
            woken.drain(..).for_each(|key| { model.waiting.remove(&key); });
        }
        woken.drain(..).for_each(|key| { model.waiting.remove(&key); });
        prop_assert!(model.waiting.is_empty());

        // And nothing is lost: a last flow alone gets the whole cap.
        for key in std::mem::take(&mut model.flows) {
            queue.remove(key);
        }
        queue.set_rate(Some(rate(cap)), now, &mut woken);
        let key = queue.insert(Weight::ONE);
        let start = now + Duration::from_secs(1);
        now = start;
        let mut transferred = 0;
        while transferred < 100 * u128::from(cap) / 100 && transferred < 100_000 {
            match queue.acquire(key, 500, now) {
                Acquired::Granted(bytes) => transferred += u128::from(bytes),
                Acquired::Queued { .. } => now = queue.tick(now, &mut woken).unwrap_or(now).max(now),
            }
        }
        let due = transferred * 1_000_000_000 / u128::from(cap);
        prop_assert!((now - start).as_nanos() <= due * 102 / 100 + 200_000_000);
    }
}

/// A queue at 1 MB/s: in a millisecond 1000 bytes, a quantum is 2000, a share 750 and the reserve 250.
fn queue_at_1_megabyte_per_second() -> FairQueue<FlowKey> {
    FairQueue::new(Some(rate(1_000_000)), Duration::ZERO)
}

#[test]
fn the_reserve_is_for_those_who_are_behind() {
    let mut queue = queue_at_1_megabyte_per_second();
    let keys: Vec<_> = (0..10).map(|_| queue.insert(Weight::ONE)).collect();
    let mut woken = Vec::new();
    for time in 0..200 {
        for key in &keys[2..] {
            while let Acquired::Granted(_) = queue.acquire(*key, 1000, milliseconds(time)) {}
            queue.set_waker(*key, *key);
        }
        woken.clear();
        queue.tick(milliseconds(time), &mut woken);
    }
    let now = milliseconds(199);
    assert_eq!(queue.acquire(keys[0], 250, now), Acquired::Granted(250));
    assert_eq!(
        queue.acquire(keys[0], 250, now),
        Acquired::Queued { first: false },
        "it has caught up"
    );

    let late = keys[1];
    assert_eq!(queue.acquire(late, 5000, now), Acquired::Queued { first: true });
    queue.set_waker(late, late);
    woken.clear();
    queue.tick(milliseconds(200), &mut woken);
    assert_eq!(woken[0], late, "what is beyond the reserve waits, but for nobody else");
}

#[test]
fn what_nobody_fetches_is_given_to_others() {
    let mut queue = queue_at_1_megabyte_per_second();
    let (absent, present) = (queue.insert(Weight::ONE), queue.insert(Weight::ONE));
    let mut woken = Vec::new();
    assert_eq!(
        queue.acquire(absent, 750, milliseconds(0)),
        Acquired::Queued { first: false }
    );
    queue.set_waker(absent, absent);
    queue.tick(milliseconds(1), &mut woken);
    assert_eq!(woken, [absent]);
    let mut transferred = 0;
    for time in 1..=100 {
        queue.tick(milliseconds(time), &mut woken);
        while let Acquired::Granted(bytes) = queue.acquire(present, 750, milliseconds(time)) {
            transferred += bytes;
        }
        let expected = time * 1000 - if time < 5 { 750 } else { 0 };
        // Less than a share and the reserve may be left over.
        assert!(
            (expected.saturating_sub(1000)..=expected).contains(&transferred),
            "{transferred} bytes after {time} ms"
        );
    }
    woken.clear();
    assert_eq!(
        queue.acquire(absent, 5000, milliseconds(100)),
        Acquired::Queued { first: true },
        "it has nothing any more"
    );
    queue.set_waker(absent, absent);
    queue.tick(milliseconds(101), &mut woken);
    assert_eq!(woken, [absent], "this time it is only woken");
    woken.clear();
    assert_eq!(queue.acquire(present, 1750, milliseconds(101)), Acquired::Granted(750));
    queue.acquire(absent, 5000, milliseconds(101));
    queue.set_waker(absent, absent);
    queue.tick(milliseconds(103), &mut woken);
    assert!(woken.contains(&absent));
    assert!(
        matches!(queue.acquire(absent, 5000, milliseconds(103)), Acquired::Granted(_)),
        "it came when it was woken, so it is dealt bytes again"
    );
}

#[test]
fn a_flow_that_goes_returns_what_it_was_dealt() {
    let mut queue = queue_at_1_megabyte_per_second();
    let (going, staying) = (queue.insert(Weight::ONE), queue.insert(Weight::ONE));
    assert_eq!(
        queue.acquire(going, 750, milliseconds(0)),
        Acquired::Queued { first: false }
    );
    queue.set_waker(going, going);
    let mut woken = Vec::new();
    queue.tick(milliseconds(1), &mut woken);
    assert_eq!(woken, [going]);
    assert_eq!(queue.remove(going), None);
    assert_eq!(queue.acquire(staying, 750, milliseconds(1)), Acquired::Granted(750));
}

#[test]
fn great_weights_are_kept_in_the_long_run() {
    for weights in [[1, 1000], [300, 900], [7, 700]] {
        let plans = weights.map(|weight| Plan {
            weight,
            operation: 1000,
            demand: None,
        });
        // After the first ticks, in which the queue learns how much each one wants.
        let (before, after) = (run(10_000_000, &plans, 100), run(10_000_000, &plans, 10_000));
        let gained = |index: usize| (after[index] - before[index]) as f64 / f64::from(weights[index]);
        let share = gained(1) / gained(0);
        assert!((0.9..=1.1).contains(&share), "{weights:?}: {before:?} to {after:?}");
    }
}

#[test]
fn a_thousand_flows_share_equally_every_second() {
    let plans: Vec<_> = [64, 1000, 16_384, 65_536]
        .into_iter()
        .cycle()
        .take(1000)
        .map(|operation| Plan {
            weight: 1,
            operation,
            demand: None,
        })
        .collect();
    for cap in [1_000_000, 10_000_000] {
        let transferred = run(cap, &plans, 1000);
        let sum: f64 = transferred.iter().map(|bytes| *bytes as f64).sum();
        let squares: f64 = transferred.iter().map(|bytes| (*bytes as f64).powi(2)).sum();
        let index = sum * sum / (1000.0 * squares);
        assert!(index >= 0.99, "Jain's index {index} at {cap} B/s");
    }
}
