//! A file that is made at once: all of one span of time, a lane's, in the order of names.
//!
//! ```text
//! header   extents …   pages of the dictionary …   index   the pages again …   the index again
//! ```
//!
//! What names things is there twice: one flipped bit costs an extent, never a name. At the start only the header is read;
//! the index is when somebody asks for that time.

use std::io;
use std::sync::Arc;

use saker_journal::{Disk, DiskFile, OpenMode, write_all_at};

use crate::extent::{put_ids, read_ids, unpack};
use crate::file::{FileScope, HEADER_BYTES, Header, NEW_SUFFIX, Summary};
use crate::frame::{FrameKind, LogFrame};
use crate::io::{read_at, read_image};
use crate::key::StoredAttributes;
use crate::log::{Located, Named, pack_names, read_names};
use crate::names::NameWriter;
use crate::wire::{Wire, put_text, put_varint};

/// Names in one page of the dictionary: what is unpacked to look one up.
const PAGE_NAMES: usize = 256;
/// So much is gathered before it is written.
const WRITE_BYTES: usize = 1 << 20;
/// What an index may unpack to, whatever a file says.
const INDEX_BYTES_MAX: usize = 256 << 20;

/// Makes a merged file.
pub(crate) struct MergedWriter<'a> {
    disk: &'a dyn Disk,
    place: FileScope,
    number: u64,
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    /// Of what is written.
    offset: u64,
    batches: Vec<BatchIndex>,
    summary: Summary,
}

/// The extents of the same series, one behind the other in time.
#[derive(Default)]
struct BatchIndex {
    ids: Vec<u32>,
    extents: Vec<MergedExtent>,
}

#[derive(Clone, Copy)]
struct MergedExtent {
    offset: u64,
    bytes: u32,
    first_ms: i64,
    last_ms: i64,
    rows: u32,
}

/// A page of the dictionary.
struct DictionaryPage {
    first_key: Box<str>,
    first_id: u32,
    /// Where it is, twice.
    offsets: [u64; 2],
    bytes: u32,
}

impl<'a> MergedWriter<'a> {
    /// Begins a file of the generation of what it is made of.
    pub(crate) fn create(disk: &'a dyn Disk, place: FileScope, number: u64, generation: u64) -> io::Result<Self> {
        let file = disk.open(&new_name(place, number), OpenMode::New)?;
        let summary = Summary { generation, first_ms: i64::MAX, last_ms: i64::MIN, ..Summary::default() };
        let buffer = vec![0; HEADER_BYTES];
        Ok(Self { disk, place, number, file, buffer, offset: 0, batches: Vec::new(), summary })
    }

    /// The extents that follow are of these series.
    pub(crate) fn begin_batch(&mut self, ids: Vec<u32>) {
        self.batches.push(BatchIndex { ids, extents: Vec::new() });
    }

    /// Adds an extent of the batch's series, of which it may have fewer.
    pub(crate) fn extent(
        &mut self,
        frame: LogFrame,
        points: u64,
        payload: impl FnOnce(&mut Vec<u8>) -> u8,
    ) -> io::Result<()> {
        let batch = self.batches.last_mut().expect("a batch was begun");
        let offset = self.offset + self.buffer.len() as u64;
        let frame = LogFrame { generation: self.summary.generation, ..frame };
        let frame = frame.put(&mut self.buffer, |out| {
            put_ids(out, &batch.ids);
            payload(out)
        });
        let LogFrame { first_ms, last_ms, rows, .. } = frame;
        batch.extents.push(MergedExtent { offset, bytes: frame.bytes() as u32, first_ms, last_ms, rows });
        self.summary.first_ms = self.summary.first_ms.min(first_ms);
        self.summary.last_ms = self.summary.last_ms.max(last_ms);
        self.summary.points += points;
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(&*self.file, &self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the names, which are in the order of their numbers, which is that of keys, and finishes the file.
    pub(crate) fn finish(mut self, names: &[Named], rolled: Option<(i64, i64)>) -> io::Result<MergedFile> {
        self.summary.names = names.len() as u64;
        self.summary.rolled = rolled;
        let mut pages: Vec<DictionaryPage> = Vec::new();
        for copy in 0..2 {
            for (number, page_names) in names.chunks(PAGE_NAMES).enumerate() {
                let offset = self.offset + self.buffer.len() as u64;
                let frame = put_page(&mut self.buffer, (number * PAGE_NAMES) as u32, page_names);
                if copy == 0 {
                    let first_key = page_names[0].0.as_ref().into();
                    let first_id = (number * PAGE_NAMES) as u32;
                    pages.push(DictionaryPage {
                        first_key,
                        first_id,
                        offsets: [offset; 2],
                        bytes: frame.bytes() as u32,
                    });
                } else {
                    pages[number].offsets[1] = offset;
                }
                if self.buffer.len() >= WRITE_BYTES {
                    self.flush()?;
                }
            }
        }
        let index = self.index(&pages);
        for copy in 0..2 {
            self.summary.index_at[copy] = self.offset + self.buffer.len() as u64;
            LogFrame::new(FrameKind::Index, self.summary.generation)
                .put(&mut self.buffer, |out| pack_names(out, &index));
        }
        self.flush()?;
        self.publish()
    }

    fn index(&self, pages: &[DictionaryPage]) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, pages.len() as u64);
        for page in pages {
            put_text(&mut out, page.first_key.as_bytes());
            for number in [u64::from(page.first_id), page.offsets[0], page.offsets[1], u64::from(page.bytes)] {
                put_varint(&mut out, number);
            }
        }
        put_varint(&mut out, self.batches.len() as u64);
        let mut at = 0;
        for batch in &self.batches {
            put_ids(&mut out, &batch.ids);
            put_varint(&mut out, batch.extents.len() as u64);
            for extent in &batch.extents {
                put_varint(&mut out, extent.offset - at);
                put_varint(&mut out, u64::from(extent.bytes));
                put_varint(&mut out, (extent.first_ms - self.place.begin_ms) as u64);
                put_varint(&mut out, (extent.last_ms - extent.first_ms) as u64);
                put_varint(&mut out, u64::from(extent.rows));
                at = extent.offset;
            }
        }
        out
    }

    /// The header comes last, and then the name: what is half made has neither.
    fn publish(self) -> io::Result<MergedFile> {
        let header = Header { place: self.place, summary: self.summary };
        write_all_at(&*self.file, &header.to_bytes(), 0)?;
        self.file.sync()?;
        let name = self.place.name(self.number);
        self.disk.rename(&new_name(self.place, self.number), &name)?;
        self.disk.sync()?;
        let Header { place, summary } = header;
        Ok(MergedFile { place, number: self.number, name, file: self.file.into(), size: self.offset, summary })
    }

    /// Removes what a failed merge leaves.
    pub(crate) fn discard(disk: &dyn Disk, place: FileScope, number: u64) {
        let _ = disk.unlink(&new_name(place, number));
    }
}

fn new_name(place: FileScope, number: u64) -> String {
    format!("{}{NEW_SUFFIX}", place.name(number))
}

fn put_page(out: &mut Vec<u8>, first_id: u32, names: &[Named]) -> LogFrame {
    let (mut body, mut writer) = (Vec::new(), NameWriter::default());
    for (key, attributes) in names {
        writer.put(&mut body, key, *attributes);
    }
    let frame = LogFrame { number: first_id, rows: names.len() as u32, ..LogFrame::new(FrameKind::Page, 0) };
    frame.put(out, |out| pack_names(out, &body))
}

/// A merged file, open to read.
pub(crate) struct MergedFile {
    pub(crate) place: FileScope,
    pub(crate) number: u64,
    pub(crate) name: String,
    file: Arc<dyn DiskFile>,
    pub(crate) size: u64,
    pub(crate) summary: Summary,
}

impl MergedFile {
    /// Opens a file and reads its header; nothing if it is none.
    pub(crate) fn load(disk: &dyn Disk, name: &str, number: u64) -> io::Result<Option<Self>> {
        let file = disk.open(name, OpenMode::Read)?;
        let head = read_image(&*file, HEADER_BYTES, 0)?;
        let Some(Header { place, summary }) = Header::parse(&head) else { return Ok(None) };
        let size = file.size()?;
        Ok(Some(Self { place, number, name: name.into(), file: file.into(), size, summary }))
    }

    /// A frame's bytes.
    pub(crate) fn read(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        read_at(&*self.file, bytes as usize, offset)
    }

    /// All of it, as it is on the disk.
    pub(crate) fn image(&self) -> io::Result<Vec<u8>> {
        read_image(&*self.file, self.size as usize, 0)
    }

    /// Reads the index; nothing if both its copies are damaged.
    pub(crate) fn load_index(&self) -> io::Result<Option<MergedIndex>> {
        for offset in self.summary.index_at {
            let head = read_image(&*self.file, crate::frame::FRAME_BYTES, offset)?;
            let Some(frame) = LogFrame::parse(&head) else { continue };
            let bytes = read_image(&*self.file, frame.bytes() as usize, offset)?;
            let Some(payload) = frame.payload(&bytes) else { continue };
            if let Some(index) = self.parse_index(frame.codec, payload) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn parse_index(&self, codec: u8, payload: &[u8]) -> Option<MergedIndex> {
        let body = unpack(codec, payload, INDEX_BYTES_MAX)?;
        let mut wire = Wire(&body);
        let mut index = MergedIndex::default();
        for _ in 0..wire.count()? {
            let first_key = std::str::from_utf8(wire.text()?).ok()?.into();
            let first_id = u32::try_from(wire.varint()?).ok()?;
            let offsets = [wire.varint()?, wire.varint()?];
            index.pages.push(DictionaryPage {
                first_key,
                first_id,
                offsets,
                bytes: u32::try_from(wire.varint()?).ok()?,
            });
        }
        index.batch_of = vec![u32::MAX; usize::try_from(self.summary.names).ok()?.min(body.len() * PAGE_NAMES)];
        let mut at = 0_u64;
        for number in 0..wire.count()? {
            let mut batch = BatchIndex { ids: read_ids(&mut wire)?, extents: Vec::new() };
            for id in &batch.ids {
                *index.batch_of.get_mut(*id as usize)? = number as u32;
            }
            for _ in 0..wire.count()? {
                at = at.checked_add(wire.varint()?)?;
                let bytes = u32::try_from(wire.varint()?).ok()?;
                let first_ms = self.place.begin_ms.checked_add_unsigned(wire.varint()?)?;
                let last_ms = first_ms.checked_add_unsigned(wire.varint()?)?;
                let rows = u32::try_from(wire.varint()?).ok()?;
                batch.extents.push(MergedExtent { offset: at, bytes, first_ms, last_ms, rows });
            }
            index.batches.push(batch);
        }
        Some(index)
    }

    /// The names of a page, by the first of its copies that is good; none of one that is damaged in both.
    fn page(&self, page: &DictionaryPage) -> io::Result<Option<Vec<(String, StoredAttributes)>>> {
        for offset in page.offsets {
            let bytes = read_image(&*self.file, page.bytes as usize, offset)?;
            let Some(frame) = LogFrame::parse(&bytes) else { continue };
            let Some(payload) = frame.payload(&bytes) else { continue };
            if let Some(names) = read_names(frame.codec, payload) {
                return Ok(Some(names));
            }
        }
        Ok(None)
    }

    /// The number of a series, if the file has any of it.
    pub(crate) fn find(&self, index: &MergedIndex, key: &str) -> io::Result<Option<u32>> {
        let after = index.pages.partition_point(|page| &*page.first_key <= key);
        let Some(page) = after.checked_sub(1).map(|place| &index.pages[place]) else { return Ok(None) };
        let names = self.page(page)?.unwrap_or_default();
        let place = names.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok();
        Ok(place.map(|place| page.first_id + place as u32))
    }

    /// Whether all names can be read.
    pub(crate) fn has_all_names(&self, index: &MergedIndex) -> io::Result<bool> {
        for page in &index.pages {
            if self.page(page)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All names that begin with a prefix, in order.
    pub(crate) fn scan(
        &self,
        index: &MergedIndex,
        prefix: &str,
        mut each: impl FnMut(u32, &str, StoredAttributes),
    ) -> io::Result<()> {
        let first = index.pages.partition_point(|page| &*page.first_key <= prefix).saturating_sub(1);
        for page in &index.pages[first..] {
            if &*page.first_key > prefix && !page.first_key.starts_with(prefix) {
                break;
            }
            for (place, (name, attributes)) in self.page(page)?.unwrap_or_default().into_iter().enumerate() {
                if name.starts_with(prefix) {
                    each(page.first_id + place as u32, &name, attributes);
                }
            }
        }
        Ok(())
    }
}

/// What is where in a merged file.
#[derive(Default)]
pub(crate) struct MergedIndex {
    pages: Vec<DictionaryPage>,
    batches: Vec<BatchIndex>,
    /// The batch of a series.
    batch_of: Vec<u32>,
}

impl MergedIndex {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let batches = self.batches.iter().map(|batch| 4 * batch.ids.len() + 40 * batch.extents.len() + 48);
        let pages = self.pages.iter().map(|page| 48 + page.first_key.len());
        4 * self.batch_of.len() + batches.sum::<usize>() + pages.sum::<usize>()
    }

    /// The extents of a series that overlap a range of time.
    pub(crate) fn locate(&self, id: u32, generation: u64, first_ms: i64, last_ms: i64, found: &mut Vec<Located>) {
        let batch = self.batch_of.get(id as usize).and_then(|batch| self.batches.get(*batch as usize));
        let Some(batch) = batch else { return };
        let Ok(position) = batch.ids.binary_search(&id) else { return };
        for extent in &batch.extents {
            if extent.first_ms <= last_ms && extent.last_ms >= first_ms {
                found.push(Located {
                    offset: extent.offset,
                    bytes: extent.bytes,
                    generation,
                    first_ms: extent.first_ms,
                    last_ms: extent.last_ms,
                    rows: extent.rows,
                    position: position as u32,
                });
            }
        }
    }
}
