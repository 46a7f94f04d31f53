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

/// A field's number and how its value is written: 2 is a length and bytes, 1 is 64 bits, 0 a varint.
const fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

const REQUEST_TIMESERIES: u8 = key(1, 2);
const SERIES_LABELS: u8 = key(1, 2);
const SERIES_SAMPLES: u8 = key(2, 2);
const LABEL_NAME: u8 = key(1, 2);
const LABEL_VALUE: u8 = key(2, 2);
const SAMPLE_VALUE: u8 = key(1, 1);
const SAMPLE_TIMESTAMP: u8 = key(2, 0);

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
    request.push(REQUEST_TIMESERIES);
    push_varint(request, length as u64);
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

fn push_bytes(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// One byte for every seven bits.
fn varint_length(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
pub(crate) mod reading;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_the_length_that_is_foreseen() {
        for (number, bytes) in
            [(0, vec![0]), (1, vec![1]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])]
        {
            let mut out = Vec::new();
            push_varint(&mut out, number);
            assert_eq!(out, bytes);
        }
        for shift in 0..64 {
            for number in [(1 << shift) - 1, 1 << shift, u64::MAX >> shift] {
                let mut out = Vec::new();
                push_varint(&mut out, number);
                assert_eq!(out.len(), varint_length(number), "{number}");
            }
        }
    }

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
