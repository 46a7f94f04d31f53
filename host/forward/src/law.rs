//! The laws that all points keep, looked at while the agent runs: what is acknowledged is in the queues of all that it
//! goes to, and what came into a queue is delivered, dropped or still there.
//!
//! Nothing stands still for that. The counters are read in such an order that what moves meanwhile can only make the
//! room between both sides wider: of a body, `in_flight` grows first, then `enqueued`, then `owed`, and then `in_flight`
//! shrinks.
//!
//! ```text
//! owed + torn + brought back  ≤  enqueued  ≤  in flight + owed + torn + brought back
//! 0  ≤  enqueued + recovered − delivered − dropped − waiting  ≤  in the sender's hand
//! ```
//!
//! While nothing is on its way both are equalities.

use std::fmt;

use saker_pipeline::{Breach, Law};

use crate::destination::{Destination, Flow, QueueAccount};
use crate::queue::PointsAtTime;

/// What does not add up of a destination now.
pub(crate) fn breaches(destination: &Destination) -> Vec<Breach> {
    let accounts = destination.counters.accounts();
    let (weight, flow) = destination.queue.weigh(|| destination.counters.flow());
    let breach = |law, numbers| Breach { law, of: format!("destination {}", destination.name()), numbers };
    let accepted = (!accounts.hold()).then(|| breach(Law::Accepted, accounts.to_string()));
    let enqueued = (!holds(&flow, weight)).then(|| breach(Law::Enqueued, shown(&flow, weight)));
    accepted.into_iter().chain(enqueued).collect()
}

impl QueueAccount {
    fn hold(&self) -> bool {
        (self.at_least..=self.at_most).contains(&self.enqueued)
    }
}

impl fmt::Display for QueueAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_least, enqueued, at_most } = self;
        write!(f, "{enqueued} points were enqueued, and {at_least} to {at_most} accepted for it")
    }
}

fn holds(flow: &Flow, weight: PointsAtTime) -> bool {
    let (came, gone) = (flow.enqueued + flow.recovered, flow.delivered + flow.dropped + weight.waiting);
    came.checked_sub(gone).is_some_and(|left| left <= weight.in_hand)
}

fn shown(flow: &Flow, weight: PointsAtTime) -> String {
    let Flow { enqueued, recovered, delivered, dropped } = flow;
    let PointsAtTime { waiting, in_hand } = weight;
    format!(
        "{enqueued} points enqueued + {recovered} recovered, but {delivered} delivered + {dropped} dropped + {waiting} \
         waiting, and at most {in_hand} being sent"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_more_or_less_than_there_can_be_breaks_a_law() {
        for (enqueued, expected) in [(9, false), (10, true), (15, true), (16, false)] {
            assert_eq!(QueueAccount { at_least: 10, enqueued, at_most: 15 }.hold(), expected, "{enqueued}");
        }
        let weight = PointsAtTime { waiting: 10, in_hand: 5 };
        for (enqueued, expected) in [(12, false), (13, true), (18, true), (19, false)] {
            let flow = Flow { enqueued, recovered: 3, delivered: 4, dropped: 2 };
            assert_eq!(holds(&flow, weight), expected, "{enqueued}: {}", shown(&flow, weight));
        }
    }
}
