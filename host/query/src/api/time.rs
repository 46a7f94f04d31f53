//! Times and durations as parameters of Prometheus' HTTP API.

use crate::ast::ExprKind;
use crate::eval::days_to_month;

/// Times beyond this are none: about 280 years from 1970.
const TIME_MS_MAX: f64 = 9e12;

/// A time in milliseconds since 1970-01-01 UTC, of seconds with a fraction (`1435781451.781`) or of RFC 3339
/// (`2015-07-01T20:10:51.781Z`).
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => in_range(seconds * 1000.0),
        Err(_) => rfc3339(text),
    }
}

/// A duration in milliseconds, of seconds with a fraction (`15`, `0.5`) or of units (`1h30m`).
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => match crate::parse(text).ok()?.kind {
            ExprKind::Number { value, duration: true } => value,
            _ => return None,
        },
    };
    in_range(seconds * 1000.0)
}

fn in_range(millis: f64) -> Option<i64> {
    (millis.abs() <= TIME_MS_MAX).then(|| millis.round() as i64)
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !valid || fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    let seconds = (days_to_month(year, month) + day - 1) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - zone_s(zone)?) * 1000 + (fraction * 1000.0).round() as i64)
}

/// Seconds that a zone is ahead of UTC.
fn zone_s(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, clock) = zone.split_at(1);
    let [hours, minutes] = numbers(clock, ':', [2, 2])?;
    let seconds = hours * 3600 + minutes * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|digit| digit.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(numbers)
}
