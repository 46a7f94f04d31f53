//! When a file was begun, as its name says it: `20231114T221320.123Z`. Names sort as the times do.

use saker_sdk::encode::time::{Date, push_rfc3339};

/// Places of the digits in a stamp, and of what stands between them.
const FORM: &[u8; 20] = b"00000000T000000.000Z";

/// The stamp of a time.
pub(crate) fn of(timestamp_ms: i64) -> String {
    let mut text = Vec::with_capacity(24);
    push_rfc3339(&mut text, timestamp_ms);
    text.retain(|byte| !b"-:".contains(byte));
    String::from_utf8(text).expect("a date is ASCII")
}

/// The time of a stamp, if it is one.
pub(crate) fn read(stamp: &str) -> Option<i64> {
    let is_form = stamp.len() == FORM.len()
        && stamp
            .bytes()
            .zip(FORM)
            .all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form });
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    if !is_form {
        return None;
    }
    let (month, day) = (number(4, 6)?, number(6, 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let date = Date { year: number(0, 4)?, month: month as u8, day: day as u8 };
    let seconds = (number(9, 11)? * 60 + number(11, 13)?) * 60 + number(13, 15)?;
    Some(date.start_ms() + seconds * 1000 + number(16, 19)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_nothing_else_is_taken_for_one() {
        for time in [0, 1_700_000_000_123, 951_782_400_001, 4_107_542_399_999] {
            assert_eq!(read(&of(time)), Some(time));
        }
        assert_eq!(of(1_700_000_000_123), "20231114T221320.123Z");
        for text in [
            "",
            "20231114T221320.123",
            "20231114T221320Z",
            "20231314T221320.123Z",
            "20231100T221320.123Z",
            "2023111éT221320.123",
            "b-20231114T221320.123Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
