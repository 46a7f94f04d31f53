//! Reads configuration: TOML with the place of every value, and values from the environment and the command line.
//!
//! A component reads its own table with [`Table`], key by key. The reader goes on after a mistake, so that one look
//! finds them all, each with its [`Place`] and what to write instead. No keys are known here.
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
pub use places::Places;
pub use problem::{Place, Problem, Problems, Warnings};
pub use reader::{Reading, Table, suggestion};
pub use settings::{Settings, type_of};
pub use source::{Source, look};
pub use values::{Bytes, Given, Listen, Read, parse_duration};
