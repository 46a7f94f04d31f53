//! What a delete is of: the store, and the recent window, which would show for minutes what is gone.
//!
//! Points that wait in the queue of a destination stay: they were taken to be sent, and `saker queue drop` is for them.

use std::sync::Arc;

use saker_cache::CacheReader;
use saker_pipeline::reader::{ReadError, SeriesEraser, SeriesRef};
use saker_store::StoreReader;

/// All places that answer questions.
pub(crate) struct Erasers {
    pub(crate) store: Arc<StoreReader>,
    pub(crate) recent: Arc<CacheReader>,
}

impl SeriesEraser for Erasers {
    fn erase(&self, series: &[SeriesRef]) -> Result<(), ReadError> {
        // What the store keeps after a failure in between stays visible; what only the window has goes by itself.
        self.store.erase(series)?;
        self.recent.erase(series)
    }
}
