//! Moving points from one store to another: as chunks of series, in a form that is checked and can be resumed.
//!
//! ```text
//! file:   "skexprt1"  block …
//! block:  a frame, as files are made of: one series' name, and its points in a range of time
//! ```
//!
//! Blocks come in the order of series, each whole or not at all. Whoever copies asks for the series after the last it has,
//! so that it can go on where it stopped.

use std::io::{self, Read, Write};

use crate::append::Appended;
use crate::budget::Budget;
use crate::error::{StoreError, StoreReadError};
use crate::extent::{Encoder, TimedValue, Unpacked};
use crate::frame::{FrameKind, FramePiece, LogFrame, Walk};
use crate::key::StoredSeries;
use crate::log::split_extent;
use crate::names::{NameReader, NameWriter};
use crate::read::{ReadColumns, TimeRange};
use crate::store::Store;
use crate::wire::{Wire, put_text};

/// What a file of blocks begins with.
pub const EXPORT_MAGIC: &[u8; 8] = b"skexprt1";
/// Points of one block.
const BLOCK_POINTS: usize = 720;
/// A block is no longer than this, with the longest of names and points that do not pack.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// So much of a file is held at once.
const WINDOW_BYTES: usize = 1 << 20;
const _: () = assert!(WINDOW_BYTES >= 4 * BLOCK_BYTES_MAX);

/// Why a file was not written or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It does not begin as a file of points does, or its version is not known.
    #[error("not a file of points that `saker store export` has written, or of a version that is not known")]
    Format,
    /// The file could not be written or read.
    #[error("the file failed")]
    File(#[from] io::Error),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] StoreReadError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Points that were exported, of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// Whose.
    pub series: StoredSeries,
    /// When and what, in the order of times.
    pub points: Vec<(i64, f64)>,
}

/// What an import has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Blocks that were not as they were written.
    pub damaged_blocks: u64,
    /// Bytes that belong to no block.
    pub damaged_bytes: u64,
    /// Points that were taken.
    pub taken: u64,
    /// Points that are too old to be kept.
    pub too_old: u64,
    /// Points that were rejected for anything else.
    pub rejected: u64,
}

impl Store {
    /// Hands over the raw points of series in a range of time, as bytes, block by block.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn export(
        &self,
        series: &[StoredSeries],
        range: TimeRange,
        budget: &Budget,
        block: &mut dyn FnMut(&StoredSeries, &[u8]),
    ) -> Result<(), StoreReadError> {
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        let mut points: Vec<TimedValue> = Vec::new();
        self.read(series, range, &ReadColumns::raw(), budget, &mut |chunk| {
            let values = chunk.columns.first().into_iter().flatten().copied();
            points.clear();
            points.extend(chunk.timestamps.iter().copied().zip(values));
            for part in points.chunks(BLOCK_POINTS) {
                out.clear();
                put_block(&mut out, &mut encoder, chunk.series, part);
                block(chunk.series, &out);
            }
        })
    }

    /// Writes the raw points of series in a range of time to a file.
    ///
    /// # Errors
    /// The file's, and those of [`read`](Self::read).
    pub fn export_to(
        &self,
        series: &[StoredSeries],
        range: TimeRange,
        budget: &Budget,
        file: &mut dyn Write,
    ) -> Result<u64, TransferError> {
        file.write_all(EXPORT_MAGIC)?;
        let (mut bytes, mut written) = (EXPORT_MAGIC.len() as u64, Ok(()));
        for series in series {
            self.export(std::slice::from_ref(series), range, budget, &mut |_, block| {
                if written.is_ok() {
                    written = file.write_all(block);
                    bytes += block.len() as u64;
                }
            })?;
            std::mem::replace(&mut written, Ok(()))?;
        }
        file.flush()?;
        Ok(bytes)
    }

    /// Takes the points of a file that [`export_to`](Self::export_to) wrote. What is damaged is passed over and counted.
    ///
    /// # Errors
    /// It is no such file, or cannot be read, or the store fails; what was taken before stays.
    pub fn import_from(&self, file: &mut dyn Read, now_ms: i64) -> Result<Imported, TransferError> {
        let mut magic = [0; EXPORT_MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || &magic != EXPORT_MAGIC {
            return Err(TransferError::Format);
        }
        let (mut imported, mut window, mut ended) = (Imported::default(), Vec::new(), false);
        while !ended {
            let wanted = WINDOW_BYTES - window.len();
            ended = file.take(wanted as u64).read_to_end(&mut window)? < wanted;
            // What may be the beginning of a block whose end is not here yet waits for it.
            let keep = if ended { 0 } else { last_block(&window) };
            let known = window.len() - keep;
            imported.add_all(self.import(&window[..known], now_ms)?);
            window.drain(..known);
        }
        Ok(imported)
    }

    /// Takes what [`export`](Self::export) made. Points have the same right as if they had come now; what is too old is
    /// rejected, and a point that is there already is written over.
    ///
    /// # Errors
    /// As [`append_points`](Self::append_points); what was taken before stays.
    pub fn import(&self, bytes: &[u8], now_ms: i64) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        for piece in Walk::new(bytes, 0) {
            match piece {
                FramePiece::Good(frame, _, payload) => match read_block(&frame, payload) {
                    Some(exported) => imported.add(self.append_exported(&exported, now_ms)?),
                    None => imported.damaged_blocks += 1,
                },
                FramePiece::Damaged(..) => imported.damaged_blocks += 1,
                FramePiece::Gap(_, count) => imported.damaged_bytes += count as u64,
            }
        }
        Ok(imported)
    }

    /// Appends points of series by their names, for which no handle is needed.
    ///
    /// # Errors
    /// As [`append_points`](Self::append_points).
    pub fn append_exported(&self, exported: &Exported, now_ms: i64) -> Result<Appended, StoreError> {
        self.append_named(&exported.series, &exported.points, now_ms)
    }
}

impl Imported {
    fn add_all(&mut self, more: Self) {
        self.damaged_blocks += more.damaged_blocks;
        self.damaged_bytes += more.damaged_bytes;
        self.taken += more.taken;
        self.too_old += more.too_old;
        self.rejected += more.rejected;
    }

    fn add(&mut self, appended: Appended) {
        self.taken += appended.taken;
        self.too_old += appended.too_old;
        self.rejected += appended.ahead + appended.not_finite + appended.unknown;
    }
}

/// The points of blocks, one after the other; answers how many blocks were not as they were written.
pub fn read_exported(blocks: &[u8], mut each: impl FnMut(Exported)) -> u64 {
    let mut damaged = 0;
    for piece in Walk::new(blocks, 0) {
        let exported = match piece {
            FramePiece::Good(frame, _, payload) => read_block(&frame, payload),
            FramePiece::Damaged(..) | FramePiece::Gap(..) => None,
        };
        match exported {
            Some(exported) => each(exported),
            None => damaged += 1,
        }
    }
    damaged
}

/// How many bytes at the beginning of some are whole blocks, or cannot be the beginning of one.
#[must_use]
pub fn whole_blocks(bytes: &[u8]) -> usize {
    bytes.len() - last_block(bytes)
}

/// How many bytes at the end of a window may belong to a block that is not there whole.
fn last_block(window: &[u8]) -> usize {
    let mut rest = 0;
    for piece in Walk::new(window, 0) {
        rest = match piece {
            FramePiece::Good(frame, offset, _) => window.len() - offset - frame.bytes() as usize,
            FramePiece::Damaged(_, offset) | FramePiece::Gap(offset, _) => window.len() - offset,
        };
    }
    if rest > BLOCK_BYTES_MAX { 0 } else { rest }
}

fn put_block(out: &mut Vec<u8>, encoder: &mut Encoder, series: &StoredSeries, points: &[TimedValue]) {
    let mut name = Vec::new();
    NameWriter::default().put(&mut name, &series.key, series.attributes);
    let (first_ms, last_ms) = (points[0].0, points[points.len() - 1].0);
    let frame = LogFrame { first_ms, last_ms, rows: points.len() as u32, ..LogFrame::new(FrameKind::Points, 0) };
    frame.put(out, |out| {
        crate::extent::put_ids(out, &[0]);
        put_text(out, &name);
        encoder.points(out, &[points])
    });
}

/// The series and points of a block.
fn read_block(frame: &LogFrame, payload: &[u8]) -> Option<Exported> {
    let (_, rest) = split_extent(payload).filter(|_| frame.kind == FrameKind::Points)?;
    let mut wire = Wire(rest);
    let mut name = Wire(wire.text()?);
    let mut reader = NameReader::default();
    let (key, attributes) = reader.read(&mut name)?;
    let series = StoredSeries::new(key.into(), attributes);
    // It may come from anywhere: only a name that a series of ours could have.
    if StoredSeries::of(&series.to_series()).as_ref() != Some(&series) || frame.rows as usize > BLOCK_POINTS {
        return None;
    }
    let mut points = Vec::new();
    Unpacked::new(frame.codec, wire.0, 1)?.read(0, &mut Vec::new(), &mut points)?;
    Some(Exported { series, points })
}
