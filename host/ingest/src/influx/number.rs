//! The values of fields.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FieldValue {
    /// A number; true is 1, false is 0.
    Number(f64),
    /// A text in quotes.
    Text,
}

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Up to here a double holds every whole number.
const EXACT_MAX: u64 = 1 << 53;
/// So many digits fit into 64 bits.
const DIGITS_MAX: usize = 19;

/// The value that `text` begins with, and how many bytes it takes. None if there is none, or if it runs to the end of
/// the text without its closing quote.
pub(super) fn value(text: &[u8]) -> Option<(FieldValue, usize)> {
    plain(text).or_else(|| other(text))
}

/// Whether a byte ends a value, a timestamp or a line.
pub(super) fn is_end(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'\n' | b'\r')
}

/// Digits with at most one point in them, as nearly every number is written. What is not exact in this way is left to
/// [`other`].
#[inline]
fn plain(text: &[u8]) -> Option<(FieldValue, usize)> {
    let negative = text.first() == Some(&b'-');
    let (mut at, mut mantissa, mut digits, mut fraction) = (usize::from(negative), 0u64, 0, 0);
    let mut point = false;
    let ending = loop {
        match text.get(at) {
            Some(&byte @ b'0'..=b'9') => {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                digits += 1;
                fraction += usize::from(point);
            }
            Some(b'.') if !point => point = true,
            ending => break ending.copied(),
        }
        at += 1;
    };
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let number = match ending {
        Some(b'i' | b'u') if !point && text.get(at + 1).copied().is_none_or(is_end) => {
            at += 1;
            let most = if ending == Some(b'u') { u64::MAX } else { i64::MAX.unsigned_abs() + u64::from(negative) };
            if mantissa > most || (negative && ending == Some(b'u')) {
                return None;
            }
            mantissa as f64
        }
        Some(byte) if !is_end(byte) => return None,
        _ if fraction == 0 => mantissa as f64,
        // Both are exact, so the quotient is the nearest double (Clinger 1990).
        _ if mantissa <= EXACT_MAX && fraction < POWERS.len() => mantissa as f64 / POWERS[fraction],
        _ => return None,
    };
    Some((FieldValue::Number(if negative { -number } else { number }), at))
}

/// Every other way to write a value.
#[cold]
fn other(text: &[u8]) -> Option<(FieldValue, usize)> {
    if text.first() == Some(&b'"') {
        return Some((FieldValue::Text, quoted(text)?));
    }
    let length = text.iter().position(|&byte| is_end(byte)).unwrap_or(text.len());
    let word = std::str::from_utf8(&text[..length]).ok()?;
    let number = match word {
        "t" | "T" | "true" | "True" | "TRUE" => 1.0,
        "f" | "F" | "false" | "False" | "FALSE" => 0.0,
        _ => match word.as_bytes().last()? {
            b'i' => word[..length - 1].parse::<i64>().ok()? as f64,
            b'u' => word[..length - 1].parse::<u64>().ok()? as f64,
            // The standard library also knows infinities and what is no number, which the protocol does not.
            _ if word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) => {
                word.parse().ok()?
            }
            _ => return None,
        },
    };
    Some((FieldValue::Number(number), length))
}

/// How long a text in quotes is, its quotes included. A backslash takes the meaning from a quote and from a backslash.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(FieldValue, usize)>) {
        assert_eq!(value(text.as_bytes()), expected, "{text}");
    }

    fn number(text: &str, expected: f64) {
        for after in ["", ",x=1", " 1", "\n", "\r\n"] {
            check(&format!("{text}{after}"), Some((FieldValue::Number(expected), text.len())));
        }
    }

    #[test]
    fn numbers_are_read_in_every_way_they_are_written() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0.5", -0.5),
            ("58", 58.0),
            ("58i", 58.0),
            ("58u", 58.0),
            ("-58i", -58.0),
            ("+1.5", 1.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("-1.5E-3", -0.0015),
            ("9223372036854775807i", 9_223_372_036_854_775_807.0),
            ("-9223372036854775808i", -9_223_372_036_854_775_808.0),
            ("18446744073709551615u", 18_446_744_073_709_551_615.0),
            ("123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890.0),
            ("0.1234567890123456789", 0.123_456_789_012_345_68),
            ("t", 1.0),
            ("True", 1.0),
            ("TRUE", 1.0),
            ("f", 0.0),
            ("false", 0.0),
        ] {
            number(text, expected);
        }
    }

    #[test]
    fn every_plain_number_is_the_one_that_the_standard_library_reads() {
        let mut state = 1u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let digits = (state >> 33) % (10u64.pow((state % 18) as u32 + 1));
            let point = (state >> 40) as usize % 20;
            let mut text = digits.to_string();
            if point < text.len() {
                text.insert(point, '.');
            }
            number(&text, text.parse().unwrap());
        }
    }

    #[test]
    fn texts_are_told_from_numbers_and_end_at_their_own_quote() {
        check(r#""a,b c=\" \\",x=1"#, Some((FieldValue::Text, 13)));
        check("\"two\nlines\"", Some((FieldValue::Text, 11)));
        check(r#""open\""#, None);
        check("\"", None);
    }

    #[test]
    fn what_is_no_value_is_none() {
        for text in [
            "",
            ",",
            "x",
            "i",
            "-",
            ".",
            "1x",
            "1ii",
            "1.5i",
            "-1u",
            "9223372036854775808i",
            "18446744073709551616u",
            "nan",
            "NaN",
            "inf",
            "-Infinity",
            "0x10",
            "1_000",
            "tRUE",
            "1e",
            "\u{e9}",
        ] {
            check(text, None);
        }
    }
}
