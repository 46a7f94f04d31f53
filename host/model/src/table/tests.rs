//! Each series has one id, for as long as somebody brings its values.

use super::*;

fn value(metric: &str) -> Sample {
    Sample {
        endpoint: "h".into(),
        metric: metric.into(),
        tags: vec![("a".into(), "1".into())],
        metric_type: MetricType::Gauge,
        value: 0.0,
        timestamp_ms: 0,
        step_s: 10,
    }
}

fn find(table: &SeriesTable, metric: &str, now_s: u32) -> (Option<SeriesId>, RelabelMemo) {
    let mut answer = None;
    table.find(&[value(metric)], now_s, |_, id, mapped| answer = Some((id, mapped)));
    answer.unwrap()
}

#[test]
fn the_same_identity_has_one_id_and_another_name_another() {
    let table = SeriesTable::new(10);
    let id = table.intern(&value("m"), 0).unwrap();
    assert_eq!(table.intern(&value("m"), 0).unwrap(), id);
    for change in [
        |value: &mut Sample| value.metric = "n".into(),
        |value: &mut Sample| value.tags[0].1 = "2".into(),
        |value: &mut Sample| value.endpoint = "g".into(),
    ] {
        let mut other = value("m");
        change(&mut other);
        assert_ne!(table.intern(&other, 0).unwrap(), id);
    }
    assert_eq!(table.len(), 4);
    assert_eq!(table.get(id).unwrap().to_string(), "m{a=1} of h");
}

/// A value of the one series that says this of it.
fn saying(metric_type: MetricType, step_s: u32) -> Sample {
    Sample { metric_type, step_s, ..value("m") }
}

fn is_said(table: &SeriesTable, id: SeriesId) -> (MetricType, u32) {
    let series = table.get(id).unwrap();
    (series.metric_type, series.step_s)
}

#[test]
fn another_type_or_step_is_the_same_series_and_the_latest_holds() {
    let table = SeriesTable::new(10);
    let id = table.intern(&saying(MetricType::Gauge, 10), 0).unwrap();
    table.set_mapped(id, RelabelMemo::To(id));
    let other = saying(MetricType::Counter, 60);
    let mut answer = None;
    table.find(std::slice::from_ref(&other), 0, |_, id, mapped| answer = Some((id, mapped)));
    assert_eq!(answer, Some((Some(id), RelabelMemo::Unasked)), "the processors are asked about what it is now");
    assert_eq!(table.intern(&other, 0), Ok(id));
    assert_eq!((table.len(), is_said(&table, id)), (1, (MetricType::Counter, 60)));
    assert_eq!(table.changed_since(0), (1, Changed::These(vec![id])));
    assert_eq!(table.changed_since(1), (1, Changed::These(vec![])));
}

#[test]
fn sources_that_disagree_change_a_series_once_in_ten_minutes() {
    let table = SeriesTable::new(10);
    let both = [saying(MetricType::Gauge, 10), saying(MetricType::Counter, 60)];
    let mut asked = 0;
    for now_s in (0..3600).step_by(10).map(|second| (1 << 30) + second) {
        for value in &both {
            let mut is_new = false;
            table.find(std::slice::from_ref(value), now_s, |_, _, mapped| is_new = mapped == RelabelMemo::Unasked);
            if is_new {
                asked += 1;
                let id = table.intern(value, now_s).unwrap();
                table.set_mapped(id, RelabelMemo::To(id));
            }
        }
    }
    assert!((5..=8).contains(&asked), "{asked}");
    assert!(table.changes() < asked);
}

#[test]
fn what_processors_make_of_a_series_stays_while_its_source_says_the_same() {
    let table = SeriesTable::new(10);
    let raw = saying(MetricType::Gauge, 10);
    let id = table.intern(&raw, 0).unwrap();
    let changed = Series { metric_type: MetricType::Derive, ..Series::clone(&table.get(id).unwrap()) };
    assert_eq!(table.intern_series(changed, 0), Ok(id));
    table.set_mapped(id, RelabelMemo::To(id));
    assert_eq!(find(&table, "m", 0).1, RelabelMemo::To(id), "nobody is asked again");
    assert_eq!(is_said(&table, id).0, MetricType::Derive);
    // Asked anew, they see what the source says.
    table.forget_mapped();
    table.intern(&raw, 0).unwrap();
    assert_eq!(is_said(&table, id).0, MetricType::Gauge);
}

#[test]
fn of_what_is_restored_the_latest_holds_until_a_source_speaks() {
    let table = SeriesTable::new(10);
    let restore = |metric_type, step_s| {
        let tags = [("a".into(), "1".into())].into_iter().collect();
        table.restore(Series { endpoint: "h".into(), metric: "m".into(), tags, metric_type, step_s })
    };
    let id = restore(MetricType::Gauge, 10);
    assert_eq!(restore(MetricType::Counter, 20), id);
    assert_eq!(is_said(&table, id), (MetricType::Counter, 20));
    assert_eq!(table.intern(&saying(MetricType::Derive, 30), 0), Ok(id));
    assert_eq!(restore(MetricType::Gauge, 10), id);
    assert_eq!(is_said(&table, id), (MetricType::Derive, 30), "what is read from disk is older");
    // A source that agrees with the disk has spoken as well.
    let other = table.restore(Series { metric: "n".into(), ..Series::clone(&table.get(id).unwrap()) });
    table.intern(&Sample { metric: "n".into(), ..saying(MetricType::Derive, 30) }, 0).unwrap();
    table.restore(Series { step_s: 7, ..Series::clone(&table.get(other).unwrap()) });
    assert_eq!(is_said(&table, other), (MetricType::Derive, 30));
}

#[test]
fn what_a_processor_says_of_a_restored_series_is_newer() {
    let table = SeriesTable::new(10);
    let tags = [("a".into(), "1".into())].into_iter().collect();
    let old = Series { endpoint: "h".into(), metric: "m".into(), tags, metric_type: MetricType::Gauge, step_s: 10 };
    let id = table.restore(old.clone());
    assert_eq!(table.intern_series(Series { step_s: 60, ..old.clone() }, 0), Ok(id));
    assert_eq!(table.restore(old), id);
    assert_eq!(is_said(&table, id), (MetricType::Gauge, 60));
}

#[test]
fn more_changes_than_are_remembered_may_be_of_any_series() {
    let table = SeriesTable::new(10);
    let id = table.intern(&value("m"), 0).unwrap();
    for step_s in 0..CHANGES_KEPT as u32 {
        let series = Series { step_s: 100 + step_s, ..Series::clone(&table.get(id).unwrap()) };
        table.intern_series(series, 0).unwrap();
    }
    let kept = CHANGES_KEPT as u64;
    assert_eq!(table.changed_since(kept - 2), (kept, Changed::These(vec![id, id])));
    assert!(matches!(table.changed_since(0).1, Changed::These(ids) if ids.len() == CHANGES_KEPT));
    table.intern_series(Series::clone(&table.get(id).unwrap()), 0).unwrap();
    assert_eq!(table.changes(), kept, "what says the same is no change");
    let series = Series { step_s: 1, ..Series::clone(&table.get(id).unwrap()) };
    table.intern_series(series, 0).unwrap();
    assert_eq!(table.changed_since(0), (kept + 1, Changed::Any));
}

#[test]
fn a_place_in_the_table_is_24_bytes() {
    assert_eq!(size_of::<Option<SeriesSlot>>(), 24);
}

#[test]
fn a_full_table_rejects_new_series_and_knows_the_old() {
    let table = SeriesTable::new(1);
    let id = table.intern(&value("m"), 0).unwrap();
    assert_eq!(table.intern(&value("n"), 0), Err(TableFull { limit: 1 }));
    assert_eq!(table.intern(&value("m"), 0), Ok(id));
}

#[test]
fn what_a_processor_said_is_remembered_until_it_is_forgotten() {
    let table = SeriesTable::new(10);
    let id = table.intern(&value("m"), 0).unwrap();
    assert_eq!(find(&table, "m", 0), (Some(id), RelabelMemo::Unasked));
    table.set_mapped(id, RelabelMemo::Dropped);
    assert_eq!(find(&table, "m", 0).1, RelabelMemo::Dropped);
    let other = table.intern(&value("n"), 0).unwrap();
    table.set_mapped(id, RelabelMemo::To(other));
    assert_eq!(find(&table, "m", 0).1, RelabelMemo::To(other));
    table.forget_mapped();
    assert_eq!(find(&table, "m", 0).1, RelabelMemo::Unasked);
    assert_eq!(find(&table, "unknown", 0), (None, RelabelMemo::Unasked));
}

#[test]
fn an_idle_series_is_swept_and_its_id_used_again_only_after_release() {
    let table = SeriesTable::new(10);
    let old = table.intern(&value("old"), 0).unwrap();
    let target = table.intern(&value("target"), 0).unwrap();
    let source = table.intern(&value("source"), 0).unwrap();
    table.set_mapped(source, RelabelMemo::To(target));
    find(&table, "source", 100);
    assert_eq!(table.sweep(50), vec![old], "a series lives as long as another is mapped to it");
    assert!(table.get(old).is_none());
    assert_ne!(table.intern(&value("new"), 100).unwrap(), old);
    table.release(&[old]);
    assert_eq!(table.intern(&value("newer"), 100).unwrap(), old);
}

#[test]
fn series_with_the_same_tags_share_them_until_none_is_left() {
    let table = SeriesTable::new(10);
    let [a, b] = ["a", "b"].map(|name| table.intern(&value(name), 0).unwrap());
    let mut changed = Series { metric: "c".into(), ..(*table.get(a).unwrap()).clone() };
    changed.tags = changed.tags.iter().cloned().collect();
    let c = table.intern_series(changed, 0).unwrap();
    let tags = |id| table.get(id).unwrap().tags.clone();
    assert!(Arc::ptr_eq(&tags(a), &tags(b)) && Arc::ptr_eq(&tags(a), &tags(c)));
    let sets = || table.inner.read().tags.iter().map(HashTable::len).sum::<usize>();
    assert_eq!(sets(), 1);
    assert_eq!(table.sweep(1), vec![a, b, c]);
    assert_eq!(sets(), 0);
}

#[test]
fn touched_ids_live_with_what_they_are_mapped_to() {
    let table = SeriesTable::new(10);
    let [source, target, idle] = ["source", "target", "idle"].map(|name| table.intern(&value(name), 0).unwrap());
    table.set_mapped(source, RelabelMemo::To(target));
    let epoch = table.epoch();
    assert!(table.touch([source], 100, epoch));
    assert!(!table.touch([source, SeriesId(99)], 100, epoch), "one is not there");
    assert_eq!(table.sweep(50), vec![idle]);
    assert!(!table.touch([source], 200, epoch), "an id is gone");
    assert_eq!(table.sweep(150), vec![source, target], "what was rejected was not touched");
}

#[test]
fn the_epoch_moves_only_when_ids_go_or_verdicts_are_forgotten() {
    let table = SeriesTable::new(10);
    let mut epoch = table.epoch();
    let mut moved = |table: &SeriesTable| std::mem::replace(&mut epoch, table.epoch()) != table.epoch();
    let id = table.intern(&value("m"), 0).unwrap();
    table.set_mapped(id, RelabelMemo::To(id));
    assert!(table.sweep(0).is_empty());
    assert!(!moved(&table));
    table.forget_mapped();
    assert!(moved(&table));
    assert_eq!(table.sweep(1), vec![id]);
    assert!(moved(&table));
    table.release(&[id]);
    assert!(!moved(&table));
}

fn flood(table: &SeriesTable, range: std::ops::Range<usize>, now_s: u32) {
    for number in range {
        let value = Sample { tags: vec![("n".into(), number.to_string())], ..value("flood") };
        table.intern(&value, now_s).unwrap();
    }
}

#[test]
fn pages_of_series_show_each_once_and_none_is_long() {
    let table = SeriesTable::new(10_000);
    flood(&table, 0..5000, 0);
    let (mut seen, mut next, mut pages) = (Vec::new(), Some(SeriesId(0)), 0);
    while let Some(from) = next {
        let mut page = Vec::new();
        next = table.page(from, &mut page);
        assert!(page.len() <= STEP);
        seen.extend(page.into_iter().map(|(id, _)| id.0));
        pages += 1;
    }
    assert_eq!((seen, pages), ((0..5000).collect(), 5));
    assert_eq!(table.page(SeriesId(u32::MAX), &mut Vec::new()), None);
}

#[test]
fn after_a_flood_the_table_is_as_small_as_before_and_ids_stay_unique() {
    let table = SeriesTable::new(100_000);
    flood(&table, 0..10, 100);
    flood(&table, 10..50_000, 0);
    let gone = table.sweep(50);
    table.shrink();
    assert_eq!(table.inner.read().slots.len(), 50_000, "ids that may still be in use are not given away");
    table.release(&gone);
    table.shrink();
    let inner = table.inner.read();
    assert!(inner.slots.capacity() < 100 && inner.free.is_empty() && inner.by_hash.capacity() < 100);
    assert!(inner.tags.iter().all(|part| part.capacity() < SPARE_MIN));
    drop(inner);
    flood(&table, 0..5000, 100);
    let (mut ids, mut next) = (Vec::new(), Some(SeriesId(0)));
    while let Some(from) = next {
        next = table.page(from, &mut ids);
    }
    assert_eq!(ids.len(), 5000);
    assert_eq!((table.len(), ids.last().unwrap().0), (5000, SeriesId(4999)));
}

#[test]
fn a_series_whose_target_a_sweep_has_taken_is_asked_about_anew() {
    let table = SeriesTable::new(10);
    let [target, source] = ["target", "source"].map(|name| table.intern(&value(name), 0).unwrap());
    table.set_mapped(source, RelabelMemo::To(target));
    // As a sweep that is half way leaves it.
    table.inner.write().slots[target.index()] = None;
    assert_eq!(find(&table, "source", 100), (Some(source), RelabelMemo::Unasked));
    let again = table.intern(&value("source"), 100).unwrap();
    assert_eq!((again, find(&table, "source", 100).1), (source, RelabelMemo::Unasked));
}
