//! Processor time, its limits, and the time that is waited for anything.

use super::{count, pairs};
use crate::metrics::{Id, behind};
use crate::series::{Of, Out};

/// Nanoseconds of a tick of `cpuacct.stat`: a hundredth of a second, whatever the kernel is built with.
const TICK_NS: f64 = 1e7;
const US_NS: f64 = 1e3;

pub(super) fn acct<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    pairs(text, out, |key| match key {
        "user" => Some((Id::CpuUser, TICK_NS)),
        "system" => Some((Id::CpuSystem, TICK_NS)),
        _ => None,
    })
}

pub(super) fn per_cpu<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    for (number, word) in text.split_ascii_whitespace().enumerate() {
        let used = count(word).ok_or(word)?;
        out.push_of(Of::PerCpu, &number.to_string(), "", used as f64);
    }
    Ok(())
}

pub(super) fn stat_v1<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    pairs(text, out, |key| match key {
        "nr_periods" => Some((Id::Periods, 1.0)),
        "nr_throttled" => Some((Id::Throttled, 1.0)),
        "throttled_time" => Some((Id::ThrottledTime, 1.0)),
        "nr_bursts" => Some((Id::Bursts, 1.0)),
        "burst_time" => Some((Id::BurstTime, 1.0)),
        _ => None,
    })
}

pub(super) fn stat_v2<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    pairs(text, out, |key| match key {
        "usage_usec" => Some((Id::CpuTotal, US_NS)),
        "user_usec" => Some((Id::CpuUser, US_NS)),
        "system_usec" => Some((Id::CpuSystem, US_NS)),
        "nr_periods" => Some((Id::Periods, 1.0)),
        "nr_throttled" => Some((Id::Throttled, 1.0)),
        "throttled_usec" => Some((Id::ThrottledTime, US_NS)),
        "nr_bursts" => Some((Id::Bursts, 1.0)),
        "burst_usec" => Some((Id::BurstTime, US_NS)),
        _ => None,
    })
}

/// `cpu.weight` as the shares of version 1, by the kernel's own mapping of 1…10,000 to 2…262,144.
pub(super) fn weight<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    let weight = count(text.trim_ascii()).filter(|weight| (1..=10_000).contains(weight)).ok_or(text)?;
    out.push(Id::Shares as usize, (2 + (weight - 1) * 262_142 / 9_999) as f64);
    Ok(())
}

/// `cpu.max`: a quota or `max`, and the period, in microseconds.
pub(super) fn max<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    let (quota, period) = text.trim_ascii().split_once(' ').ok_or(text)?;
    out.push(Id::Period as usize, count(period).ok_or(text)? as f64);
    if quota != "max" {
        out.push(Id::Quota as usize, count(quota).ok_or(text)? as f64);
    }
    Ok(())
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the same with `full`. Totals are microseconds. `some` is the total
/// of the first line; the table has the others behind it.
pub(super) fn pressure<'t>(text: &'t str, some: Id, out: &mut Out<'_>) -> Result<(), &'t str> {
    let mut odd = Ok(());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = match words.next() {
            Some("some") => behind(some, 0),
            Some("full") => behind(some, 4),
            _ => continue,
        };
        for word in words {
            let found = match word.split_once('=') {
                Some(("total", total)) => count(total).map(|total| (first, total as f64)),
                Some(("avg10", share)) => percent(share).map(|share| (first + 1, share)),
                Some(("avg60", share)) => percent(share).map(|share| (first + 2, share)),
                Some(("avg300", share)) => percent(share).map(|share| (first + 3, share)),
                _ => continue,
            };
            match found {
                Some((place, value)) => out.push(place, value),
                None => odd = Err(line),
            }
        }
    }
    odd
}

/// `12.34`, by hand: twelve times a group.
fn percent(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once('.')?;
    let hundredths = count(whole)?.checked_mul(100)? + count(part).filter(|_| part.len() == 2)?;
    (hundredths <= 10_000).then_some(hundredths as f64 / 100.0)
}
