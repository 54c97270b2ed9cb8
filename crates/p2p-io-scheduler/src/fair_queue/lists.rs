//! The lists that a flow can be in: doubly linked through the flows themselves, so moving one takes constant time and
//! no memory.

use slab::Slab;

use super::{Flow, FlowKey};
use crate::handle::Weight;

/// A point in virtual time: bytes per unit of weight, times 2^32 so that the greatest weight still counts single bytes.
pub(super) type Tag = u128;

const TAG_FRACTION_BITS: u32 = 32;

/// How far `bytes` move the tag of a flow of this weight.
pub(super) fn tag_distance(bytes: u64, weight: Weight) -> Tag {
    // Never more than 2^31 bytes at once, so this is exact, and faster than in 128 bits.
    Tag::from((bytes << TAG_FRACTION_BITS) / u64::from(weight.get()))
}

/// How far a tag may be ahead of the virtual time: a share of the least weight, and the part of a bucket that the virtual
/// time is rounded down by.
pub(super) fn farthest_ahead(share: u64) -> Tag {
    tag_distance(share + (share >> BUCKETS_PER_SHARE_BITS) + 1, Weight::ONE)
}

/// The ring has one bit per bucket in a `u64`.
pub(super) const BUCKETS: usize = 64;

/// A share is 16 to 32 buckets wide, so that all waiting tags fit into the ring. Within a bucket, the order is first
/// in, first out.
const BUCKETS_PER_SHARE_BITS: u32 = 4;

const BEHIND: usize = BUCKETS;
const DEALT: usize = BUCKETS + 1;

/// Where a flow is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// It neither waits nor has bytes to fetch.
    #[default]
    Nowhere,
    /// It waits with its tag in this bucket.
    Bucket(u8),
    /// It waits and was behind the virtual time when it came, so it is before all buckets.
    Behind,
    /// It has bytes to fetch.
    Dealt,
}

impl Place {
    fn list(self) -> Option<usize> {
        match self {
            Self::Nowhere => None,
            Self::Bucket(bucket) => Some(usize::from(bucket)),
            Self::Behind => Some(BEHIND),
            Self::Dealt => Some(DEALT),
        }
    }
}

/// A flow's place, and its neighbours there.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) place: Place,
    previous: Option<FlowKey>,
    next: Option<FlowKey>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    first: Option<FlowKey>,
    last: Option<FlowKey>,
}

#[derive(Debug)]
pub(super) struct Lists {
    ends: [Ends; BUCKETS + 2],
    /// Which buckets hold a flow.
    occupied: u64,
    waiting: usize,
    /// A bucket is 2 to this power wide.
    bucket_bits: u32,
}

impl Lists {
    /// Empty lists for flows that are dealt `share` bytes at a time.
    pub(super) fn new(share: u64) -> Self {
        let bucket_bits = (TAG_FRACTION_BITS + share.max(1).ilog2()).saturating_sub(BUCKETS_PER_SHARE_BITS);
        Self {
            ends: [Ends::default(); BUCKETS + 2],
            occupied: 0,
            waiting: 0,
            bucket_bits,
        }
    }

    fn bucket(&self, tag: Tag) -> usize {
        (tag >> self.bucket_bits) as usize % BUCKETS
    }

    /// Where a flow waits that has this tag.
    pub(super) fn place(&self, tag: Tag) -> Place {
        Place::Bucket(self.bucket(tag) as u8)
    }

    /// The smallest tag that shares this one's bucket.
    pub(super) fn start_of_bucket(&self, tag: Tag) -> Tag {
        tag >> self.bucket_bits << self.bucket_bits
    }

    /// The waiting flow that is to be served first.
    pub(super) fn first(&self, virtual_time: Tag) -> Option<FlowKey> {
        self.ends[BEHIND].first.or_else(|| {
            let start = self.bucket(virtual_time);
            let distance = self.occupied.rotate_right(start as u32).trailing_zeros() as usize;
            self.ends[(start + distance) % BUCKETS].first
        })
    }

    /// Whether a flow waits that came behind the virtual time.
    pub(super) fn someone_is_behind(&self) -> bool {
        self.ends[BEHIND].first.is_some()
    }

    /// How many flows wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The flow that has had bytes to fetch for the longest time.
    pub(super) fn oldest_dealt(&self) -> Option<FlowKey> {
        self.ends[DEALT].first
    }

    /// Puts a flow that is nowhere at the end of a list.
    pub(super) fn push<W>(&mut self, flows: &mut Slab<Flow<W>>, key: FlowKey, place: Place) {
        let Some(list) = place.list() else { return };
        let last = self.ends[list].last.replace(key);
        flows[key].link = Link {
            place,
            previous: last,
            next: None,
        };
        match last {
            Some(last) => flows[last].link.next = Some(key),
            None => self.ends[list].first = Some(key),
        }
        if list < BUCKETS {
            self.occupied |= 1 << list;
        }
        self.waiting += usize::from(list != DEALT);
    }

    /// Takes a flow out of the list that it is in.
    pub(super) fn remove<W>(&mut self, flows: &mut Slab<Flow<W>>, key: FlowKey) {
        let Link { place, previous, next } = std::mem::take(&mut flows[key].link);
        let Some(list) = place.list() else { return };
        match previous {
            Some(previous) => flows[previous].link.next = next,
            None => self.ends[list].first = next,
        }
        match next {
            Some(next) => flows[next].link.previous = previous,
            None => self.ends[list].last = previous,
        }
        if list < BUCKETS && self.ends[list].first.is_none() {
            self.occupied &= !(1 << list);
        }
        self.waiting -= usize::from(list != DEALT);
    }

    /// All flows that are in a list: the dealt ones in their order, then the waiting ones in theirs.
    pub(super) fn into_order<W>(self, flows: &Slab<Flow<W>>, virtual_time: Tag) -> Vec<FlowKey> {
        let start = self.bucket(virtual_time);
        let buckets = (0..BUCKETS).map(|distance| (start + distance) % BUCKETS);
        let mut order = Vec::new();
        for list in [DEALT, BEHIND].into_iter().chain(buckets) {
            order.extend(std::iter::successors(self.ends[list].first, |key| {
                flows[*key].link.next
            }));
        }
        order
    }
}
