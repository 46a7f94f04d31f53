//! What was acknowledged: rounds by connection, as ranges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Workload;

/// The rounds of each connection that were acknowledged. As JSON, all that is needed to look for their points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acks {
    /// Whose rounds.
    pub workload: Workload,
    /// The first and last round of each range, by connection.
    rounds: BTreeMap<usize, Vec<(u64, u64)>>,
}

impl Acks {
    /// Nothing was acknowledged yet.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        Self { workload: *workload, rounds: BTreeMap::new() }
    }

    /// A round was acknowledged. A connection's rounds come in their order.
    pub fn add(&mut self, connection: usize, round: u64) {
        let ranges = self.rounds.entry(connection).or_default();
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == round => *last = round,
            _ => ranges.push((round, round)),
        }
    }

    /// Takes those of other connections in.
    pub fn merge(&mut self, other: Self) {
        self.rounds.extend(other.rounds);
    }

    /// The rounds of a connection.
    pub fn rounds(&self, connection: usize) -> impl Iterator<Item = u64> {
        self.rounds.get(&connection).into_iter().flatten().flat_map(|&(first, last)| first..=last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_in_a_row_are_one_range_and_a_file_holds_them_all() {
        let workload = Workload { hosts: 4, connections: 2, start_ms: 1000, step_ms: 10 };
        let mut acks = Acks::new(&workload);
        for round in [0, 1, 2, 5, 6, 9] {
            acks.add(1, round);
        }
        let mut other = Acks::new(&workload);
        other.add(0, 7);
        acks.merge(other);
        let text = serde_json::to_string(&acks).unwrap();
        assert!(text.ends_with(r#""rounds":{"0":[[7,7]],"1":[[0,2],[5,6],[9,9]]}}"#), "{text}");
        assert_eq!(serde_json::from_str::<Acks>(&text).unwrap(), acks);
        assert_eq!(acks.rounds(1).collect::<Vec<_>>(), [0, 1, 2, 5, 6, 9]);
    }
}
