//! Numbers as text, fast: a batch has two for each point, and little else.

/// `00` to `99`, one after the other.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[2 * number] = b'0' + (number / 10) as u8;
        pairs[2 * number + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

/// Appends a whole number.
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    let mut rest = number.unsigned_abs();
    let mut text = [b'-'; 20];
    let mut start = text.len();
    while rest >= 100 {
        start = put_pair(&mut text, start, rest % 100);
        rest /= 100;
    }
    start = put_pair(&mut text, start, rest);
    if rest < 10 {
        // The pair's leading zero.
        start += 1;
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&text[start..]);
}

fn put_pair(text: &mut [u8; 20], end: usize, number: u64) -> usize {
    let from = 2 * number as usize;
    text[end - 2..end].copy_from_slice(&PAIRS[from..from + 2]);
    end - 2
}

/// Appends a finite number in the fewest digits that read back as the same number.
///
/// Whole numbers up to 2⁶³ have neither point nor exponent (`1000000`). The others are written as JSON, InfluxDB and
/// VictoriaMetrics all read them: `0.5`, `1.5e-7`, `1e+20`. Zero has no sign.
pub fn push_f64(out: &mut Vec<u8>, number: f64) {
    // The cast saturates: at its ends the digits would be those of the limit.
    let whole = number as i64;
    if whole as f64 == number && whole != i64::MAX {
        push_i64(out, whole);
    } else {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(number: i64) -> String {
        let mut out = Vec::new();
        push_i64(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    fn real(number: f64) -> String {
        let mut out = Vec::new();
        push_f64(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whole_numbers_are_written_as_the_standard_library_writes_them() {
        let mut number: i64 = 1;
        while let Some(next) = number.checked_mul(10) {
            for near in [number - 1, number, number + 1, -number, 1 - number] {
                assert_eq!(whole(near), near.to_string());
            }
            number = next;
        }
        for number in [0, 7, 10, 99, 100, 1_700_000_000_123, i64::MAX, i64::MIN] {
            assert_eq!(whole(number), number.to_string());
        }
    }

    #[test]
    fn reals_are_short_and_whole_ones_have_no_exponent() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (0.1, "0.1"),
            (99.99, "99.99"),
            (-1.5e-7, "-1.5e-7"),
            (1e15, "1000000000000000"),
            (1e18, "1000000000000000000"),
            (1e20, "1e+20"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(real(number), text);
        }
    }

    #[test]
    fn reals_read_back_as_the_same_number() {
        let mut bits: u64 = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..100_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            // Any double, and one of the size that metrics have.
            for number in [f64::from_bits(bits), (bits >> 11) as f64 / 4096.0, (bits >> 1) as f64] {
                if number.is_finite() {
                    assert_eq!(real(number).parse::<f64>().unwrap(), number);
                }
            }
        }
        for number in [f64::MAX, f64::MIN, 9_223_372_036_854_775_808.0, -9_223_372_036_854_775_808.0] {
            assert_eq!(real(number).parse::<f64>().unwrap(), number);
        }
    }
}
