//! Numbers and texts as bytes, and back without a panic.

/// Appends an unsigned number: seven bits a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A signed number as an unsigned one that is small when it is near zero.
pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// What is left to read of a part of a record. Everything answers `None` if that is too little or no good.
#[derive(Clone, Copy)]
pub(super) struct ByteReader<'a>(pub(super) &'a [u8]);

impl<'a> ByteReader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        self.number().map(unzigzag)
    }

    /// A number that stands for a length, no larger than that.
    pub(super) fn length(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|length| *length <= most)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Up to eight bytes as a little-endian number.
    pub(super) fn little_endian(&mut self, length: usize) -> Option<u64> {
        debug_assert!((1..=8).contains(&length));
        // Mostly more follows, and one load will do.
        if let Some(eight) = self.0.first_chunk::<8>() {
            self.0 = &self.0[length..];
            return Some(u64::from_le_bytes(*eight) & u64::MAX >> (64 - 8 * length));
        }
        let taken = self.take(length)?;
        Some(taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, u64::MAX >> bit]) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            let mut bytes = ByteReader(&out);
            assert_eq!((bytes.number(), bytes.0.len()), (Some(number), 0));
            assert_eq!(ByteReader(&out[..out.len() - 1]).number(), None);
            assert_eq!(zigzag(unzigzag(number)), number);
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_none() {
        assert_eq!(ByteReader(&[0xff; 11]).number(), None);
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(ByteReader(&most).number(), Some(u64::MAX));
        most[9] = 2;
        assert_eq!(ByteReader(&most).number(), None);
    }

    #[test]
    fn a_little_endian_number_is_the_same_at_the_end_of_the_bytes() {
        let bytes: Vec<u8> = (1..=16).collect();
        for length in 1..=8 {
            let short = ByteReader(&bytes[..length]).little_endian(length);
            assert_eq!(ByteReader(&bytes).little_endian(length), short);
            assert_eq!(short.unwrap().to_le_bytes()[..length], bytes[..length]);
            assert_eq!(ByteReader(&bytes[..length - 1]).little_endian(length), None);
        }
    }
}
