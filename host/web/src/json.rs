//! Numbers and texts as the page reads them: few bytes, and nothing that ends a data block.

use std::fmt::Write;

/// Digits that a chart can show.
const DIGITS: i32 = 3;

/// Appends a number, whole ones without a fraction; what is none is `null`.
pub(crate) fn number(out: &mut String, value: f64) {
    // Writing to a string does not fail.
    let _ = match value {
        _ if !value.is_finite() => write!(out, "null"),
        _ if value.fract() == 0.0 && value.abs() < 1e15 => write!(out, "{value:.0}"),
        _ => write!(out, "{value}"),
    };
}

/// A number to as many digits as a chart can show. Whole ones stay whole.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = DIGITS - 1 - value.abs().log10().floor() as i32;
    let rounded = if digits >= 0 {
        let scale = 10f64.powi(digits);
        (value * scale).round() / scale
    } else {
        let scale = 10f64.powi(-digits);
        (value / scale).round() * scale
    };
    if rounded.is_finite() { rounded } else { value }
}

/// Appends a text. `<` is escaped, so that none ends the data block that it stands in.
pub(crate) fn text(out: &mut String, value: &str) {
    let quoted = serde_json::to_string(value).unwrap_or_else(|_| "\"\"".into());
    out.push_str(&quoted.replace('<', "\\u003c"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_what_is_none_is_null() {
        let written = |value| {
            let mut out = String::new();
            number(&mut out, rounded(value));
            out
        };
        let all = [0.0, 42.613_263, 1234.5, 123_456_789.0, 0.000_123_456, -7.0, f64::NAN, f64::INFINITY, f64::MAX];
        let expected = ["0", "42.6", "1230", "123000000", "0.000123", "-7", "null", "null"];
        assert_eq!(all.map(written)[..8], expected);
        assert!(written(f64::MAX).parse::<f64>().is_ok_and(f64::is_finite));
    }

    #[test]
    fn no_text_ends_the_block_that_it_stands_in() {
        let mut out = String::new();
        text(&mut out, "</script><!--\u{2028}\"");
        assert!(!out.contains('<'), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "</script><!--\u{2028}\"");
    }
}
