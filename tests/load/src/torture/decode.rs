//! What agents send to a store, read only as far as points are known by: their values.
//!
//! Line protocol (plain or gzip) and Prometheus' remote write (snappy). Series of another name are the agent's own.

use std::io::Read;

/// All points are of one metric whose name begins so.
pub(crate) const METRIC: &str = "torture";

/// The values of a body. None if it is nothing that is understood.
pub(crate) fn values(body: &[u8], encoding: &str) -> Option<Vec<u64>> {
    match encoding {
        "snappy" => remote_write(&snap::raw::Decoder::new().decompress_vec(body).ok()?),
        "gzip" => {
            let mut text = String::new();
            flate2::read::GzDecoder::new(body).read_to_string(&mut text).ok()?;
            lines(&text)
        }
        "" | "identity" => lines(std::str::from_utf8(body).ok()?),
        _ => None,
    }
}

fn lines(text: &str) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with(METRIC)) {
        // Neither names nor tags of ours have a blank in them.
        let fields = line.split(' ').nth(1)?;
        for field in fields.split(',') {
            found.push(whole(field.split_once('=')?.1.trim_end_matches('i').parse().ok()?)?);
        }
    }
    Some(found)
}

fn whole(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0).then_some(value as u64)
}

/// A `WriteRequest`: series (1) of labels (1: name 1, value 2) and samples (2: value 1, as a double).
fn remote_write(message: &[u8]) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    for (_, series) in fields(message)?.into_iter().filter(|(number, _)| *number == 1) {
        let parts = fields(series)?;
        let is_ours = parts.iter().filter(|(number, _)| *number == 1).any(|(_, label)| {
            let label = fields(label).unwrap_or_default();
            let of = |wanted| label.iter().find(|(number, _)| *number == wanted).map_or(&b""[..], |(_, bytes)| bytes);
            of(1) == b"__name__" && of(2).starts_with(METRIC.as_bytes())
        });
        for (_, sample) in parts.into_iter().filter(|(number, _)| is_ours && *number == 2) {
            let value = fields(sample)?.into_iter().find(|(number, _)| *number == 1);
            let value = value.map_or(0.0, |(_, bytes)| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes));
            found.push(whole(value)?);
        }
    }
    Some(found)
}

/// The fields of a message of protocol buffers, by number. Of whole numbers only that they are there.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let length = match key & 7 {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = message.split_at_checked(length)?;
        found.push((key >> 3, value));
        message = rest;
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn values_are_read_from_line_protocol_plain_and_packed() {
        let text =
            "torture,client=1,series=2 value=7 1700000000000\ncpu,host=a busy=1 1\ntorture_x,c=1 value=9i,b=10i 5\n";
        assert_eq!(values(text.as_bytes(), ""), Some(vec![7, 9, 10]));
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        assert_eq!(values(&packer.finish().unwrap(), "gzip"), Some(vec![7, 9, 10]));
        assert_eq!(values(b"torture,c=1 value=text 5", ""), None);
        assert_eq!(values(text.as_bytes(), "zstd"), None);
    }

    #[test]
    fn values_are_read_from_remote_write() {
        let part = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
        let sample = |value: f64| part(2, &[&[1 << 3 | 1][..], &value.to_le_bytes(), &[2 << 3, 0x80, 1]].concat());
        let series = |name: &str, values: &[f64]| {
            let label = [part(1, b"__name__"), part(2, name.as_bytes())].concat();
            let samples: Vec<u8> = values.iter().flat_map(|value| sample(*value)).collect();
            part(1, &[part(1, &label), samples].concat())
        };
        let message = [series("torture_value", &[0.0, 3.0]), series("up", &[1.0])].concat();
        let packed = snap::raw::Encoder::new().compress_vec(&message).unwrap();
        assert_eq!(values(&packed, "snappy"), Some(vec![0, 3]));
        assert_eq!(values(&packed[..packed.len() - 1], "snappy"), None);
    }
}
