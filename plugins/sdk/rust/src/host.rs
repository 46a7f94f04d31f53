//! What the agent offers to a plugin beside WASI.

pub use crate::bindings::collector::saker::plugin::log::Level;
pub use crate::bindings::collector::saker::plugin::state::StateError;
pub use crate::bindings::collector::saker::plugin::statfs::{Usage, UsageError};

#[cfg(target_arch = "wasm32")]
use crate::bindings::collector::saker::plugin::{custom_metrics, log as host_log, state, statfs};
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::{custom_metrics, host_log, state, statfs};

/// Logs one line under the instance's name.
pub fn log(level: Level, message: &str) {
    host_log::log(level, message);
}

/// What was saved last, by this instance or by the one that it took the place of.
#[must_use]
pub fn load_state() -> Option<Vec<u8>> {
    state::load()
}

/// Keeps a few bytes for whoever comes next. They are kept only if the call that saves them succeeds.
///
/// # Errors
/// [`StateError::TooLarge`] with the limit in bytes.
pub fn save_state(bytes: &[u8]) -> Result<(), StateError> {
    state::save(bytes)
}

/// Size and fill of the file system that holds an absolute path.
///
/// # Errors
/// [`UsageError::Denied`] without the permission, [`UsageError::Unavailable`] if the system does not answer.
pub fn filesystem_usage(path: &str) -> Result<Usage, UsageError> {
    statfs::stat(path)
}

/// Random bytes, fit for secrets.
#[must_use]
pub fn random(count: usize) -> Vec<u8> {
    #[cfg(target_arch = "wasm32")]
    return wasip2::random::random::get_random_bytes(count as u64);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::random(count)
}

/// Adds to a counter of the plugin's own.
pub fn counter_add(name: &str, amount: f64) {
    custom_metrics::counter_add(name, amount);
}

/// Sets a gauge of the plugin's own.
pub fn gauge_set(name: &str, value: f64) {
    custom_metrics::gauge_set(name, value);
}
