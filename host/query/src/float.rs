//! Numbers as Go's `strconv` writes them: the fewest digits that read back as the same number.

/// Without an exponent: what labels and printed queries have.
#[must_use]
pub(crate) fn plain(value: f64) -> String {
    special(value).map_or_else(|| value.to_string(), Into::into)
}

/// Integers below this are written without a look at their fractions: all of them are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// As Prometheus' HTTP API has it, at the end of a text: with an exponent from 1e21 on and below 1e-6.
pub(crate) fn push_json(text: &mut String, value: f64) {
    use std::fmt::Write;
    if value.abs() < EXACT && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        return push_integer(text, value as i64);
    }
    if let Some(special) = special(value) {
        return text.push_str(special);
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return text.push_str(&exponential(value));
    }
    // The encoder finds the same digits as the formatter, in a third of the time, but has exponents of its own.
    let start = text.len();
    if let Some(number) = serde_json::Number::from_f64(value) {
        // Writing into a text does not fail.
        let _ = write!(text, "{number}");
    }
    if text[start..].contains('e') || text.ends_with(".0") {
        text.truncate(start);
        text.push_str(&value.to_string());
    }
}

/// An integer, at the end of a text.
pub(crate) fn push_integer(text: &mut String, value: i64) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [b'0'; DIGITS_MAX];
    let mut rest = value.unsigned_abs();
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        text.push('-');
    }
    text.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Go writes at least two digits of an exponent, and its sign.
fn exponential(value: f64) -> String {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        return Some("NaN");
    }
    value.is_infinite().then_some(if value > 0.0 { "+Inf" } else { "-Inf" })
}

/// A number as Go's `%g` writes it, for messages.
#[must_use]
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if special(value).is_none() && size != 0.0 && !(1e-4..1e21).contains(&size) {
        return exponential(value);
    }
    plain(value)
}

/// A number in a label or a query, as Go's `ParseFloat` reads it.
#[must_use]
pub(crate) fn parse(text: &str) -> Option<f64> {
    // Rust reads the same forms, and a few names in other cases that Go reads too.
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, plain_text, json_text) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (0.1, "0.1", "0.1"),
            (1e20, "100000000000000000000", "100000000000000000000"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1.5e-7, "0.00000015", "1.5e-07"),
            (1e-6, "0.000001", "0.000001"),
            (-123_456.0, "-123456", "-123456"),
            (1e15 + 0.5, "1000000000000000.5", "1000000000000000.5"),
            (1.7e17, "170000000000000000", "170000000000000000"),
            (0.000_012_5, "0.0000125", "0.0000125"),
            (-1e100, &format!("-1{}", "0".repeat(100)), "-1e+100"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (1.0 / 3.0, "0.3333333333333333", "0.3333333333333333"),
        ] {
            let mut json = String::new();
            push_json(&mut json, value);
            assert_eq!((plain(value).as_str(), json.as_str()), (plain_text, json_text));
        }
        assert_eq!(short(1e-5), "1e-05");
        assert_eq!(short(1.25), "1.25");
    }
}
