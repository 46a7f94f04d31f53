//! A reader of the same messages, for tests: what a server would see.

use saker_sdk::encode::protobuf::{Value, next_field};

/// A series as it was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct DecodedSeries {
    pub(crate) labels: Vec<(String, String)>,
    /// Time and value.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// All series of a request. Panics at whatever the schema does not have.
pub(crate) fn request(message: &[u8]) -> Vec<DecodedSeries> {
    let all = fields(message).into_iter().map(|field| match field {
        (1, Value::Bytes(message)) => series(message),
        other => panic!("in WriteRequest: {other:?}"),
    });
    all.collect()
}

fn series(message: &[u8]) -> DecodedSeries {
    let mut read = DecodedSeries::default();
    for field in fields(message) {
        match field {
            (1, Value::Bytes(label)) => match fields(label)[..] {
                [(1, Value::Bytes(name)), (2, Value::Bytes(value))] => read.labels.push((text(name), text(value))),
                ref other => panic!("in Label: {other:?}"),
            },
            (2, Value::Bytes(sample)) => match fields(sample)[..] {
                [(1, Value::Number(value)), (2, Value::Number(time))] => {
                    read.samples.push((time as i64, f64::from_bits(value)));
                }
                ref other => panic!("in Sample: {other:?}"),
            },
            other => panic!("in TimeSeries: {other:?}"),
        }
    }
    read
}

fn fields(mut message: &[u8]) -> Vec<(u64, Value<'_>)> {
    let fields = std::iter::from_fn(|| next_field(&mut message)).collect();
    assert!(message.is_empty(), "broken at {message:?}");
    fields
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
