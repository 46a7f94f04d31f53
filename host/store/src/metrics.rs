//! What the store counts, for `/metrics`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use saker_pipeline::now_ms;
use saker_telemetry::{LabelledValues, Labels, Metrics, Out, by, one};

use crate::service::ServiceShared;
use crate::sink::StoreSink;
use crate::status::{StoreStatus, TierStatus};
use crate::store::{Store, Totals};

/// A batch or a seal holds the store's lock for some milliseconds; a disk that hangs, for as long as it hangs.
const WAIT: Duration = Duration::from_millis(10);

/// What a store and its threads count.
pub struct StoreMetrics {
    /// What was there when it was last asked and could be told.
    last: Mutex<StoreStatus>,
    store: Arc<Store>,
    sink: Arc<StoreSink>,
    shared: Arc<ServiceShared>,
}

impl StoreMetrics {
    pub(crate) fn new(store: Arc<Store>, sink: Arc<StoreSink>, shared: Arc<ServiceShared>) -> Self {
        Self { last: Mutex::default(), store, sink, shared }
    }

    fn points(&self, out: &mut Out<'_, '_>, totals: &Totals) -> fmt::Result {
        let sink = self.sink.counters();
        let handed = number(&sink.received);
        out.counter("saker_store_received_points", "Points that were handed to the store", one(handed))?;
        out.counter("saker_store_stored_points", "Points that the store has taken", one(totals.samples as f64))?;
        let late = one(totals.backfilled as f64);
        out.counter("saker_store_late_points", "Of them, those later than their policy's back_window", late)?;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let reasons = [
            ("too_old", totals.too_old),
            ("ahead", totals.ahead),
            ("not_finite", totals.not_finite),
            ("bad_name", of(&sink.unnamed)),
            ("behind", of(&sink.behind)),
            ("failed", of(&sink.failed)),
        ];
        let dropped = by("reason", reasons.into_iter());
        out.counter("saker_store_dropped_points", "Points that the store has not, by reason", dropped)?;
        let waiting = one(self.sink.waiting() as f64);
        out.gauge("saker_store_waiting_points", "Points that wait for the store's journal", waiting)
    }

    fn work(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let work = &self.shared.work;
        let count = |counter: &AtomicU64| one(number(counter));
        out.counter("saker_store_failures", "Syncs and rounds of maintenance that failed", count(&work.failures))?;
        out.counter("saker_store_merged_files", "Files that were merged into others", count(&work.merged_files))?;
        out.counter("saker_store_removed_files", "Files whose time was over", count(&work.removed_files))?;
        out.counter("saker_store_buckets", "Buckets that points were rolled up to", count(&work.buckets))?;
        let again = count(&work.rolled_again);
        out.counter("saker_store_rolled_again", "Series that were rolled up anew after late points", again)?;
        let aside = count(&work.set_aside_bytes);
        out.gauge("saker_store_set_aside_bytes", "Bytes in damaged files that were set aside", aside)?;
        let pressed = count(&work.under_pressure);
        out.gauge("saker_store_under_pressure", "1 while points go before their time, for want of room", pressed)
    }

    fn status(out: &mut Out<'_, '_>, status: &StoreStatus) -> fmt::Result {
        let tiers = by_granularity(&status.tiers);
        let of = |read: &dyn Fn(&TierStatus) -> f64| -> LabelledValues {
            tiers.iter().map(|(granularity, tier)| (tier_label(*granularity), read(tier))).collect()
        };
        out.gauge("saker_store_bytes", "Bytes in files, by tier", of(&|tier| tier.bytes as f64))?;
        out.gauge("saker_store_files", "Files, by tier", of(&|tier| tier.files as f64))?;
        let unmerged = of(&|tier| tier.unmerged as f64);
        out.gauge("saker_store_unmerged_files", "Files that are appended to or wait to be merged, by tier", unmerged)?;
        let each = of(&|tier| if tier.points == 0 { 0.0 } else { tier.bytes as f64 / tier.points as f64 });
        out.gauge("saker_store_bytes_per_point", "Bytes in files for a point or a bucket, by tier", each)?;
        let oldest = of(&|tier| tier.oldest_ms as f64 / 1e3);
        out.gauge("saker_store_oldest_timestamp_seconds", "Where the oldest file begins, by tier", oldest)?;
        out.gauge("saker_store_series", "Series in the store's memory", one(status.live_series as f64))?;
        out.gauge("saker_store_series_bytes", "Memory of their names", one(status.series_bytes as f64))?;
        out.gauge("saker_store_head_bytes", "Memory of points that are not in files", one(status.head_bytes as f64))?;
        let age = status.head_began_ms.map_or(0.0, |began_ms| (now_ms() - began_ms).max(0) as f64 / 1e3);
        out.gauge("saker_store_head_age_seconds", "Age of the oldest of them", one(age))?;
        out.gauge("saker_store_index_bytes", "Memory of files' indexes", one(status.index_bytes as f64))?;
        out.gauge("saker_store_journal_bytes", "Bytes in the journal", one(status.journal_bytes as f64))?;
        let deleted = one(status.deleted_series as f64);
        out.gauge("saker_store_deleted_series", "Series of which files still have what was deleted", deleted)?;
        let damaged = one(status.damaged_extents as f64);
        out.counter("saker_store_damaged_extents", "Reads of what is not as it was written", damaged)?;
        let written = [("seal", status.totals.sealed_bytes), ("merge", status.merged_bytes)];
        out.counter("saker_store_written_bytes", "Bytes written to files, by why", by("why", written.into_iter()))
    }
}

impl Metrics for StoreMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        if let Some(status) = self.store.status_within(WAIT) {
            *self.last.lock() = status;
        }
        let status = self.last.lock().clone();
        self.points(out, &status.totals)?;
        self.work(out)?;
        Self::status(out, &status)
    }
}

fn number(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

/// Policies may keep one granularity for different times.
fn by_granularity(tiers: &[TierStatus]) -> BTreeMap<i64, TierStatus> {
    let mut all: BTreeMap<i64, TierStatus> = BTreeMap::new();
    for tier in tiers {
        all.entry(tier.granularity_ms)
            .and_modify(|sum| {
                sum.files += tier.files;
                sum.bytes += tier.bytes;
                sum.points += tier.points;
                sum.unmerged += tier.unmerged;
                sum.oldest_ms = sum.oldest_ms.min(tier.oldest_ms);
            })
            .or_insert(*tier);
    }
    all
}

fn tier_label(granularity_ms: i64) -> Labels {
    let name = match granularity_ms {
        0 => "raw".to_owned(),
        granularity_ms => format!("{}s", granularity_ms / 1000),
    };
    vec![("tier", name)]
}
