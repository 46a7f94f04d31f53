//! The few pieces of protocol buffers' wire format that messages of points are made of.
//! <https://protobuf.dev/programming-guides/encoding/>

/// The key of a field whose value is a varint.
#[must_use]
pub const fn varint_key(field: u8) -> u8 {
    key(field, 0)
}

/// The key of a field whose value has 64 bits.
#[must_use]
pub const fn fixed64_key(field: u8) -> u8 {
    key(field, 1)
}

/// The key of a field whose value is a length and bytes: a text, or a message.
#[must_use]
pub const fn bytes_key(field: u8) -> u8 {
    key(field, 2)
}

/// One byte for fields below sixteen, and there are no others here.
const fn key(field: u8, wire_type: u8) -> u8 {
    assert!(field < 16, "the key of a field from sixteen on has two bytes");
    field << 3 | wire_type
}

/// Appends a field of bytes: its key, their length, and they.
pub fn push_bytes(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    push_length(out, key, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends what comes before a field's bytes.
pub fn push_length(out: &mut Vec<u8>, key: u8, length: usize) {
    out.push(key);
    push_varint(out, length as u64);
}

/// Appends a field of 64 bits.
pub fn push_fixed64(out: &mut Vec<u8>, key: u8, bits: u64) {
    out.push(key);
    out.extend_from_slice(&bits.to_le_bytes());
}

/// Appends a number, seven bits a byte. A negative one is given as its two's complement.
pub fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes [`push_varint`] appends.
#[must_use]
pub const fn varint_length(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// A field's value, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A varint, or 64 or 32 bits.
    Number(u64),
    /// Bytes: a text, or a message to be read in turn.
    Bytes(&'a [u8]),
}

/// Takes the first field off a message: its number and its value. None at the end, and where the message is broken.
pub fn next_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = varint(message)?;
    let value = match key & 7 {
        0 => Value::Number(varint(message)?),
        1 => Value::Number(u64::from_le_bytes(message.split_off(..8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            Value::Bytes(message.split_off(..length)?)
        }
        5 => Value::Number(u32::from_le_bytes(message.split_off(..4)?.try_into().ok()?).into()),
        _ => return None,
    };
    Some((key >> 3, value))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_the_length_that_is_foreseen_and_are_read_back() {
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
                assert_eq!(varint(&mut &out[..]), Some(number));
            }
        }
    }

    #[test]
    fn fields_are_read_in_order_up_to_where_a_message_breaks() {
        let mut message = Vec::new();
        push_bytes(&mut message, bytes_key(1), b"text");
        push_fixed64(&mut message, fixed64_key(15), 7);
        message.push(varint_key(2));
        push_varint(&mut message, u64::MAX);
        message.extend([3 << 3 | 5, 1, 0, 0, 0]);
        let mut rest = &message[..];
        assert_eq!(next_field(&mut rest), Some((1, Value::Bytes(b"text"))));
        assert_eq!(next_field(&mut rest), Some((15, Value::Number(7))));
        assert_eq!(next_field(&mut rest), Some((2, Value::Number(u64::MAX))));
        assert_eq!(next_field(&mut rest), Some((3, Value::Number(1))));
        assert_eq!(next_field(&mut rest), None);
        for broken in [
            &b"\x0a"[..],
            b"\x0a\x05text",
            b"\x09\0\0",
            b"\x08\x80",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x0b",
        ] {
            assert_eq!(next_field(&mut &broken[..]), None, "{broken:?}");
        }
    }
}
