//! What is known of a network, and whom to call next without being a nuisance. It knows no clock and no socket.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use p2p_socket::admission::{Block, Network};
use serde::Serialize;

/// The addresses of a crawl: those to call, and all that were ever known.
#[derive(Debug)]
pub(super) struct Frontier {
    known: HashSet<SocketAddr>,
    /// Those of them that a node has named, and how many the nodes of each block have.
    named: HashSet<SocketAddr>,
    named_by: HashMap<Block, usize>,
    /// What is called at most once in an interval: whoever has one address of such a network has all of them.
    hosts: HashMap<Network, Host>,
    /// Hosts with waiting addresses, by the time at which they may be called.
    due: BinaryHeap<Reverse<(Instant, Network)>>,
    waiting: usize,
    /// Between two calls on the same host.
    interval: Duration,
    max_known: usize,
    refused: RefusedAddresses,
}

/// How many addresses were named and not taken, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct RefusedAddresses {
    /// They are not for that node to name.
    pub(super) out_of_reach: u64,
    /// Nodes of the same block had named too many already.
    pub(super) beyond_share: u64,
    /// There is no room for anyone's.
    pub(super) too_many: u64,
}

#[derive(Debug, Default)]
struct Host {
    waiting: VecDeque<SocketAddr>,
    next_call: Option<Instant>,
}

/// Whom to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Call(SocketAddr),
    /// Everyone who waits was called on too recently.
    At(Instant),
    Nobody,
}

impl Frontier {
    pub(super) fn new(interval: Duration, max_known: usize) -> Self {
        Self {
            known: HashSet::new(),
            named: HashSet::new(),
            named_by: HashMap::new(),
            hosts: HashMap::new(),
            due: BinaryHeap::new(),
            waiting: 0,
            interval,
            max_known,
            refused: RefusedAddresses::default(),
        }
    }

    /// An address that has been called before.
    pub(super) fn mark_called(&mut self, address: SocketAddr) {
        self.known.insert(address);
    }

    /// Adds an address that the user named.
    pub(super) fn add_seed(&mut self, address: SocketAddr, now: Instant) {
        if self.known.insert(address) {
            self.queue(address, now);
        }
    }

    /// Adds an address that `source` named, unless it is known, or not for it to name.
    ///
    /// # Security
    ///
    /// The nodes of a block together may name as many addresses as there is still room for, so that the first liar gets half of
    /// it at most, and there is always room for what others name.
    pub(super) fn add(&mut self, address: SocketAddr, source: SocketAddr, now: Instant) {
        if self.named.contains(&address) {
            return;
        }
        let is_new = !self.known.contains(&address);
        let room = self.max_known.saturating_sub(self.known.len());
        let named_by = self.named_by.entry(Network::of(source.ip()).block()).or_default();
        let reason = if address.port() == 0 || Reach::of(address.ip()) < Reach::of(source.ip()) {
            &mut self.refused.out_of_reach
        } else if room == 0 {
            &mut self.refused.too_many
        } else if *named_by >= room {
            &mut self.refused.beyond_share
        } else {
            *named_by += 1;
            self.named.insert(address);
            if is_new {
                self.known.insert(address);
                self.queue(address, now);
            }
            return;
        };
        if is_new {
            *reason = reason.saturating_add(1);
        }
    }

    fn queue(&mut self, address: SocketAddr, now: Instant) {
        let id = Network::of(address.ip());
        let host = self.hosts.entry(id).or_default();
        if host.waiting.is_empty() {
            self.due.push(Reverse((host.next_call.unwrap_or(now), id)));
        }
        host.waiting.push_back(address);
        self.waiting += 1;
    }

    /// Whom to call now. Whoever is named counts as called.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let Some(Reverse((at, id))) = self.due.peek().copied() else {
            return Next::Nobody;
        };
        if at > now {
            return Next::At(at);
        }
        self.due.pop();
        let Some(host) = self.hosts.get_mut(&id) else {
            return Next::Nobody;
        };
        let next_call = now + self.interval;
        host.next_call = Some(next_call);
        let Some(address) = host.waiting.pop_front() else {
            return Next::Nobody;
        };
        if !host.waiting.is_empty() {
            self.due.push(Reverse((next_call, id)));
        }
        self.waiting -= 1;
        Next::Call(address)
    }

    /// How many addresses were ever known.
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    /// How many addresses wait to be called.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many addresses were named and not taken.
    pub(super) fn refused(&self) -> RefusedAddresses {
        self.refused
    }
}

/// From where an address can be reached, the narrower the smaller.
///
/// # Security
///
/// A node may only name addresses that reach at least as far as its own. A stranger on the internet could otherwise make
/// us knock on the doors of our own machine and our own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// No address of a node.
    Nowhere,
    Machine,
    Site,
    World,
}

impl Reach {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_unspecified() || ip.is_multicast() => Self::Nowhere,
            ip if ip.is_loopback() => Self::Machine,
            IpAddr::V4(ip) => {
                let [a, b, ..] = ip.octets();
                // The addresses that carriers share among their customers, RFC 6598.
                let shared = a == 100 && (64..128).contains(&b);
                match () {
                    () if ip.is_broadcast() || a == 0 || a >= 240 => Self::Nowhere,
                    () if ip.is_private() || ip.is_link_local() || shared => Self::Site,
                    () => Self::World,
                }
            }
            IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Self::Site,
            IpAddr::V6(_) => Self::World,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_address_is_called_once_and_hosts_take_turns() {
        let now = Instant::now();
        let mut frontier = Frontier::new(Duration::from_secs(1), 100);
        let (a1, a2, b1) = (address("8.0.0.1:1"), address("8.0.0.1:2"), address("8.0.0.2:1"));
        for named in [a1, a2, b1, a1] {
            frontier.add(named, b1, now);
        }
        frontier.add_seed(a2, now);
        assert_eq!((frontier.known(), frontier.waiting()), (3, 3));
        let called = [frontier.next(now), frontier.next(now)];
        assert!(called.contains(&Next::Call(a1)) && called.contains(&Next::Call(b1)));
        let later = now + Duration::from_secs(1);
        assert_eq!(frontier.next(now), Next::At(later));
        assert_eq!(frontier.next(later), Next::Call(a2));
        assert_eq!(frontier.next(later), Next::Nobody);
        // The host is remembered when something of it comes up later.
        frontier.add(address("8.0.0.1:3"), b1, later);
        assert_eq!(frontier.next(later), Next::At(later + Duration::from_secs(1)));
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_one_host() {
        let now = Instant::now();
        let interval = Duration::from_secs(1);
        let mut frontier = Frontier::new(interval, 100);
        let one = address("[2001:db8:0:1::1]:1");
        let same = address("[2001:db8:0:1:ffff:ffff:ffff:ffff]:1");
        let other = address("[2001:db8:0:2::1]:1");
        for named in [one, same, other] {
            frontier.add(named, one, now);
        }
        let called = [frontier.next(now), frontier.next(now)];
        assert!(
            called.contains(&Next::Call(one)) && called.contains(&Next::Call(other)),
            "{called:?}"
        );
        assert_eq!(frontier.next(now), Next::At(now + interval));
        assert_eq!(frontier.next(now + interval), Next::Call(same));
    }

    #[test]
    fn strangers_can_not_send_us_to_our_own_doors() {
        let now = Instant::now();
        let mut frontier = Frontier::new(Duration::ZERO, 100);
        let world = address("8.8.8.8:9732");
        for inner in [
            "127.0.0.1:22",
            "[::1]:22",
            "[::ffff:127.0.0.1]:22",
            "10.0.0.1:80",
            "192.168.1.1:80",
            "172.16.0.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "[fd00::1]:80",
            "[fe80::1]:80",
            "0.0.0.0:80",
            "[::]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "8.8.4.4:0",
        ] {
            frontier.add(address(inner), world, now);
        }
        assert_eq!((frontier.known(), frontier.refused().out_of_reach), (0, 15));
        frontier.add(address("10.0.0.2:1"), address("10.0.0.1:1"), now);
        frontier.add(address("127.0.0.1:1"), address("10.0.0.1:1"), now);
        frontier.add(address("127.0.0.1:2"), address("127.0.0.1:1"), now);
        frontier.add(address("8.8.4.4:1"), address("127.0.0.1:1"), now);
        assert_eq!(frontier.known(), 3);
    }

    #[test]
    fn what_is_known_is_bounded_and_seeds_always_have_room() {
        let now = Instant::now();
        let mut frontier = Frontier::new(Duration::ZERO, 2);
        for block in 1..=5 {
            let source = SocketAddr::from(([8, 8, block, 8], 9));
            frontier.add(SocketAddr::from(([8, 8, 8, 8], block.into())), source, now);
        }
        assert_eq!((frontier.known(), frontier.refused().too_many), (2, 3));
        frontier.add_seed(address("8.8.8.8:99"), now);
        assert_eq!(frontier.known(), 3);
    }

    #[test]
    fn who_names_many_leaves_room_for_others() {
        let now = Instant::now();
        let mut frontier = Frontier::new(Duration::ZERO, 1000);
        let mut name = |source: &str, from: u16, to: u16| {
            for port in from..to {
                frontier.add(SocketAddr::from(([9, 9, 9, 9], port)), address(source), now);
            }
            (frontier.known(), frontier.refused().beyond_share)
        };
        assert_eq!(name("8.0.0.1:1", 1, 301), (300, 0));
        // A neighbour of it is no other source, and neither is it another time.
        assert_eq!(name("8.0.0.200:1", 301, 1001), (500, 500));
        assert_eq!(name("8.0.0.1:1", 1, 1001), (500, 1000));
        assert_eq!(name("8.0.1.1:1", 2000, 2100), (600, 1000));
        assert_eq!(name("[2001:db8:1::1]:1", 3000, 4000), (800, 1800));
        assert_eq!(name("[2001:db8:1:2::1]:1", 4000, 4001), (800, 1801));
        assert_eq!(name("[2001:db8:2::1]:1", 5000, 5001), (801, 1801));
    }

    #[test]
    fn what_was_called_before_counts_for_who_named_it() {
        let now = Instant::now();
        let mut frontier = Frontier::new(Duration::ZERO, 100);
        let called = |port| SocketAddr::from(([9, 9, 9, 9], port));
        (1..=40).for_each(|port| frontier.mark_called(called(port)));
        for port in 1..=100 {
            frontier.add(called(port), address("8.0.0.1:1"), now);
        }
        // The forty, and ten more: then there is room for fifty.
        assert_eq!((frontier.known(), frontier.waiting()), (50, 10));
        assert_eq!(frontier.refused().beyond_share, 50);
    }
}
