//! Times as dates, in UTC and by the Gregorian calendar, as far as the milliseconds of a point reach.

const DAY_MS: i64 = 86_400_000;

/// The first and the last millisecond that RFC 3339 can say: the years 0 to 9999.
const FIRST_MS: i64 = -62_167_219_200_000;
const LAST_MS: i64 = 253_402_300_799_999;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year; zero is the one before the year 1.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The day of a time in milliseconds since 1970.
    #[must_use]
    pub fn of(timestamp_ms: i64) -> Self {
        // Days since the first of March of the year 0, so that a leap day is the last of its year. 400 years have 146,097
        // days, and the months from March on have 153 in each five.
        let days = timestamp_ms.div_euclid(DAY_MS) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let in_month = day - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self { year: year + era * 400 + next_year, month: month as u8, day: in_month as u8 }
    }
}

impl Date {
    /// The first millisecond of the day, for a year that [`push_rfc3339`] can say. A day that there is not in its month
    /// belongs to the next.
    #[must_use]
    pub fn start_ms(self) -> i64 {
        let (year, month) = if self.month > 2 { (self.year, self.month - 3) } else { (self.year - 1, self.month + 9) };
        let in_year = (153 * i64::from(month) + 2) / 5 + i64::from(self.day) - 1;
        let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + in_year;
        (days - 719_468) * DAY_MS
    }
}

/// Whether [`push_rfc3339`] can say this time.
#[must_use]
pub fn has_rfc3339(timestamp_ms: i64) -> bool {
    (FIRST_MS..=LAST_MS).contains(&timestamp_ms)
}

/// Appends a time as RFC 3339 has it: `2023-11-14T22:13:20.123Z`. Those beyond the years 0 to 9999 are taken for the
/// nearest that there is.
pub fn push_rfc3339(out: &mut Vec<u8>, timestamp_ms: i64) {
    let timestamp_ms = timestamp_ms.clamp(FIRST_MS, LAST_MS);
    let date = Date::of(timestamp_ms);
    let ms = timestamp_ms.rem_euclid(DAY_MS);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, digits: usize, mut number: i64| {
        for place in (at..at + digits).rev() {
            text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, date.year);
    put(5, 2, date.month.into());
    put(8, 2, date.day.into());
    put(11, 2, ms / 3_600_000);
    put(14, 2, ms / 60_000 % 60);
    put(17, 2, ms / 1000 % 60);
    put(20, 3, ms % 1000);
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(timestamp_ms: i64) -> String {
        let mut out = Vec::new();
        push_rfc3339(&mut out, timestamp_ms);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (time, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (FIRST_MS, "0000-01-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(time), expected);
        }
        assert!(has_rfc3339(LAST_MS) && !has_rfc3339(LAST_MS + 1) && !has_rfc3339(FIRST_MS - 1));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let length = |year: i64, month| match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = Date { year: 1599, month: 12, day: 31 };
        for day in -135_141..200_000_i64 {
            assert_eq!((Date::of(day * DAY_MS + 5), expected.start_ms()), (expected, day * DAY_MS));
            if i32::from(expected.day) < length(expected.year, expected.month) {
                expected.day += 1;
            } else if expected.month < 12 {
                expected = Date { month: expected.month + 1, day: 1, ..expected };
            } else {
                expected = Date { year: expected.year + 1, month: 1, day: 1 };
            }
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(Date::of(extreme).year.abs() > 292_000_000);
        }
    }
}
