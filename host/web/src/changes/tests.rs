//! On series that are made up: of each kind that hosts have.

use saker_pipeline::reader::{Cancel, ReadLimits};
use saker_query::MemoryReader;

use super::*;

const START: i64 = 1_790_000_000_000;
const STEP_MS: i64 = 10_000;
/// Points of an hour and of the window.
const BEFORE: i64 = 360;
const NOW: i64 = 30;

/// Noise that is about normal.
fn noise(random: &mut fastrand::Rng) -> f64 {
    (0..6).map(|_| random.f64() - 0.5).sum::<f64>() * 1.414
}

fn identity(number: usize) -> Identity {
    Identity { endpoint: "h".into(), metric: format!("m{number:05}").into(), tags: [].into() }
}

/// Series that are as usual, but for those in `shifted`.
fn host(random: &mut fastrand::Rng, series: usize, shifted: &[usize], from_ms: i64) -> MemoryReader {
    let mut reader = MemoryReader::default();
    for number in 0..series {
        let identity = identity(number);
        let (level, scale) = (random.f64() * 1000.0, 1.0 + random.f64() * 20.0);
        let (mut walk, mut slow) = (0.0, 0.0);
        for place in -BEFORE..NOW {
            let kind = number % 8;
            walk += noise(random) * 0.1;
            slow = slow * 0.97 + noise(random) * 0.25;
            let by_kind = match kind {
                0 | 1 => level + scale * noise(random),
                2 => level + scale * slow,
                3 => level + scale * walk,
                4 => level.floor(),
                5 => f64::from(random.u32(0..20) == 0),
                6 => level + 0.01 * scale * place as f64,
                _ => level + if (place.rem_euclid(24)) < 5 { 30.0 * scale } else { scale * noise(random).abs() },
            };
            let is_shifted = place >= 0 && shifted.contains(&number);
            // As far as a person sees it at once on a chart.
            let shift = if is_shifted { 6.0 * scale.max(level * 0.05) } else { 0.0 };
            reader.push(&identity, from_ms + place * STEP_MS, by_kind + shift);
        }
    }
    reader
}

fn ranked(reader: &MemoryReader) -> Ranking {
    let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
    let window = TimeRange { start_ms: START, end_ms: START + (NOW - 1) * STEP_MS };
    rank(reader, Windows { window }, &budget).unwrap()
}

#[test]
fn three_of_a_thousand_that_shifted_are_among_the_first_five_in_95_of_100_runs() {
    let mut found = 0;
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Of the kinds that have no level, none can be said to have left it.
        let level = |random: &mut fastrand::Rng| random.usize(0..125) * 8 + [0, 1, 4, 7][random.usize(0..4)];
        let shifted = [level(&mut random), level(&mut random), level(&mut random)];
        let ranking = ranked(&host(&mut random, 1000, &shifted, START));
        let first: Vec<_> = ranking.changes.iter().take(5).map(|change| change.metric.clone()).collect();
        found += usize::from(shifted.iter().all(|number| first.contains(&format!("m{number:05}"))));
    }
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn a_quiet_hour_lists_at_most_three() {
    for seed in 1000..1020 {
        let ranking = ranked(&host(&mut fastrand::Rng::with_seed(seed), 1000, &[], START));
        assert_eq!((ranking.series, ranking.history_ms), (1000, 3_600_000));
        assert!(ranking.changes.len() <= 3, "{seed}: {:#?}", ranking.changes);
    }
}

#[test]
fn what_happens_every_day_at_this_time_is_no_news() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut reader = host(&mut random, 16, &[8], START);
    assert_eq!(ranked(&reader).changes.len(), 1);
    // The night's job ran yesterday, too.
    let now = ranked(&reader).changes[0].now;
    for place in -BEFORE..BEFORE {
        reader.push(&identity(8), START - DAY_MS + place * STEP_MS, now);
    }
    assert_eq!(ranked(&reader).changes, []);
}

#[test]
fn counters_are_compared_by_their_rates() {
    let mut reader = MemoryReader::default();
    let attributes = saker_pipeline::reader::Attributes { metric_type: MetricType::Counter, step_s: 10 };
    let mut total = 1e9;
    for place in -BEFORE..NOW {
        total += if place >= 0 { 9000.0 } else { 1000.0 + (place % 5) as f64 };
        // A restart within the hour is no change of the rate.
        total = if place == -100 { 0.0 } else { total };
        reader.push(&identity(0), START + place * STEP_MS, total);
    }
    reader.set_attributes(&identity(0), attributes);
    let ranking = ranked(&reader);
    let change = &ranking.changes[0];
    assert_eq!((change.now, change.metric_type, change.day_before), (900.0, "COUNTER", None));
    assert!((change.before - 100.0).abs() < 1.0, "{change:?}");
}
