//! The records that points become: a key and a line, and the partition that follows from the key.

use saker_sdk::encode::template::Template;
use saker_sdk::encode::{Message, Parts, Slots, check};
use saker_sdk::prelude::*;

use crate::KafkaSettings;
use crate::batch::RecordBatch;
use crate::partition::{murmur2, partition};

/// What is the same for the records of all points of a series.
pub(crate) struct SeriesRecords {
    key: Template,
    message: Message,
    known: Slots<SeriesState>,
    /// A line, before it stands in a batch.
    line: Vec<u8>,
}

struct SeriesState {
    key: Box<[u8]>,
    hash: u32,
    line: Parts,
}

impl SeriesRecords {
    pub(crate) fn new(settings: &KafkaSettings) -> Result<Self, OpenError> {
        let key = Template::parse("key", &settings.key)?;
        Ok(Self { key, message: settings.format.message(), known: Slots::default(), line: Vec::new() })
    }

    pub(crate) fn define(&mut self, id: SeriesId, series: &Series) {
        let key = self.key.expand(series).into_bytes();
        let known = SeriesState { hash: murmur2(&key), key: key.into(), line: self.message.parts(series) };
        self.known.insert(id, known);
    }

    pub(crate) fn forget(&mut self, id: SeriesId) {
        self.known.remove(id);
    }

    /// Checks that every point can be written, before the first of them is sent.
    pub(crate) fn check(&self, points: &[Point]) -> Result<(), WriteError> {
        check(points, |id| self.known.get(id).is_some(), |point| self.message.fits(point))
    }

    /// The partition of a series that is known, among so many.
    pub(crate) fn partition(&self, id: SeriesId, count: usize) -> usize {
        self.known.get(id).map_or(0, |known| partition(known.hash, count))
    }

    /// Appends the record of a point that was checked.
    pub(crate) fn push(&mut self, point: &Point, batch: &mut RecordBatch) {
        let Some(known) = self.known.get(point.series) else { return };
        self.line.clear();
        self.message.push(&known.line, point, &mut self.line);
        batch.push(point.timestamp_ms, &known.key, &self.line);
    }
}
