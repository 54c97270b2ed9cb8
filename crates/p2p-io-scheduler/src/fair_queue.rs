//! Who gets the bytes: start-time fair queueing over the connections that wait now.
//!
//! Every flow (one direction of one connection) has a *tag*: the bytes it was dealt divided by its weight, as a point
//! on a common scale, the virtual time. Each tick deals the available credit out, always to the waiting flow with the
//! smallest tag, at most one share at a time, and moves that flow's tag on. Flows that always want more thus advance
//! side by side: weighted fairness. A flow that was away starts again at the virtual time and not before it: what it
//! left was given to the others, and it saves up nothing. As it is behind everyone who waits, it is served before them:
//! at once if the pacer's reserve is enough, so a flow that wants less than its share gets it without waiting: max-min
//! fairness.
//!
//! Invariants:
//! - **Constant cost.** All waiting tags that are not behind lie within one share of the virtual time, so they sort into a
//!   ring of 64 first-in-first-out lists with a bitmap; those who are behind have a list of their own. Every operation is a
//!   few list links, whatever the number of flows; nothing is allocated per grant.
//! - **Conservation.** Credit is taken when bytes are dealt. What the socket does not use, what a removed flow held and
//!   what nobody fetched within [`FETCH_TIME`] goes back to the credit and off the tag.
//! - **Nobody is held up.** A flow whose socket isn't ready is not in the queue.
//! - **Dealt is as good as transferred.** The cap counts bytes when they are dealt. They are transferred when the woken
//!   task runs, which is at once; if it comes later than [`PROMPT_TIME`], they count again from then on.
//! - **A moment away costs nothing.** A flow that fetched what it was dealt and comes back within [`RETURN_TIME`] keeps its
//!   tag, even if the others were served in between; so it does not matter who fetches first, or in which portions.
//! - **No starvation.** A flow goes before the others only while the virtual time has passed its tag, by at most one tick's
//!   bytes, and being served moves the tag on. A new flow begins one share ahead.
//!
//! It knows no clock, task or socket: time is an argument, and what wakes a flow is its type parameter.

use std::time::Duration;

use slab::Slab;

use crate::handle::Weight;
use crate::pacer::Pacer;
use crate::rate::BytesPerSecond;

mod lists;

use lists::{Link, Lists, Place, Tag, farthest_ahead, tag_distance};

/// Names a flow within its queue.
pub(crate) type FlowKey = usize;

/// How long dealt bytes stay reserved for a flow that does not come for them (its operation was cancelled, or the machine
/// is busy). Nobody can use them meanwhile.
const FETCH_TIME: Duration = Duration::from_millis(4);

/// How soon a flow has to come when it is woken only to see whether it does.
const ANSWER_TIME: Duration = Duration::from_millis(1);

/// A flow that comes back within this time after its latest bytes never went away: it keeps its place in the order. A
/// task that wants more comes back within microseconds; the rest is for a busy machine.
const RETURN_TIME: Duration = Duration::from_millis(2);

/// How long after they were dealt bytes may be fetched and still count as transferred when they were dealt.
const PROMPT_TIME: Duration = Duration::from_micros(100);

/// What a flow used in about this time tells how much it will use in the next tick.
const RECENT_TIME: Duration = Duration::from_millis(1);

/// The most that a flow is dealt in one tick, so that one tick's burst stays bounded.
const MAX_APPETITE_BYTES: u32 = 1 << 20;

/// What a flow is told that wants to transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It may transfer this many bytes now, and returns what it does not use with [`FairQueue::give_back`].
    Granted(u64),
    /// It will be woken. `first` if it is served before all others.
    Queued { first: bool },
}

#[derive(Debug)]
struct Flow<W> {
    weight: Weight,
    /// The virtual time at which this flow's next byte is due.
    tag: Tag,
    link: Link,
    /// Dealt and not yet fetched.
    dealt: u32,
    /// When it was, or was asked.
    dealt_at: Duration,
    presence: Presence,
    /// What was granted in the last [`RECENT_TIME`]; what is older counts less and less.
    recent: u32,
    granted_at: Duration,
    /// How many bytes it is taken to want in one tick: small for those who send small messages now and then, so that no
    /// credit lies with them; growing for those who come back at once.
    appetite: u32,
    /// What the operation that waits asked for.
    wanted: u32,
    waker: Option<W>,
}

/// Whether a flow can be relied upon to fetch what it is dealt. Bytes that lie with one whose operation was cancelled are
/// bytes that nobody transfers, and the cap does not let them be made up for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Shown,
    /// It let bytes lie. When its turn comes it is only woken, to ask again.
    Doubtful,
    /// It was woken, and has [`ANSWER_TIME`] to ask again.
    Asked,
}

/// One direction's flows and its pace.
#[derive(Debug)]
pub(crate) struct FairQueue<W> {
    pacer: Option<Pacer>,
    flows: Slab<Flow<W>>,
    lists: Lists,
    virtual_time: Tag,
    /// The flows served in the present tick; kept to spare allocations.
    served: Vec<FlowKey>,
}

impl<W> FairQueue<W> {
    pub(crate) fn new(rate: Option<BytesPerSecond>, now: Duration) -> Self {
        let pacer = rate.map(|rate| Pacer::new(rate, now));
        Self {
            lists: Lists::new(pacer.as_ref().map_or(0, Pacer::share)),
            pacer,
            flows: Slab::new(),
            virtual_time: 0,
            served: Vec::new(),
        }
    }

    /// Asks for up to `wanted > 0` bytes for a flow. If it is queued, [`FairQueue::set_waker`] says who is to be woken.
    pub(crate) fn acquire(&mut self, key: FlowKey, wanted: u64, now: Duration) -> Acquired {
        self.expire(now);
        self.count_from_now(key, now);
        let Some(pacer) = &mut self.pacer else {
            return Acquired::Granted(wanted);
        };
        let flow = &mut self.flows[key];

        if flow.link.place == Place::Dealt {
            let granted = u64::from(flow.dealt).min(wanted);
            flow.dealt -= granted as u32;
            flow.count(granted, now);
            flow.presence = Presence::Shown;
            if flow.dealt == 0 {
                self.lists.remove(&mut self.flows, key);
            }
            return Acquired::Granted(granted);
        }
        if flow.link.place == Place::Nowhere {
            if flow.presence == Presence::Asked {
                let came = now.saturating_sub(flow.dealt_at) <= ANSWER_TIME;
                flow.presence = if came { Presence::Shown } else { Presence::Doubtful };
            }
            let waiting = self.lists.waiting();
            pacer.update(now, waiting > 0);
            let share = wanted.min(pacer.share_of(waiting + 1));
            let is_behind = flow.tag < self.virtual_time;
            let earliest = if flow.is_back(now) {
                self.virtual_time
                    .saturating_sub(tag_distance(pacer.per_tick(), flow.weight))
            } else {
                self.virtual_time
            };
            flow.tag = flow
                .tag
                .clamp(earliest, self.virtual_time + farthest_ahead(pacer.share()));

            // Those who are fetching what they were dealt will be back at once.
            let is_alone = waiting == 0 && self.lists.oldest_dealt().is_none();
            let is_first = is_behind && !self.lists.someone_is_behind();
            if (is_alone || is_first) && pacer.available() >= share {
                pacer.take(share);
                flow.tag += tag_distance(share, flow.weight);
                flow.dealt_at = now;
                flow.count(share, now);
                return Acquired::Granted(share);
            }
            flow.appetite = if flow.is_back(now) {
                flow.recent.saturating_mul(2).clamp(share as u32, MAX_APPETITE_BYTES)
            } else {
                share as u32
            };
            let place = if is_behind {
                Place::Behind
            } else {
                self.lists.place(flow.tag)
            };
            self.lists.push(&mut self.flows, key, place);
        }
        self.flows[key].wanted = wanted.min(MAX_APPETITE_BYTES.into()) as u32;
        Acquired::Queued {
            first: self.flows[key].link.place == Place::Behind,
        }
    }

    /// Says whom to wake for a flow, and returns who it was before.
    pub(crate) fn set_waker(&mut self, key: FlowKey, waker: W) -> Option<W> {
        self.flows[key].waker.replace(waker)
    }

    /// Returns bytes that were granted and not used. `is_ready` tells whether the flow's socket could go on; if not,
    /// the rest of what it was dealt is returned as well.
    pub(crate) fn give_back(&mut self, key: FlowKey, unused: u64, is_ready: bool) {
        let flow = &mut self.flows[key];
        let mut returned = unused;
        if !is_ready {
            if flow.link.place == Place::Dealt {
                returned += u64::from(std::mem::take(&mut flow.dealt));
                self.lists.remove(&mut self.flows, key);
            }
            self.flows[key].recent = 0;
        }
        self.refund(key, returned);
    }

    /// Deals out what is available at `now` and hands the wakers of those who got some to `woken`. Returns when to call
    /// it again, or `None` if nobody waits.
    pub(crate) fn tick(&mut self, now: Duration, woken: &mut Vec<W>) -> Option<Duration> {
        self.expire(now);
        let someone_waits = self.someone_waits();
        self.pacer.as_mut()?.update(now, someone_waits);
        let next = loop {
            let Some(key) = self.lists.first(self.virtual_time) else {
                break None;
            };
            let (Some(pacer), flow) = (&mut self.pacer, &mut self.flows[key]) else {
                break None;
            };
            if flow.presence == Presence::Doubtful {
                flow.presence = Presence::Asked;
                flow.dealt_at = now;
                woken.extend(flow.waker.take());
                self.lists.remove(&mut self.flows, key);
                continue;
            }
            let share = pacer
                .share_of(self.lists.waiting())
                .min(u64::from(flow.appetite - flow.dealt));
            // For an operation that waits, what it asked for is enough to begin with.
            let least = if flow.dealt == 0 {
                share.min(flow.wanted.into())
            } else {
                share
            };
            let kept = if flow.link.place == Place::Behind {
                0
            } else {
                pacer.reserve()
            };
            if pacer.available() < least + kept {
                break Some(pacer.time_of(least + kept));
            }
            let share = share.min(pacer.available() - kept);
            pacer.take(share);
            if flow.dealt == 0 {
                self.served.push(key);
            }
            flow.dealt += share as u32;
            flow.dealt_at = now;
            self.virtual_time = self.virtual_time.max(self.lists.start_of_bucket(flow.tag));
            flow.tag += tag_distance(share, flow.weight);
            let (tag, is_full) = (flow.tag, flow.dealt == flow.appetite);
            let place = if is_full { Place::Nowhere } else { self.place(tag) };
            self.lists.remove(&mut self.flows, key);
            if place != Place::Nowhere {
                self.lists.push(&mut self.flows, key, place);
            }
        };
        let mut served = std::mem::take(&mut self.served);
        for key in served.drain(..) {
            if self.flows[key].link.place != Place::Nowhere {
                self.lists.remove(&mut self.flows, key);
            }
            self.lists.push(&mut self.flows, key, Place::Dealt);
            woken.extend(self.flows[key].waker.take());
        }
        self.served = served;
        next.filter(|_| self.someone_waits())
    }

    /// Lets bytes that are fetched late count from now on and not from when they were dealt: in between, the window of the
    /// cap may have moved on.
    fn count_from_now(&mut self, key: FlowKey, now: Duration) {
        let (Some(pacer), flow) = (&mut self.pacer, &mut self.flows[key]) else {
            return;
        };
        if flow.link.place != Place::Dealt || now.saturating_sub(flow.dealt_at) <= PROMPT_TIME {
            return;
        }
        let dealt = u64::from(flow.dealt);
        pacer.update(now, true);
        pacer.refund(dealt, flow.dealt_at);
        let still = dealt.min(pacer.available());
        pacer.take(still);
        flow.dealt = still as u32;
        flow.dealt_at = now;
        flow.tag = flow.tag.saturating_sub(tag_distance(dealt - still, flow.weight));
        self.lists.remove(&mut self.flows, key);
        if still > 0 {
            self.lists.push(&mut self.flows, key, Place::Dealt);
        }
    }

    /// Where a flow waits that has this tag.
    fn place(&self, tag: Tag) -> Place {
        if tag < self.virtual_time {
            Place::Behind
        } else {
            self.lists.place(tag)
        }
    }

    /// Takes back what nobody came for.
    fn expire(&mut self, now: Duration) {
        while let Some(key) = self.lists.oldest_dealt() {
            let flow = &mut self.flows[key];
            if now.saturating_sub(flow.dealt_at) < FETCH_TIME {
                break;
            }
            flow.presence = Presence::Doubtful;
            let unused = std::mem::take(&mut flow.dealt);
            self.lists.remove(&mut self.flows, key);
            self.refund(key, unused.into());
        }
    }

    fn refund(&mut self, key: FlowKey, unused: u64) {
        let flow = &mut self.flows[key];
        flow.tag = flow.tag.saturating_sub(tag_distance(unused, flow.weight));
        if let Some(pacer) = &mut self.pacer {
            pacer.refund(unused, flow.dealt_at);
        }
    }

    /// Changes the rate, and wakes everyone who waits if there is no limit any more.
    pub(crate) fn set_rate(&mut self, rate: Option<BytesPerSecond>, now: Duration, woken: &mut Vec<W>) {
        if self.pacer.as_ref().map(Pacer::rate) == rate.map(BytesPerSecond::get) {
            return;
        }
        self.pacer = match (self.pacer.take(), rate) {
            (Some(mut pacer), Some(rate)) => {
                pacer.set_rate(rate, now);
                Some(pacer)
            }
            (_, rate) => rate.map(|rate| Pacer::new(rate, now)),
        };
        match &self.pacer {
            Some(pacer) => {
                let share = pacer.share();
                self.sort_by_share(share);
            }
            None => {
                self.lists = Lists::new(0);
                for (_, flow) in &mut self.flows {
                    flow.link = Link::default();
                    flow.dealt = 0;
                    woken.extend(flow.waker.take());
                }
            }
        }
    }

    /// Puts all flows into lists for another share. The one operation that takes longer the more flows there are.
    fn sort_by_share(&mut self, share: u64) {
        let old = std::mem::replace(&mut self.lists, Lists::new(share));
        self.virtual_time = self.lists.start_of_bucket(self.virtual_time);
        for key in old.into_order(&self.flows, self.virtual_time) {
            let flow = &mut self.flows[key];
            flow.tag = flow.tag.min(self.virtual_time + farthest_ahead(share));
            let place = match flow.link.place {
                Place::Bucket(_) => self.lists.place(flow.tag.max(self.virtual_time)),
                place => place,
            };
            self.lists.push(&mut self.flows, key, place);
        }
    }

    /// Adds a flow, one share ahead: whoever goes and comes again for each message gains nothing by it, and however many
    /// come, those who wait already are served.
    pub(crate) fn insert(&mut self, weight: Weight) -> FlowKey {
        let share = self.pacer.as_ref().map_or(0, Pacer::share);
        self.flows.insert(Flow {
            weight,
            tag: self.virtual_time + tag_distance(share, weight),
            presence: Presence::Shown,
            link: Link::default(),
            dealt: 0,
            dealt_at: Duration::ZERO,
            recent: 0,
            granted_at: Duration::ZERO,
            appetite: 0,
            wanted: 0,
            waker: None,
        })
    }

    pub(crate) fn set_weight(&mut self, key: FlowKey, weight: Weight) {
        self.flows[key].weight = weight;
    }

    /// Removes a flow with all it holds, and returns its waker.
    pub(crate) fn remove(&mut self, key: FlowKey) -> Option<W> {
        if self.flows[key].link.place != Place::Nowhere {
            self.lists.remove(&mut self.flows, key);
        }
        let dealt = self.flows[key].dealt;
        self.refund(key, dealt.into());
        self.flows.remove(key).waker
    }

    /// Wakes everyone who waits, for them to look again.
    pub(crate) fn wake_all(&mut self, woken: &mut Vec<W>) {
        woken.extend(self.flows.iter_mut().filter_map(|(_, flow)| flow.waker.take()));
    }

    pub(crate) fn someone_waits(&self) -> bool {
        self.lists.waiting() > 0
    }
}

impl<W> Flow<W> {
    fn is_back(&self, now: Duration) -> bool {
        now.saturating_sub(self.granted_at) <= RETURN_TIME
    }

    fn count(&mut self, granted: u64, now: Duration) {
        let pause = now.saturating_sub(self.granted_at).as_nanos().min(u64::MAX.into()) as u64;
        let recent = RECENT_TIME.as_nanos() as u64;
        let before = u64::from(self.recent) * recent / recent.saturating_add(pause);
        self.recent = (before + granted).min(MAX_APPETITE_BYTES.into()) as u32;
        self.granted_at = now;
    }
}

#[cfg(test)]
mod tests;
