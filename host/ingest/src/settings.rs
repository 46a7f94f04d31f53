//! Settings that several protocols have.

use std::time::Duration;

use saker_config::ConfigTable;
use saker_model::LIMITS;

/// How often values come, where the protocol does not say it.
pub(crate) fn step_s(table: &mut ConfigTable<'_>, default: u32) -> u32 {
    let step = table.get("step", Duration::from_secs(default.into()));
    let step_s = u32::try_from(step.as_secs()).unwrap_or(u32::MAX);
    if step.subsec_nanos() != 0 || !(1..=LIMITS.step_s).contains(&step_s) {
        table.wrong("step", "must be whole seconds, from 1s to 7d");
    }
    step_s
}
