//! The lines of a batch: points of the same tags and time share one.
//!
//! A batch is a few runs of many series, so most points have neighbours for their line somewhere in it.

use saker_sdk::encode::{Groups, Slots, Texts, push_f64, push_i64};
use saker_sdk::{Point, SeriesId};

use crate::line::LineParts;

/// A line longer than this ends, and its tags begin another one. Servers read lines up to 256 KiB.
const LINE_MAX: usize = 64 << 10;

/// What stands in a line for each series.
#[derive(Default)]
pub(crate) struct Merging {
    series: Slots<MergedNumbers>,
    tags: Texts,
    fields: Texts,
    groups: Groups,
    by_time: Vec<(i64, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct MergedNumbers {
    tags: u32,
    field: u32,
}

impl Merging {
    /// Gives a series its parts of a line, in the place of those that it had.
    pub(crate) fn define(&mut self, id: SeriesId, parts: &LineParts) {
        let numbers = MergedNumbers { tags: self.tags.hold(&parts.tags), field: self.fields.hold(&parts.field) };
        self.forget(id);
        self.series.insert(id, numbers);
    }

    /// Takes them away.
    pub(crate) fn forget(&mut self, id: SeriesId) {
        if let Some(&MergedNumbers { tags, field }) = self.series.get(id) {
            self.tags.release(tags);
            self.fields.release(field);
            self.series.remove(id);
        }
    }

    pub(crate) fn knows(&self, id: SeriesId) -> bool {
        self.series.get(id).is_some()
    }

    /// Puts the places of points that share a line side by side, and those of a series in the order of time.
    pub(crate) fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        let Self { series, tags, groups, by_time, .. } = self;
        let time = |place: &u32| points[*place as usize].timestamp_ms;
        groups.arrange(
            places,
            tags.bound(),
            |place| numbers(series, points, place).tags,
            |group| {
                if !group.is_sorted_by_key(time) {
                    by_time.clear();
                    by_time.extend(group.iter().map(|place| (time(place), *place)));
                    // Places grow along a group: points for the same time stay in their order.
                    by_time.sort_unstable();
                    group.iter_mut().zip(&*by_time).for_each(|(place, (_, sorted))| *place = *sorted);
                }
            },
        );
    }

    /// Appends lines of the points at `places`, as they were arranged, until the body has `most` bytes. Answers of how
    /// many points, one at least.
    pub(crate) fn push_lines(&self, points: &[Point], places: &[u32], most: usize, body: &mut Vec<u8>) -> usize {
        let mut line = None;
        let mut line_start = body.len();
        for (count, &place) in places.iter().enumerate() {
            let point = &points[place as usize];
            let MergedNumbers { tags, field } = numbers(&self.series, points, place);
            let same = line == Some((tags, point.timestamp_ms)) && body.len() - line_start < LINE_MAX;
            if same {
                body.push(b',');
            } else {
                end_line(line, body);
                if body.len() >= most && count > 0 {
                    return count;
                }
                line = Some((tags, point.timestamp_ms));
                line_start = body.len();
                body.extend_from_slice(self.tags.get(tags));
                body.push(b' ');
            }
            body.extend_from_slice(self.fields.get(field));
            push_f64(body, point.value);
        }
        end_line(line, body);
        places.len()
    }
}

fn numbers(series: &Slots<MergedNumbers>, points: &[Point], place: u32) -> MergedNumbers {
    *series.get(points[place as usize].series).expect("the whole call was checked for unknown series")
}

fn end_line(line: Option<(u32, i64)>, body: &mut Vec<u8>) {
    if let Some((_, time)) = line {
        body.push(b' ');
        push_i64(body, time);
        body.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Series 0 to 3: metrics a and b of host 1, then of host 2; 4: metric c of host 1.
    fn merging() -> Merging {
        let mut merging = Merging::default();
        for (id, host, metric) in [(0, 1, 'a'), (1, 1, 'b'), (2, 2, 'a'), (3, 2, 'b'), (4, 1, 'c')] {
            let parts = LineParts { tags: format!(",h={host}").into(), field: format!("{metric}=").into() };
            merging.define(id, &parts);
        }
        merging
    }

    fn points(points: &[(u32, i64)]) -> Vec<Point> {
        (1..)
            .zip(points)
            .map(|(value, &(series, timestamp_ms))| Point { series, timestamp_ms, value: value.into() })
            .collect()
    }

    fn lines(merging: &mut Merging, points: &[Point]) -> String {
        let mut places = (0..points.len() as u32).collect();
        merging.arrange(points, &mut places);
        let mut body = Vec::new();
        assert_eq!(merging.push_lines(points, &places, usize::MAX, &mut body), points.len());
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn points_of_the_same_tags_and_time_share_a_line_wherever_they_stand() {
        let mut merging = merging();
        for _ in 0..2 {
            assert_eq!(
                lines(&mut merging, &points(&[(0, 10), (1, 10), (4, 10), (2, 10)])),
                ",h=1 a=1,b=2,c=3 10\n,h=2 a=4 10\n"
            );
            assert_eq!(
                lines(&mut merging, &points(&[(0, 10), (2, 10), (1, 10), (3, 10)])),
                ",h=1 a=1,b=3 10\n,h=2 a=2,b=4 10\n"
            );
        }
        assert_eq!(lines(&mut merging, &[]), "");
    }

    #[test]
    fn points_are_sorted_by_time_and_those_of_one_time_keep_order() {
        let scattered = points(&[(0, 20), (0, 30), (1, 10), (1, 20), (1, 30), (0, 20)]);
        assert_eq!(lines(&mut merging(), &scattered), ",h=1 b=3 10\n,h=1 a=1,b=4,a=6 20\n,h=1 a=2,b=5 30\n");
    }

    #[test]
    fn a_body_ends_with_a_whole_line_and_the_next_goes_on_behind_it() {
        let mut merging = merging();
        let points = points(&[(0, 10), (2, 10), (1, 10), (3, 10)]);
        let mut places = vec![0, 1, 2, 3];
        merging.arrange(&points, &mut places);
        let mut body = Vec::new();
        assert_eq!(merging.push_lines(&points, &places, 1, &mut body), 2);
        assert_eq!(body, b",h=1 a=1,b=3 10\n");
        body.clear();
        assert_eq!(merging.push_lines(&points, &places[2..], 0, &mut body), 2);
        assert_eq!(body, b",h=2 a=2,b=4 10\n");
    }

    #[test]
    fn a_line_never_grows_beyond_what_a_server_reads() {
        let mut merging = Merging::default();
        let tags = Vec::from(",h=1");
        for id in 0..3000 {
            merging.define(id, &LineParts { tags: tags.clone(), field: format!("{id:0>100}=").into() });
        }
        let points: Vec<_> = (0..3000).map(|series| Point { series, timestamp_ms: 7, value: 1.0 }).collect();
        let text = lines(&mut merging, &points);
        let longest = text.lines().map(str::len).max().unwrap();
        assert!((LINE_MAX..LINE_MAX + 200).contains(&longest), "{longest}");
        assert_eq!(text.matches("=1,").count() + text.matches("=1 7\n").count(), 3000);
        assert!(text.lines().all(|line| line.starts_with(",h=1 0") && line.ends_with("=1 7")));
    }

    #[test]
    fn a_handle_that_is_defined_again_or_forgotten_lets_its_texts_go() {
        let mut merging = merging();
        merging.define(1, &LineParts { tags: ",h=3".into(), field: "z=".into() });
        assert_eq!(lines(&mut merging, &points(&[(0, 10), (1, 10)])), ",h=1 a=1 10\n,h=3 z=2 10\n");
        (0..5).for_each(|id| merging.forget(id));
        assert!(!merging.knows(0) && !merging.knows(9));
        assert_eq!(merging.tags.bound(), 3);
        merging.define(7, &LineParts { tags: ",h=4".into(), field: "y=".into() });
        assert_eq!((merging.tags.bound(), merging.fields.bound()), (3, 4));
        assert_eq!(lines(&mut merging, &points(&[(7, 1)])), ",h=4 y=1 1\n");
    }
}
