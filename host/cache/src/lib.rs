//! The recent window of every series, in memory.
//!
//! Each series has a [`TimedStore`], with cAdvisor's rules: points in the order of their times, the newest as many as
//! the age and the number allow, and a late point never evicts. The [`Cache`] holds the stores under one bound of bytes.
//! The pipeline writes whole batches; the API reads. Nothing here waits but for one short lock.

mod api;
mod cache;
mod metrics;
mod reader;
mod timed;

pub use api::{CacheApiState, router};
pub use cache::{Cache, CacheLimits, CacheStats};
pub use metrics::CacheMetrics;
pub use reader::CacheReader;
pub use timed::TimedStore;
