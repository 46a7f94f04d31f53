//! The laws that all points keep: what came in is accounted for, at every stage.

/// A law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// Received = accepted + rejected, for each source.
    Received,
    /// What was accepted is enqueued at every destination that it goes to, and nothing else is.
    Accepted,
    /// Enqueued + recovered = delivered + queued + dropped, for each destination.
    Enqueued,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Received, Self::Accepted, Self::Enqueued];

    /// The name that its breaches are counted under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Enqueued => "enqueued",
        }
    }
}

/// Numbers that do not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The law that they break.
    pub law: Law,
    /// Whose numbers they are: a destination, or a source.
    pub of: String,
    /// The numbers.
    pub numbers: String,
}
