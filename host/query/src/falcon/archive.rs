//! How samples become rows: onto the grid of steps, then several steps into one.

/// How several values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consolidation {
    /// Their mean.
    Average,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Consolidation {
    /// The function of that name: `AVERAGE`, `MAX` or `MIN`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "AVERAGE" => Some(Self::Average),
            "MAX" => Some(Self::Max),
            "MIN" => Some(Self::Min),
            _ => None,
        }
    }
}

/// A row of an answer: when, and what if it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArchiveRow {
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The value.
    pub value: Option<f64>,
}

/// Graph's archives: steps of a row, and how many rows there are.
const ARCHIVES: [(i64, i64); 5] = [(1, 720), (5, 576), (20, 504), (180, 766), (720, 730)];

/// How many steps the archives reach back.
pub(super) const REACH_STEPS: i64 = ARCHIVES[4].0 * ARCHIVES[4].1;

/// How many steps a row is, of a range that starts so many steps ago. Extremes have no archive of single steps.
pub(super) fn row_steps(steps_ago: i64, consolidation: Consolidation) -> i64 {
    let archives = &ARCHIVES[usize::from(consolidation != Consolidation::Average)..];
    let reaching = archives.iter().find(|(steps, rows)| steps * rows >= steps_ago);
    reaching.or(archives.last()).map_or(1, |(steps, _)| *steps)
}

/// Rows of `bucket_ms` from rows that are finer: each stands at the end of its bucket, and is of what is known in it.
#[must_use]
pub fn downsample(rows: &[ArchiveRow], bucket_ms: i64, consolidation: Consolidation) -> Vec<ArchiveRow> {
    let mut coarse: Vec<(ArchiveRow, f64)> = Vec::new();
    for row in rows {
        // A bucket is open on the left: its last row stands exactly at its end.
        let time_ms = row.time_ms + (-row.time_ms).rem_euclid(bucket_ms);
        if coarse.last().is_none_or(|(last, _)| last.time_ms != time_ms) {
            coarse.push((ArchiveRow { time_ms, value: None }, 0.0));
        }
        if let (Some(value), Some((into, count))) = (row.value, coarse.last_mut()) {
            *count += 1.0;
            into.value = Some(match (into.value, consolidation) {
                (None, _) => value,
                (Some(sum), Consolidation::Average) => sum + value,
                (Some(most), Consolidation::Max) => most.max(value),
                (Some(least), Consolidation::Min) => least.min(value),
            });
        }
    }
    let finished = |(row, count): (ArchiveRow, f64)| match consolidation {
        Consolidation::Average => ArchiveRow { value: row.value.map(|sum| sum / count), ..row },
        _ => row,
    };
    coarse.into_iter().map(finished).collect()
}
