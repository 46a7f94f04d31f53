//! A reader of the same messages, for tests: what a server would see.

/// A series as it was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) labels: Vec<(String, String)>,
    /// Time and value.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// All series of a request. Panics at whatever the schema does not have.
pub(crate) fn request(mut bytes: &[u8]) -> Vec<Read> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(varint(&mut bytes), 0x0a, "WriteRequest.timeseries");
        all.push(series(block(&mut bytes)));
    }
    all
}

fn series(mut bytes: &[u8]) -> Read {
    let mut read = Read::default();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut inner = block(&mut bytes);
        match key {
            0x0a => {
                let name = text(&mut inner, 0x0a);
                read.labels.push((name, text(&mut inner, 0x12)));
            }
            0x12 => {
                assert_eq!(varint(&mut inner), 0x09, "Sample.value");
                let (value, mut rest) = inner.split_at(8);
                assert_eq!(varint(&mut rest), 0x10, "Sample.timestamp");
                let time = varint(&mut rest) as i64;
                read.samples.push((time, f64::from_le_bytes(value.try_into().unwrap())));
                inner = rest;
            }
            other => panic!("a field {other:#x} of TimeSeries"),
        }
        assert!(inner.is_empty());
    }
    read
}

fn text(bytes: &mut &[u8], key: u64) -> String {
    assert_eq!(varint(bytes), key, "Label");
    String::from_utf8(block(bytes).to_vec()).unwrap()
}

fn block<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = varint(bytes) as usize;
    let (block, rest) = bytes.split_at(length);
    *bytes = rest;
    block
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}
