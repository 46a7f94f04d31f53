//! A short name for a series, the same wherever and whenever it is made: with a time, the id of a point, by which a
//! destination knows what was sent to it before.

use xxhash_rust::xxh3::xxh3_128;

use crate::bindings::types::Series;

/// 128 bits of endpoint, metric and tags, as hexadecimal digits. Two of a million million series have the same with
/// a probability of 1 to 10¹⁵.
#[must_use]
pub fn identity(series: &Series) -> [u8; 32] {
    let mut all = Vec::new();
    let tags = series.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let names = [series.endpoint.as_str(), series.metric.as_str()];
    for text in names.into_iter().chain(tags) {
        all.extend_from_slice(text.as_bytes());
        // A byte that stands in no text.
        all.push(0xff);
    }
    let mut digits = [0; 32];
    let hash = xxh3_128(&all);
    for (place, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(hash >> (124 - 4 * place) & 15) as usize];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::MetricType;
    use crate::encode::testing::series;

    #[test]
    fn series_differ_by_identity_and_not_by_type_or_step() {
        let all = [
            series("m", &[]),
            series("m", &[("a", "b")]),
            series("m", &[("a", "bc")]),
            series("m", &[("ab", "c")]),
            series("ma", &[]),
            Series { endpoint: "web2".into(), ..series("m", &[]) },
        ];
        let mut ids: Vec<_> = all.iter().map(identity).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        let same = Series { metric_type: MetricType::Counter, step_s: 60, ..series("m", &[]) };
        assert_eq!(identity(&same), identity(&series("m", &[])));
    }

    #[test]
    fn an_identity_never_changes() {
        // What an older version has sent must be known again.
        let text = String::from_utf8(identity(&series("cpu.idle", &[("core", "0")])).to_vec()).unwrap();
        assert_eq!(text, "22f8cf2c3946d16f05018a28fa4065fa");
    }
}
