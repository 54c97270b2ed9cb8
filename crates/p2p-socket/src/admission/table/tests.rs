use std::{net::Ipv6Addr, time::Duration};

use super::*;

const NOBODY: [u32; 0] = [];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Admits `names` from one address each, and gives those that had to go.
fn admit_all(table: &mut AdmissionTable<u32>, who: impl IntoIterator<Item = (IpAddr, u32)>, now: Instant) -> Vec<u32> {
    who.into_iter()
        .filter_map(|(address, name)| table.admit(address, name, now).unwrap().displaced)
        .collect()
}

fn limits(half_open: usize, half_open_per_network: usize) -> AdmissionLimits {
    AdmissionLimits {
        half_open,
        half_open_per_network,
        offences: 0,
        ..AdmissionLimits::default()
    }
}

#[test]
fn one_network_displaces_its_own_oldest() {
    let now = Instant::now();
    for (count, expected) in [(0, vec![]), (3, vec![]), (4, vec![0]), (6, vec![0, 1, 2])] {
        let mut table = AdmissionTable::new(&limits(100, 3));
        let one = (0..count).map(|name| (ip("192.0.2.1"), name));
        assert_eq!(admit_all(&mut table, [(ip("192.0.2.2"), 99)], now), NOBODY);
        assert_eq!(admit_all(&mut table, one, now), expected, "{count}");
        assert_eq!(table.half_open(), 1 + count.min(3) as usize);
    }
}

#[test]
fn addresses_of_one_network_count_together() {
    let now = Instant::now();
    for (addresses, displaced) in [
        (["2001:db8::1", "2001:db8::2"], vec![0]),
        (["2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff"], vec![0]),
        (["2001:db8:0:1::1", "2001:db8:0:2::1"], vec![]),
        (["::ffff:192.0.2.1", "192.0.2.1"], vec![0]),
        (["::ffff:192.0.2.1", "::ffff:192.0.2.2"], vec![]),
        (["192.0.2.1", "192.0.2.2"], vec![]),
        (["127.0.0.1", "127.0.0.1"], vec![]),
        (["::1", "::1"], vec![]),
    ] {
        let mut table = AdmissionTable::new(&limits(100, 1));
        let who = addresses.map(ip).into_iter().zip(0..);
        assert_eq!(admit_all(&mut table, who, now), displaced, "{addresses:?}");
    }
}

#[test]
fn a_full_table_takes_from_the_block_that_has_most() {
    let now = Instant::now();
    let mut table = AdmissionTable::new(&limits(6, 100));
    // Oldest first: two honest ones, then four of one /24, of which two share an address.
    let who = [
        "198.51.100.1",
        "2001:db8::1",
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.3",
    ];
    assert_eq!(admit_all(&mut table, who.map(ip).into_iter().zip(0..), now), NOBODY);
    // The network that has most in that block, and of it the oldest.
    assert_eq!(admit_all(&mut table, [(ip("203.0.113.1"), 6)], now), [4]);
    // Now all in the block are alike: the oldest.
    assert_eq!(admit_all(&mut table, [(ip("203.0.112.1"), 7)], now), [2]);
    // A newcomer of the block counts for it: it displaces one of its own.
    assert_eq!(admit_all(&mut table, [(ip("192.0.2.9"), 8)], now), [3]);
    assert_eq!(table.half_open(), 6);
}

#[test]
fn among_strangers_with_one_each_the_oldest_goes() {
    let now = Instant::now();
    let mut table = AdmissionTable::new(&limits(3, 1));
    let who = (0..5).map(|name: u32| (IpAddr::from([10, 0, name as u8, 1]), name));
    assert_eq!(admit_all(&mut table, who, now), [0, 1]);
}

#[test]
fn the_owner_of_a_48_displaces_himself() {
    let now = Instant::now();
    let mut table = AdmissionTable::new(&limits(10, 2));
    assert_eq!(admit_all(&mut table, [(ip("2001:db8:1::1"), 10_000)], now), NOBODY);
    let site = u128::from_be_bytes(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1).octets());
    let who = (0..1000_u32).map(|name| (Ipv6Addr::from_bits(site | u128::from(name) << 64).into(), name));
    let displaced = admit_all(&mut table, who, now);
    assert_eq!(displaced, (0..991).collect::<Vec<_>>());
}

#[test]
fn a_released_place_is_free_and_can_be_released_again() {
    let now = Instant::now();
    let mut table = AdmissionTable::new(&limits(1, 1));
    let first = table.admit(ip("192.0.2.1"), 0, now).unwrap();
    table.release(first.place);
    assert_eq!(table.half_open(), 0);
    let second = table.admit(ip("192.0.2.1"), 1, now).unwrap();
    assert_eq!(second.displaced, None);
    // The first one's place is not the second one's.
    table.release(first.place);
    assert_eq!(table.half_open(), 1);
    assert_ne!(first.place, second.place);
}

#[test]
fn limits_of_nothing_leave_room_for_one() {
    let now = Instant::now();
    let mut table = AdmissionTable::new(&limits(0, 0));
    let who = [(ip("192.0.2.1"), 0), (ip("192.0.2.1"), 1), (ip("198.51.100.1"), 2)];
    assert_eq!(admit_all(&mut table, who, now), [0, 1]);
    assert_eq!(table.half_open(), 1);
}

const FORGIVENESS: Duration = Duration::from_secs(10);

fn strict() -> AdmissionTable<u32> {
    AdmissionTable::new(&AdmissionLimits {
        offences: 3,
        forgiveness: FORGIVENESS,
        remembered_offenders: 5,
        ..AdmissionLimits::default()
    })
}

fn is_let_in(table: &mut AdmissionTable<u32>, address: &str, now: Instant) -> bool {
    match table.admit(ip(address), 0, now) {
        Ok(admitted) => {
            table.release(admitted.place);
            true
        }
        Err(Refused { wait, .. }) => {
            assert!(wait > Duration::ZERO && wait <= FORGIVENESS, "{wait:?}");
            false
        }
    }
}

#[test]
fn offenders_are_refused_until_an_offence_is_forgiven() {
    let start = Instant::now();
    let mut table = strict();
    for offences in 0..3 {
        assert!(is_let_in(&mut table, "192.0.2.1", start), "{offences}");
        table.offence(ip("192.0.2.1"), start);
    }
    assert!(!is_let_in(&mut table, "192.0.2.1", start));
    assert!(is_let_in(&mut table, "192.0.2.2", start));
    let nearly = start + FORGIVENESS - Duration::from_nanos(1);
    assert!(!is_let_in(&mut table, "192.0.2.1", nearly));
    assert!(is_let_in(&mut table, "192.0.2.1", start + FORGIVENESS));
    // However many there were, no more than the limit count.
    for _ in 0..1000 {
        table.offence(ip("192.0.2.1"), start);
    }
    assert!(is_let_in(&mut table, "192.0.2.1", start + FORGIVENESS));
    assert_eq!(table.offenders(), 1);
    assert!(is_let_in(&mut table, "192.0.2.1", start + 3 * FORGIVENESS));
    assert_eq!(table.offenders(), 0);
}

#[test]
fn displacing_oneself_is_an_offence_and_being_displaced_by_others_is_none() {
    let now = Instant::now();
    let mut table = AdmissionTable::new(&AdmissionLimits {
        half_open: 4,
        half_open_per_network: 2,
        offences: 1,
        ..AdmissionLimits::default()
    });
    admit_all(&mut table, [(ip("192.0.2.1"), 0), (ip("192.0.2.1"), 1)], now);
    assert_eq!(table.offenders(), 0);
    assert_eq!(admit_all(&mut table, [(ip("192.0.2.1"), 2)], now), [0]);
    let refused = table.admit(ip("192.0.2.1"), 3, now).unwrap_err();
    assert_eq!(refused.network, Network::of(ip("192.0.2.1")));
    let others = (0..9_u8).map(|name| (IpAddr::from([10, 0, name, 1]), 100 + u32::from(name)));
    assert_eq!(admit_all(&mut table, others, now).len(), 7);
    assert_eq!(table.offenders(), 1);
}

#[test]
fn our_own_machine_is_never_refused() {
    let now = Instant::now();
    let mut table = strict();
    for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        for _ in 0..100 {
            table.offence(ip(address), now);
        }
        assert!(is_let_in(&mut table, address, now), "{address}");
    }
    assert_eq!(table.offenders(), 0);
}

#[test]
fn the_memory_of_offenders_is_bounded_and_keeps_the_worst() {
    let now = Instant::now();
    let mut table = strict();
    for _ in 0..3 {
        table.offence(ip("192.0.2.1"), now);
    }
    for name in 0..1000_u32 {
        table.offence(IpAddr::from(Ipv6Addr::from_bits(u128::from(name + 1) << 64)), now);
        assert!(table.offenders() <= 5);
    }
    assert!(!is_let_in(&mut table, "192.0.2.1", now));
}

#[test]
fn times_and_counts_beyond_all_clocks() {
    let now = Instant::now();
    for (offences, forgiveness) in [
        (1, Duration::MAX),
        (u32::MAX, Duration::MAX),
        (u32::MAX, Duration::ZERO),
    ] {
        let mut table = AdmissionTable::new(&AdmissionLimits {
            offences,
            forgiveness,
            ..AdmissionLimits::default()
        });
        for _ in 0..3 {
            table.offence(ip("192.0.2.1"), now);
        }
        assert_eq!(table.admit(ip("192.0.2.1"), 0, now).is_err(), offences == 1);
    }
}
