//! Questions to what is stored: PromQL, and Open-Falcon's dialects, over the pipeline's reader.
#![warn(missing_docs)]

mod annotations;
pub mod api;
pub mod ast;
mod eval;
pub mod falcon;
mod float;
pub mod json;
mod labels;
mod lexer;
pub mod log;
pub mod names;
mod parser;
mod place;
mod printer;
mod signature;
mod token;
mod types;
mod value;

pub use annotations::Annotations;
pub use eval::{MatchError, Query, QueryError, STEPS_MAX, Settings, instant, range};
pub use labels::{Labels, METRIC_NAME};
pub use lexer::QUERY_BYTES_MAX;
pub use parser::parse;
pub use place::{Place, Span, SyntaxError};
pub use printer::pretty;
pub use signature::{FUNCTIONS, Function};
pub use types::ValueType;
pub use value::{Answer, Point, Points, Sample, Value};
