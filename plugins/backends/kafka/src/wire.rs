//! Kafka's basic types: bytes in, values out, and the other way round. All numbers are big-endian.
//! <https://kafka.apache.org/protocol#protocol_types>

/// Appends a string with its length.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Settings and names of this backend are checked to be shorter.
    out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends bytes with their length.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a number in as few bytes as it needs: seven bits in each, small negative numbers as short as positive ones.
pub(crate) fn push_varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = zigzag(number);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// How many bytes [`push_varint`] appends.
pub(crate) fn varint_len(number: i64) -> usize {
    let bits = 64 - (zigzag(number) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// Reads an answer from its beginning to its end. What is missing is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireReader<'b>(&'b [u8]);

impl<'b> WireReader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.take().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    /// A string; `Some(None)` is one that is not there.
    pub(crate) fn string(&mut self) -> Option<Option<&'b str>> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Some(None) };
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Some)
    }

    /// Bytes; none are empty.
    pub(crate) fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.i32()?).unwrap_or(0);
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// As many items as stand before them. The bytes that are there bound them: each item takes at least one.
    pub(crate) fn array<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.i32()?).unwrap_or(0);
        if count > self.0.len() {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_take_as_few_bytes_as_they_need() {
        for (number, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (300, &[0xd8, 0x04]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut out = Vec::new();
            push_varint(&mut out, number);
            assert_eq!((out.as_slice(), out.len()), (bytes, varint_len(number)), "{number}");
        }
    }

    #[test]
    fn an_answer_is_read_in_its_order_and_what_is_missing_is_none() {
        let bytes = b"\x01\x00\x02\x00\x00\x00\x03\0\0\0\0\0\0\0\x04\0\x02ab\xff\xff\0\0\0\x01x\0\0\0\x02\0\x01\0\x02";
        let mut reader = WireReader::new(bytes);
        assert_eq!((reader.i8(), reader.i16(), reader.i32(), reader.i64()), (Some(1), Some(2), Some(3), Some(4)));
        assert_eq!((reader.string(), reader.string()), (Some(Some("ab")), Some(None)));
        assert_eq!(reader.bytes(), Some(&b"x"[..]));
        assert_eq!(reader.array(WireReader::i16), Some(vec![1, 2]));
        assert_eq!((reader.i8(), reader.string(), reader.bytes()), (None, None, None));
        assert_eq!(WireReader::new(b"\x7f\xff\xff\xff").array(WireReader::i8), None, "more than can be there");
        assert_eq!(WireReader::new(b"\0\x05ab").string(), None);
    }
}
