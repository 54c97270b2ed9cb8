//! What is known of a network, and whom to call next without being a nuisance. It knows no clock and no socket.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// The addresses of a crawl: those to call, and all that were ever known.
#[derive(Debug)]
pub(super) struct Frontier {
    known: HashSet<SocketAddr>,
    hosts: HashMap<HostId, Host>,
    /// Hosts with waiting addresses, by the time at which they may be called.
    due: BinaryHeap<Reverse<(Instant, HostId)>>,
    waiting: usize,
    /// Between two calls on the same host.
    interval: Duration,
    max_known: usize,
    refused: u64,
}

/// What is called at most once in an interval: an IPv4 address, or an IPv6 network of 64 bits. Those who have IPv6 have at
/// least such a network, and all its addresses for one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct HostId(IpAddr);

impl HostId {
    fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            ip => ip,
        })
    }
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
            hosts: HashMap::new(),
            due: BinaryHeap::new(),
            waiting: 0,
            interval,
            max_known,
            refused: 0,
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
    pub(super) fn add(&mut self, address: SocketAddr, source: SocketAddr, now: Instant) {
        if self.known.contains(&address) {
            return;
        }
        if address.port() == 0 || Reach::of(address.ip()) < Reach::of(source.ip()) || self.known.len() >= self.max_known
        {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.known.insert(address);
        self.queue(address, now);
    }

    fn queue(&mut self, address: SocketAddr, now: Instant) {
        let id = HostId::of(address.ip());
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
    pub(super) fn refused(&self) -> u64 {
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
        let mapped = HostId::of("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(mapped, HostId::of("192.0.2.1".parse().unwrap()));
        assert_ne!(mapped, HostId::of("192.0.2.2".parse().unwrap()));
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
        assert_eq!((frontier.known(), frontier.refused()), (0, 15));
        frontier.add(address("10.0.0.2:1"), address("10.0.0.1:1"), now);
        frontier.add(address("127.0.0.1:1"), address("10.0.0.1:1"), now);
        frontier.add(address("127.0.0.1:2"), address("127.0.0.1:1"), now);
        frontier.add(address("8.8.4.4:1"), address("127.0.0.1:1"), now);
        assert_eq!(frontier.known(), 3);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let now = Instant::now();
        let mut frontier = Frontier::new(Duration::ZERO, 2);
        for port in 1..=5 {
            frontier.add(SocketAddr::from(([8, 8, 8, 8], port)), address("8.8.8.8:9"), now);
        }
        assert_eq!((frontier.known(), frontier.refused()), (2, 3));
    }
}
