//! What is encoded is decoded, bit for bit; what was not encoded by us does no harm.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use saker_model::{MetricType, Point, Series, SeriesId};

use super::*;

/// The series behind a handle; `life` tells those that get the same handle one after the other apart.
fn series(id: u32, life: u32) -> Arc<Series> {
    let tags = (0..id % 4).map(|tag| (format!("tag{tag}").into(), format!("välue{}", id / 5 + tag).into())).collect();
    Arc::new(Series {
        endpoint: format!("host{}", id / 10).into(),
        metric: format!("cpu.{life}.mètric{id}").into(),
        tags,
        metric_type: [MetricType::Gauge, MetricType::Counter, MetricType::Derive][id as usize % 3],
        step_s: 10 + id / 20,
    })
}

/// Interns as a table does: equal series get equal handles, which are not those that the encoder knew.
#[derive(Default)]
struct Table {
    ids: HashMap<String, SeriesId>,
    known: Vec<Series>,
}

impl Table {
    fn intern(&mut self, series: Series) -> Option<SeriesId> {
        let next = SeriesId(self.known.len() as u32);
        let id = *self.ids.entry(format!("{series:?}")).or_insert(next);
        if id == next {
            self.known.push(series);
        }
        Some(id)
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..100_i32).prop_map(f64::from),
        2 => (0..10_000_i32).prop_map(|value| f64::from(value) / 100.0),
        1 => (0..1_u64 << 53).prop_map(|value| value as f64),
        1 => any::<i64>().prop_map(|value| value as f64),
        2 => Just(0.0),
        1 => (0..1_000_u32).prop_map(|value| 100.0 * f64::from(value) / 997.0),
        2 => any::<u64>().prop_map(f64::from_bits),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Points(Vec<(u32, i64, f64)>),
    Forget(Vec<u32>),
    Segment,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let time = prop_oneof![4 => Just(1_790_000_000_000), 2 => 0..60_000_i64, 1 => any::<i64>()];
    let points = prop::collection::vec((0..60_u32, time, any_value()), 0..80);
    let ticks = (0..50_u32, any::<i32>(), any_value())
        .prop_map(|(count, time, value)| (0..count).map(|id| (id, i64::from(time), value + f64::from(id))).collect());
    let step = prop_oneof![
        4 => points.prop_map(Step::Points),
        4 => ticks.prop_map(Step::Points),
        1 => prop::collection::vec(0..60_u32, 0..30).prop_map(Step::Forget),
        1 => Just(Step::Segment),
    ];
    prop::collection::vec(step, 1..20)
}

/// A point that can be compared whatever its value and its handle are.
fn plain(series: &Series, point: &Point) -> (String, i64, u64) {
    (format!("{series:?}"), point.timestamp_ms, point.value.to_bits())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded_bit_for_bit(steps in steps()) {
        let (mut encoder, mut decoder, mut table) = (RecordEncoder::default(), RecordDecoder::default(), Table::default());
        let (mut lives, mut new_segment, mut record) = (vec![0; 60], true, Vec::new());
        for step in steps {
            match step {
                Step::Segment => new_segment = true,
                Step::Forget(ids) => {
                    encoder.forget(&ids.iter().map(|id| SeriesId(*id)).collect::<Vec<_>>());
                    ids.iter().for_each(|id| lives[*id as usize] += 1);
                }
                Step::Points(points) => {
                    let points: Vec<Point> = points
                        .into_iter()
                        .map(|(id, timestamp_ms, value)| Point { series: SeriesId(id), timestamp_ms, value })
                        .collect();
                    let series_of = |id: SeriesId| Some(series(id.0, lives[id.index()]));
                    let encoded = encoder.encode(new_segment, &points, series_of, &mut record);
                    prop_assert_eq!((encoded.taken, encoded.unknown()), (points.len(), 0));
                    let mut out = Vec::new();
                    let decoded = decoder.decode(new_segment, &record, |series| table.intern(series), &mut out);
                    prop_assert_eq!(decoded, Ok(DecodedRecord { points: points.len(), rejected: 0 }));
                    let given = points.iter().map(|point| plain(&series_of(point.series).unwrap(), point));
                    let found = out.iter().map(|point| plain(&table.known[point.series.index()], point));
                    prop_assert!(given.eq(found));
                    new_segment = false;
                }
            }
        }
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
        let bytes = if version { [&[VERSION], &bytes[..]].concat() } else { bytes };
        decode_bad(&bytes);
    }

    #[test]
    fn a_record_with_something_changed_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let points = points(0..50, 1_000);
        let mut record = Vec::new();
        RecordEncoder::default().encode(true, &points, |id| Some(series(id.0, 0)), &mut record);
        for (place, byte) in changes {
            let place = place.index(record.len());
            record[place] = byte;
        }
        decode_bad(&record);
        decode_bad(&record[..cut.index(record.len())]);
    }
}

/// Decodes what may be no record: no more may come out than fits, and nothing if it fails.
fn decode_bad(record: &[u8]) {
    let (mut out, mut table) = (Vec::new(), Table::default());
    match RecordDecoder::default().decode(true, record, |series| table.intern(series), &mut out) {
        Ok(decoded) => assert_eq!(out.len(), decoded.points),
        Err(_) => assert!(out.is_empty()),
    }
    assert!(out.capacity() <= MAX_RECORD_POINTS && table.known.len() <= record.len());
}

fn points(ids: std::ops::Range<u32>, timestamp_ms: i64) -> Vec<Point> {
    ids.map(|id| Point { series: SeriesId(id), timestamp_ms, value: f64::from(id) / 8.0 }).collect()
}

/// An encoder and a decoder with a segment begun, in which series 0 to 9 are defined.
fn begun() -> (RecordEncoder, RecordDecoder) {
    let (mut encoder, mut decoder, mut record) = (RecordEncoder::default(), RecordDecoder::default(), Vec::new());
    encoder.encode(true, &points(0..10, 1_000), |id| Some(series(id.0, 0)), &mut record);
    decoder.decode(true, &record, |_| Some(SeriesId(7)), &mut Vec::new()).unwrap();
    (encoder, decoder)
}

#[test]
fn a_series_is_asked_for_and_defined_once_a_segment() {
    let (mut encoder, _) = begun();
    let (mut record, mut asked) = (Vec::new(), Vec::new());
    let mut encode = |encoder: &mut RecordEncoder, new_segment| {
        asked.clear();
        let series_of = |id: SeriesId| {
            asked.push(id.0);
            Some(series(id.0, 0))
        };
        encoder.encode(new_segment, &points(8..12, 2_000), series_of, &mut record);
        asked.clone()
    };
    assert_eq!(encode(&mut encoder, false), [10, 11]);
    assert_eq!(encode(&mut encoder, false), [] as [u32; 0]);
    encoder.forget(&[SeriesId(9), SeriesId(4_000_000)]);
    assert_eq!(encode(&mut encoder, false), [9]);
    assert_eq!(encode(&mut encoder, true), [8, 9, 10, 11]);
}

#[test]
fn points_of_series_that_nobody_knows_are_left_out_and_counted() {
    let (mut encoder, mut decoder) = begun();
    let (mut record, mut out) = (Vec::new(), Vec::new());
    let encoded =
        encoder.encode(false, &points(8..14, 2_000), |id| (id.0 % 2 == 0).then(|| series(id.0, 0)), &mut record);
    assert_eq!((encoded, encoded.unknown()), (EncodeOutcome { taken: 6, points: 4 }, 2));
    decoder.decode(false, &record, |_| Some(SeriesId(8)), &mut out).unwrap();
    let values: Vec<f64> = out.iter().map(|point| point.value * 8.0).collect();
    assert_eq!(values, [8.0, 9.0, 10.0, 12.0]);
}

#[test]
fn points_of_series_that_are_not_taken_are_left_out_and_counted() {
    let (mut encoder, mut decoder) = begun();
    let (mut record, mut out) = (Vec::new(), Vec::new());
    encoder.encode(false, &points(8..14, 2_000), |id| Some(series(id.0, 0)), &mut record);
    let only_gauges = |series: Series| (series.metric_type == MetricType::Gauge).then_some(SeriesId(8));
    let decoded = decoder.decode(false, &record, only_gauges, &mut out);
    assert_eq!(decoded, Ok(DecodedRecord { points: 3, rejected: 3 }));
    assert_eq!(out.iter().map(|point| point.series.0).collect::<Vec<_>>(), [7, 7, 8]);
}

#[test]
fn what_is_too_much_for_one_record_is_left_for_the_next() {
    // As bad as can be: no value, time or series goes on as the one before.
    let bad = |place: u32| Point {
        series: SeriesId(place * 7_919 % 5_000),
        timestamp_ms: i64::from(place).wrapping_mul(0x1234_5678_9abc_def1),
        value: f64::from_bits(u64::from(place).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
    };
    let (mut encoder, mut record) = (RecordEncoder::default(), Vec::new());
    for (many, least) in [
        (points(0..10, 0).into_iter().cycle().take(20_000).collect::<Vec<_>>(), 5_000),
        ((0..20_000).map(bad).collect(), 500),
    ] {
        let (mut rest, mut decoder, mut out) = (&many[..], RecordDecoder::default(), Vec::new());
        while !rest.is_empty() {
            let first = rest.len() == many.len();
            let encoded = encoder.encode(first, rest, |id| Some(series(id.0, 0)), &mut record);
            assert!(encoded.taken >= least.min(rest.len()) && record.len() <= MAX_RECORD_BYTES, "{encoded:?}");
            let mut next = out.len() as u32..;
            decoder.decode(first, &record, |_| next.next().map(SeriesId), &mut out).unwrap();
            rest = &rest[encoded.taken..];
        }
        let plain = |points: &[Point]| points.iter().map(|point| (point.timestamp_ms, point.value.to_bits())).collect();
        let (given, found): (Vec<_>, Vec<_>) = (plain(&many), plain(&out));
        assert!(given == found);
    }

    let wordy = |id: SeriesId| {
        let text = |tag: usize| format!("{id:?} {tag}").repeat(15).into();
        let tags = (10..50).map(|tag| (format!("{tag}").into(), text(tag))).collect();
        Some(Arc::new(Series { tags, ..Series::clone(&series(id.0, 0)) }))
    };
    let many = points(0..2_000, 0);
    let (mut decoder, mut next, mut out) = (RecordDecoder::default(), 0.., Vec::new());
    while out.len() < many.len() {
        let (rest, new_segment) = (&many[out.len()..], out.is_empty());
        let encoded = encoder.encode(new_segment, rest, wordy, &mut record);
        assert!(record.len() <= MAX_RECORD_BYTES, "{}", record.len());
        assert!(encoded.taken == rest.len() || record.len() > MAX_DEFINITION_BYTES, "{encoded:?}");
        let decoded = decoder.decode(new_segment, &record, |_| next.next().map(SeriesId), &mut out);
        assert_eq!(decoded, Ok(DecodedRecord { points: encoded.taken, rejected: 0 }));
    }
    assert!(out == many);
}

#[test]
fn a_series_that_no_decoder_would_take_is_not_defined() {
    let bad = |change: fn(&mut Series)| {
        let mut series = Series::clone(&series(3, 0));
        change(&mut series);
        let encoded = RecordEncoder::default().encode(
            true,
            &points(3..4, 0),
            |_| Some(Arc::new(series.clone())),
            &mut Vec::new(),
        );
        encoded.unknown() == 1
    };
    assert!(!bad(|_| {}));
    assert!(bad(|series| series.metric = "m".repeat(5_000).into()));
    assert!(bad(|series| series.tags = (0..300).map(|tag| (format!("{tag:03}").into(), "v".into())).collect()));
    assert!(bad(|series| series.tags = series.tags.iter().rev().cloned().collect()));
}

#[test]
fn a_record_is_not_decoded_without_those_before_it() {
    let (mut encoder, mut decoder) = begun();
    let (mut record, mut out) = (Vec::new(), Vec::new());
    encoder.encode(false, &points(0..10, 2_000), |_| None, &mut record);
    let intern = |_| Some(SeriesId(1));
    assert_eq!(RecordDecoder::default().decode(false, &record, intern, &mut out), Err(CodecError::OutOfStep));
    // Nor after one that was no good.
    assert_eq!(decoder.decode(false, &[9], intern, &mut out), Err(CodecError::Version(9)));
    assert_eq!(decoder.decode(false, &record, intern, &mut out), Err(CodecError::OutOfStep));
    encoder.encode(true, &points(0..10, 2_000), |id| Some(series(id.0, 0)), &mut record);
    assert!(decoder.decode(true, &record, intern, &mut out).is_ok());
}

#[test]
fn what_was_forgotten_is_decoded_by_reading_the_segment_again() {
    let (mut encoder, mut decoder) = begun();
    let (mut first, mut second, mut out) = (Vec::new(), Vec::new(), Vec::new());
    encoder.encode(true, &points(0..10, 2_000), |id| Some(series(id.0, 0)), &mut first);
    encoder.encode(false, &points(0..10, 3_000), |_| None, &mut second);
    let mut ids = 100..;
    decoder.decode(true, &first, |_| ids.next().map(SeriesId), &mut out).unwrap();
    decoder.forget(&[SeriesId(104), SeriesId(3)]);
    out.clear();
    let forgotten = decoder.decode(false, &second, |_| None, &mut out);
    assert_eq!((forgotten, out.len()), (Err(CodecError::Forgotten), 0));
    decoder.decode(true, &first, |_| ids.next().map(SeriesId), &mut out).unwrap();
    out.clear();
    decoder.decode(false, &second, |_| None, &mut out).unwrap();
    assert_eq!(out.iter().map(|point| point.series.0).collect::<Vec<_>>(), (110..120).collect::<Vec<_>>());
}

#[test]
fn a_record_that_claims_to_hold_very_much_is_rejected() {
    let too_many = [&[VERSION][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 50]].concat();
    let too_long = [&[VERSION, 1, 0][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 50]].concat();
    for record in [too_many, too_long] {
        let mut out = Vec::new();
        let decoded = RecordDecoder::default().decode(true, &record, |_| None, &mut out);
        assert_eq!((decoded, out.capacity()), (Err(CodecError::Malformed("list of parts")), 0));
    }
}
