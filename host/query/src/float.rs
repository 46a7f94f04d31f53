//! Numbers as Go's `strconv` writes them: the fewest digits that read back as the same number.

/// Without an exponent: what labels and printed queries have.
#[must_use]
pub(crate) fn plain(value: f64) -> String {
    special(value).map_or_else(|| value.to_string(), Into::into)
}

/// As Prometheus' HTTP API has it, at the end of a text: with an exponent from 1e21 on and below 1e-6.
pub(crate) fn push_json(text: &mut String, value: f64) {
    use std::fmt::Write;
    let size = value.abs();
    // Writing into a text does not fail.
    let _ = if let Some(special) = special(value) {
        text.write_str(special)
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        text.write_str(&exponential(value))
    } else {
        write!(text, "{value}")
    };
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
