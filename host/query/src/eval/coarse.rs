//! What it made of an answer that buckets were read in place of samples.

use super::part::Part;

/// What may be made of a bucket that a window, or the time of a selector, cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Nothing: samples are read in its place.
    Strict,
    /// The window is widened: there are no samples any more.
    Lenient,
}

/// Buckets that an answer was, or could not be, told from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coarse {
    strictness: Strictness,
    /// The longest and the newest by which a window was widened.
    pub(super) widened: Option<Extent>,
    /// Those that do not tell what was asked.
    pub(super) untold: Option<Extent>,
}

/// How coarse, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) granularity_ms: i64,
    pub(super) until_ms: i64,
}

impl Extent {
    /// Both.
    pub(super) fn max(found: Option<Self>, other: Self) -> Self {
        found.map_or(other, |found| Self {
            granularity_ms: found.granularity_ms.max(other.granularity_ms),
            until_ms: found.until_ms.max(other.until_ms),
        })
    }
}

impl From<&Part> for Extent {
    fn from(part: &Part) -> Self {
        Self { granularity_ms: part.granularity_ms, until_ms: part.last_ms }
    }
}

impl Coarse {
    pub(super) fn new(strictness: Strictness) -> Self {
        Self { strictness, widened: None, untold: None }
    }

    /// Notes a window that is not what was asked for.
    pub(super) fn inexact(&mut self, part: &Part) {
        self.widened = Some(Extent::max(self.widened, part.into()));
    }

    /// Notes a window that has no answer.
    pub(super) fn untold(&mut self, part: &Part) {
        self.untold = Some(Extent::max(self.untold, part.into()));
    }

    /// Whether samples have to be read in place of buckets.
    pub(super) fn has_failed(&self) -> bool {
        self.strictness == Strictness::Strict && (self.widened.is_some() || self.untold.is_some())
    }

    /// Of several series together.
    pub(super) fn add(&mut self, other: &Self) {
        self.widened = other.widened.map_or(self.widened, |extent| Some(Extent::max(self.widened, extent)));
        self.untold = other.untold.map_or(self.untold, |extent| Some(Extent::max(self.untold, extent)));
    }
}
