//! The indexes of merged files that were read last, so that the next question does not read them again.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::merged::MergedIndex;

/// All of them together. An index of a thousand series takes some ten kilobytes.
const INDEX_BYTES_MAX: usize = 4 << 20;

/// Indexes by the numbers of their files, the one used last at the end.
#[derive(Default)]
pub(crate) struct IndexCache(Mutex<Vec<(u64, Arc<MergedIndex>)>>);

impl IndexCache {
    pub(crate) fn get(&self, number: u64) -> Option<Arc<MergedIndex>> {
        let mut indexes = self.0.lock();
        let place = indexes.iter().rposition(|index| index.0 == number)?;
        let found = indexes.remove(place);
        let index = found.1.clone();
        indexes.push(found);
        Some(index)
    }

    pub(crate) fn put(&self, number: u64, index: &Arc<MergedIndex>) {
        let mut indexes = self.0.lock();
        indexes.retain(|other| other.0 != number);
        indexes.push((number, index.clone()));
        let mut bytes: usize = indexes.iter().map(|(_, index)| index.bytes()).sum();
        while bytes > INDEX_BYTES_MAX && indexes.len() > 1 {
            bytes -= indexes.remove(0).1.bytes();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.lock().iter().map(|(_, index)| index.bytes()).sum()
    }
}
