//! Times as Go's layouts write them: each part of a layout stands for itself, or is that part of the reference time
//! `Mon Jan 2 15:04:05 MST 2006` in the form that is meant.

/// A layout has no more bytes.
const BYTES_MAX: usize = 128;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// This text.
    Text(String),
    Year {
        digits: usize,
    },
    Month {
        digits: usize,
    },
    MonthName {
        is_long: bool,
    },
    DayName {
        is_long: bool,
    },
    Day {
        digits: usize,
    },
    Hour {
        digits: usize,
        is_of_12: bool,
    },
    Minute {
        digits: usize,
    },
    Second {
        digits: usize,
    },
    Fraction,
    HalfDay,
    /// `Z` where it is none, if `has_z`; with this between hours and minutes.
    Zone {
        has_z: bool,
        has_colon: bool,
        has_minutes: bool,
    },
}

/// Each form, the longer ones before those that they begin with.
static FORMS: [(&str, Part); 26] = {
    use Part::{Day, DayName, HalfDay, Hour, Minute, Month, MonthName, Second, Year, Zone};
    [
        ("2006", Year { digits: 4 }),
        ("January", MonthName { is_long: true }),
        ("Jan", MonthName { is_long: false }),
        ("Monday", DayName { is_long: true }),
        ("Mon", DayName { is_long: false }),
        ("Z07:00", Zone { has_z: true, has_colon: true, has_minutes: true }),
        ("Z0700", Zone { has_z: true, has_colon: false, has_minutes: true }),
        ("Z07", Zone { has_z: true, has_colon: false, has_minutes: false }),
        ("-07:00", Zone { has_z: false, has_colon: true, has_minutes: true }),
        ("-0700", Zone { has_z: false, has_colon: false, has_minutes: true }),
        ("-07", Zone { has_z: false, has_colon: false, has_minutes: false }),
        ("15", Hour { digits: 2, is_of_12: false }),
        ("01", Month { digits: 2 }),
        ("02", Day { digits: 2 }),
        ("03", Hour { digits: 2, is_of_12: true }),
        ("04", Minute { digits: 2 }),
        ("05", Second { digits: 2 }),
        ("06", Year { digits: 2 }),
        ("_2", Day { digits: 1 }),
        ("PM", HalfDay),
        ("pm", HalfDay),
        ("1", Month { digits: 1 }),
        ("2", Day { digits: 1 }),
        ("3", Hour { digits: 1, is_of_12: true }),
        ("4", Minute { digits: 1 }),
        ("5", Second { digits: 1 }),
    ]
};

impl Layout {
    /// A layout that says at least a year; none if it is too long.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(first) = rest.chars().next() {
            let form = FORMS.iter().find(|(form, _)| rest.starts_with(form));
            let length = match form {
                _ if fraction(rest) > 0 && matches!(parts.last(), Some(Part::Second { .. })) => {
                    parts.push(Part::Fraction);
                    fraction(rest)
                }
                Some((form, part)) => {
                    parts.push(part.clone());
                    form.len()
                }
                _ => {
                    match parts.last_mut() {
                        Some(Part::Text(text)) => text.push(first),
                        _ => parts.push(Part::Text(first.into())),
                    }
                    first.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        parts.iter().any(|part| matches!(part, Part::Year { .. })).then_some(Self(parts))
    }

    /// A time in milliseconds since 1970; none if the text is not written so. Without a zone it is UTC.
    pub(super) fn time_ms(&self, text: &str) -> Option<i64> {
        let mut time = Time { year: 1970, month: 1, day: 1, ..Time::default() };
        let mut rest = text;
        for (place, part) in self.0.iter().enumerate() {
            rest = time.read(part, rest)?;
            // A fraction may follow the seconds whatever the layout says, as in Go.
            if matches!(part, Part::Second { .. }) && self.0.get(place + 1) != Some(&Part::Fraction) {
                rest = time.read(&Part::Fraction, rest)?;
            }
        }
        if rest.is_empty() { time.in_ms() } else { None }
    }
}

/// How many bytes of a layout say that there is a fraction: a point or a comma, and zeros or nines to the end of the digits.
fn fraction(layout: &str) -> usize {
    let digits = match layout.as_bytes() {
        [b'.' | b',', digits @ ..] => digits,
        _ => return 0,
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_one = |digit: u8| length > 0 && digits[..length].iter().all(|&byte| byte == digit);
    if is_one(b'0') || is_one(b'9') { length + 1 } else { 0 }
}

#[derive(Debug, Default)]
struct Time {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millis: i64,
    /// Whether `PM` was read, or `AM`.
    is_pm: Option<bool>,
    zone_minutes: i64,
}

impl Time {
    /// Reads a part; answers what stands behind it.
    fn read<'a>(&mut self, part: &Part, text: &'a str) -> Option<&'a str> {
        match part {
            Part::Text(expected) => text.strip_prefix(expected.as_str()),
            Part::Year { digits } => {
                let (year, rest) = number(text, *digits, *digits)?;
                // Two digits are of the years from 1969 to 2068, as in Go.
                self.year = if *digits == 4 { year } else { year + if year >= 69 { 1900 } else { 2000 } };
                Some(rest)
            }
            Part::Month { digits } => set(&mut self.month, number(text, *digits, 2)),
            Part::MonthName { is_long } => {
                let (month, rest) = name(text, &MONTHS, *is_long)?;
                self.month = month + 1;
                Some(rest)
            }
            Part::DayName { is_long } => Some(name(text, &DAYS, *is_long)?.1),
            Part::Day { digits } => set(&mut self.day, number(text.trim_start_matches(' '), *digits, 2)),
            Part::Hour { digits, .. } => set(&mut self.hour, number(text, *digits, 2)),
            Part::Minute { digits } => set(&mut self.minute, number(text, *digits, 2)),
            Part::Second { digits } => set(&mut self.second, number(text, *digits, 2)),
            Part::Fraction => Some(self.read_fraction(text)),
            Part::HalfDay => {
                let (half, rest) = text.split_at_checked(2)?;
                self.is_pm = Some(half.eq_ignore_ascii_case("pm"));
                (half.eq_ignore_ascii_case("pm") || half.eq_ignore_ascii_case("am")).then_some(rest)
            }
            Part::Zone { has_z, has_colon, has_minutes } => self.read_zone(text, *has_z, *has_colon, *has_minutes),
        }
    }

    fn read_fraction<'a>(&mut self, text: &'a str) -> &'a str {
        let Some(digits) = text.strip_prefix(['.', ',']) else { return text };
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return text;
        }
        self.millis = digits.bytes().take(length.min(3)).fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        (length..3).for_each(|_| self.millis *= 10);
        &digits[length..]
    }

    fn read_zone<'a>(&mut self, text: &'a str, has_z: bool, has_colon: bool, has_minutes: bool) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| has_z) {
            return Some(rest);
        }
        let (sign, rest) = match text.strip_prefix('+') {
            Some(rest) => (1, rest),
            None => (-1, text.strip_prefix('-')?),
        };
        let (hours, rest) = number(rest, 2, 2)?;
        let rest = if has_colon { rest.strip_prefix(':')? } else { rest };
        let (minutes, rest) = if has_minutes { number(rest, 2, 2)? } else { (0, rest) };
        self.zone_minutes = sign * (hours * 60 + minutes);
        Some(rest)
    }

    fn in_ms(&self) -> Option<i64> {
        let hour = match self.is_pm {
            Some(is_pm) if (1..=12).contains(&self.hour) => self.hour % 12 + if is_pm { 12 } else { 0 },
            Some(_) => return None,
            None => self.hour,
        };
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + i64::from(is_leap),
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=days).contains(&self.day) || hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let minutes = (days_since_1970(self.year, self.month, self.day) * 24 + hour) * 60 + self.minute;
        Some(((minutes - self.zone_minutes) * 60 + self.second) * 1000 + self.millis)
    }
}

/// Howard Hinnant's `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn set<'a>(field: &mut i64, found: Option<(i64, &'a str)>) -> Option<&'a str> {
    let (number, rest) = found?;
    *field = number;
    Some(rest)
}

/// A number of so many digits.
fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// The place of a name, whatever its case.
fn name<'a>(text: &'a str, names: &[&str], is_long: bool) -> Option<(i64, &'a str)> {
    names.iter().enumerate().find_map(|(place, name)| {
        let name = if is_long { name } else { &name[..3] };
        let (begin, rest) = text.split_at_checked(name.len())?;
        begin.eq_ignore_ascii_case(name).then_some((place as i64, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(layout: &str, text: &str) -> Option<i64> {
        Layout::read(layout).unwrap().time_ms(text)
    }

    #[test]
    fn a_time_is_read_as_its_layout_says() {
        const T: i64 = 1_700_000_000_000;
        for (layout, text, expected) in [
            ("2006-01-02 15:04:05.999Z", "2023-11-14 22:13:20.123Z", T + 123),
            ("2006-01-02 15:04:05.999Z", "2023-11-14 22:13:20Z", T),
            ("2006-01-02T15:04:05Z07:00", "2023-11-14T22:13:20Z", T),
            ("2006-01-02T15:04:05Z07:00", "2023-11-14T22:13:20.5Z", T + 500),
            ("2006-01-02T15:04:05Z07:00", "2023-11-15T00:13:20+02:00", T),
            ("2006-01-02T15:04:05-0700", "2023-11-14T17:13:20-0500", T),
            ("20060102150405", "20231114221320", T),
            ("Mon Jan _2 15:04:05 2006", "Tue Nov 14 22:13:20 2023", T),
            ("Mon Jan _2 15:04:05 2006", "Thu Jan  1 00:00:09 1970", 9000),
            ("Monday, January 2, 2006 3:04:05 PM", "Tuesday, november 14, 2023 10:13:20 pm", T),
            ("1/2/06 15:04", "11/14/23 22:13", T - 20_000),
            ("2006-01-02", "2024-02-29", 1_709_164_800_000),
            ("2006", "1969", -31_536_000_000),
            ("03PM 2006", "12AM 1970", 0),
        ] {
            assert_eq!(read(layout, text), Some(expected), "{layout}: {text}");
        }
    }

    #[test]
    fn what_is_not_written_so_is_none() {
        for text in [
            "",
            "2023",
            "2023-02-29",
            "2023-13-01",
            "2023-00-01",
            "2023-01-32",
            "2023-01-01 ",
            "23-01-01",
            "x023-01-01",
            "2023-1-01",
            "２０２３-01-01",
        ] {
            assert_eq!(read("2006-01-02", text), None, "{text}");
        }
        assert_eq!(read("2006 3PM", "1970 13PM"), None);
        assert_eq!(Layout::read("15:04"), None, "a time of no day is no time");
        assert_eq!(Layout::read(&"2006".repeat(100)), None);
    }
}
