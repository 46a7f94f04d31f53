//! The labels that a series would have if it were there.

use crate::ast::{MatchOp, Selector};
use crate::labels::{Labels, METRIC_NAME};

/// Those that the selector says for sure: one `=` a label, and nothing else about it.
pub(in crate::eval) fn labels(selector: &Selector) -> Labels {
    let mut labels = Labels::default();
    let mut said: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|matcher| matcher.label != METRIC_NAME) {
        let sure = matcher.op == MatchOp::Equal && !said.contains(&matcher.label.as_str());
        labels = labels.with(&matcher.label, if sure { &matcher.value } else { "" });
        if sure {
            said.push(&matcher.label);
        }
    }
    labels
}
