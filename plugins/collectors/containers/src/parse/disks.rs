//! Requests to disks.

use super::count;
use crate::series::{Of, Out};

/// What a request does, as cAdvisor calls it.
const OPERATIONS: [&str; 6] = ["Read", "Write", "Sync", "Async", "Discard", "Total"];

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`, a line each device.
pub(super) fn io_stat<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    let mut odd = Ok(());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(device) = words.next().filter(|word| is_device(word)) else { continue };
        for word in words {
            let Some((key, value)) = word.split_once('=') else { continue };
            let (of, operation, factor) = match key {
                "rbytes" => (Of::IoBytes, "Read", 1.0),
                "wbytes" => (Of::IoBytes, "Write", 1.0),
                "dbytes" => (Of::IoBytes, "Discard", 1.0),
                "rios" => (Of::IoServiced, "Read", 1.0),
                "wios" => (Of::IoServiced, "Write", 1.0),
                "dios" => (Of::IoServiced, "Discard", 1.0),
                "cost.usage" => (Of::IoCost, "usage", 1.0),
                "cost.wait" => (Of::IoCost, "wait", 1.0),
                "cost.indebt" => (Of::IoCost, "indebt", 1.0),
                "cost.indelay" => (Of::IoCost, "indelay", 1.0),
                _ => continue,
            };
            match count(value) {
                Some(number) => out.push_of(of, device, operation, number as f64 * factor),
                None => odd = Err(line),
            }
        }
    }
    odd
}

/// `8:0 Read 1`, a line each device and operation, and a last one without a device.
pub(super) fn blkio<'t>(text: &'t str, of: Of, out: &mut Out<'_>) -> Result<(), &'t str> {
    let mut odd = Ok(());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(device), Some(operation), Some(number)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let Some(operation) = OPERATIONS.iter().find(|known| **known == operation).filter(|_| is_device(device)) else {
            continue;
        };
        match count(number) {
            Some(number) => out.push_of(of, device, operation, number as f64),
            None => odd = Err(line),
        }
    }
    odd
}

fn is_device(word: &str) -> bool {
    word.split_once(':').is_some_and(|(major, minor)| count(major).is_some() && count(minor).is_some())
}
