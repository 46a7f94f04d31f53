//! The contract's host interfaces: `log`, `state`, `statfs`, `custom-metrics`. (`compression` has a file of its own.)

use tracing::Level;

use crate::bindings::host::{custom_metrics, log, state, statfs};
use crate::bindings::types;
use crate::ctx::Ctx;
use crate::grants::Permission;

impl types::Host for Ctx {}

impl log::Host for Ctx {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        self.log.log(level, &message);
    }
}

impl state::Host for Ctx {
    fn load(&mut self) -> Option<Vec<u8>> {
        self.unsaved.clone().or_else(|| self.state.load().map(|bytes| bytes.to_vec()))
    }

    fn save(&mut self, bytes: Vec<u8>) -> Result<(), state::StateError> {
        let limit = self.limits.max_state_bytes;
        if bytes.len() > limit {
            return Err(state::StateError::TooLarge(u32::try_from(limit).unwrap_or(u32::MAX)));
        }
        self.unsaved = Some(bytes);
        Ok(())
    }
}

impl statfs::Host for Ctx {
    fn stat(&mut self, path: String) -> Result<statfs::Usage, statfs::UsageError> {
        if !self.grants.allows_usage(&path) {
            self.denials.note(Permission::Statfs(path.clone()));
            return Err(statfs::UsageError::Denied(types::Permission::Statfs(path)));
        }
        match &self.tape {
            Some(tape) => tape.usage(&path, || self.usage(&path)),
            None => self.usage(&path),
        }
    }
}

impl Ctx {
    fn usage(&self, path: &str) -> Result<statfs::Usage, statfs::UsageError> {
        let fill = self.asking.statfs_calls.ask(path, &self.files.statfs, &self.meters, self.time_left());
        let fill = fill.map_err(|error| statfs::UsageError::Unavailable(format!("{path}: {error}")))?;
        Ok(statfs::Usage {
            total_bytes: fill.total_bytes,
            free_bytes: fill.free_bytes,
            available_bytes: fill.available_bytes,
            total_inodes: fill.total_inodes,
            free_inodes: fill.free_inodes,
        })
    }
}

impl custom_metrics::Host for Ctx {
    fn counter_add(&mut self, name: String, amount: f64) {
        self.custom_metrics.add(name, amount, self.limits.max_custom_metrics);
    }

    fn gauge_set(&mut self, name: String, value: f64) {
        self.custom_metrics.set(name, value, self.limits.max_custom_metrics);
    }
}
