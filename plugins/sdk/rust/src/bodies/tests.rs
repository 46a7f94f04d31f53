use std::collections::VecDeque;

use super::*;

/// Bodies of one byte a point, in answer to which it says what it was told to, and then that it took all.
#[derive(Default)]
struct Script {
    answers: VecDeque<Result<BodyOutcome, WriteError>>,
    body: Vec<f64>,
    sent: Vec<Vec<f64>>,
    /// Answers "too large" to anything longer.
    limit: Option<usize>,
    backwards: bool,
}

impl Request for Script {
    fn arrange(&mut self, _: &[Point], places: &mut Vec<u32>) {
        if self.backwards {
            places.reverse();
        }
    }

    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        let count = places.len().min(most.max(1));
        self.body = places[..count].iter().map(|place| points[*place as usize].value).collect();
        Filled { points: count, bytes: count }
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        self.sent.push(self.body.clone());
        if self.limit.is_some_and(|limit| self.body.len() > limit) {
            return Ok(BodyOutcome::TooLarge("413".into()));
        }
        self.answers.pop_front().unwrap_or(Ok(BodyOutcome::All))
    }
}

fn script(answers: impl IntoIterator<Item = Result<BodyOutcome, WriteError>>) -> Script {
    Script { answers: answers.into_iter().collect(), ..Script::default() }
}

fn points(values: std::ops::Range<u32>) -> Vec<Point> {
    values.map(|value| Point { series: 0, timestamp_ms: 0, value: value.into() }).collect()
}

fn partly(rejected: &[u32], again: &[u32], lost: usize) -> Result<BodyOutcome, WriteError> {
    Ok(BodyOutcome::Some { rejected: rejected.into(), again: again.into(), lost, message: "partly".into() })
}

fn rejected(result: Result<usize, WriteError>) -> Vec<u32> {
    match result {
        Err(WriteError::Reject(reject)) => reject.points,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bodies_are_as_large_as_they_may_be_and_follow_each_other() {
    let mut script = script([]);
    assert_eq!(Bodies::new(4).write(points(0..10), &mut script).unwrap(), 10);
    assert_eq!(script.sent, [vec![0.0, 1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0, 7.0], vec![8.0, 9.0]]);
    assert_eq!(Bodies::new(4).write(Vec::new(), &mut script).unwrap(), 0);
    assert_eq!(script.sent.len(), 3);
}

#[test]
fn a_body_that_is_too_large_is_halved_for_this_call_and_the_next() {
    let mut script = Script { limit: Some(3), ..Script::default() };
    let mut bodies = Bodies::new(100);
    assert_eq!(bodies.write(points(0..8), &mut script).unwrap(), 8);
    let sizes: Vec<_> = script.sent.iter().map(Vec::len).collect();
    assert_eq!(sizes, [8, 4, 2, 2, 2, 2]);
    script.sent.clear();
    bodies.write(points(10..14), &mut script).unwrap();
    assert_eq!(script.sent, [[10.0, 11.0], [12.0, 13.0]]);
}

#[test]
fn a_single_point_that_is_too_large_is_rejected() {
    let mut single = script([Ok(BodyOutcome::All), Ok(BodyOutcome::TooLarge("413".into()))]);
    assert_eq!(rejected(Bodies::new(1).write(points(0..3), &mut single)), [1]);
    assert_eq!(single.sent.len(), 3);
    let mut nothing = Script { limit: Some(0), ..Script::default() };
    let error = Bodies::new(8).write(points(0..1000), &mut nothing).unwrap_err();
    assert!(matches!(error, WriteError::Retry(retry) if retry.message.ends_with("small enough: 413")));
    assert_eq!(nothing.sent.len(), 3 + TOO_LARGE_MAX);
}

#[test]
fn what_was_taken_before_a_failure_is_not_sent_again() {
    let mut bodies = Bodies::new(4);
    let mut failing = script([Ok(BodyOutcome::All), Err(WriteError::retry("busy", Some(7)))]);
    let error = bodies.write(points(0..10), &mut failing).unwrap_err();
    assert!(matches!(error, WriteError::Retry(retry) if retry.after_ms == Some(7)));
    let mut again = script([]);
    assert_eq!(bodies.write(points(0..10), &mut again).unwrap(), 10);
    assert_eq!(again.sent[0], [4.0, 5.0, 6.0, 7.0]);
    let mut anew = script([]);
    bodies.write(points(0..10), &mut anew).unwrap();
    assert_eq!(anew.sent.len(), 3);
    bodies.write(points(0..10), &mut script([Ok(BodyOutcome::All), Err(WriteError::retry("", None))])).unwrap_err();
    bodies.forget();
    let mut other = script([]);
    bodies.write(points(0..10), &mut other).unwrap();
    assert_eq!(other.sent.len(), 3);
}

#[test]
fn a_rejected_body_costs_its_own_points_only() {
    let mut bodies = Bodies::new(4);
    let mut rejecting = script([Ok(BodyOutcome::All), Err(WriteError::reject("400"))]);
    assert_eq!(rejected(bodies.write(points(0..10), &mut rejecting)), [4, 5, 6, 7]);
    assert_eq!(rejecting.sent.len(), 3);
    let rest = [points(0..4), points(8..10)].concat();
    let mut again = script([]);
    assert_eq!(bodies.write(rest, &mut again).unwrap(), 6);
    assert!(again.sent.is_empty());
    let all = Bodies::new(4).write(points(0..4), &mut script([Err(WriteError::reject("400"))]));
    assert!(rejected(all).is_empty());
}

#[test]
fn points_that_are_rejected_are_named_by_their_index() {
    let mut bodies = Bodies::new(4);
    let mut backwards = Script { backwards: true, ..script([partly(&[0, 3], &[1], 0)]) };
    // The body is 9, 8, 7, 6; what is to be offered again ends the call.
    assert_eq!(rejected(bodies.write(points(0..10), &mut backwards)), [9, 6]);
    assert_eq!(backwards.sent.len(), 1);
    let rest = [points(0..6), points(7..9)].concat();
    let mut again = script([]);
    assert_eq!(bodies.write(rest, &mut again).unwrap(), 8);
    assert_eq!(again.sent.concat(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 8.0]);
}

#[test]
fn points_that_are_lost_without_a_name_are_not_counted_as_taken() {
    assert_eq!(Bodies::new(4).write(points(0..10), &mut script([partly(&[], &[], 3)])).unwrap(), 7);
    let error = Bodies::new(4).write(points(0..4), &mut script([partly(&[], &[2], 0)])).unwrap_err();
    assert!(matches!(error, WriteError::Retry(retry) if retry.message == "partly"));
}

#[test]
fn only_413_asks_for_a_smaller_body() {
    let answer = |status| Response { status, retry_after_s: None, body: " why\n".into() }.taken();
    assert_eq!(answer(204).unwrap(), BodyOutcome::All);
    assert_eq!(answer(413).unwrap(), BodyOutcome::TooLarge("413 why".into()));
    assert!(matches!(answer(400), Err(WriteError::Reject(_))));
    let says = |status| {
        let response = Response { status, retry_after_s: None, body: String::new() };
        response.taken_as(|| Err(WriteError::Broken("said".into())))
    };
    assert!(matches!(says(200), Err(WriteError::Broken(_))));
    assert!(matches!((says(413), says(503)), (Ok(BodyOutcome::TooLarge(_)), Err(WriteError::Retry(_)))));
}

#[test]
fn a_body_of_points_one_by_one_ends_with_the_one_that_fills_it() {
    let mut body = vec![9; 9];
    let mut fill = |most| {
        let filled = Filled::one_by_one(&mut body, &points(0..5), &[1, 3, 4], most, |body, point| {
            body.extend([point.value as u8; 2]);
        });
        (filled.points, filled.bytes, body.clone())
    };
    assert_eq!(fill(3), (2, 4, vec![1, 1, 3, 3]));
    assert_eq!(fill(4), (2, 4, vec![1, 1, 3, 3]));
    assert_eq!(fill(0), (1, 2, vec![1, 1]));
    assert_eq!(fill(99), (3, 6, vec![1, 1, 3, 3, 4, 4]));
}
