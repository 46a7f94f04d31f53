//! A point as Open-Falcon's `MetricValue`: the seven keys that its agent and its transfer take, in `common/model/metric.go`.

use super::json::quote;
use super::template::tags;
use super::{Form, push_f64, push_i64};
use crate::bindings::types::{MetricType, Series};
use crate::point::Point;

/// `{"endpoint":…,"metric":…,"value":…,"step":…,"counterType":…,"tags":"k=v,…","timestamp":…}`, one line each: the keys
/// in the order in which Open-Falcon's agent writes them. The time is in seconds, rounded down.
#[derive(Clone, Copy, Debug)]
pub struct FalconForm;

impl Form for FalconForm {
    fn head(&self, series: &Series) -> Vec<u8> {
        format!(r#"{{"endpoint":{},"metric":{},"value":"#, quote(&series.endpoint), quote(&series.metric)).into()
    }

    fn rest(&self, series: &Series) -> Vec<u8> {
        let kind = match series.metric_type {
            MetricType::Gauge => "GAUGE",
            MetricType::Counter => "COUNTER",
            MetricType::Derive => "DERIVE",
        };
        // Sorted by key already, which is Open-Falcon's canonical form.
        let tags = quote(&tags(series));
        format!(r#","step":{},"counterType":"{kind}","tags":{tags},"timestamp":"#, series.step_s).into()
    }

    fn push_tail(&self, point: &Point, rest: &[u8], line: &mut Vec<u8>) {
        push_f64(line, point.value);
        line.extend_from_slice(rest);
        push_i64(line, point.timestamp_ms.div_euclid(1000));
        line.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{line, series};

    #[test]
    fn a_point_has_the_seven_keys_and_its_time_in_seconds() {
        let mut series = series("net.if.in.bytes", &[("iface", "eth0"), ("name", "a \"b\"")]);
        series.metric_type = MetricType::Counter;
        assert_eq!(
            line(FalconForm, series, 1_700_000_000_999, 12.0),
            concat!(
                r#"{"endpoint":"h","metric":"net.if.in.bytes","value":12,"step":10,"counterType":"COUNTER","#,
                r#""tags":"iface=eth0,name=a \"b\"","timestamp":1700000000}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_would_end_a_tag_has_a_backslash_before_it() {
        let text = line(FalconForm, series("m", &[("a", "1,b=2"), ("path", r"C:\temp")]), 0, 1.0);
        assert!(text.contains(r#""tags":"a=1\\,b\\=2,path=C:\\temp""#), "{text}");
    }

    #[test]
    fn no_tags_are_an_empty_string() {
        let text = line(FalconForm, series("m", &[]), -1, 0.5);
        assert!(
            text.ends_with("\"value\":0.5,\"step\":10,\"counterType\":\"GAUGE\",\"tags\":\"\",\"timestamp\":-1}\n"),
            "{text}"
        );
    }
}
