//! How a record of a destination's queue holds points: series once per segment, points as differences.
//!
//! A [`RecordEncoder`] makes records, a [`RecordDecoder`] reads them in the same order. Both begin anew with each
//! segment, so that a segment can be read on its own; within it, each record builds on those before. Every value comes
//! back bit for bit. No file, no clock and no lock is touched here.
//!
//! ```text
//! record:      version u8  points  definitions  bytes of each of the three parts that follow
//!              definitions, column of series, column of times, values
//! definition:  flags u8  [endpoint]  metric  [step]  [tags]      what is left out is as in the one before
//! text:        bytes shared with the text in that place before  further bytes  those bytes
//! column:      (step, how often)...                              each number is the one before it plus the step
//! value:       see `values`
//! ```
//!
//! Numbers are LEB128, signed ones zigzag. A series is referred to by its place in the segment's definitions; as
//! sources repeat themselves in the same order, its column is a few steps of one. So is the column of times, in which
//! mostly nothing changes. Both go on from record to record.

mod bytes;
mod column;
mod decode;
mod definition;
mod encode;
mod values;

pub use decode::{CodecError, DecodedRecord, RecordDecoder};
pub use encode::{EncodeOutcome, RecordEncoder};

/// The most points of one record: it bounds what a decoder allocates at a time, 192 KiB.
pub const MAX_RECORD_POINTS: usize = 1 << 13;

/// The most bytes of one record: what the journal takes, less what a rejected record's reason needs.
pub const MAX_RECORD_BYTES: usize = 62 << 10;

/// No series is defined in a record after so many bytes of definitions.
const MAX_DEFINITION_BYTES: usize = 32 << 10;

/// The most that a definition takes.
const MAX_SERIES_BYTES: usize = 24 << 10;

/// The version and the five numbers that a record begins with.
const MAX_FRONT_BYTES: usize = 1 + 5 * 10;

const _: () = assert!(MAX_RECORD_BYTES + 2048 <= saker_journal::MAX_PAYLOAD_BYTES);

/// Changes with the format.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests;
