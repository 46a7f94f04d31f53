//! Lines against a real pipeline, when their names are new and when they are known.

use std::sync::Arc;

use saker_model::RejectReason;
use saker_pipeline::{OverloadPolicy, Pipeline, SeriesBudget, now_ms};

use super::*;
use crate::keys::KeyCache;
use crate::reading::Report;
use crate::take;
use crate::testing::{KeepingSink, Unbounded, pipeline_into};

struct World {
    kept: Arc<KeepingSink>,
    pipeline: Arc<Pipeline>,
    keys: KeyCache,
    lines: GraphiteLines,
}

impl World {
    fn new() -> Self {
        let kept = Arc::<KeepingSink>::default();
        let lines = GraphiteLines { endpoint_tag: "host".into(), step_s: 60, endpoint: "self".into() };
        Self { pipeline: pipeline_into(&kept), kept, keys: KeyCache::new(1 << 20), lines }
    }

    /// Takes a body; answers its points in words, and the report.
    async fn take(&self, body: &[u8]) -> (Vec<String>, Report) {
        let session = self.pipeline.session("test", SeriesBudget::Listener);
        let taken =
            take::take(&session, &self.keys, &self.lines, body.into(), &mut Unbounded, OverloadPolicy::All).await;
        let points = std::mem::take(&mut *self.kept.points.lock());
        let word = |point: &saker_model::Point| {
            let series = self.pipeline.table().get(point.series).unwrap();
            let now = now_ms() - point.timestamp_ms;
            let when = if (-1000..60_000).contains(&now) { "now".to_owned() } else { point.timestamp_ms.to_string() };
            format!("{series} = {} at {when}", point.value)
        };
        (points.iter().map(word).collect(), taken.unwrap())
    }

    /// Expects these points, when the names are new and when they are known.
    async fn check(&self, body: &str, expected: &[&str]) {
        for round in ["new", "known"] {
            assert_eq!(self.take(body.as_bytes()).await.0, expected, "{round}: {body:?}");
        }
    }
}

#[tokio::test]
async fn a_line_is_a_name_a_value_and_a_time() {
    let world = World::new();
    world.check("a.b.c -123.456 1700000000\n", &["a.b.c of self = -123.456 at 1700000000000"]).await;
    world.check("m 1.5e3 1700000000", &["m of self = 1500 at 1700000000000"]).await;
    world.check("m\t1   1700000000 \t\r\n", &["m of self = 1 at 1700000000000"]).await;
    world.check("a name 1 1700000000\n", &["a name of self = 1 at 1700000000000"]).await;
    world.check("\n\r\n\nm 5 1700000000\n\n", &["m of self = 5 at 1700000000000"]).await;
}

#[tokio::test]
async fn a_time_is_cut_to_seconds_and_none_is_now() {
    let world = World::new();
    world.check("m 1 1700000000.9\n", &["m of self = 1 at 1700000000000"]).await;
    for time in ["", " N", " n", " -1", " -1.0", " 0"] {
        world.check(&format!("m 1{time}\n"), &["m of self = 1 at now"]).await;
    }
}

#[tokio::test]
async fn tags_become_tags_and_one_of_them_the_endpoint() {
    let world = World::new();
    world.check("m;b=2;a=1 1 1700000000", &["m{a=1,b=2} of self = 1 at 1700000000000"]).await;
    world.check("m;host=web-1;a=1 1 1700000000", &["m{a=1} of web-1 = 1 at 1700000000000"]).await;
    world.check("m;k=grün 1 1700000000", &["m{k=grün} of self = 1 at 1700000000000"]).await;
    world.check("m;a=1;a=2 1 1700000000", &["m{a=2} of self = 1 at 1700000000000"]).await;
    for nothing in ["m;", "m;bar", "m;=x", "m;x=", "m;;"] {
        world.check(&format!("{nothing} 1 1700000000"), &["m of self = 1 at 1700000000000"]).await;
    }
}

#[tokio::test]
async fn two_ways_to_write_a_series_are_one_series() {
    let world = World::new();
    world.take(b"m;a=1;b=2 1 1700000000\nm;b=2;a=1 2 1700000001\n").await;
    assert_eq!((world.pipeline.table().len(), world.keys.stats().keys), (1, 2));
}

#[tokio::test]
async fn a_bad_line_costs_itself_only_and_says_what_is_wrong() {
    let world = World::new();
    for (line, expected) in [
        ("m", "unable to parse 'm': a line must be a name, a value, and a timestamp or none"),
        ("m bb", "unable to parse 'm bb': the value must be a number"),
        ("m 1 soon", "unable to parse 'm 1 soon': the timestamp must be seconds since 1970, or -1, 0 or N for now"),
        ("m 1 inf", "unable to parse 'm 1 inf': the timestamp must be seconds since 1970, or -1, 0 or N for now"),
        (";a=1 1 1700000000", "unable to parse ';a=1 1 1700000000': the line begins with tags instead of a name"),
        ("m nan 1700000000", &RejectReason::NotFinite.to_string()),
        ("m 1 -5", &RejectReason::BadTimestamp.to_string()),
        ("m 1 1e300", &RejectReason::BadTimestamp.to_string()),
        ("m 1 99999999999", &RejectReason::AheadOfClock.to_string()),
        ("m\u{7}b 1 1700000000", &RejectReason::BadMetric.to_string()),
    ] {
        let (points, report) = world.take(format!("good 1 1700000000\n{line}\nbetter 2 1700000000\n").as_bytes()).await;
        assert_eq!(points.len(), 2, "{line}");
        let faults: Vec<_> = report.faults.iter().map(|fault| (fault.line, fault.what.as_str())).collect();
        assert_eq!((report.faulty, faults), (1, vec![(2, expected)]), "{line}");
    }
}

#[tokio::test]
async fn bytes_of_any_kind_are_read_to_their_end() {
    let world = World::new();
    let (points, report) = world.take(b"\x00\xff\xfe 1 1700000000\ngood 1 1700000000\n\x80\x02]q\x00.\n").await;
    assert_eq!((points.len(), report.faulty), (1, 2), "{report:?}");
    let noise: Vec<u8> = (0..200_000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (points, _) = world.take(&noise).await;
    assert!(points.len() < 100, "{points:?}");
}

#[tokio::test]
async fn a_name_with_a_million_tags_is_rejected_for_them() {
    let world = World::new();
    let tags: String = (0..10_000).map(|tag| format!(";{tag}=v")).collect();
    let (points, report) = world.take(format!("m{tags} 1 1700000000\n").as_bytes()).await;
    assert_eq!((points.len(), &*report.faults[0].what), (0, &*RejectReason::TooManyTags.to_string()));
}
