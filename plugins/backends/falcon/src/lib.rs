//! The `falcon` backend: `Transfer.Update` of Open-Falcon's transfer, as Falcon's own agent calls it. README.md has the
//! settings.
//!
//! `record` is what transfer takes for a point, `transfer` one transfer and what its answers mean.

mod record;
#[cfg(test)]
mod tests;
mod transfer;

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use saker_sdk::Progress;
use saker_sdk::encode::Lines;
use saker_sdk::host::Level;
use saker_sdk::net::{Deadline, TIMEOUT_MS};
use saker_sdk::prelude::*;

use record::Record;
use transfer::{Transfer, Update};

saker_sdk::settings! {
    /// Which transfer is tried first.
    pub enum TransferOrder {
        /// Another one for each batch, as Falcon's agent does.
        Random = "random",
        /// The first of the list, then the second.
        First = "first",
    }
}

saker_sdk::settings! {
    /// Settings of the `falcon` backend.
    pub struct FalconSettings {
        /// The transfers: host:port each. The next one is tried if one fails.
        pub addresses: Vec<String>,
        /// Which transfer is tried first.
        pub order: TransferOrder = TransferOrder::Random,
        /// The most points of one call.
        pub call_points: u32 = 200,
        /// How long one write may take, in milliseconds, shared by the transfers. Must be less than the agent's deadline
        /// for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Falcon {
    settings: FalconSettings,
    transfers: Vec<Transfer>,
    lines: Lines,
    /// The last time that a transfer takes for a time, in seconds since 1970.
    latest_s: Rc<Cell<i64>>,
    progress: Progress,
    /// How many points of the call so far were not valid to transfer.
    invalid: usize,
}

impl Backend for Falcon {
    type Settings = FalconSettings;

    fn describe() -> Description {
        let summary = "Writes points to Open-Falcon's transfer, by JSON-RPC";
        Description::new("falcon", env!("CARGO_PKG_VERSION"), summary)
            .requests(connect("<each of addresses>"), "the transfers are there")
    }

    fn open(settings: FalconSettings) -> Result<Self, OpenError> {
        let wrong = |what: &str| Err(OpenError::Settings(what.into()));
        if settings.addresses.is_empty() {
            return wrong("addresses: must not be empty; write [\"host:8433\"]");
        }
        if settings.call_points == 0 {
            return wrong("call_points: must be at least 1");
        }
        let transfers = settings.addresses.iter().map(|address| Transfer::new(address)).collect::<Result<_, _>>()?;
        let latest_s = Rc::new(Cell::new(0));
        let lines = Lines::new(Record::new(latest_s.clone()));
        Ok(Self { settings, transfers, lines, latest_s, progress: Progress::default(), invalid: 0 })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        // A handle that stood for another series makes other points of those that were taken.
        self.progress.clear();
        self.lines.define(&definitions);
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.latest_s.set(record::latest_s(now_s()));
        self.lines.check(&points)?;
        let offered = points.len();
        self.progress.begin(points);
        self.send(offered)?;
        self.progress.clear();
        if self.invalid > 0 {
            host::counter_add("invalid", self.invalid as f64);
            let message =
                format!("transfer found {} of {offered} points invalid, and does not say which", self.invalid);
            host::log(Level::Warn, &message);
        }
        Ok(offered.saturating_sub(self.invalid))
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.progress.clear();
        self.lines.forget(&ids);
    }
}

saker_sdk::export_backend!(Falcon);

impl Falcon {
    /// Sends what is left of the call, to one transfer after the other.
    fn send(&mut self, offered: usize) -> Result<(), WriteError> {
        let left: Vec<_> = self.progress.left().collect();
        if left.len() == offered {
            self.invalid = 0;
        }
        if left.is_empty() {
            return Ok(());
        }
        let deadline = Deadline::after_ms(self.settings.timeout_ms);
        let share_ms = self.settings.timeout_ms / u32::try_from(self.transfers.len()).unwrap_or(u32::MAX);
        let order = order(self.transfers.len(), self.settings.order);
        let mut update = Update::new(&left, self.settings.call_points as usize);
        let mut failed = None;
        for index in order {
            let sent =
                self.transfers[index].send(&self.lines, &mut update, &mut self.progress, deadline.within_ms(share_ms));
            match sent {
                Ok(()) => {
                    failed = None;
                    break;
                }
                // A missing grant is what somebody has to act on.
                Err(error) if failed.is_none() || matches!(error, WriteError::Denied(_)) => failed = Some(error),
                Err(_) => {}
            }
        }
        self.invalid += update.invalid;
        if !update.rejected.is_empty() {
            return Err(WriteError::Reject(Reject { points: update.rejected, message: update.why }));
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The places of the transfers in the order in which they are tried.
fn order(count: usize, order: TransferOrder) -> Vec<usize> {
    let mut places: Vec<_> = (0..count).collect();
    if order == TransferOrder::Random {
        for end in (1..count).rev() {
            // A hasher starts from random keys.
            let random = RandomState::new().build_hasher().finish();
            places.swap(end, (random % (end as u64 + 1)) as usize);
        }
    }
    places
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
