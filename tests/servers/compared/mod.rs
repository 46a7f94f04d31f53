//! The random series and queries of `make promql-compare`.

#[path = "../../../host/query/examples/compare/data.rs"]
#[allow(dead_code, reason = "what this takes from there is the series")]
mod data;
#[path = "../../../host/query/examples/compare/queries.rs"]
mod queries;

pub(crate) use data::{Random, START_MS, series};
pub(crate) use queries::query;
