//! The page: a host at one glance, live.
//!
//! ```text
//! GET /                      document: the last ten minutes as columns in a JSON data block
//! GET /page/NAME             its script and its style, packed when they were built, immutable
//! GET /saker/v1/page/live    what came since, then every run of a collector, as server-sent events
//! GET /saker/v1/page/changes what changed in a window, ranked
//! ```
//!
//! The script and the style come from `page/`, by `make page`; without them there is a page of plain HTML. Everything else
//! that the page shows it asks of the API that everybody has.
//!
//! *Invariant:* while no page is open, a batch of points costs one look at a counter.
#![warn(missing_docs)]

mod assets;
mod changes;
mod document;
mod feed;
mod history;
mod json;
mod live;
mod router;
mod vitals;

pub use changes::{Change, Ranking, Windows, rank};
pub use feed::{Endpoint, Feed};
pub use router::{Dependencies, Routers, routers};
