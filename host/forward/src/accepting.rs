//! How a body of points gets into the queues of all that it goes to: room is promised everywhere, then everything is
//! kept; or nothing is.
//!
//! Where a node has no room, its points are refused, or only its copies of them: what its source can make of that is
//! the source's to say.

use std::ops::Range;

use futures_util::future::join_all;
use saker_model::{Point, SeriesTable};
use saker_pipeline::{Cause, Left, Overload, Refusing};

use crate::queue::RETRY_AFTER;
use crate::queue::room::Reservation;
use crate::topology::{Share, Topology};

/// Separate stretches of points that can be refused while others are taken: as many as an answer can name.
const STRETCHES_MAX: usize = 1000;

/// What is being taken.
pub(crate) struct Accepting<'a> {
    topology: &'a Topology,
    table: &'a SeriesTable,
    refusing: Refusing,
    /// By node: why it takes nothing of this.
    full: Vec<Option<Overload>>,
    left: Vec<Left>,
}

/// What was taken of a body.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) points: usize,
    pub(crate) unrouted: u64,
    pub(crate) left: Vec<Left>,
}

impl<'a> Accepting<'a> {
    pub(crate) fn new(topology: &'a Topology, table: &'a SeriesTable, refusing: Refusing) -> Self {
        Self { topology, table, refusing, full: vec![None; topology.nodes().len()], left: Vec::new() }
    }

    /// Takes points, or those of them that there is room for.
    pub(crate) async fn take(mut self, points: &[Point]) -> Result<Accepted, Overload> {
        let (mut shares, mut unrouted) = self.topology.sort(points, self.table);
        let mut count = points.len();
        // Each time round another node is found to be full, or series go elsewhere since one is away.
        for _ in 0..=2 * self.full.len() {
            let (reservations, all_fit) = self.reserve(&shares).await;
            if all_fit {
                self.commit(shares, reservations).await?;
                return Ok(Accepted { points: count, unrouted, left: self.left });
            }
            // Room is given back before it is asked for anew: others may be waiting for it.
            drop(reservations);
            if let Some(absent) = self.full.iter().flatten().find(|overload| overload.cause == Cause::Absent) {
                return Err(absent.clone());
            }
            let kept = self.split(points)?;
            count = kept.len();
            (shares, unrouted) = self.topology.sort(&kept, self.table);
        }
        Err(self.refusal())
    }

    /// Has room promised by all nodes that have a share and are not known to be full. Answers whether all shares have a
    /// place now.
    async fn reserve(&mut self, shares: &[Share]) -> (Vec<Option<Reservation>>, bool) {
        let mut all_fit = true;
        let mut reservations = Vec::with_capacity(shares.len());
        for ((node, share), full) in self.topology.nodes().iter().zip(shares).zip(&mut self.full) {
            if share.points.is_empty() || full.is_some() {
                all_fit &= share.points.is_empty() || self.refusing == Refusing::Copies;
                reservations.push(None);
                continue;
            }
            match node.queue.reserve(&share.points, self.table).await {
                Ok(reservation) => reservations.push(Some(reservation)),
                Err(overload) => {
                    *full = Some(overload);
                    all_fit = false;
                    reservations.push(None);
                }
            }
        }
        (reservations, all_fit)
    }

    /// The points that can be taken though some nodes are full; notes the others.
    fn split(&mut self, points: &[Point]) -> Result<Vec<Point>, Overload> {
        if self.refusing == Refusing::All {
            return Err(self.refusal());
        }
        let mut ranges: Vec<Vec<Range<usize>>> = vec![Vec::new(); self.full.len()];
        let (mut kept, mut place, mut stretches) = (Vec::new(), 0, 0);
        let (full, refusing) = (&self.full, self.refusing);
        self.topology.each(points, self.table, |point, targets| {
            let mut full_ones = targets.iter().map(|&(node, _)| node).filter(|&node| full[node].is_some());
            let refused = match refusing {
                Refusing::Copies if full_ones.clone().count() < targets.len() => None,
                _ => full_ones.next(),
            };
            match refused {
                None => kept.push(*point),
                Some(node) => match ranges[node].last_mut().filter(|range| range.end == place) {
                    Some(range) => range.end += 1,
                    None => {
                        ranges[node].push(place..place + 1);
                        stretches += 1;
                    }
                },
            }
            place += 1;
        });
        if kept.is_empty() || (stretches > STRETCHES_MAX && self.refusing == Refusing::Points) {
            return Err(self.refusal());
        }
        let of_nodes = ranges.into_iter().zip(&self.full);
        let left = of_nodes.filter(|(points, _)| !points.is_empty());
        self.left = left.filter_map(|(points, full)| Some(Left { overload: full.clone()?, points })).collect();
        Ok(kept)
    }

    /// Why nothing is taken: all nodes that are to blame.
    fn refusal(&self) -> Overload {
        let mut all = self.full.iter().flatten();
        let first = all.next().cloned();
        let mut refusal = first.unwrap_or_else(|| absent("the destinations", "they change too fast"));
        for other in all {
            refusal.reason.push_str(&format!("; node {}: {}", other.node, other.reason));
        }
        refusal
    }

    /// Keeps all shares.
    async fn commit(&self, shares: Vec<Share>, reservations: Vec<Option<Reservation>>) -> Result<(), Overload> {
        let nodes = self.topology.nodes();
        let counts: Vec<_> = shares.iter().map(|share| share.points.len() as u64).collect();
        nodes.iter().zip(&counts).for_each(|(node, &count)| node.counters.in_flight(count));
        let mut pushes = Vec::with_capacity(shares.len());
        for ((at, share), reservation) in shares.into_iter().enumerate().zip(reservations) {
            match reservation {
                Some(reservation) => pushes.push(async move { (at, nodes[at].take(share, reservation).await) }),
                None if !share.points.is_empty() => nodes[at].queue.leave_out(share.points.len()),
                None => {}
            }
        }
        let results = join_all(pushes).await;
        let failed = |at: usize| results.iter().any(|(other, result)| *other == at && result.is_err());
        let mut refusal = results.iter().find_map(|(_, result)| result.clone().err());
        for (at, (node, &count)) in nodes.iter().zip(&counts).enumerate() {
            match &mut refusal {
                None => node.counters.owe(count),
                Some(_) if failed(at) || count == 0 => {}
                Some(refusal) => {
                    node.counters.tear(count);
                    refusal.cause = Cause::Torn;
                }
            }
            node.counters.landed(count);
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// What is said of a node that is not there yet, or not any more.
pub(crate) fn absent(node: &str, reason: &str) -> Overload {
    Overload { node: node.into(), reason: reason.into(), retry_after: RETRY_AFTER, cause: Cause::Absent }
}
