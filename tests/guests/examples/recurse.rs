//! Calls itself until its stack is used up.

use std::hint::black_box;

use saker_sdk::prelude::*;

/// The guest.
pub struct Recurse;

impl Collector for Recurse {
    type Settings = ();

    fn describe() -> Description {
        Description::new("recurse", "1.0.0", "Calls itself until its stack is used up")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(vec![Sample::gauge("recurse.depth", deeper(0) as f64)])
    }
}

saker_sdk::export_collector!(Recurse);

/// Each level needs what the level below has answered, and the compiler cannot see who that is: neither a loop nor a
/// formula can take its place.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let next: fn(u64) -> u64 = black_box(deeper);
    next(depth + 1).wrapping_mul(31) ^ depth
}
