//! Reads configuration: TOML with the place of every value, and values from the environment and the command line.
//!
//! A component reads its own table with [`ConfigTable`], key by key. The reader goes on after a mistake, so that one
//! look finds them all, each with its [`Location`] and what to write instead. No keys are known here.
#![warn(missing_docs)]

mod expansion;
mod host;
mod places;
mod problem;
mod reader;
mod settings;
mod source;
mod values;

pub use host::host_name;
pub use places::Locations;
pub use problem::{Location, Problem, Problems, Warnings};
pub use reader::{ConfigTable, ReadContext, suggestion};
pub use settings::{PluginSettings, type_of};
pub use source::{ConfigSource, look};
pub use values::{ByteSize, FromConfig, ListenAddress, RawValue, parse_duration};
