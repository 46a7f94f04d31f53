//! What `/counter/all` tells: counters in the shape that Open-Falcon's own modules have.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// The names of the counters: the query service's and graph's.
const NAMES: [&str; 13] = [
    "HistoryRequestCnt",
    "HistoryResponseCounterCnt",
    "HistoryResponseItemCnt",
    "InfoRequestCnt",
    "LastRequestCnt",
    "LastRequestItemCnt",
    "LastRawRequestCnt",
    "LastRawRequestItemCnt",
    "GraphQueryCnt",
    "GraphQueryItemCnt",
    "GraphInfoCnt",
    "GraphLastCnt",
    "GraphLastRawCnt",
];

/// Rates are over at least so long.
const PERIOD_S: i64 = 1;

/// What was asked in Open-Falcon's dialects.
#[derive(Debug, Default)]
pub struct FalconCounts {
    counts: [AtomicU64; NAMES.len()],
    rates: Mutex<[RateAt; NAMES.len()]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct RateAt {
    at_s: i64,
    count: u64,
    a_second: u64,
}

impl FalconCounts {
    /// A question for the rows of so many counters.
    pub fn history(&self, counters: usize) {
        self.add(0, 1);
        self.add(1, counters);
        self.add(8, counters);
    }

    /// Rows that were answered.
    pub fn rows(&self, rows: usize) {
        self.add(2, rows);
        self.add(9, rows);
    }

    /// A question for what so many counters are.
    pub fn info(&self, counters: usize) {
        self.add(3, 1);
        self.add(10, counters);
    }

    /// A question for so many newest values.
    pub fn last(&self, counters: usize, is_raw: bool) {
        let (asked, items, graph) = if is_raw { (6, 7, 12) } else { (4, 5, 11) };
        self.add(asked, 1);
        self.add(items, counters);
        self.add(graph, counters);
    }

    fn add(&self, place: usize, count: usize) {
        self.counts[place].fetch_add(count as u64, Relaxed);
    }

    /// All of them, as they are at a time. Rates are those since somebody last asked, more than a second before.
    #[must_use]
    pub fn json(&self, now_s: i64) -> String {
        let time = crate::eval::rfc3339(now_s).replace('T', " ").replace('Z', "");
        let mut rates = self.rates.lock();
        let mut out = String::from("[");
        for (place, name) in NAMES.iter().enumerate() {
            let (count, rate) = (self.counts[place].load(Relaxed), &mut rates[place]);
            let elapsed_s = now_s.saturating_sub(rate.at_s);
            if elapsed_s > PERIOD_S {
                rate.a_second = if rate.at_s == 0 { 0 } else { (count - rate.count) / elapsed_s.unsigned_abs() };
                (rate.at_s, rate.count) = (now_s, count);
            }
            // Writing into a text does not fail.
            let _ = write!(
                out,
                "{}{{\"Name\":\"{name}\",\"Cnt\":{count},\"Qps\":{},\"Time\":\"{time}\",\"Other\":{{}}}}",
                if place == 0 { "" } else { "," },
                rate.a_second,
            );
        }
        out.push(']');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_open_falcons_shape_and_rates_since_the_last_look() {
        let counts = FalconCounts::default();
        counts.history(2);
        counts.rows(10);
        let first = r#"[{"Name":"HistoryRequestCnt","Cnt":1,"Qps":0,"Time":"2015-07-01 20:10:51","Other":{}},"#;
        let json = counts.json(1_435_781_451);
        assert!(json.starts_with(first), "{json}");
        (0..20).for_each(|_| counts.last(5, true));
        let json = counts.json(1_435_781_461);
        assert!(json.contains(r#"{"Name":"LastRawRequestItemCnt","Cnt":100,"Qps":10,"#), "{json}");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }
}
