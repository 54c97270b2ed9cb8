//! Who wants more than there is gets a share by weight; who wants less gets all of it.

mod common;

use std::time::Duration;

use common::*;
use p2p_io_scheduler::{IoScheduler, Weight};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, interval, sleep};

const SIZES: [usize; 8] = [64, 100, 1000, 1024, 4096, 10_000, 16_384, 65_536];

#[tokio::test(start_paused = true)]
async fn greedy_writers_of_mixed_sizes_get_equal_shares() {
    for (connections, cap) in [
        (2, 1_000_000),
        (2, 50_000_000),
        (8, 100_000),
        (8, 1_000_000),
        (8, 200_000_000),
        (100, 1_000_000),
        (100, 50_000_000),
        (1000, 10_000_000),
        (1000, 100_000_000),
    ] {
        let scheduler = IoScheduler::new(upload(cap));
        let (tasks, sockets): (Vec<_>, Vec<_>) = (0..connections)
            .map(|index| {
                let (io, socket) = register_weighted(&scheduler, 1);
                (greedy_writer(io, SIZES[index * 7 % 8]), socket)
            })
            .unzip();
        let seconds = 5;
        sleep(Duration::from_secs(seconds)).await;
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        let index_between = |from, to| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            jain(
                &sockets
                    .iter()
                    .map(|socket| socket.written.between(from, to) as f64)
                    .collect::<Vec<_>>(),
            )
        };
        let index = index_between(0, seconds);
        let worst = (0..seconds)
            .map(|second| index_between(second, second + 1))
            .fold(f64::MAX, f64::min);
        println!("{connections} greedy at {cap} B/s over 5 s: Jain's index {index:.6}, worst second {worst:.6}");
        assert!(index >= 0.999, "{connections} connections at {cap} B/s: {index}");
        assert!(
            worst >= 0.99,
            "{connections} connections at {cap} B/s: {worst} in one second"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn greedy_readers_get_equal_shares() {
    let scheduler = IoScheduler::new(download(1_000_000));
    let sockets = SIZES.map(|size| {
        let (io, socket) = register_weighted(&scheduler, 1);
        greedy_reader(io, size);
        socket
    });
    sleep(Duration::from_secs(5)).await;
    let index = jain(&sockets.map(|socket| socket.read.total() as f64));
    assert!(index >= 0.999, "{index}");
}

#[tokio::test(start_paused = true)]
async fn shares_follow_the_weights() {
    for cap in [100_000, 1_000_000, 100_000_000] {
        let scheduler = IoScheduler::new(upload(cap));
        let sockets = [(1, 64), (2, 65_536), (5, 1000)].map(|(weight, size)| {
            let (io, socket) = register_weighted(&scheduler, weight);
            (greedy_writer(io, size), socket, weight)
        });
        sleep(Duration::from_secs(5)).await;
        let total: usize = sockets.iter().map(|(_, socket, _)| socket.written.total()).sum();
        for (task, socket, weight) in sockets {
            task.abort();
            let share = socket.written.total() as f64 / total as f64 * 8.0 / f64::from(weight);
            println!(
                "weight {weight} of 8 at {cap} B/s over 5 s: {:.2} % of what is due",
                share * 100.0
            );
            assert!(
                (0.99..=1.01).contains(&share),
                "weight {weight} at {cap} B/s: {share} of what is due"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn weights_change_within_50_milliseconds() {
    let scheduler = IoScheduler::new(upload(1_000_000));
    let (first, first_socket) = register_weighted(&scheduler, 1);
    let (second, second_socket) = register_weighted(&scheduler, 1);
    let handle = first.handle();
    greedy_writer(first, 1000);
    greedy_writer(second, 1000);
    sleep(Duration::from_secs(1)).await;
    handle.set_weight(Weight::new(3).unwrap());
    assert_eq!(handle.weight().get(), 3);
    sleep(Duration::from_secs(1)).await;
    let share = |from, to| {
        let (from, to) = (Duration::from_millis(from), Duration::from_millis(to));
        first_socket.written.between(from, to) as f64 / second_socket.written.between(from, to) as f64
    };
    assert!((0.99..=1.01).contains(&share(0, 1000)), "{}", share(0, 1000));
    assert!((2.95..=3.05).contains(&share(1050, 2000)), "{}", share(1050, 2000));
}

/// Among 99 greedy connections, one that wants a tenth of its share has what it wants almost at once: at 1 MB/s within
/// 20 ms, at more within the time of two quanta.
#[tokio::test(start_paused = true)]
async fn a_modest_connection_gets_what_it_wants_at_once() {
    for (cap, allowed) in [
        (1_000_000, Duration::from_millis(20)),
        (10_000_000, time_of_two_quanta(10_000_000)),
        (50_000_000, time_of_two_quanta(50_000_000)),
        (200_000_000, time_of_two_quanta(200_000_000)),
    ] {
        let scheduler = IoScheduler::new(upload(cap));
        let sockets: Vec<_> = (0..99)
            .map(|index| {
                let (io, socket) = register_weighted(&scheduler, 1);
                greedy_writer(io, SIZES[index % 8]);
                socket
            })
            .collect();
        let (mut modest, modest_socket) = register_weighted(&scheduler, 1);
        sleep(Duration::from_millis(50)).await;
        let start = Instant::now();
        let mut delays = Vec::new();
        // A tenth of a hundredth of the cap, in irregular messages of irregular sizes.
        for index in 0..300_u64 {
            let milliseconds = 3 + index * 7 % 11;
            sleep(Duration::from_millis(milliseconds)).await;
            let bytes = cap * milliseconds / 1_000_000;
            let asked = Instant::now();
            modest.write_all(&vec![0; bytes as usize]).await.unwrap();
            delays.push(asked.elapsed());
        }
        let took = start.elapsed();
        delays.sort();
        let p99 = delays[delays.len() * 99 / 100];
        println!("1 modest and 99 greedy at {cap} B/s: 99th percentile of the delay {p99:?}, at most {allowed:?}");
        assert!(p99 <= allowed, "{cap} B/s: {p99:?}, at most {allowed:?}");
        let end = Duration::from_millis(50) + took;
        let others: usize = sockets
            .iter()
            .map(|socket| socket.written.between(Duration::from_millis(50), end))
            .sum();
        let used = (others + modest_socket.written.total()) as f64 / (cap as f64 * took.as_secs_f64());
        assert!((0.99..=1.01).contains(&used), "{cap} B/s: {used} of the cap is used");
    }
}

fn time_of_two_quanta(cap: u64) -> Duration {
    let quantum = (cap / 500).clamp(256, 16 * 1024);
    Duration::from_secs_f64(2.0 * quantum as f64 / cap as f64)
}

#[tokio::test(start_paused = true)]
async fn what_one_leaves_goes_to_the_others() {
    let scheduler = IoScheduler::new(upload(1_000_000));
    let (io, greedy) = register_weighted(&scheduler, 1);
    greedy_writer(io, 4096);
    let (mut io, modest) = register_weighted(&scheduler, 9);
    tokio::spawn(async move {
        let mut clock = interval(Duration::from_millis(10));
        loop {
            clock.tick().await;
            io.write_all(&[0; 1000]).await.unwrap();
        }
    });
    sleep(Duration::from_secs(5)).await;
    let (greedy, modest) = (greedy.written.total() as f64 / 5e6, modest.written.total() as f64 / 5e6);
    assert!((0.099..=0.101).contains(&modest), "{modest}");
    assert!((0.89..=0.901).contains(&greedy), "{greedy}");
}

#[tokio::test(start_paused = true)]
async fn nobody_who_joins_late_or_comes_back_is_favoured() {
    let scheduler = IoScheduler::new(upload(1_000_000));
    let (io, early) = register_weighted(&scheduler, 1);
    greedy_writer(io, 1000);
    sleep(Duration::from_secs(2)).await;
    let (io, late) = register_weighted(&scheduler, 1);
    greedy_writer(io, 1000);
    sleep(Duration::from_secs(1)).await;
    // The late one's record begins when it joins.
    let share =
        late.written.total() as f64 / early.written.between(Duration::from_secs(2), Duration::from_secs(3)) as f64;
    assert!((0.98..=1.02).contains(&share), "{share}");
}
