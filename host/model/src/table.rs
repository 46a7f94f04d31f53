//! The table that names every series once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::series::{Series, SeriesId, Tags, identity_hash, tags_hash};
use crate::value::{MetricValue, Reason};

/// What became of a series in the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// They have not been asked yet.
    Unasked,
    /// Its values are dropped.
    Dropped,
    /// Its values belong to this series: itself, or another.
    To(SeriesId),
}

/// Where the values of a series go: what is known once it was named and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The series as it came in, if it is in the table.
    pub source: Option<SeriesId>,
    /// The series that its values belong to, or why they are refused.
    pub target: Result<SeriesId, Reason>,
    /// Whether this holds for every later value too, until [`SeriesTable::epoch`] moves.
    pub lasting: bool,
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
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    by_hash: HashTable<u32>,
    /// Each set of tags once: all series of a host or a device have the same. In parts, by their hash, so that none is
    /// long to go through.
    tags: [HashTable<Tags>; TAG_PARTS],
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
}

struct Slot {
    series: Arc<Series>,
    hash: u64,
    /// One of the two constants below, or the id that it is mapped to.
    mapped: AtomicU32,
    seen_s: AtomicU32,
}

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
    /// time). Calls `found` with the value's index; series that are not in the table count as [`Mapped::Unasked`].
    pub fn find(&self, values: &[MetricValue], now_s: u32, mut found: impl FnMut(usize, Option<SeriesId>, Mapped)) {
        let inner = self.inner.read();
        for (index, value) in values.iter().enumerate() {
            match inner.lookup(hash_of(value), |series| is_of(series, value)) {
                Some(id) => found(index, Some(SeriesId(id)), inner.slot(id).see(&inner, now_s)),
                None => found(index, None, Mapped::Unasked),
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

    /// The id of a validated value's series, which is added if it is new.
    ///
    /// # Errors
    /// [`TableFull`], if it is new and there is no room.
    pub fn intern(&self, value: &MetricValue, now_s: u32) -> Result<SeriesId, TableFull> {
        self.intern_within(value, now_s, self.limit)
    }

    /// The same with another limit, for sources that may fill less of the table, or for whom there is always room.
    ///
    /// # Errors
    /// [`TableFull`], if it is new and the table holds so many already.
    pub fn intern_within(&self, value: &MetricValue, now_s: u32, limit: usize) -> Result<SeriesId, TableFull> {
        let tags = || value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let make = |inner: &mut Inner| Series {
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
        self.insert(hash_of(value), now_s, limit, |series| is_of(series, value), make)
    }

    /// The id of a series, which is added if it is new. Its tags must be sorted and valid.
    ///
    /// # Errors
    /// [`TableFull`], if it is new and there is no room.
    pub fn intern_series(&self, series: Series, now_s: u32) -> Result<SeriesId, TableFull> {
        self.insert_series(series, now_s, self.limit)
    }

    /// The same with another limit, as [`intern_within`](Self::intern_within).
    ///
    /// # Errors
    /// [`TableFull`], if it is new and the table holds so many already.
    pub fn intern_series_within(&self, series: Series, now_s: u32, limit: usize) -> Result<SeriesId, TableFull> {
        self.insert_series(series, now_s, limit)
    }

    /// The id of a series that comes from disk. It is added beyond the limit too, for it was let in before, and counts
    /// as seen at the time that was told last.
    ///
    /// # Panics
    /// With four billion series.
    pub fn restore(&self, series: Series) -> SeriesId {
        let now_s = self.latest_s.load(Ordering::Relaxed);
        self.insert_series(series, now_s, LIMIT_MAX).expect("no table gets so large")
    }

    fn insert_series(&self, series: Series, now_s: u32, limit: usize) -> Result<SeriesId, TableFull> {
        let tags = || series.tags.iter().map(|(key, value)| (&**key, &**value));
        let hash = identity_hash(&series.endpoint, &series.metric, tags(), series.metric_type, series.step_s);
        let make = |inner: &mut Inner| {
            let tags = inner.share(tags_hash(tags()), |known| *known == series.tags, || series.tags.clone());
            Series { tags, ..series.clone() }
        };
        self.insert(hash, now_s, limit, |known| *known == series, make)
    }

    fn insert(
        &self,
        hash: u64,
        now_s: u32,
        limit: usize,
        is_it: impl Fn(&Series) -> bool,
        make: impl FnOnce(&mut Inner) -> Series,
    ) -> Result<SeriesId, TableFull> {
        let limit = limit.min(LIMIT_MAX);
        let mut inner = self.inner.write();
        if let Some(id) = inner.lookup(hash, is_it) {
            inner.slot(id).see(&inner, now_s);
            return Ok(SeriesId(id));
        }
        if inner.by_hash.len() >= limit {
            return Err(TableFull { limit });
        }
        let series = Arc::new(make(&mut inner));
        let slot = Slot { series, hash, mapped: AtomicU32::new(UNASKED), seen_s: AtomicU32::new(now_s) };
        Ok(SeriesId(inner.add(slot)))
    }

    /// Remembers what the processors said of a series.
    pub fn set_mapped(&self, id: SeriesId, mapped: Mapped) {
        let inner = self.inner.read();
        if let Some(slot) = inner.slots.get(id.index()).and_then(Option::as_ref) {
            let mark = match mapped {
                Mapped::Unasked => UNASKED,
                Mapped::Dropped => DROPPED,
                Mapped::To(target) => target.0,
            };
            slot.mapped.store(mark, Ordering::Relaxed);
        }
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
                if let Ok(entry) = inner.by_hash.find_entry(hash, |&known| known as usize == id) {
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
        let Inner { by_hash, slots, free, .. } = &mut *inner;
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
            by_hash.shrink_to(room, |&id| slots[id as usize].as_ref().map_or(0, |slot| slot.hash));
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

impl Inner {
    fn lookup(&self, hash: u64, is_it: impl Fn(&Series) -> bool) -> Option<u32> {
        self.by_hash
            .find(hash, |&id| {
                let slot = self.slot(id);
                slot.hash == hash && is_it(&slot.series)
            })
            .copied()
    }

    fn slot(&self, id: u32) -> &Slot {
        self.slots[id as usize].as_ref().expect("an id in the hash table or mapped to has a slot")
    }

    /// The tags that are these, from whoever has them already, or else new ones.
    fn share(&mut self, hash: u64, are_they: impl Fn(&Tags) -> bool, make: impl FnOnce() -> Tags) -> Tags {
        let part = &mut self.tags[(hash >> 32) as usize % TAG_PARTS];
        part.entry(hash, are_they, hash_of_tags).or_insert_with(make).get().clone()
    }

    fn add(&mut self, slot: Slot) -> u32 {
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
        by_hash.insert_unique(hash, id, |&known| slots[known as usize].as_ref().map_or(0, |slot| slot.hash));
        id
    }
}

impl Slot {
    fn mapped(&self) -> Mapped {
        match self.mapped.load(Ordering::Relaxed) {
            UNASKED => Mapped::Unasked,
            DROPPED => Mapped::Dropped,
            id => Mapped::To(SeriesId(id)),
        }
    }

    /// Marks it as seen, and the series that its values go to; answers what became of it.
    fn see(&self, inner: &Inner, now_s: u32) -> Mapped {
        let mapped = self.mapped();
        self.seen_s.store(now_s, Ordering::Relaxed);
        let Mapped::To(target) = mapped else { return mapped };
        match inner.slots.get(target.index()).and_then(Option::as_ref) {
            Some(target) => {
                target.seen_s.store(now_s, Ordering::Relaxed);
                mapped
            }
            // A sweep that is half way has taken it out, and has not come to this one.
            None => {
                self.mapped.store(UNASKED, Ordering::Relaxed);
                Mapped::Unasked
            }
        }
    }
}

fn hash_of_tags(tags: &Tags) -> u64 {
    tags_hash(tags.iter().map(|(key, value)| (&**key, &**value)))
}

/// Whether a table has much more room than it needs.
fn is_spare(room: usize, needed: usize) -> bool {
    room > SPARE_MIN && room / SPARE > needed
}

fn hash_of(value: &MetricValue) -> u64 {
    let tags = value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    identity_hash(&value.endpoint, &value.metric, tags, value.metric_type, value.step_s)
}

fn is_of(series: &Series, value: &MetricValue) -> bool {
    *series.metric == *value.metric
        && *series.endpoint == *value.endpoint
        && series.metric_type == value.metric_type
        && series.step_s == value.step_s
        && same_tags(&series.tags, value)
}

fn same_tags(tags: &Tags, value: &MetricValue) -> bool {
    tags.len() == value.tags.len() && tags.iter().zip(&value.tags).all(|(a, b)| *a.0 == *b.0 && *a.1 == *b.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricType;

    fn value(metric: &str) -> MetricValue {
        MetricValue {
            endpoint: "h".into(),
            metric: metric.into(),
            tags: vec![("a".into(), "1".into())],
            metric_type: MetricType::Gauge,
            value: 0.0,
            timestamp_ms: 0,
            step_s: 10,
        }
    }

    fn find(table: &SeriesTable, metric: &str, now_s: u32) -> (Option<SeriesId>, Mapped) {
        let mut answer = None;
        table.find(&[value(metric)], now_s, |_, id, mapped| answer = Some((id, mapped)));
        answer.unwrap()
    }

    #[test]
    fn the_same_identity_has_one_id_and_any_difference_another() {
        let table = SeriesTable::new(10);
        let id = table.intern(&value("m"), 0).unwrap();
        assert_eq!(table.intern(&value("m"), 0).unwrap(), id);
        for change in [
            |value: &mut MetricValue| value.step_s = 20,
            |value: &mut MetricValue| value.metric_type = MetricType::Counter,
            |value: &mut MetricValue| value.tags[0].1 = "2".into(),
            |value: &mut MetricValue| value.endpoint = "g".into(),
        ] {
            let mut other = value("m");
            change(&mut other);
            assert_ne!(table.intern(&other, 0).unwrap(), id);
        }
        assert_eq!(table.len(), 5);
        assert_eq!(table.get(id).unwrap().to_string(), "m{a=1} of h");
    }

    #[test]
    fn a_full_table_refuses_new_series_and_knows_the_old() {
        let table = SeriesTable::new(1);
        let id = table.intern(&value("m"), 0).unwrap();
        assert_eq!(table.intern(&value("n"), 0), Err(TableFull { limit: 1 }));
        assert_eq!(table.intern(&value("m"), 0), Ok(id));
    }

    #[test]
    fn what_a_processor_said_is_remembered_until_it_is_forgotten() {
        let table = SeriesTable::new(10);
        let id = table.intern(&value("m"), 0).unwrap();
        assert_eq!(find(&table, "m", 0), (Some(id), Mapped::Unasked));
        table.set_mapped(id, Mapped::Dropped);
        assert_eq!(find(&table, "m", 0).1, Mapped::Dropped);
        let other = table.intern(&value("n"), 0).unwrap();
        table.set_mapped(id, Mapped::To(other));
        assert_eq!(find(&table, "m", 0).1, Mapped::To(other));
        table.forget_mapped();
        assert_eq!(find(&table, "m", 0).1, Mapped::Unasked);
        assert_eq!(find(&table, "unknown", 0), (None, Mapped::Unasked));
    }

    #[test]
    fn an_idle_series_is_swept_and_its_id_used_again_only_after_release() {
        let table = SeriesTable::new(10);
        let old = table.intern(&value("old"), 0).unwrap();
        let target = table.intern(&value("target"), 0).unwrap();
        let source = table.intern(&value("source"), 0).unwrap();
        table.set_mapped(source, Mapped::To(target));
        find(&table, "source", 100);
        assert_eq!(table.sweep(50), vec![old], "a series lives as long as another is mapped to it");
        assert!(table.get(old).is_none());
        assert_ne!(table.intern(&value("new"), 100).unwrap(), old);
        table.release(&[old]);
        assert_eq!(table.intern(&value("newer"), 100).unwrap(), old);
    }

    #[test]
    fn series_with_the_same_tags_share_them_until_none_is_left() {
        let table = SeriesTable::new(10);
        let [a, b] = ["a", "b"].map(|name| table.intern(&value(name), 0).unwrap());
        let mut changed = Series { metric: "c".into(), ..(*table.get(a).unwrap()).clone() };
        changed.tags = changed.tags.iter().cloned().collect();
        let c = table.intern_series(changed, 0).unwrap();
        let tags = |id| table.get(id).unwrap().tags.clone();
        assert!(Arc::ptr_eq(&tags(a), &tags(b)) && Arc::ptr_eq(&tags(a), &tags(c)));
        let sets = || table.inner.read().tags.iter().map(HashTable::len).sum::<usize>();
        assert_eq!(sets(), 1);
        assert_eq!(table.sweep(1), vec![a, b, c]);
        assert_eq!(sets(), 0);
    }

    #[test]
    fn touched_ids_live_with_what_they_are_mapped_to() {
        let table = SeriesTable::new(10);
        let [source, target, idle] = ["source", "target", "idle"].map(|name| table.intern(&value(name), 0).unwrap());
        table.set_mapped(source, Mapped::To(target));
        let epoch = table.epoch();
        assert!(table.touch([source], 100, epoch));
        assert!(!table.touch([source, SeriesId(99)], 100, epoch), "one is not there");
        assert_eq!(table.sweep(50), vec![idle]);
        assert!(!table.touch([source], 200, epoch), "an id is gone");
        assert_eq!(table.sweep(150), vec![source, target], "what was refused was not touched");
    }

    #[test]
    fn the_epoch_moves_when_ids_go_and_when_judgements_are_forgotten_and_only_then() {
        let table = SeriesTable::new(10);
        let mut epoch = table.epoch();
        let mut moved = |table: &SeriesTable| std::mem::replace(&mut epoch, table.epoch()) != table.epoch();
        let id = table.intern(&value("m"), 0).unwrap();
        table.set_mapped(id, Mapped::To(id));
        assert!(table.sweep(0).is_empty());
        assert!(!moved(&table));
        table.forget_mapped();
        assert!(moved(&table));
        assert_eq!(table.sweep(1), vec![id]);
        assert!(moved(&table));
        table.release(&[id]);
        assert!(!moved(&table));
    }

    fn flood(table: &SeriesTable, range: std::ops::Range<usize>, now_s: u32) {
        for number in range {
            let value = MetricValue { tags: vec![("n".into(), number.to_string())], ..value("flood") };
            table.intern(&value, now_s).unwrap();
        }
    }

    #[test]
    fn pages_of_series_show_each_once_and_none_is_long() {
        let table = SeriesTable::new(10_000);
        flood(&table, 0..5000, 0);
        let (mut seen, mut next, mut pages) = (Vec::new(), Some(SeriesId(0)), 0);
        while let Some(from) = next {
            let mut page = Vec::new();
            next = table.page(from, &mut page);
            assert!(page.len() <= STEP);
            seen.extend(page.into_iter().map(|(id, _)| id.0));
            pages += 1;
        }
        assert_eq!((seen, pages), ((0..5000).collect(), 5));
        assert_eq!(table.page(SeriesId(u32::MAX), &mut Vec::new()), None);
    }

    #[test]
    fn after_a_flood_the_table_is_as_small_as_before_and_ids_stay_unique() {
        let table = SeriesTable::new(100_000);
        flood(&table, 0..10, 100);
        flood(&table, 10..50_000, 0);
        let gone = table.sweep(50);
        table.shrink();
        assert_eq!(table.inner.read().slots.len(), 50_000, "ids that may still be in use are not given away");
        table.release(&gone);
        table.shrink();
        let inner = table.inner.read();
        assert!(inner.slots.capacity() < 100 && inner.free.is_empty() && inner.by_hash.capacity() < 100);
        assert!(inner.tags.iter().all(|part| part.capacity() < SPARE_MIN));
        drop(inner);
        flood(&table, 0..5000, 100);
        let (mut ids, mut next) = (Vec::new(), Some(SeriesId(0)));
        while let Some(from) = next {
            next = table.page(from, &mut ids);
        }
        assert_eq!(ids.len(), 5000);
        assert_eq!((table.len(), ids.last().unwrap().0), (5000, SeriesId(4999)));
    }

    #[test]
    fn a_series_whose_target_a_sweep_has_taken_is_asked_about_anew() {
        let table = SeriesTable::new(10);
        let [target, source] = ["target", "source"].map(|name| table.intern(&value(name), 0).unwrap());
        table.set_mapped(source, Mapped::To(target));
        // As a sweep that is half way leaves it.
        table.inner.write().slots[target.index()] = None;
        assert_eq!(find(&table, "source", 100), (Some(source), Mapped::Unasked));
        let again = table.intern(&value("source"), 100).unwrap();
        assert_eq!((again, find(&table, "source", 100).1), (source, Mapped::Unasked));
    }
}
