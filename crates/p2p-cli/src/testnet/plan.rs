//! Who is what in a test network, decided by a seed.

use fastrand::Rng;
use p2p_crypto::{Identity, SecretKey, Stamp};
use p2p_framing::PointList;
use p2p_socket::RejectionMotive;

/// What a node does with whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Takes everyone, and names its neighbours when asked.
    Answering,
    /// Refuses everyone, and names its neighbours as alternatives.
    Nacking(RejectionMotive),
    /// Its port is closed.
    Dead,
    /// Does what nodes should not.
    Hostile(Hostility),
}

/// What a hostile node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hostility {
    /// Takes the TCP connection and says nothing.
    Silent,
    /// Hangs up at once.
    HangUp,
    /// Sends random bytes.
    Garbage,
    /// Announces the longest connection message there can be, and sends none of it.
    HugeFrame,
    /// Names a hundred neighbours where nobody is.
    Liar,
    /// Takes everyone, talks without an end, and never answers.
    Chatterer,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Nacking(_) => "nacking",
            Self::Dead => "dead",
            Self::Hostile(hostility) => match hostility {
                Hostility::Silent => "hostile_silent",
                Hostility::HangUp => "hostile_hang_up",
                Hostility::Garbage => "hostile_garbage",
                Hostility::HugeFrame => "hostile_huge_frame",
                Hostility::Liar => "hostile_liar",
                Hostility::Chatterer => "hostile_chatterer",
            },
        }
    }

    /// Whether it tells its neighbours to whoever comes.
    pub(super) fn names_neighbours(self) -> bool {
        matches!(self, Self::Answering | Self::Nacking(_))
    }
}

/// A node before it runs.
pub(super) struct PlannedNode {
    pub(super) kind: Kind,
    pub(super) identity: Identity,
    /// By their index.
    pub(super) neighbours: Vec<usize>,
}

/// How many in a hundred are of each kind; the rest answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    pub(super) nacking: u8,
    pub(super) dead: u8,
    pub(super) hostile: u8,
}

/// How many nodes each node knows beside those that only it makes known.
const NEIGHBOURS: usize = 6;

/// How many only it makes known at most: room is left for the others that it knows.
const FULL: usize = PointList::MAX_LENGTH - NEIGHBOURS;

/// Plans a network in which every node can be found from the first one, which answers.
pub(super) fn plan(count: usize, shares: Shares, seed: u64) -> Vec<PlannedNode> {
    let mut random = Rng::with_seed(seed);
    let mut nodes: Vec<PlannedNode> = Vec::with_capacity(count);
    // Those that can still name somebody new.
    let mut guides: Vec<usize> = Vec::new();
    for index in 0..count {
        // Somebody must be there to name those who follow.
        let needed = match guides[..] {
            [] => true,
            [last] => nodes[last].neighbours.len() + 1 >= FULL,
            _ => false,
        };
        let kind = if needed {
            Kind::Answering
        } else {
            kind(shares, &mut random)
        };
        if index > 0 {
            let place = random.usize(..guides.len());
            let neighbours = &mut nodes[guides[place]].neighbours;
            neighbours.push(index);
            if neighbours.len() >= FULL && guides.len() > 1 {
                guides.swap_remove(place);
            }
        }
        if kind.names_neighbours() {
            guides.push(index);
        }
        let (mut secret, mut stamp) = ([0; SecretKey::SIZE], [0; Stamp::SIZE]);
        random.fill(&mut secret);
        random.fill(&mut stamp);
        nodes.push(PlannedNode {
            kind,
            identity: Identity::new(SecretKey::from_bytes(secret), Stamp::from_bytes(stamp)),
            neighbours: Vec::new(),
        });
    }
    for node in &mut nodes {
        for _ in 0..NEIGHBOURS.min(count) {
            let other = random.usize(..count);
            if !node.neighbours.contains(&other) && node.neighbours.len() < PointList::MAX_LENGTH {
                node.neighbours.push(other);
            }
        }
        random.shuffle(&mut node.neighbours);
    }
    nodes
}

fn kind(shares: Shares, random: &mut Rng) -> Kind {
    let Shares { nacking, dead, hostile } = shares;
    match random.u8(..100) {
        roll if roll < nacking => Kind::Nacking(RejectionMotive::from_code(random.i16(1..=6))),
        roll if roll < nacking + dead => Kind::Dead,
        roll if roll < nacking + dead + hostile => Kind::Hostile(match random.u8(..6) {
            0 => Hostility::Silent,
            1 => Hostility::HangUp,
            2 => Hostility::Garbage,
            3 => Hostility::HugeFrame,
            4 => Hostility::Liar,
            _ => Hostility::Chatterer,
        }),
        _ => Kind::Answering,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHARES: Shares = Shares {
        nacking: 15,
        dead: 10,
        hostile: 15,
    };

    #[test]
    fn every_node_can_be_found_from_the_first() {
        for count in [1, 2, 3, 200, 1000] {
            for seed in 0..10 {
                let nodes = plan(count, SHARES, seed);
                let (mut found, mut next) = (BTreeSet::from([0]), vec![0]);
                while let Some(index) = next.pop() {
                    assert!(nodes[index].neighbours.len() <= PointList::MAX_LENGTH);
                    if nodes[index].kind.names_neighbours() {
                        next.extend(nodes[index].neighbours.iter().filter(|other| found.insert(**other)));
                    }
                }
                assert_eq!(found.len(), count, "seed {seed}");
            }
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        let text = |seed| {
            let nodes = plan(50, SHARES, seed).into_iter();
            let lines =
                nodes.map(|node| format!("{} {} {:?}", node.kind.name(), node.identity.peer_id(), node.neighbours));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn all_kinds_occur_and_shares_of_nothing_leave_only_answers() {
        let kinds: BTreeSet<_> = plan(1000, SHARES, 1).iter().map(|node| node.kind.name()).collect();
        assert_eq!(kinds.len(), 9, "{kinds:?}");
        let nothing = Shares {
            nacking: 0,
            dead: 0,
            hostile: 0,
        };
        assert!(plan(100, nothing, 1).iter().all(|node| node.kind == Kind::Answering));
    }
}
