//! A file that is appended to: what heads gave away in one span of time, until the span is over and it is merged.
//!
//! Only the engine's writer appends, a whole seal in one write. Readers look at the index in memory for a moment and
//! read without a lock.

use std::io;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;
use saker_journal::{Disk, DiskFile, OpenMode, write_all_at};

use crate::extent::{put_ids, read_ids};
use crate::file::{FileScope, HEADER_BYTES, Header, Summary};
use crate::frame::{FRAME_BYTES, FrameKind, FramePiece, LogFrame, Walk};
use crate::io::{read_at, read_image};
use crate::key::StoredAttributes;
use crate::names::{NameReader, NameWriter};
use crate::wire::Wire;

/// A log is not appended to beyond this: offsets in its index have 32 bits, and it is read whole at the start.
const LOG_BYTES_MAX: u64 = 1 << 30;
/// Names in one frame.
const NAMES_PER_FRAME: usize = 4096;
/// Bytes of names in one frame, before they are packed.
const NAMES_BYTES: usize = 4 << 20;

/// A name in a log.
pub(crate) type Named = (Arc<str>, StoredAttributes);

/// Where an extent is, and where in it a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) offset: u64,
    /// Of the whole frame.
    pub(crate) bytes: u32,
    pub(crate) generation: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) rows: u32,
    pub(crate) position: u32,
}

/// An extent in the index of a log: small, for there are many.
#[derive(Clone, Copy)]
struct LogExtent {
    generation: u64,
    offset: u32,
    bytes: u32,
    /// Since the span's beginning, in milliseconds; as late as can be said.
    first: u32,
    last: u32,
    shape: u32,
    rows: u32,
}

pub(crate) struct LogFile {
    pub(crate) place: FileScope,
    pub(crate) number: u64,
    inner: RwLock<LogFileInner>,
}

struct LogFileInner {
    name: String,
    file: Arc<dyn DiskFile>,
    size: u64,
    names: Vec<Option<Named>>,
    by_key: HashMap<Arc<str>, u32>,
    /// The series of extents: most have the same as the one before.
    shapes: Vec<Arc<[u32]>>,
    extents: Vec<LogExtent>,
    /// Rolled up: by which generation, from, to.
    rolled: Vec<(u64, i64, i64)>,
    /// Written since the last sync.
    dirty: bool,
    /// A sync has failed: what was written since the one before may be gone, though it can be read.
    doubtful: bool,
    /// Nothing more is appended: a write has failed, and nobody knows what is behind the end.
    closed: bool,
    points: u64,
}

/// What was found wrong with a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogDamage {
    /// Cut off at its end: what a dying process left half written.
    pub(crate) torn_bytes: u64,
    /// Frames that are not as they were written.
    pub(crate) frames: u64,
    /// Bytes that are no frame.
    pub(crate) bytes: u64,
}

impl LogFile {
    /// Makes a log.
    pub(crate) fn create(disk: &dyn Disk, place: FileScope, number: u64) -> io::Result<Self> {
        let name = place.name(number);
        let file = disk.open(&name, OpenMode::New)?;
        let header = Header { place, summary: Summary::default() }.to_bytes();
        if let Err(error) = write_all_at(&*file, &header, 0) {
            // Without a header it is found and removed at the next start.
            let _ = disk.unlink(&name);
            return Err(error);
        }
        let inner = LogFileInner {
            name,
            file: file.into(),
            size: HEADER_BYTES as u64,
            names: Vec::new(),
            by_key: HashMap::new(),
            shapes: Vec::new(),
            extents: Vec::new(),
            rolled: Vec::new(),
            dirty: true,
            doubtful: false,
            closed: false,
            points: 0,
        };
        Ok(Self { place, number, inner: RwLock::new(inner) })
    }

    /// Opens a log and reads what is where; nothing if it is none.
    pub(crate) fn load(disk: &dyn Disk, name: &str, number: u64) -> io::Result<Option<(Self, LogDamage)>> {
        let file = disk.open(name, OpenMode::Existing)?;
        let size = file.size()?;
        if size > 2 * LOG_BYTES_MAX {
            return Ok(None);
        }
        let image = read_image(&*file, size as usize, 0)?;
        let Some(Header { place, .. }) = Header::parse(&image) else { return Ok(None) };
        let mut inner = LogFileInner {
            name: name.into(),
            file: file.into(),
            size,
            names: Vec::new(),
            by_key: HashMap::new(),
            shapes: Vec::new(),
            extents: Vec::new(),
            rolled: Vec::new(),
            // What is there may not have been synced by the process that wrote it.
            dirty: true,
            doubtful: false,
            closed: false,
            points: 0,
        };
        let mut damage = LogDamage::default();
        for piece in Walk::new(&image, HEADER_BYTES) {
            match piece {
                FramePiece::Good(frame, offset, payload) => {
                    if inner.take(place, frame, offset, payload).is_none() {
                        damage.frames += 1;
                    }
                }
                FramePiece::Damaged(frame, offset) if offset as u64 + frame.bytes() <= size => damage.frames += 1,
                FramePiece::Damaged(_, offset) => inner.cut(offset, size, &mut damage)?,
                FramePiece::Gap(offset, bytes) if (offset + bytes) as u64 == size => {
                    inner.cut(offset, size, &mut damage)?
                }
                FramePiece::Gap(_, bytes) => damage.bytes += bytes as u64,
            }
        }
        Ok(Some((Self { place, number, inner: RwLock::new(inner) }, damage)))
    }

    pub(crate) fn name(&self) -> String {
        self.inner.read().name.clone()
    }

    pub(crate) fn size(&self) -> u64 {
        self.inner.read().size
    }

    /// Cells of its extents.
    pub(crate) fn points(&self) -> u64 {
        self.inner.read().points
    }

    /// Whether another one has to be begun to append to.
    pub(crate) fn is_closed(&self) -> bool {
        let inner = self.inner.read();
        inner.closed || inner.size >= LOG_BYTES_MAX
    }

    /// Nothing more is appended to it.
    pub(crate) fn close(&self) {
        self.inner.write().closed = true;
    }

    pub(crate) fn extents(&self) -> usize {
        self.inner.read().extents.len()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        let inner = self.inner.read();
        inner.dirty || inner.doubtful
    }

    pub(crate) fn newest_generation(&self) -> u64 {
        let inner = self.inner.read();
        let rolled = inner.rolled.iter().map(|rolled| rolled.0);
        inner.extents.iter().map(|extent| extent.generation).chain(rolled).max().unwrap_or(0)
    }

    /// First and last time of its extents.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        let inner = self.inner.read();
        let first = inner.extents.iter().map(|extent| extent.first).min()?;
        let last = inner.extents.iter().map(|extent| extent.last).max()?;
        Some((self.place.begin_ms + i64::from(first), self.place.begin_ms + i64::from(last)))
    }

    pub(crate) fn rolled(&self) -> Vec<(u64, i64, i64)> {
        self.inner.read().rolled.clone()
    }

    /// Its names, in the order of their numbers.
    pub(crate) fn names(&self) -> Vec<(u32, Named)> {
        let inner = self.inner.read();
        let names = inner.names.iter().enumerate();
        names.filter_map(|(id, named)| Some((id as u32, named.clone()?))).collect()
    }

    pub(crate) fn find(&self, key: &str) -> Option<u32> {
        self.inner.read().by_key.get(key).copied()
    }

    /// What a series was when it was written here last, if it was.
    pub(crate) fn attributes(&self, key: &str) -> Option<StoredAttributes> {
        let inner = self.inner.read();
        let id = *inner.by_key.get(key)?;
        inner.names.get(id as usize)?.as_ref().map(|named| named.1)
    }

    /// The extents of a series among the first `known` that overlap a range of time.
    pub(crate) fn locate(&self, id: u32, first_ms: i64, last_ms: i64, known: usize, found: &mut Vec<Located>) {
        let inner = self.inner.read();
        let positions: Vec<Option<u32>> =
            inner.shapes.iter().map(|ids| ids.binary_search(&id).ok().map(|position| position as u32)).collect();
        let begin = self.place.begin_ms;
        for extent in &inner.extents[..known.min(inner.extents.len())] {
            let Some(position) = positions[extent.shape as usize] else { continue };
            let located = Located {
                offset: u64::from(extent.offset),
                bytes: extent.bytes,
                generation: extent.generation,
                first_ms: begin + i64::from(extent.first),
                last_ms: begin + i64::from(extent.last),
                rows: extent.rows,
                position,
            };
            if located.first_ms <= last_ms && located.last_ms >= first_ms {
                found.push(located);
            }
        }
    }

    /// Every extent that begins before a time: generation, first and last time, numbers, and all names.
    pub(crate) fn each_extent(&self, before_ms: i64, mut each: impl FnMut(u64, i64, i64, &[u32], &[Option<Named>])) {
        let inner = self.inner.read();
        let begin = self.place.begin_ms;
        for extent in &inner.extents {
            let (first_ms, last_ms) = (begin + i64::from(extent.first), begin + i64::from(extent.last));
            if first_ms < before_ms {
                each(extent.generation, first_ms, last_ms, &inner.shapes[extent.shape as usize], &inner.names);
            }
        }
    }

    /// A frame's bytes.
    pub(crate) fn read(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        let file = self.inner.read().file.clone();
        read_at(&*file, bytes as usize, offset)
    }

    /// All of it, as it is on the disk.
    pub(crate) fn image(&self) -> io::Result<Vec<u8>> {
        let (file, size) = {
            let inner = self.inner.read();
            (inner.file.clone(), inner.size)
        };
        read_image(&*file, size as usize, 0)
    }

    /// Begins something to be appended.
    pub(crate) fn batch(&self) -> LogBatch<'_> {
        LogBatch {
            log: self,
            base: self.size(),
            out: Vec::new(),
            named: Vec::new(),
            ids: HashMap::new(),
            frames: Vec::new(),
        }
    }

    /// Makes what was written survive the death of the machine. After a failure nobody knows what of it did, so a copy
    /// of it is made under the number that is given, and synced.
    pub(crate) fn sync(&self, disk: &dyn Disk, fresh: impl FnOnce() -> u64) -> io::Result<()> {
        let (file, dirty, doubtful) = {
            let inner = self.inner.read();
            (inner.file.clone(), inner.dirty, inner.doubtful)
        };
        if doubtful {
            return self.rewrite(disk, fresh());
        }
        if !dirty {
            return Ok(());
        }
        // Before, not after: what is written meanwhile is synced the next time.
        self.inner.write().dirty = false;
        let synced = file.sync();
        if synced.is_err() {
            self.inner.write().doubtful = true;
        }
        synced
    }

    fn rewrite(&self, disk: &dyn Disk, number: u64) -> io::Result<()> {
        let image = self.image()?;
        let name = self.place.name(number);
        let file = disk.open(&name, OpenMode::New)?;
        let written = write_all_at(&*file, &image, 0).and_then(|()| file.sync()).and_then(|()| disk.sync());
        if let Err(error) = written {
            let _ = disk.unlink(&name);
            return Err(error);
        }
        let mut inner = self.inner.write();
        let old = std::mem::replace(&mut inner.name, name);
        inner.file = file.into();
        (inner.dirty, inner.doubtful) = (false, false);
        drop(inner);
        // If it stays, everything in it is there twice, which is no harm.
        let _ = disk.unlink(&old);
        Ok(())
    }
}

impl LogFileInner {
    /// Takes over a good frame; nothing if what is in it makes no sense.
    fn take(&mut self, place: FileScope, frame: LogFrame, offset: usize, payload: &[u8]) -> Option<()> {
        match frame.kind {
            FrameKind::Names => {
                let names = read_names(frame.codec, payload)?;
                for (place, (key, attributes)) in names.into_iter().enumerate() {
                    self.add_name(frame.number.checked_add(place as u32)?, key.into(), attributes)?;
                }
            }
            FrameKind::Points | FrameKind::Buckets => {
                let ids = read_ids(&mut Wire(payload))?;
                self.add_extent(place, &frame, offset as u64, &ids);
            }
            FrameKind::Rolled => self.rolled.push((frame.generation, frame.first_ms, frame.last_ms)),
            FrameKind::Page | FrameKind::Index => return None,
        }
        Some(())
    }

    fn add_name(&mut self, id: u32, key: Arc<str>, attributes: StoredAttributes) -> Option<()> {
        let place = id as usize;
        // A gap is a frame of names that is damaged in both its copies.
        if place > self.names.len() + 64 * NAMES_PER_FRAME {
            return None;
        }
        if place >= self.names.len() {
            self.names.resize(place + 1, None);
        }
        self.by_key.insert(key.clone(), id);
        self.names[place] = Some((key, attributes));
        Some(())
    }

    fn add_extent(&mut self, place: FileScope, frame: &LogFrame, offset: u64, ids: &[u32]) {
        let recent = self.shapes.len().saturating_sub(RECENT_SHAPES);
        let known = self.shapes[recent..].iter().position(|shape| **shape == *ids);
        let shape = known.map_or(self.shapes.len(), |known| recent + known);
        if known.is_none() {
            self.shapes.push(ids.into());
        }
        let since = |time_ms: i64| u32::try_from(time_ms.saturating_sub(place.begin_ms).max(0)).unwrap_or(u32::MAX);
        self.points += u64::from(frame.rows) * ids.len() as u64;
        self.extents.push(LogExtent {
            generation: frame.generation,
            offset: offset as u32,
            bytes: frame.bytes() as u32,
            first: since(frame.first_ms),
            last: since(frame.last_ms),
            shape: shape as u32,
            rows: frame.rows,
        });
    }

    /// Cuts off what a dying process left half written.
    fn cut(&mut self, offset: usize, size: u64, damage: &mut LogDamage) -> io::Result<()> {
        damage.torn_bytes += size - offset as u64;
        self.size = offset as u64;
        self.file.set_size(self.size)
    }
}

/// Among so many shapes a new extent's is looked for: as many extents as a group of some ten thousand series has.
const RECENT_SHAPES: usize = 256;

/// Something that is being appended to a log: names and extents, which become visible together.
pub(crate) struct LogBatch<'a> {
    log: &'a LogFile,
    base: u64,
    out: Vec<u8>,
    named: Vec<(u32, Named)>,
    ids: HashMap<Arc<str>, u32>,
    frames: Vec<(LogFrame, u64, Arc<[u32]>)>,
}

impl LogBatch<'_> {
    /// The numbers of series, in the order in which they are given. Those that have none get one.
    pub(crate) fn ids<'a>(&mut self, names: impl Iterator<Item = (&'a Arc<str>, StoredAttributes)>) -> Vec<u32> {
        let inner = self.log.inner.read();
        let mut new = Vec::new();
        let mut ids = Vec::new();
        let mut next = (inner.names.len() + self.named.len()) as u32;
        for (key, attributes) in names {
            let known = inner.by_key.get(&**key).or_else(|| self.ids.get(&**key)).copied();
            let id = known.unwrap_or_else(|| {
                let id = next;
                next += 1;
                self.ids.insert(key.clone(), id);
                new.push((id, (key.clone(), attributes)));
                id
            });
            let changed = |named: &Named| named.1 != attributes;
            if known.is_some() && inner.names.get(id as usize).and_then(Option::as_ref).is_some_and(changed) {
                put_names(&mut self.out, &[(id, (key.clone(), attributes))]);
                self.named.push((id, (key.clone(), attributes)));
            }
            ids.push(id);
        }
        drop(inner);
        let mut rest = &new[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(NAMES_PER_FRAME).take_while(|(_, (key, _))| {
                bytes += key.len();
                bytes <= NAMES_BYTES
            });
            let (names, others) = rest.split_at(fits.count().max(1));
            put_names(&mut self.out, names);
            rest = others;
        }
        self.named.extend(new);
        ids
    }

    /// Adds an extent. `payload` appends what is behind the numbers, which are sorted, and answers its codec.
    pub(crate) fn extent(&mut self, frame: LogFrame, ids: &[u32], payload: impl FnOnce(&mut Vec<u8>) -> u8) {
        let offset = self.base + self.out.len() as u64;
        let frame = frame.put(&mut self.out, |out| {
            put_ids(out, ids);
            payload(out)
        });
        self.frames.push((frame, offset, ids.into()));
    }

    /// Adds that all was rolled up for a range of time.
    pub(crate) fn rolled(&mut self, generation: u64, first_ms: i64, last_ms: i64) {
        let frame = LogFrame { first_ms, last_ms, ..LogFrame::new(FrameKind::Rolled, generation) };
        let offset = self.base + self.out.len() as u64;
        let frame = frame.put(&mut self.out, |_| 0);
        self.frames.push((frame, offset, Arc::new([])));
    }

    /// Writes it all, in one write, and lets readers see it.
    pub(crate) fn commit(self) -> io::Result<u64> {
        if self.out.is_empty() {
            return Ok(0);
        }
        let file = self.log.inner.read().file.clone();
        if let Err(error) = write_all_at(&*file, &self.out, self.base) {
            let _ = file.set_size(self.base);
            self.log.close();
            return Err(error);
        }
        let mut inner = self.log.inner.write();
        for (id, (key, attributes)) in self.named {
            inner.add_name(id, key, attributes);
        }
        for (frame, offset, ids) in self.frames {
            match frame.kind {
                FrameKind::Rolled => inner.rolled.push((frame.generation, frame.first_ms, frame.last_ms)),
                _ => inner.add_extent(self.log.place, &frame, offset, &ids),
            }
        }
        inner.size = self.base + self.out.len() as u64;
        inner.dirty = true;
        Ok(self.out.len() as u64)
    }
}

/// Twice, for what they name cannot be read without them.
fn put_names(out: &mut Vec<u8>, names: &[(u32, Named)]) {
    let Some((first, _)) = names.first() else { return };
    let (mut body, mut writer) = (Vec::new(), NameWriter::default());
    for (_, (key, attributes)) in names {
        writer.put(&mut body, key, *attributes);
    }
    let frame = LogFrame { number: *first, rows: names.len() as u32, ..LogFrame::new(FrameKind::Names, 0) };
    for _ in 0..2 {
        frame.put(out, |out| pack_names(out, &body));
    }
}

pub(crate) fn pack_names(out: &mut Vec<u8>, body: &[u8]) -> u8 {
    match zstd::bulk::compress(body, 3) {
        Ok(packed) if packed.len() < body.len() => {
            out.extend_from_slice(&packed);
            crate::extent::ZSTD
        }
        _ => {
            out.extend_from_slice(body);
            crate::extent::PLAIN
        }
    }
}

pub(crate) fn read_names(codec: u8, payload: &[u8]) -> Option<Vec<(String, StoredAttributes)>> {
    let body = crate::extent::unpack(codec, payload, NAMES_BYTES_MAX)?;
    let (mut wire, mut reader, mut names) = (Wire(&body), NameReader::default(), Vec::new());
    while !wire.0.is_empty() {
        let (key, attributes) = reader.read(&mut wire)?;
        names.push((key.to_owned(), attributes));
    }
    Some(names)
}

/// What a frame of names may unpack to.
const NAMES_BYTES_MAX: usize = 2 * NAMES_BYTES;

/// The payload behind the numbers of an extent, and how many those are.
pub(crate) fn split_extent(payload: &[u8]) -> Option<(Vec<u32>, &[u8])> {
    let mut wire = Wire(payload);
    let ids = read_ids(&mut wire)?;
    Some((ids, wire.0))
}

const _: () = assert!(FRAME_BYTES == 56, "the documentation of frames says so");
