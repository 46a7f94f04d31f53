//! Parts of a date, in UTC, of seconds since 1970.

/// The part of that name, if it is one of these.
pub(in crate::eval) fn find(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "minute" => |seconds| part(seconds, |date| date.second_of_day.div_euclid(60) % 60),
        "hour" => |seconds| part(seconds, |date| date.second_of_day.div_euclid(3600)),
        // The first of January 1970 was a Thursday.
        "day_of_week" => |seconds| part(seconds, |date| (date.days + 4).rem_euclid(7)),
        "day_of_month" => |seconds| part(seconds, |date| date.day),
        "day_of_year" => |seconds| part(seconds, |date| date.days - days(date.year, 1) + 1),
        "days_in_month" => |seconds| part(seconds, |date| month_length(date.year, date.month)),
        "month" => |seconds| part(seconds, |date| date.month),
        "year" => |seconds| part(seconds, |date| date.year),
        _ => return None,
    })
}

struct CivilDate {
    /// Since 1970.
    days: i64,
    second_of_day: i64,
    year: i64,
    month: i64,
    day: i64,
}

/// Of what is no time at all there is no part.
fn part(seconds: f64, wanted: fn(&CivilDate) -> i64) -> f64 {
    // Beyond this the calendar's own arithmetic would overflow.
    if !seconds.is_finite() || seconds.abs() > 1e17 {
        return f64::NAN;
    }
    wanted(&date(seconds.trunc() as i64)) as f64
}

/// The calendar from the first of March on, so that the odd day is the last one of the year.
fn date(seconds: i64) -> CivilDate {
    let days = seconds.div_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    CivilDate { days, second_of_day: seconds.rem_euclid(86_400), year, month, day }
}

/// `2015-07-01T20:10:51Z`
pub(crate) fn rfc3339(time_s: i64) -> String {
    let date = date(time_s);
    let second = date.second_of_day;
    let clock = [second / 3600, second / 60 % 60, second % 60].map(|part| format!("{part:02}")).join(":");
    format!("{:04}-{:02}-{:02}T{clock}Z", date.year, date.month, date.day)
}

/// Days from 1970 to the first of a month.
pub(crate) fn days(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

fn month_length(year: i64, month: i64) -> i64 {
    let next = if month == 12 { days(year + 1, 1) } else { days(year, month + 1) };
    next - days(year, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_over_leap_years_and_centuries() {
        for (seconds, expected) in [
            (0.0, [1970, 1, 1, 4, 1, 31, 0, 0]),
            (951_782_399.0, [2000, 2, 28, 1, 59, 29, 23, 59]),
            (951_782_400.0, [2000, 2, 29, 2, 60, 29, 0, 0]),
            (1_709_210_096.9, [2024, 2, 29, 4, 60, 29, 12, 34]),
            (1_735_689_599.0, [2024, 12, 31, 2, 366, 31, 23, 59]),
            (-1.0, [1969, 12, 31, 3, 365, 31, 23, 59]),
            (4_107_542_400.0, [2100, 3, 1, 1, 60, 31, 0, 0]),
        ] {
            let names =
                ["year", "month", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute"];
            let found = names.map(|name| find(name).unwrap()(seconds) as i64);
            assert_eq!(found, expected, "{seconds}");
        }
        assert!(find("year").unwrap()(f64::NAN).is_nan() && find("year").unwrap()(f64::INFINITY).is_nan());
    }
}
