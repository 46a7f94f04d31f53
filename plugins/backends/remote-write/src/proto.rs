//! The protocol buffers of remote write 1.0: `prompb/remote.proto` and `prompb/types.proto` of Prometheus.
//!
//! ```text
//! WriteRequest { repeated TimeSeries timeseries = 1 }
//! TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2 }
//! Label        { string name = 1; string value = 2 }
//! Sample       { double value = 1; int64 timestamp = 2 }    the time in milliseconds
//! ```

use saker_sdk::Point;
use saker_sdk::encode::Labels;
use saker_sdk::encode::protobuf::{
    bytes_key, fixed64_key, push_bytes, push_length, push_varint, varint_key, varint_length,
};

const REQUEST_TIMESERIES: u8 = bytes_key(1);
const SERIES_LABELS: u8 = bytes_key(1);
const SERIES_SAMPLES: u8 = bytes_key(2);
const LABEL_NAME: u8 = bytes_key(1);
const LABEL_VALUE: u8 = bytes_key(2);
const SAMPLE_VALUE: u8 = fixed64_key(1);
const SAMPLE_TIMESTAMP: u8 = varint_key(2);

/// The fields `labels` of a series: the part of it that stays the same.
pub(crate) fn labels(labels: &Labels) -> Vec<u8> {
    let mut block = Vec::with_capacity(128);
    let mut label = Vec::with_capacity(64);
    for (name, value) in labels.iter() {
        label.clear();
        push_bytes(&mut label, LABEL_NAME, name.as_bytes());
        push_bytes(&mut label, LABEL_VALUE, value.as_bytes());
        push_bytes(&mut block, SERIES_LABELS, &label);
    }
    block
}

/// Appends a series with its samples to a request.
pub(crate) fn push_series(request: &mut Vec<u8>, labels: &[u8], samples: &[Point]) {
    // Two more bytes for each sample: its key, and its length, which is always below 128.
    let length = labels.len() + samples.iter().map(|sample| 2 + sample_length(sample)).sum::<usize>();
    push_length(request, REQUEST_TIMESERIES, length);
    request.extend_from_slice(labels);
    for sample in samples {
        request.extend_from_slice(&[SERIES_SAMPLES, sample_length(sample) as u8, SAMPLE_VALUE]);
        request.extend_from_slice(&sample.value.to_le_bytes());
        request.push(SAMPLE_TIMESTAMP);
        push_varint(request, sample.timestamp_ms as u64);
    }
}

fn sample_length(sample: &Point) -> usize {
    10 + varint_length(sample.timestamp_ms as u64)
}

#[cfg(test)]
pub(crate) mod reading;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_written_byte_by_byte_as_the_schema_says() {
        let mut all = Labels::default();
        all.add("__name__", "m");
        let mut request = Vec::new();
        push_series(&mut request, &labels(&all), &[Point { series: 0, timestamp_ms: 300, value: 1.0 }]);
        let expected = [
            &[0x0a, 29][..],
            &[0x0a, 13, 0x0a, 8],
            b"__name__",
            &[0x12, 1, b'm'],
            &[0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02],
        ];
        assert_eq!(request, expected.concat());
    }

    #[test]
    fn long_labels_and_times_before_1970_are_read_back() {
        let long = "x".repeat(70_000);
        let mut all = Labels::default();
        all.add("__name__", "m");
        all.add("long", &long);
        let samples: Vec<_> =
            [i64::MIN, -1, 0, i64::MAX].map(|timestamp_ms| Point { series: 0, timestamp_ms, value: -0.5 }).into();
        let mut request = Vec::new();
        push_series(&mut request, &labels(&all), &samples);
        push_series(&mut request, &labels(&all), &[]);
        let read = reading::request(&request);
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].labels, [("__name__".to_owned(), "m".to_owned()), ("long".to_owned(), long)]);
        assert_eq!(read[0].samples, [(i64::MIN, -0.5), (-1, -0.5), (0, -0.5), (i64::MAX, -0.5)]);
        assert!(read[1].samples.is_empty());
    }
}
