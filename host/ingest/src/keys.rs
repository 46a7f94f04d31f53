//! What is known of keys that came before: the series behind each of their fields.
//!
//! A key is what a protocol names series by, as it is written: looked up in one piece, so that what is known costs one
//! hash and one comparison. Where a key has one value, its only field has no name. Ids may be given to other series, so
//! everything is forgotten when the epoch of the series table moves: it does so when series were swept or the processors
//! have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use saker_model::{RejectReason, Resolution, SeriesId};
use saker_pipeline::SeriesGeneration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Parts with a lock each. A lock is held for one line, so that requests hardly ever meet at one.
const SHARDS: usize = 64;
/// The series of a known key are told to be alive at most so often.
const TOUCH_EVERY_S: u32 = 30;
/// Series must be allowed to be idle for longer than this, in seconds: so seldom is the table told that those of known
/// keys are alive.
pub const SERIES_IDLE_MIN_S: u64 = 2 * TOUCH_EVERY_S as u64;
/// Fields of one key: every one is a series.
pub(crate) const FIELDS_MAX: usize = 1024;

/// Keys and their series, bounded in bytes. When a part is full it is emptied: what is in use is learned again at its next line.
pub struct KeyCache {
    shards: Box<[Mutex<KeyShard>]>,
    shard_bytes: usize,
    evicted: AtomicU64,
}

/// What is held, and what was given up for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCacheStats {
    /// Keys.
    pub keys: usize,
    /// Bytes of memory for them.
    pub bytes: usize,
    /// Keys that were forgotten because there was no room.
    pub evicted: u64,
}

#[derive(Default)]
struct KeyShard {
    /// The table's epoch that all entries belong to.
    epoch: SeriesGeneration,
    entries: HashTable<KeyEntry>,
    bytes: usize,
}

/// A key, as it is looked for.
#[derive(Clone, Copy, Debug)]
pub struct RawKey<'a> {
    raw: &'a [u8],
    /// What belongs to it further on in the message; mostly nothing.
    rest: [&'a [u8]; 2],
    scope: Option<&'a Arc<str>>,
    hash: u64,
}

/// What is known of a key. The part of the cache that it is in is held as long.
pub struct KnownKey<'a>(MappedMutexGuard<'a, KeyEntry>);

/// A known key and its fields.
struct KeyEntry {
    hash: u64,
    scope: Option<Arc<str>>,
    /// The key, and behind it the names of the fields, as they are written.
    text: Box<[u8]>,
    key_bytes: usize,
    fields: Box<[CachedField]>,
    touched_s: u32,
}

#[derive(Clone, Copy, Debug)]
struct CachedField {
    /// Where its name ends in the text; it begins where the one before ends.
    end: u32,
    source: Option<SeriesId>,
    target: Result<SeriesId, RejectReason>,
}

impl KeyCache {
    /// Nothing is known yet. At most so many bytes are used.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes: bytes / SHARDS,
            evicted: AtomicU64::new(0),
        }
    }

    /// What is held.
    #[must_use]
    pub fn stats(&self) -> KeyCacheStats {
        let mut stats = KeyCacheStats { evicted: self.evicted.load(Ordering::Relaxed), ..KeyCacheStats::default() };
        for shard in &self.shards {
            let shard = shard.lock();
            stats.keys += shard.entries.len();
            stats.bytes += shard.bytes;
        }
        stats
    }

    /// What is known of a key at this epoch.
    #[inline]
    pub(crate) fn find(&self, key: &RawKey<'_>, epoch: SeriesGeneration) -> Option<KnownKey<'_>> {
        MutexGuard::try_map(self.shard(key, epoch)?, |shard| shard.find(key)).ok().map(KnownKey)
    }

    /// The part that a key belongs to, as it is at this epoch. None if the epoch has moved on already.
    #[inline]
    fn shard(&self, key: &RawKey<'_>, epoch: SeriesGeneration) -> Option<MutexGuard<'_, KeyShard>> {
        // The table looks at other bits of the hash.
        let mut shard = self.shards[(key.hash >> 40) as usize % SHARDS].lock();
        if shard.epoch < epoch {
            *shard = KeyShard { epoch, ..KeyShard::default() };
        }
        (shard.epoch == epoch).then_some(shard)
    }

    /// Remembers fields of a key, if what is said of them lasts. Their ids must have been valid at this epoch.
    pub(crate) fn learn(&self, key: &RawKey<'_>, fields: &[(&[u8], Resolution)], epoch: SeriesGeneration, now_s: u32) {
        let Some(mut shard) = self.shard(key, epoch) else { return };
        let before = shard.take(key);
        let entry = KeyEntry::with(before, key, fields, now_s);
        if entry.fields.is_empty() || entry.bytes() > self.shard_bytes {
            return;
        }
        if shard.bytes + entry.bytes() > self.shard_bytes {
            self.evicted.fetch_add(shard.entries.len() as u64, Ordering::Relaxed);
            *shard = KeyShard { epoch, ..KeyShard::default() };
        }
        shard.bytes += entry.bytes();
        shard.entries.insert_unique(entry.hash, entry, |entry| entry.hash);
    }
}

impl<'a> RawKey<'a> {
    /// A key as it is written. Those of one scope, such as a database, are others than those of another; each scope has
    /// a `seed` of its own.
    #[inline]
    #[must_use]
    pub fn new(raw: &'a [u8], scope: Option<&'a Arc<str>>, seed: u64) -> Self {
        Self { raw, rest: [b""; 2], scope, hash: xxh3_64_with_seed(raw, seed) }
    }

    /// A key in parts, with numbers between them that do not belong to it. Two keys are the same if they are written the
    /// same way without those; the text must tell where they stood.
    #[inline]
    #[must_use]
    pub fn in_parts(parts: [&'a [u8]; 3], scope: Option<&'a Arc<str>>, seed: u64) -> Self {
        let [raw, rest @ ..] = parts;
        let hash = parts.iter().fold(seed, |hash, part| xxh3_64_with_seed(part, hash));
        Self { raw, rest, scope, hash }
    }

    /// Whether it is the same as another of one scope.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.raw == other.raw && self.rest == other.rest
    }

    fn is(&self, entry: &KeyEntry) -> bool {
        entry.hash == self.hash
            && self.is_text(entry.key())
            && entry.scope.as_deref() == self.scope.map(|scope| &**scope)
    }

    #[inline]
    fn is_text(&self, text: &[u8]) -> bool {
        let Some(behind) = text.strip_prefix(self.raw) else { return false };
        let [second, third] = self.rest;
        behind.len() == second.len() + third.len() && behind.starts_with(second) && behind.ends_with(third)
    }

    fn bytes(&self) -> usize {
        self.raw.len() + self.rest.iter().map(|part| part.len()).sum::<usize>()
    }

    fn to_text(self) -> Vec<u8> {
        [self.raw, self.rest[0], self.rest[1]].concat()
    }
}

impl KnownKey<'_> {
    /// How many fields are known.
    #[inline]
    #[must_use]
    pub fn fields(&self) -> usize {
        self.0.fields.len()
    }

    /// The name of a field, as it is written.
    #[inline]
    #[must_use]
    pub fn name(&self, place: usize) -> &[u8] {
        self.0.name(place)
    }

    /// Where a field's values go.
    ///
    /// # Errors
    /// Why they go nowhere.
    #[inline]
    pub fn target(&self, place: usize) -> Result<SeriesId, RejectReason> {
        self.0.fields[place].target
    }

    /// The place of the field with this name. Looks from a place on, since fields keep their order.
    #[must_use]
    pub fn find(&self, name: &[u8], from: usize) -> Option<usize> {
        let count = self.fields();
        (from..count).chain(0..from.min(count)).find(|&place| self.name(place) == name)
    }

    /// The series that have to be told alive, if that is due.
    #[inline]
    pub(crate) fn due(&mut self, now_s: u32) -> Option<impl Iterator<Item = SeriesId>> {
        if now_s.saturating_sub(self.0.touched_s) < TOUCH_EVERY_S {
            return None;
        }
        self.0.touched_s = now_s;
        Some(self.0.fields.iter().filter_map(|field| field.source))
    }
}

impl KeyShard {
    #[inline]
    fn find(&mut self, key: &RawKey<'_>) -> Option<&mut KeyEntry> {
        self.entries.find_mut(key.hash, |entry| key.is(entry))
    }

    fn take(&mut self, key: &RawKey<'_>) -> Option<KeyEntry> {
        let (entry, _) = self.entries.find_entry(key.hash, |entry| key.is(entry)).ok()?.remove();
        self.bytes -= entry.bytes();
        Some(entry)
    }
}

impl KeyEntry {
    /// An entry with what was known before and the fields that are new.
    fn with(before: Option<Self>, key: &RawKey<'_>, new: &[(&[u8], Resolution)], now_s: u32) -> Self {
        let touched_s = before.as_ref().map_or(now_s, |entry| entry.touched_s);
        let (mut text, mut fields) = before
            .map_or_else(|| (key.to_text(), Vec::new()), |entry| (entry.text.into_vec(), entry.fields.into_vec()));
        let key_bytes = key.bytes();
        for (name, named) in new.iter().filter(|(_, named)| named.lasting) {
            let known = (0..fields.len()).any(|place| name_of(&text, key_bytes, &fields, place) == *name);
            if !known && fields.len() < FIELDS_MAX {
                text.extend_from_slice(name);
                let end = u32::try_from(text.len()).expect("a line is shorter than 4 GiB, and so are its names");
                fields.push(CachedField { end, source: named.source, target: named.target });
            }
        }
        Self {
            hash: key.hash,
            scope: key.scope.cloned(),
            text: text.into(),
            key_bytes,
            fields: fields.into(),
            touched_s,
        }
    }

    fn key(&self) -> &[u8] {
        &self.text[..self.key_bytes]
    }

    #[inline]
    fn name(&self, place: usize) -> &[u8] {
        name_of(&self.text, self.key_bytes, &self.fields, place)
    }

    fn bytes(&self) -> usize {
        // A table grows by doubling, so that a place in it costs up to twice its size, and a byte of its own.
        let table = 2 * (size_of::<Self>() + 1);
        // A scope is shared by the keys of one request, but who sends one key a request shares nothing.
        table + self.text.len() + size_of_val(&*self.fields) + self.scope.as_ref().map_or(0, |scope| scope.len())
    }
}

#[inline]
fn name_of<'a>(text: &'a [u8], key_bytes: usize, fields: &[CachedField], place: usize) -> &'a [u8] {
    let start = if place == 0 { key_bytes } else { fields[place - 1].end as usize };
    &text[start..fields[place].end as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: u32) -> Resolution {
        Resolution { source: Some(SeriesId(id)), target: Ok(SeriesId(id)), lasting: true }
    }

    fn key<'a>(raw: &'a str, scope: Option<&'a Arc<str>>) -> RawKey<'a> {
        RawKey::new(raw.as_bytes(), scope, 0)
    }

    fn learn(known: &KeyCache, key: &RawKey<'_>, fields: &[(&[u8], Resolution)], epoch: u64, now_s: u32) {
        known.learn(key, fields, SeriesGeneration::numbered(epoch), now_s);
    }

    fn look(known: &KeyCache, key: &RawKey<'_>, epoch: u64, name: &str) -> Option<Result<SeriesId, RejectReason>> {
        let found = known.find(key, SeriesGeneration::numbered(epoch))?;
        found.find(name.as_bytes(), 1).map(|place| found.target(place))
    }

    #[test]
    fn fields_are_found_again_whatever_the_order_they_came_in() {
        let known = KeyCache::new(1 << 20);
        let wanted = key("m,a=b", None);
        learn(&known, &wanted, &[(b"x", named(1)), (b"yy", named(2))], 0, 0);
        learn(
            &known,
            &wanted,
            &[(b"", named(3)), (b"x", named(4)), (b"z", Resolution { lasting: false, ..named(5) })],
            0,
            0,
        );
        assert_eq!(look(&known, &wanted, 0, "x"), Some(Ok(SeriesId(1))));
        assert_eq!(look(&known, &wanted, 0, "yy"), Some(Ok(SeriesId(2))));
        assert_eq!(look(&known, &wanted, 0, ""), Some(Ok(SeriesId(3))));
        assert_eq!(look(&known, &wanted, 0, "z"), None, "what may change is not kept");
        assert_eq!(look(&known, &key("m,a=c", None), 0, "x"), None);
        assert_eq!(known.stats().keys, 1);
    }

    #[test]
    fn the_same_key_in_another_scope_is_another_key() {
        let known = KeyCache::new(1 << 20);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        learn(&known, &key("m", Some(&a)), &[(b"x", named(1))], 0, 0);
        assert_eq!(look(&known, &key("m", Some(&a)), 0, "x"), Some(Ok(SeriesId(1))));
        assert_eq!(look(&known, &key("m", Some(&b)), 0, "x"), None);
        assert_eq!(look(&known, &key("m", None), 0, "x"), None);
    }

    #[test]
    fn a_key_in_parts_is_another_where_they_differ() {
        let known = KeyCache::new(1 << 20);
        let parts = |parts: [&'static str; 3]| RawKey::in_parts(parts.map(str::as_bytes), None, 7);
        learn(&known, &parts(["{m:", ",t:", "}"]), &[(b"", named(1))], 0, 0);
        learn(&known, &parts(["{m:", ",t:", "}"]), &[(b"x", named(2))], 0, 0);
        let found = |key: &RawKey<'_>| known.find(key, SeriesGeneration::numbered(0)).map(|found| found.target(0));
        assert_eq!(found(&parts(["{m:", ",t:", "}"])), Some(Ok(SeriesId(1))));
        for other in [["{m:", ",t:", ""], ["{m:,", "t:", "}"], ["{m:", "", ",t:}"], ["{n:", ",t:", "}"]] {
            assert_eq!(found(&parts(other)), None, "{other:?}");
        }
        assert_eq!(look(&known, &parts(["{m:", ",t:", "}"]), 0, "x"), Some(Ok(SeriesId(2))));
    }

    #[test]
    fn scopes_that_are_made_up_stay_within_the_bound_too() {
        let known = KeyCache::new(1 << 20);
        for number in 0..1000 {
            let scope = Arc::from(format!("{number}{}", "s".repeat(8 << 10)));
            learn(&known, &key(&format!("m{number}"), Some(&scope)), &[(b"x", named(1))], 0, 0);
        }
        assert!(known.stats().keys <= 128, "{:?}", known.stats());
    }

    #[test]
    fn everything_is_forgotten_when_the_epoch_moves() {
        let known = KeyCache::new(1 << 20);
        let wanted = key("m", None);
        learn(&known, &wanted, &[(b"x", named(1))], 3, 0);
        assert_eq!(look(&known, &wanted, 4, "x"), None);
        learn(&known, &wanted, &[(b"x", named(1))], 3, 0);
        assert_eq!(look(&known, &wanted, 3, "x"), None, "who still lives in the past finds nothing");
        assert_eq!(look(&known, &wanted, 4, "x"), None);
    }

    #[test]
    fn memory_stays_within_its_bound_and_what_goes_is_counted() {
        let known = KeyCache::new(256 << 10);
        let keys: Vec<_> = (0..10_000).map(|number| format!("measurement,host=host_{number}")).collect();
        for text in &keys {
            learn(&known, &key(text, None), &[(b"x", named(1))], 0, 0);
            assert!(known.stats().bytes <= 256 << 10);
        }
        let stats = known.stats();
        assert!(stats.keys > 100, "{stats:?}");
        assert_eq!(stats.keys as u64 + stats.evicted, 10_000);
        assert_eq!(look(&known, &key(&keys[9999], None), 0, "x"), Some(Ok(SeriesId(1))), "the newest is there");
        learn(&known, &key(&"long".repeat(100_000), None), &[(b"x", named(1))], 0, 0);
        assert_eq!(known.stats(), stats, "what would never fit drives nothing out");
    }

    #[test]
    fn series_are_told_alive_once_in_a_while_with_those_that_are_dropped() {
        let known = KeyCache::new(1 << 20);
        let wanted = key("m", None);
        let dropped = Resolution { target: Err(RejectReason::Processor), ..named(2) };
        learn(&known, &wanted, &[(b"x", named(1)), (b"y", dropped)], 0, 100);
        let due = |now_s| {
            let mut found = known.find(&wanted, SeriesGeneration::numbered(0)).unwrap();
            found.due(now_s).map(Iterator::collect::<Vec<_>>)
        };
        assert_eq!(due(129), None);
        assert_eq!(due(130), Some(vec![SeriesId(1), SeriesId(2)]));
        assert_eq!(due(131), None);
    }
}
