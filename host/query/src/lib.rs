//! Questions to what is stored: PromQL, and Open-Falcon's dialects, over the pipeline's reader.
#![warn(missing_docs)]

mod annotations;
pub mod api;
pub mod ast;
mod command;
mod config;
mod describe;
mod engine;
mod eval;
mod exposition;
pub mod falcon;
mod float;
pub mod http;
pub mod json;
mod labels;
mod lexer;
pub mod log;
mod memory;
pub mod names;
mod parser;
mod pattern;
mod place;
mod printer;
mod signature;
mod token;
mod types;
mod value;

pub use annotations::Annotations;
pub use command::{CommandError, QueryCommand, QueryRequest, Screen, ShellFormat};
pub use config::QueryConfig;
pub use describe::{Descriptions, MetricDescription, NoDescriptions};
pub use engine::{Counts, Engine, QueryMetrics, RunError};
pub use eval::{EvalSettings, MatchError, Query, QueryError, STEPS_MAX, instant, range};
pub use exposition::{CollectorFilter, Exposition, exposition};
pub use http::{Dependencies, router};
pub use labels::{Labels, METRIC_NAME};
pub use lexer::QUERY_BYTES_MAX;
pub use memory::MemoryReader;
pub use parser::parse;
pub use pattern::{PatternError, TextPattern};
pub use place::{QueryPosition, QuerySpan, SyntaxError};
pub use printer::pretty;
pub use signature::{FUNCTIONS, Function};
pub use types::ValueType;
pub use value::{InstantSample, QueryAnswer, QueryValue, RangeSeries, TimedNumber};
