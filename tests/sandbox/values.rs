//! Values that are none: they come out of the sandbox as they are, and the agent's validation rejects each with its
//! reason.

use saker_model::RejectReason;
use serde_json::json;

use crate::support::{once, spec};

/// The reasons for which the values of a guest are rejected, and how many are not.
async fn rejections(guest: &str) -> (Vec<RejectReason>, usize) {
    let mut values = once(guest, &spec(json!({}))).await.unwrap();
    let verdicts: Vec<_> = values.iter_mut().map(|value| value.validate(1_700_000_000_000)).collect();
    let good = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    (verdicts.into_iter().filter_map(Result::err).collect(), good)
}

#[tokio::test]
async fn junk_is_rejected_value_by_value_and_what_is_good_beside_it_is_not() {
    let (reasons, good) = rejections("invalid-samples").await;
    for reason in [RejectReason::NotFinite, RejectReason::BadMetric, RejectReason::BadTag] {
        assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
    }
    // A metric may be called NaN, and a tag's value have a comma, an equals sign and three hundred bytes.
    assert_eq!((reasons.len(), good), (9, 4), "{reasons:?}");
}

#[tokio::test]
async fn a_value_with_ten_thousand_tags_is_rejected() {
    let (reasons, good) = rejections("tag-bomb").await;
    assert_eq!((reasons.len(), good), (1, 0), "{reasons:?}");
}
