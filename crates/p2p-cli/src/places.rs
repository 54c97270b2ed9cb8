//! The places of peers, and how many of them one address may have.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use p2p_socket::admission::Network;

/// How many peers there may be at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceLimits {
    pub(crate) all: usize,
    /// Of one IPv4 address or IPv6 /64.
    pub(crate) of_one_network: Share,
}

/// How many places one network may have.
///
/// # Security
///
/// Identities cost little and may be had by anyone who has one twice: without a share one address could hold all places, and
/// would not even have to say anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    /// As many as there are.
    All,
    /// So many, also from our own machine.
    Fixed(usize),
    /// So many, but our own machine has no such limit: behind a proxy everybody comes from there.
    OfStrangers(usize),
}

impl Share {
    /// As many as there may be behind one address translator and want the same of one listener. Of a hundred places one
    /// address has these, and it takes thirteen to hold all.
    const MOST: usize = 8;

    /// What is right for most where there is room for so many: eight, or a quarter if that is less.
    pub(crate) fn fair(room: usize) -> Self {
        Self::OfStrangers(room.div_ceil(4).min(Self::MOST))
    }

    fn of(self, remote: IpAddr, all: usize) -> usize {
        match self {
            Self::All => all,
            Self::OfStrangers(_) if remote.to_canonical().is_loopback() => all,
            Self::Fixed(most) | Self::OfStrangers(most) => most,
        }
    }
}

/// Gives out places. Clones give out the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    limits: PlaceLimits,
    taken: Arc<Mutex<BTreeMap<Network, usize>>>,
}

impl Places {
    pub(crate) fn new(limits: PlaceLimits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    /// A place for someone who comes from `remote`, until it is dropped.
    pub(crate) fn take(&self, remote: IpAddr) -> Result<Place, NoPlace> {
        let network = Network::of(remote);
        let PlaceLimits { all, of_one_network } = self.limits;
        let mut taken = self.lock();
        if taken.values().sum::<usize>() >= all {
            return Err(NoPlace::AtAll);
        }
        let of_network = taken.entry(network).or_default();
        if *of_network >= of_one_network.of(remote, all) {
            return Err(NoPlace::For(network));
        }
        *of_network += 1;
        drop(taken);
        Ok(Place {
            places: self.clone(),
            network,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Network, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a peer, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    network: Network,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(of_network) = taken.get_mut(&self.network) {
            *of_network -= 1;
            if *of_network == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All are taken.
    AtAll,
    /// This network has as many as it may.
    For(Network),
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtAll => f.write_str("too many connections"),
            Self::For(network) => write!(f, "too many connections from {network}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: usize, of_one_network: Share) -> Places {
        Places::new(PlaceLimits { all, of_one_network })
    }

    fn take(places: &Places, from: &str) -> Result<Place, NoPlace> {
        places.take(from.parse().unwrap())
    }

    #[test]
    fn one_network_has_its_share_and_leaves_the_rest_to_others() {
        let places = places(5, Share::fair(5));
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            let first = take(&places, one).unwrap();
            let _second = take(&places, same).unwrap();
            let network = Network::of(one.parse().unwrap());
            assert_eq!(take(&places, one).unwrap_err(), NoPlace::For(network));
            drop(take(&places, other).unwrap());
            drop(first);
            drop(take(&places, same).unwrap());
        }
        assert!(places.lock().is_empty());
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        for share in [Share::All, Share::Fixed(9), Share::fair(3)] {
            let places = places(3, share);
            let _taken = [(); 3].map(|()| take(&places, "127.0.0.1").unwrap());
            assert_eq!(take(&places, "127.0.0.1").unwrap_err(), NoPlace::AtAll);
            assert_eq!(take(&places, "192.0.2.1").unwrap_err(), NoPlace::AtAll);
        }
    }

    #[test]
    fn shares_are_what_is_asked_for_or_right_for_most() {
        let (stranger, local) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([127, 0, 0, 1]));
        for (all, fair) in [(1, 1), (4, 1), (5, 2), (20, 5), (100, 8), (1000, 8)] {
            assert_eq!(Share::fair(all).of(stranger, all), fair, "{all}");
            assert_eq!(Share::fair(all).of(local, all), all);
            assert_eq!(Share::All.of(stranger, all), all);
            assert_eq!(Share::Fixed(3).of(local, all), 3);
        }
    }
}
