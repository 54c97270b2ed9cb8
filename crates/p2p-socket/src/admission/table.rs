use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::IpAddr,
    time::Instant,
};

use super::{Network, Refused, offenders::Offenders};
use crate::AdmissionLimits;

/// Who may begin a handshake, decided without I/O and clock: addresses and time in, decisions out.
///
/// `T` is whatever ends a half-open connection, kept with its place and given back when the place is needed for
/// someone else.
///
/// The rules, in this order:
///
/// 1. A network with too many offences is refused.
/// 2. A network that has all the places it may have gives up its oldest one, which counts as an offence.
/// 3. When all places are taken, the newcomer counted in, the block of addresses with the most of them gives up one:
///    the oldest of the network in it that has the most.
///
/// So the newcomer itself is never turned away for lack of room. A silent remote gets older and older while an honest
/// one is through within a few round trips, and one owner of many addresses displaces himself.
///
/// Deciding costs little while there is room, and a look at all places when there is none.
///
/// ```
/// use std::time::Instant;
/// use p2p_socket::{AdmissionLimits, admission::AdmissionTable};
///
/// let limits = AdmissionLimits { half_open_per_network: 1, ..AdmissionLimits::default() };
/// let mut table = AdmissionTable::new(&limits);
/// let now = Instant::now();
/// let first = table.admit("192.0.2.1".parse()?, "first", now)?;
/// assert_eq!(first.displaced, None);
/// let second = table.admit("192.0.2.1".parse()?, "second", now)?;
/// assert_eq!(second.displaced, Some("first"));
/// table.release(second.place);
/// assert_eq!(table.half_open(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AdmissionTable<T> {
    half_open: usize,
    half_open_per_network: usize,
    /// By age.
    places: BTreeMap<Place, Held<T>>,
    /// How many places each network has.
    loads: BTreeMap<Network, usize>,
    next: Place,
    offenders: Offenders,
}

/// The name of a half-open connection in an [`AdmissionTable`], never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

/// A newcomer that may begin its handshake.
#[derive(Debug)]
#[must_use = "a displaced connection must be ended"]
pub struct Admitted<T> {
    /// What to [release](AdmissionTable::release) when the handshake has ended.
    pub place: Place,
    /// Who had to go for it.
    pub displaced: Option<T>,
}

#[derive(Debug)]
struct Held<T> {
    network: Network,
    handle: T,
}

impl<T> AdmissionTable<T> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: &AdmissionLimits) -> Self {
        Self {
            half_open: limits.half_open.max(1),
            half_open_per_network: limits.half_open_per_network.max(1),
            places: BTreeMap::new(),
            loads: BTreeMap::new(),
            next: Place(0),
            offenders: Offenders::new(limits),
        }
    }

    /// Gives a place to a connection that has just come from `remote`.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the network of `remote` has offended too often lately.
    pub fn admit(&mut self, remote: IpAddr, handle: T, now: Instant) -> Result<Admitted<T>, Refused> {
        let network = Network::of(remote);
        self.offenders.check(network, now)?;
        let displaced = self.make_room(network, now);
        let place = self.next;
        self.next = Place(place.0.wrapping_add(1));
        self.places.insert(place, Held { network, handle });
        *self.loads.entry(network).or_default() += 1;
        Ok(Admitted { place, displaced })
    }

    /// Gives up a place; without effect if it has been given to someone else.
    pub fn release(&mut self, place: Place) {
        self.remove(place);
    }

    /// Remembers that a remote broke the protocol or let its deadline pass.
    pub fn offence(&mut self, remote: IpAddr, now: Instant) {
        self.offence_of(Network::of(remote), now);
    }

    /// How many handshakes have a place.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.places.len()
    }

    /// Of how many networks offences are remembered.
    #[must_use]
    pub fn offenders(&self) -> usize {
        self.offenders.len()
    }

    fn make_room(&mut self, newcomer: Network, now: Instant) -> Option<T> {
        let of_network = self.loads.get(&newcomer).copied().unwrap_or(0);
        let place = if of_network >= self.half_open_per_network && !newcomer.is_loopback() {
            self.offence_of(newcomer, now);
            self.places.iter().find(|(_, held)| held.network == newcomer)
        } else if self.places.len() >= self.half_open {
            self.oldest_of_the_most_loaded(newcomer)
        } else {
            None
        };
        let (&place, _) = place?;
        self.remove(place)
    }

    fn remove(&mut self, place: Place) -> Option<T> {
        let Held { network, handle } = self.places.remove(&place)?;
        if let Entry::Occupied(mut load) = self.loads.entry(network) {
            *load.get_mut() -= 1;
            if *load.get() == 0 {
                load.remove();
            }
        }
        Some(handle)
    }

    fn oldest_of_the_most_loaded(&self, newcomer: Network) -> Option<(&Place, &Held<T>)> {
        let mut blocks = BTreeMap::from([(newcomer.block(), 1)]);
        for (network, load) in &self.loads {
            *blocks.entry(network.block()).or_insert(0) += load;
        }
        let load = |network| self.loads.get(&network).copied().unwrap_or(0) + usize::from(network == newcomer);
        // Of equals the last is taken, so the oldest must come last.
        self.places
            .iter()
            .rev()
            .max_by_key(|(_, held)| (blocks.get(&held.network.block()), load(held.network)))
    }

    fn offence_of(&mut self, network: Network, now: Instant) {
        if !network.is_loopback() {
            self.offenders.add(network, now);
        }
    }
}

#[cfg(test)]
mod tests;
