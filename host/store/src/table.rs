//! The live series: those that somebody may write, or whose points wait in a head.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::extent::TimedValue;
use crate::key::{StoredAttributes, StoredSeries};
use crate::lane::Lane;
use crate::policy::{Plan, Policies};

/// No slot, group or column.
pub(crate) const NONE: u32 = u32::MAX;

/// A live series.
pub(crate) struct LiveSeries {
    pub(crate) key: Arc<str>,
    pub(crate) attributes: StoredAttributes,
    pub(crate) plan: Arc<Plan>,
    /// The group that has a column for it,
    pub(crate) group: u32,
    /// and which.
    pub(crate) column: u32,
    /// The segment of the journal that names it.
    pub(crate) epoch: u32,
    /// How many handles stand for it.
    handles: u32,
    /// Points that came otherwise than in a row: sorted by time, each time once.
    pub(crate) side: Vec<TimedValue>,
    /// The newest time ever seen.
    pub(crate) newest_ms: i64,
}

/// All live series, by slot, by the caller's handle and by key.
pub(crate) struct Table {
    policies: Policies,
    slots: Vec<Option<LiveSeries>>,
    free: Vec<u32>,
    by_handle: Vec<u32>,
    by_key: BTreeMap<Arc<str>, u32>,
    plans: Vec<Arc<Plan>>,
    /// Series that go by a tier that they did not go by before, and which: their buckets of the past are to be made.
    pub(crate) joined: Vec<(Arc<str>, Lane)>,
}

impl Table {
    pub(crate) fn new(policies: Policies) -> Self {
        Self {
            policies,
            slots: Vec::new(),
            free: Vec::new(),
            by_handle: Vec::new(),
            by_key: BTreeMap::new(),
            plans: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// Lets all series go by other policies.
    pub(crate) fn set_policies(&mut self, policies: &Policies) {
        self.policies = policies.clone();
        self.plans.clear();
        for slot in 0..self.slots.len() {
            let Some(live) = &self.slots[slot] else { continue };
            let plan = self.plan(&StoredSeries::new(live.key.clone(), live.attributes));
            self.go_by(slot as u32, plan);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn get(&self, slot: u32) -> &LiveSeries {
        self.slots[slot as usize].as_ref().expect("slots are of live series")
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut LiveSeries {
        self.slots[slot as usize].as_mut().expect("slots are of live series")
    }

    pub(crate) fn by_handle(&self, handle: u32) -> Option<u32> {
        self.by_handle.get(handle as usize).copied().filter(|slot| *slot != NONE)
    }

    pub(crate) fn by_key(&self, key: &str) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// Keys and slots from a key on, in the order of keys.
    pub(crate) fn from(&self, key: &str) -> impl Iterator<Item = (&Arc<str>, u32)> {
        let from = (std::ops::Bound::Included(key), std::ops::Bound::Unbounded);
        self.by_key.range::<str, _>(from).map(|(key, slot)| (key, *slot))
    }

    /// The slot of a series, which becomes live if it is not.
    pub(crate) fn slot(&mut self, key: &str, attributes: StoredAttributes) -> u32 {
        if let Some(slot) = self.by_key(key) {
            if self.get(slot).attributes != attributes {
                let plan = self.plan(&StoredSeries::new(self.get(slot).key.clone(), attributes));
                self.go_by(slot, plan);
                let live = self.get_mut(slot);
                (live.attributes, live.epoch) = (attributes, 0);
            }
            return slot;
        }
        let key: Arc<str> = key.into();
        let live = LiveSeries {
            plan: self.plan(&StoredSeries::new(key.clone(), attributes)),
            key: key.clone(),
            attributes,
            group: NONE,
            column: NONE,
            epoch: 0,
            handles: 0,
            side: Vec::new(),
            newest_ms: i64::MIN,
        };
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        if slot as usize == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot as usize] = Some(live);
        self.by_key.insert(key, slot);
        slot
    }

    fn go_by(&mut self, slot: u32, plan: Arc<Plan>) {
        let live = self.slots[slot as usize].as_mut().expect("slots are of live series");
        let new = plan.tiers.iter().filter(|tier| !live.plan.tiers.contains(tier));
        self.joined.extend(new.map(|tier| (live.key.clone(), *tier)));
        live.plan = plan;
    }

    fn plan(&mut self, series: &StoredSeries) -> Arc<Plan> {
        let plan = self.policies.plan(series);
        if let Some(known) = self.plans.iter().find(|known| ***known == plan) {
            return known.clone();
        }
        let plan = Arc::new(plan);
        self.plans.push(plan.clone());
        plan
    }

    /// Every plan that a series had.
    pub(crate) fn plans(&self) -> &[Arc<Plan>] {
        &self.plans
    }

    /// Lets a handle stand for a series.
    pub(crate) fn register(&mut self, handle: u32, slot: u32) {
        if self.by_handle(handle) == Some(slot) {
            return;
        }
        self.release(handle);
        let place = handle as usize;
        if place >= self.by_handle.len() {
            self.by_handle.resize(place + 1, NONE);
        }
        self.by_handle[place] = slot;
        self.hold(slot);
    }

    /// Lets a handle stand for nothing.
    pub(crate) fn release(&mut self, handle: u32) {
        let Some(slot) = self.by_handle(handle) else { return };
        self.by_handle[handle as usize] = NONE;
        self.let_go(slot);
    }

    /// Keeps a series alive until it is let go, as a handle does.
    pub(crate) fn hold(&mut self, slot: u32) {
        self.get_mut(slot).handles += 1;
    }

    /// See [`hold`](Self::hold).
    pub(crate) fn let_go(&mut self, slot: u32) {
        self.get_mut(slot).handles -= 1;
        self.forget_idle(slot);
    }

    /// Forgets a series that nobody may write and of which nothing waits.
    pub(crate) fn forget_idle(&mut self, slot: u32) {
        let live = self.get(slot);
        if live.handles == 0 && live.group == NONE && live.side.is_empty() {
            let key = live.key.clone();
            self.by_key.remove(&key);
            self.slots[slot as usize] = None;
            self.free.push(slot);
        }
    }

    /// About how much memory the table takes, without the points.
    pub(crate) fn bytes(&self) -> usize {
        // A node of the tree holds eleven entries and is two thirds full; a key has its counters before it.
        let keys: usize = self.by_key.keys().map(|key| key.len() + 16 + 36).sum();
        self.slots.len() * size_of::<Option<LiveSeries>>() + 4 * (self.by_handle.len() + self.free.len()) + keys
    }
}
