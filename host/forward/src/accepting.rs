//! How a body of points gets into the queues of all that it goes to: room is promised everywhere, then everything is
//! kept; or nothing is.
//!
//! Where a destination has no room, its points are rejected, or only its copies of them: what its source can make of
//! that is the source's to say.

use std::ops::Range;

use futures_util::future::join_all;
use saker_model::{Point, SeriesTable};
use saker_pipeline::{Overload, OverloadCause, OverloadPolicy, RejectedPoints};

use crate::queue::RETRY_AFTER;
use crate::queue::room::Reservation;
use crate::topology::{DestinationShare, Topology};

/// Separate stretches of points that can be rejected while others are taken: as many as an answer can name.
const STRETCHES_MAX: usize = 1000;

/// What is being taken.
pub(crate) struct AcceptJob<'a> {
    topology: &'a Topology,
    table: &'a SeriesTable,
    rejecting: OverloadPolicy,
    /// By destination: why it takes nothing of this.
    full: Vec<Option<Overload>>,
    left: Vec<RejectedPoints>,
}

/// What was taken of a body.
#[derive(Debug, Default)]
pub(crate) struct AcceptOutcome {
    pub(crate) points: usize,
    pub(crate) unrouted: u64,
    pub(crate) left: Vec<RejectedPoints>,
}

impl<'a> AcceptJob<'a> {
    pub(crate) fn new(topology: &'a Topology, table: &'a SeriesTable, rejecting: OverloadPolicy) -> Self {
        Self { topology, table, rejecting, full: vec![None; topology.destinations().len()], left: Vec::new() }
    }

    /// Takes points, or those of them that there is room for.
    pub(crate) async fn take(mut self, points: &[Point]) -> Result<AcceptOutcome, Overload> {
        let (mut shares, mut unrouted) = self.topology.sort(points, self.table);
        let mut count = points.len();
        // Each time round another destination is found to be full, or series go elsewhere since one is away.
        for _ in 0..=2 * self.full.len() {
            let (reservations, all_fit) = self.reserve(&shares).await;
            if all_fit {
                self.commit(shares, reservations).await?;
                return Ok(AcceptOutcome { points: count, unrouted, left: self.left });
            }
            // Room is given back before it is asked for anew: others may be waiting for it.
            drop(reservations);
            if let Some(absent) = self.full.iter().flatten().find(|overload| overload.cause == OverloadCause::Absent) {
                return Err(absent.clone());
            }
            let kept = self.split(points)?;
            count = kept.len();
            (shares, unrouted) = self.topology.sort(&kept, self.table);
        }
        Err(self.rejection())
    }

    /// Has room promised by all destinations that have a share and are not known to be full. Answers whether all shares
    /// have a place now.
    async fn reserve(&mut self, shares: &[DestinationShare]) -> (Vec<Option<Reservation>>, bool) {
        let mut all_fit = true;
        let mut reservations = Vec::with_capacity(shares.len());
        for ((destination, share), full) in self.topology.destinations().iter().zip(shares).zip(&mut self.full) {
            if share.points.is_empty() || full.is_some() {
                all_fit &= share.points.is_empty() || self.rejecting == OverloadPolicy::Copies;
                reservations.push(None);
                continue;
            }
            match destination.queue.reserve(&share.points, self.table).await {
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

    /// The points that can be taken though some destinations are full; notes the others.
    fn split(&mut self, points: &[Point]) -> Result<Vec<Point>, Overload> {
        if self.rejecting == OverloadPolicy::All {
            return Err(self.rejection());
        }
        let mut ranges: Vec<Vec<Range<usize>>> = vec![Vec::new(); self.full.len()];
        let (mut kept, mut place, mut stretches) = (Vec::new(), 0, 0);
        let (full, rejecting) = (&self.full, self.rejecting);
        self.topology.each(points, self.table, |point, targets| {
            let mut full_ones =
                targets.iter().map(|&(destination, _)| destination).filter(|&destination| full[destination].is_some());
            let rejected = match rejecting {
                OverloadPolicy::Copies if full_ones.clone().count() < targets.len() => None,
                _ => full_ones.next(),
            };
            match rejected {
                None => kept.push(*point),
                Some(destination) => match ranges[destination].last_mut().filter(|range| range.end == place) {
                    Some(range) => range.end += 1,
                    None => {
                        ranges[destination].push(place..place + 1);
                        stretches += 1;
                    }
                },
            }
            place += 1;
        });
        if kept.is_empty() || (stretches > STRETCHES_MAX && self.rejecting == OverloadPolicy::Points) {
            return Err(self.rejection());
        }
        let of_destinations = ranges.into_iter().zip(&self.full);
        let left = of_destinations.filter(|(points, _)| !points.is_empty());
        self.left =
            left.filter_map(|(points, full)| Some(RejectedPoints { overload: full.clone()?, points })).collect();
        Ok(kept)
    }

    /// Why nothing is taken: all destinations that are to blame.
    fn rejection(&self) -> Overload {
        let mut all = self.full.iter().flatten();
        let first = all.next().cloned();
        let mut rejection = first.unwrap_or_else(|| absent("the destinations", "they change too fast"));
        for other in all {
            rejection.reason.push_str(&format!("; destination {}: {}", other.destination, other.reason));
        }
        rejection
    }

    /// Keeps all shares.
    async fn commit(
        &self,
        shares: Vec<DestinationShare>,
        reservations: Vec<Option<Reservation>>,
    ) -> Result<(), Overload> {
        let destinations = self.topology.destinations();
        let counts: Vec<_> = shares.iter().map(|share| share.points.len() as u64).collect();
        destinations.iter().zip(&counts).for_each(|(destination, &count)| destination.counters.in_flight(count));
        let mut pushes = Vec::with_capacity(shares.len());
        for ((at, share), reservation) in shares.into_iter().enumerate().zip(reservations) {
            match reservation {
                Some(reservation) => pushes.push(async move { (at, destinations[at].take(share, reservation).await) }),
                None if !share.points.is_empty() => destinations[at].queue.leave_out(share.points.len()),
                None => {}
            }
        }
        let results = join_all(pushes).await;
        let failed = |at: usize| results.iter().any(|(other, result)| *other == at && result.is_err());
        let mut rejection = results.iter().find_map(|(_, result)| result.clone().err());
        for (at, (destination, &count)) in destinations.iter().zip(&counts).enumerate() {
            match &mut rejection {
                None => destination.counters.owe(count),
                Some(_) if failed(at) || count == 0 => {}
                Some(rejection) => {
                    destination.counters.tear(count);
                    rejection.cause = OverloadCause::Torn;
                }
            }
            destination.counters.landed(count);
        }
        rejection.map_or(Ok(()), Err)
    }
}

/// What is said of a destination that is not there yet, or not any more.
pub(crate) fn absent(destination: &str, reason: &str) -> Overload {
    Overload {
        destination: destination.into(),
        reason: reason.into(),
        retry_after: RETRY_AFTER,
        cause: OverloadCause::Absent,
    }
}
