//! A point as Open-Falcon's `MetricValue`: the seven keys that its agent and its transfer take, in `common/model/metric.go`.

use super::Form;
use super::json::{push_end, quote};
use super::template::tags;
use crate::bindings::types::{MetricType, Point, Series};

/// `{"endpoint":…,"metric":…,"step":…,"counterType":…,"tags":"k=v,…","timestamp":…,"value":…}`, one line each. The time
/// is in seconds, rounded down.
#[derive(Clone, Copy, Debug)]
pub struct Falcon;

impl Form for Falcon {
    fn head(&self, series: &Series) -> Vec<u8> {
        let kind = match series.metric_type {
            MetricType::Gauge => "GAUGE",
            MetricType::Counter => "COUNTER",
            MetricType::Derive => "DERIVE",
        };
        format!(
            r#"{{"endpoint":{},"metric":{},"step":{},"counterType":"{kind}","tags":{},"timestamp":"#,
            quote(&series.endpoint),
            quote(&series.metric),
            series.step_s,
            // Sorted by key already, which is Open-Falcon's canonical form.
            quote(&tags(series)),
        )
        .into()
    }

    fn push_tail(&self, point: &Point, line: &mut Vec<u8>) {
        push_end(line, point.timestamp_ms.div_euclid(1000), point.value);
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
            line(Falcon, series, 1_700_000_000_999, 12.0),
            concat!(
                r#"{"endpoint":"h","metric":"net.if.in.bytes","step":10,"counterType":"COUNTER","#,
                r#""tags":"iface=eth0,name=a \"b\"","timestamp":1700000000,"value":12}"#,
                "\n"
            )
        );
    }

    #[test]
    fn no_tags_are_an_empty_string() {
        let text = line(Falcon, series("m", &[]), -1, 0.5);
        assert!(text.ends_with("\"tags\":\"\",\"timestamp\":-1,\"value\":0.5}\n"), "{text}");
    }
}
