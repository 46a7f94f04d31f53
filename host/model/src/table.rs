//! The table that names every series once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::attributes::{PackedAttributes, Said};
use crate::reason::RejectReason;
use crate::series::{MetricType, Series, SeriesId, Tags, identity_hash, tags_hash};
use crate::value::Sample;

/// What became of a series in the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelabelMemo {
    /// They have not been asked yet.
    Unasked,
    /// Its values are dropped.
    Dropped,
    /// Its values belong to this series: itself, or another.
    To(SeriesId),
}

/// Where the values of a series go: what is known once it was named and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The series as it came in, if it is in the table.
    pub source: Option<SeriesId>,
    /// The series that its values belong to, or why they are rejected.
    pub target: Result<SeriesId, RejectReason>,
    /// Whether this holds for every later value too, until [`SeriesTable::epoch`] moves.
    pub lasting: bool,
}

/// The series whose type or step has changed since somebody looked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These.
    These(Vec<SeriesId>),
    /// More than are remembered: any may have.
    Any,
}

/// The table holds as many series as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit of {limit} series is reached")]
pub struct TableFull {
    /// The limit.
    pub limit: usize,
}

/// Every series that was seen lately, each under one [`SeriesId`].
///
/// Bounded by a number of series. A series that brings no value for a while is forgotten by [`sweep`](Self::sweep).
pub struct SeriesTable {
    limit: usize,
    /// What time it is, as was told last.
    latest_s: AtomicU32,
    epoch: AtomicU64,
    /// How often a type or step has changed.
    changes: AtomicU64,
    inner: RwLock<SeriesTableInner>,
}

#[derive(Default)]
struct SeriesTableInner {
    by_hash: HashTable<u32>,
    /// Each set of tags once: all series of a host or a device have the same. In parts, by their hash, so that none is
    /// long to go through.
    tags: [HashTable<Tags>; TAG_PARTS],
    slots: Vec<Option<SeriesSlot>>,
    free: Vec<u32>,
    /// The last series whose type or step has changed, the newest behind.
    changed: VecDeque<SeriesId>,
}

struct SeriesSlot {
    series: Arc<Series>,
    /// What of the hash is needed to find another place for the series in a table that grows.
    hash: u32,
    /// One of the two constants below, or the id that it is mapped to.
    mapped: AtomicU32,
    seen_s: AtomicU32,
    /// What sources say of it; processors may have made something else of that.
    attributes: PackedAttributes,
}

/// Who names a series.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A source, with a value.
    Source,
    /// The processors.
    Processor,
    /// A queue of an earlier life.
    Disk,
}

/// Changes that are remembered: who looks less often than once in so many defines every series again.
const CHANGES_KEPT: usize = 1 << 16;
/// Series that are looked at under one hold of the lock, by who goes through all of them: a fraction of a millisecond.
const STEP: usize = 1024;
/// With a million sets of tags, some thirty thousand in each.
const TAG_PARTS: usize = 32;
/// A table gives memory back if it has this many times the room that it needs. What is left is hashed anew for that.
const SPARE: usize = 8;
/// Room that is worth giving back.
const SPARE_MIN: usize = 1024;

const UNASKED: u32 = u32::MAX;
const DROPPED: u32 = u32::MAX - 1;
/// Ids stay below the two marks above.
const LIMIT_MAX: usize = (u32::MAX - 2) as usize;

impl SeriesTable {
    /// An empty table for at most `limit` series.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.min(LIMIT_MAX),
            latest_s: AtomicU32::new(0),
            epoch: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            inner: RwLock::default(),
        }
    }

    /// How many series it may hold.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many series it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.read().by_hash.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds what became of each validated value's series, and marks it as seen at `now_s` (seconds since any fixed
    /// time). Calls `found` with the value's index; series that are not in the table count as [`RelabelMemo::Unasked`],
    /// and so do those of which the value says another type or step, until it is [interned](Self::intern).
    pub fn find(&self, values: &[Sample], now_s: u32, mut found: impl FnMut(usize, Option<SeriesId>, RelabelMemo)) {
        let inner = self.inner.read();
        for (index, value) in values.iter().enumerate() {
            match inner.lookup(hash_of(value), |series| is_of(series, value)) {
                Some(id) => {
                    let slot = inner.slot(id);
                    let mapped = slot.see(&inner, now_s);
                    let holds = slot.attributes.stands_against(Said::of_value(value), now_s);
                    found(index, Some(SeriesId(id)), if holds { mapped } else { RelabelMemo::Unasked });
                }
                None => found(index, None, RelabelMemo::Unasked),
            }
        }
    }

    /// Tells what time it is, for [`restore`](Self::restore); every minute or so is enough.
    pub fn set_time(&self, now_s: u32) {
        self.latest_s.store(now_s, Ordering::Relaxed);
    }

    /// Changes whenever an id or a judgement that somebody may have kept has become wrong: who keeps them asks here
    /// before each use.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// How often the type or step of a series has changed: who has told others of them looks here, and then at
    /// [`changed_since`](Self::changed_since).
    #[must_use]
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The series whose type or step has changed since there were so many changes, and how many there are now.
    #[must_use]
    pub fn changed_since(&self, changes: u64) -> (u64, Changed) {
        let inner = self.inner.read();
        let now = self.changes();
        let new = usize::try_from(now.saturating_sub(changes)).unwrap_or(usize::MAX);
        let changed = match inner.changed.len().checked_sub(new) {
            Some(old) => Changed::These(inner.changed.range(old..).copied().collect()),
            None => Changed::Any,
        };
        (now, changed)
    }

    /// Marks series as seen at `now_s`, for who keeps their ids instead of finding them. Answers whether the epoch is
    /// still this one and all are there; if not, none of the ids may be used.
    pub fn touch(&self, ids: impl IntoIterator<Item = SeriesId>, now_s: u32, epoch: u64) -> bool {
        // A sweep moves the epoch before it gives the lock back, so what it took out is never taken for alive here.
        let inner = self.inner.read();
        if self.epoch() != epoch {
            return false;
        }
        ids.into_iter().all(|id| {
            // A sweep that is under way moves the epoch when it begins to take out, and again at its end.
            let slot = inner.slots.get(id.index()).and_then(Option::as_ref);
            slot.is_some_and(|slot| slot.mapped() == slot.see(&inner, now_s))
        })
    }

    /// The id of a validated value's series, which is added if it is new. If it is known, what the value says of its type
    /// and step holds from now on, unless they have changed only minutes ago.
    ///
    /// # Errors
    /// [`TableFull`], if it is new and there is no room.
    pub fn intern(&self, value: &Sample, now_s: u32) -> Result<SeriesId, TableFull> {
        self.intern_within(value, now_s, self.limit)
    }

    /// The same with another limit, for sources that may fill less of the table, or for whom there is always room.
    ///
    /// # Errors
    /// [`TableFull`], if it is new and the table holds so many already.
    pub fn intern_within(&self, value: &Sample, now_s: u32, limit: usize) -> Result<SeriesId, TableFull> {
        let tags = || value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let make = |inner: &mut SeriesTableInner| Series {
            endpoint: value.endpoint.clone(),
            metric: value.metric.as_str().into(),
            tags: inner.share(
                tags_hash(tags()),
                |known| same_tags(known, value),
                || tags().map(|(key, value)| (key.into(), value.into())).collect(),
            ),
            metric_type: value.metric_type,
            step_s: value.step_s,
        };
        let said = (value.metric_type, value.step_s);
        self.insert(hash_of(value), now_s, limit, (By::Source, said), |series| is_of(series, value), make)
    }

    /// The id of a series, which is added if it is new. Its tags must be sorted and valid. If it is known, its type and step
    /// are these from now on.
    ///
    /// # Errors
    /// [`TableFull`], if it is new and there is no room.
    pub fn intern_series(&self, series: Series, now_s: u32) -> Result<SeriesId, TableFull> {
        self.insert_series(series, now_s, self.limit, By::Processor)
    }

    /// The same with another limit, as [`intern_within`](Self::intern_within).
    ///
    /// # Errors
    /// [`TableFull`], if it is new and the table holds so many already.
    pub fn intern_series_within(&self, series: Series, now_s: u32, limit: usize) -> Result<SeriesId, TableFull> {
        self.insert_series(series, now_s, limit, By::Processor)
    }

    /// The id of a series that comes from disk. It is added beyond the limit too, for it was let in before, and counts
    /// as seen at the time that was told last. Its type and step are those that were restored last, until a source of this
    /// life has said them.
    ///
    /// # Panics
    /// With four billion series.
    pub fn restore(&self, series: Series) -> SeriesId {
        let now_s = self.latest_s.load(Ordering::Relaxed);
        self.insert_series(series, now_s, LIMIT_MAX, By::Disk).expect("no table gets so large")
    }

    fn insert_series(&self, series: Series, now_s: u32, limit: usize, by: By) -> Result<SeriesId, TableFull> {
        let tags = || series.tags.iter().map(|(key, value)| (&**key, &**value));
        let hash = identity_hash(&series.endpoint, &series.metric, tags());
        let make = |inner: &mut SeriesTableInner| {
            let tags = inner.share(tags_hash(tags()), |known| *known == series.tags, || series.tags.clone());
            Series { tags, ..series.clone() }
        };
        let said = (series.metric_type, series.step_s);
        self.insert(hash, now_s, limit, (by, said), |known| known.is_same(&series), make)
    }

    fn insert(
        &self,
        hash: u64,
        now_s: u32,
        limit: usize,
        (by, said): (By, (MetricType, u32)),
        is_it: impl Fn(&Series) -> bool,
        make: impl FnOnce(&mut SeriesTableInner) -> Series,
    ) -> Result<SeriesId, TableFull> {
        let limit = limit.min(LIMIT_MAX);
        let mut inner = self.inner.write();
        if let Some(id) = inner.lookup(hash, is_it) {
            inner.slot(id).see(&inner, now_s);
            if inner.say(SeriesId(id), by, said, now_s) {
                self.changes.fetch_add(1, Ordering::Release);
            }
            return Ok(SeriesId(id));
        }
        if inner.by_hash.len() >= limit {
            return Err(TableFull { limit });
        }
        let series = Arc::new(make(&mut inner));
        let said = Said::of_series(&series);
        let slot = SeriesSlot {
            series,
            hash: short(hash),
            mapped: AtomicU32::new(UNASKED),
            seen_s: AtomicU32::new(now_s),
            attributes: if by == By::Disk { PackedAttributes::from_disk(said) } else { PackedAttributes::new(said) },
        };
        Ok(SeriesId(inner.add(slot)))
    }

    /// Remembers what the processors said of a series.
    pub fn set_mapped(&self, id: SeriesId, mapped: RelabelMemo) {
        let inner = self.inner.read();
        if let Some(slot) = inner.slots.get(id.index()).and_then(Option::as_ref) {
            let mark = match mapped {
                RelabelMemo::Unasked => UNASKED,
                RelabelMemo::Dropped => DROPPED,
                RelabelMemo::To(target) => target.0,
            };
            slot.mapped.store(mark, Ordering::Relaxed);
        }
    }

    /// What the processors said of a series; that they have not been asked, if there is none.
    #[must_use]
    pub fn mapped(&self, id: SeriesId) -> RelabelMemo {
        let inner = self.inner.read();
        inner.slots.get(id.index()).and_then(Option::as_ref).map_or(RelabelMemo::Unasked, SeriesSlot::mapped)
    }

    /// Forgets what the processors said, because they have changed.
    pub fn forget_mapped(&self) {
        for slot in self.inner.read().slots.iter().flatten() {
            slot.mapped.store(UNASKED, Ordering::Relaxed);
        }
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// The series behind an id.
    #[must_use]
    pub fn get(&self, id: SeriesId) -> Option<Arc<Series>> {
        self.inner.read().slots.get(id.index())?.as_ref().map(|slot| slot.series.clone())
    }

    /// Some series, in the order of their ids, from an id on; answers where to go on, if there may be more. The lock is
    /// held for a moment only, however many there are.
    pub fn page(&self, from: SeriesId, out: &mut Vec<(SeriesId, Arc<Series>)>) -> Option<SeriesId> {
        let inner = self.inner.read();
        let end = from.index().saturating_add(STEP).min(inner.slots.len());
        let slots = inner.slots.get(from.index()..end)?;
        for (id, slot) in (from.0..).zip(slots) {
            out.extend(slot.as_ref().map(|slot| (SeriesId(id), slot.series.clone())));
        }
        (end < inner.slots.len()).then_some(SeriesId(end as u32))
    }

    /// Takes out the series that were not seen since `before_s`, and returns their ids. They are given to other series
    /// only after [`release`](Self::release), when everyone who keeps ids has let go of them. Others have their turn
    /// in between: it goes step by step.
    pub fn sweep(&self, before_s: u32) -> Vec<SeriesId> {
        let (mut gone, mut at) = (Vec::new(), 0);
        // What is taken out is given back without the lock.
        let mut dropped = Vec::new();
        loop {
            let mut inner = self.inner.write();
            if at >= inner.slots.len() {
                break;
            }
            for id in at..inner.slots.len().min(at + STEP) {
                let idle = inner.slots[id].as_ref().filter(|slot| slot.seen_s.load(Ordering::Relaxed) < before_s);
                let Some(hash) = idle.map(|slot| slot.hash) else { continue };
                if let Ok(entry) = inner.by_hash.find_entry(spread(hash), |&known| known as usize == id) {
                    entry.remove();
                }
                dropped.extend(inner.slots[id].take());
                gone.push(SeriesId(id as u32));
            }
            if !dropped.is_empty() && dropped.len() == gone.len() {
                self.epoch.fetch_add(1, Ordering::Release);
            }
            drop(inner);
            dropped.clear();
            at += STEP;
        }
        if !gone.is_empty() {
            self.epoch.fetch_add(1, Ordering::Release);
            for part in 0..TAG_PARTS {
                // Nobody else can be taking them up: whoever shares tags holds the lock.
                self.inner.write().tags[part].retain(|tags| Arc::strong_count(tags) > 1);
            }
        }
        gone
    }

    /// Gives back the memory that a flood of series has left behind. Worth a call after many were released.
    pub fn shrink(&self) {
        let mut inner = self.inner.write();
        let SeriesTableInner { by_hash, slots, free, .. } = &mut *inner;
        // Only what nobody has an id of any more.
        let used = slots.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let free_behind = free.iter().filter(|&&id| id as usize >= used).count();
        if free_behind == slots.len() - used && is_spare(slots.capacity(), used) {
            slots.truncate(used);
            slots.shrink_to(used * 2);
            free.retain(|&id| (id as usize) < used);
        }
        if is_spare(free.capacity(), free.len()) {
            free.shrink_to(free.len() * 2);
        }
        if is_spare(by_hash.capacity(), by_hash.len()) {
            let room = by_hash.len() * 2;
            by_hash.shrink_to(room, |&id| slots[id as usize].as_ref().map_or(0, |slot| spread(slot.hash)));
        }
        drop(inner);
        for part in 0..TAG_PARTS {
            let tags = &mut self.inner.write().tags[part];
            if is_spare(tags.capacity(), tags.len()) {
                tags.shrink_to(tags.len() * 2, hash_of_tags);
            }
        }
    }

    /// Lets swept ids be used again.
    pub fn release(&self, ids: &[SeriesId]) {
        // The lowest are the first to be used again, so that the room behind can be given back one day.
        self.inner.write().free.extend(ids.iter().rev().map(|id| id.0));
    }
}

impl SeriesTableInner {
    fn lookup(&self, hash: u64, is_it: impl Fn(&Series) -> bool) -> Option<u32> {
        let hash = short(hash);
        self.by_hash
            .find(spread(hash), |&id| {
                let slot = self.slot(id);
                slot.hash == hash && is_it(&slot.series)
            })
            .copied()
    }

    fn slot(&self, id: u32) -> &SeriesSlot {
        self.slots[id as usize].as_ref().expect("an id in the hash table or mapped to has a slot")
    }

    /// The tags that are these, from whoever has them already, or else new ones.
    fn share(&mut self, hash: u64, are_they: impl Fn(&Tags) -> bool, make: impl FnOnce() -> Tags) -> Tags {
        let part = &mut self.tags[(hash >> 32) as usize % TAG_PARTS];
        part.entry(hash, are_they, hash_of_tags).or_insert_with(make).get().clone()
    }

    fn add(&mut self, slot: SeriesSlot) -> u32 {
        let hash = slot.hash;
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = Some(slot);
                id
            }
            None => {
                self.slots.push(Some(slot));
                (self.slots.len() - 1) as u32
            }
        };
        let Self { by_hash, slots, .. } = self;
        let hash_of = |&known: &u32| slots[known as usize].as_ref().map_or(0, |slot| spread(slot.hash));
        by_hash.insert_unique(spread(hash), id, hash_of);
        id
    }

    /// Takes note of what is said of a series that is known; answers whether its type or step is another now.
    fn say(&mut self, id: SeriesId, by: By, (metric_type, step_s): (MetricType, u32), now_s: u32) -> bool {
        let slot = self.slots[id.index()].as_mut().expect("it was just found");
        let said = Said::new(metric_type, step_s);
        match by {
            By::Source => {
                slot.attributes = slot.attributes.then(said, now_s);
                if !slot.attributes.is(said) {
                    return false;
                }
            }
            // It speaks in this life, so what is read from disk is older from now on.
            By::Processor if slot.attributes.is_from_disk() => slot.attributes = PackedAttributes::new(said),
            By::Processor => {}
            By::Disk if slot.attributes.is_from_disk() => slot.attributes = PackedAttributes::from_disk(said),
            By::Disk => return false,
        }
        if (slot.series.metric_type, slot.series.step_s) == (metric_type, step_s) {
            return false;
        }
        slot.series = Arc::new(Series { metric_type, step_s, ..Series::clone(&slot.series) });
        if self.changed.len() >= CHANGES_KEPT {
            self.changed.pop_front();
        }
        self.changed.push_back(id);
        true
    }
}

impl SeriesSlot {
    fn mapped(&self) -> RelabelMemo {
        match self.mapped.load(Ordering::Relaxed) {
            UNASKED => RelabelMemo::Unasked,
            DROPPED => RelabelMemo::Dropped,
            id => RelabelMemo::To(SeriesId(id)),
        }
    }

    /// Marks it as seen, and the series that its values go to; answers what became of it.
    fn see(&self, inner: &SeriesTableInner, now_s: u32) -> RelabelMemo {
        let mapped = self.mapped();
        self.seen_s.store(now_s, Ordering::Relaxed);
        let RelabelMemo::To(target) = mapped else { return mapped };
        match inner.slots.get(target.index()).and_then(Option::as_ref) {
            Some(target) => {
                target.seen_s.store(now_s, Ordering::Relaxed);
                mapped
            }
            // A sweep that is half way has taken it out, and has not come to this one.
            None => {
                self.mapped.store(UNASKED, Ordering::Relaxed);
                RelabelMemo::Unasked
            }
        }
    }
}

/// The half of a hash that a series keeps.
fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A hash that is spread over all its bits again, for the table looks at both ends (Fibonacci hashing, Knuth 6.4).
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash_of_tags(tags: &Tags) -> u64 {
    tags_hash(tags.iter().map(|(key, value)| (&**key, &**value)))
}

/// Whether a table has much more room than it needs.
fn is_spare(room: usize, needed: usize) -> bool {
    room > SPARE_MIN && room / SPARE > needed
}

fn hash_of(value: &Sample) -> u64 {
    let tags = value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    identity_hash(&value.endpoint, &value.metric, tags)
}

fn is_of(series: &Series, value: &Sample) -> bool {
    *series.metric == *value.metric && *series.endpoint == *value.endpoint && same_tags(&series.tags, value)
}

fn same_tags(tags: &Tags, value: &Sample) -> bool {
    tags.len() == value.tags.len() && tags.iter().zip(&value.tags).all(|(a, b)| *a.0 == *b.0 && *a.1 == *b.1)
}

#[cfg(test)]
mod tests;
