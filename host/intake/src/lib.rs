//! What the agent takes from other programs: one folder for each protocol, with a parser that turns bytes into points.
//!
//! No socket is opened here and nothing waits: the agent reads requests, asks for the names of series and passes points
//! on; this crate says what stands in the bytes.
#![warn(missing_docs)]

pub mod influx;
