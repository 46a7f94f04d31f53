//! What transfer takes for a point, by `receiver/rpc/rpc_transfer.go`. It does not say which records it found invalid, so
//! none is sent that would be.

use std::cell::Cell;
use std::rc::Rc;

use saker_sdk::encode::Form;
use saker_sdk::encode::falcon::FalconForm;
use saker_sdk::encode::template::tags;
use saker_sdk::{Point, Series};

/// The most bytes of a metric and its tags.
const NAME_MAX: usize = 510;
/// The one metric that transfer leaves out.
const LEFT_OUT: &str = "kernel.hostname";

/// The record, of series and points that transfer takes.
pub(crate) struct Record {
    latest_s: Rc<Cell<i64>>,
}

impl Record {
    /// Times after `latest_s` are rejected.
    pub(crate) fn new(latest_s: Rc<Cell<i64>>) -> Self {
        Self { latest_s }
    }
}

/// The last time that is taken: transfer files a time that is more than twice as large as its own under its own.
pub(crate) fn latest_s(now_s: i64) -> i64 {
    now_s.saturating_mul(2)
}

impl Form for Record {
    fn head(&self, series: &Series) -> Vec<u8> {
        let series = without_spaces(series);
        let is_named = !series.endpoint.is_empty() && !series.metric.is_empty() && series.metric != LEFT_OUT;
        let fits = series.metric.len() + tags(&series).len() <= NAME_MAX;
        if is_named && fits && series.step_s > 0 { FalconForm.head(&series) } else { Vec::new() }
    }

    fn rest(&self, series: &Series) -> Vec<u8> {
        FalconForm.rest(&without_spaces(series))
    }

    fn push_tail(&self, point: &Point, rest: &[u8], line: &mut Vec<u8>) {
        FalconForm.push_tail(point, rest, line);
    }

    fn fits(&self, point: &Point) -> bool {
        let time = point.timestamp_ms.div_euclid(1000);
        point.value.is_finite() && (1..=self.latest_s.get()).contains(&time)
    }
}

/// Transfer deletes all spaces in tags, which makes one series of two.
fn without_spaces(series: &Series) -> Series {
    let mut series = series.clone();
    for (key, value) in &mut series.tags {
        *key = key.replace(' ', "_");
        *value = value.replace(' ', "_");
    }
    series
}
