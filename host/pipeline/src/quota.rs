//! How many series each source may bring, and each kind of source. Only series that are new are asked about.
//!
//! Whoever pushes decides by itself how many names it makes up. So what comes in through the doors has at most a part of
//! the table, each door a part of that, and the host's own collectors always find room.

use saker_model::RejectReason;

/// Even of a small table a door may have so much: it is not split where there is nothing to flood.
const LISTENER_SERIES_MIN: usize = 1000;

/// How many series a source may bring.
#[derive(Clone, Copy, Debug)]
pub enum SeriesBudget {
    /// A collector. One that puts a timestamp into a tag is stopped here, and not the storage behind it.
    Collector {
        /// That nobody has brought before, in one call.
        new_series: usize,
        /// In all.
        series: usize,
    },
    /// A door through which others push.
    Listener,
}

/// How the table is shared out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesShares {
    /// The part of the table that only collectors fill.
    pub collectors: f64,
    /// The part of the table that one listener may fill.
    pub listener: f64,
}

/// The same in series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesQuota {
    /// All.
    pub limit: usize,
    /// Of these, kept for collectors.
    pub reserve: usize,
    /// What one listener may bring; more than all, where a small table is not split.
    pub listener: usize,
}

/// Where a source's new series have their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeriesAllowance {
    /// The table may become so large by it.
    pub(crate) limit: usize,
    /// Why it may not become larger.
    pub(crate) rejection: RejectReason,
}

impl SeriesShares {
    /// The shares of so many series.
    #[must_use]
    pub fn of(self, limit: usize) -> SeriesQuota {
        let part = |share: f64| (limit as f64 * share.clamp(0.0, 1.0)) as usize;
        SeriesQuota { limit, reserve: part(self.collectors), listener: part(self.listener).max(LISTENER_SERIES_MIN) }
    }
}

impl SeriesQuota {
    /// What all listeners together may fill.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.limit - self.reserve
    }

    /// The room for a source of this kind, while collectors have brought so many series.
    pub(crate) fn room(&self, budget: SeriesBudget, of_collectors: usize) -> SeriesAllowance {
        match budget {
            SeriesBudget::Listener if self.reserve > 0 => {
                SeriesAllowance { limit: self.listeners(), rejection: RejectReason::ReservedSeries }
            }
            // What comes back from queues on disk is let in beyond the limit. It does not take the reserve.
            SeriesBudget::Collector { .. } if of_collectors < self.reserve => {
                SeriesAllowance { limit: usize::MAX, rejection: RejectReason::SeriesLimit }
            }
            _ => SeriesAllowance { limit: self.limit, rejection: RejectReason::SeriesLimit },
        }
    }

    /// Why a source may bring no more series, after it has brought so many in this call and in all.
    pub(crate) fn over(&self, budget: SeriesBudget, in_this_call: usize, in_all: usize) -> Option<RejectReason> {
        match budget {
            SeriesBudget::Collector { new_series, .. } if in_this_call >= new_series => Some(RejectReason::NewSeries),
            SeriesBudget::Collector { series, .. } if in_all >= series => Some(RejectReason::SourceSeries),
            SeriesBudget::Listener if in_all >= self.listener => Some(RejectReason::ListenerSeries),
            _ => None,
        }
    }
}
