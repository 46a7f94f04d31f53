//! What the functions do, by topic.

pub(super) mod absent;
pub(super) mod date;
pub(super) mod histogram;
pub(super) mod kahan;
pub(super) mod label;
pub(super) mod math;
pub(super) mod natural;
pub(super) mod over_time;
pub(super) mod quantile;
pub(super) mod rate;
pub(super) mod regression;
pub(super) mod sort;
