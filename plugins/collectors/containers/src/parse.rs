//! What the files of a group say. A figure that makes no sense costs itself, and nothing beside it.

mod cpu;
mod disks;
mod memory;
mod pages;

use saker_sdk::gaps::COUNT_END;

use crate::metrics::{Id, behind};
use crate::series::{Of, Out};

pub(crate) use memory::conclude;
pub(crate) use pages::PAGE_SIZES;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parse {
    CpuacctUsage,
    CpuacctStat,
    PerCpu,
    CpuStatV1,
    CpuStatV2,
    MemoryUsage,
    MemoryStatV1,
    MemoryStatV2,
    MemoryMax,
    MemoryFailcnt,
    MemoryKernel,
    MemoryEvents,
    OomControl,
    Swap,
    NumaV1,
    NumaV2,
    Huge(&'static str, Of),
    HugeEvents(&'static str),
    Threads,
    Processes,
    IoStat,
    BlkioBytes,
    BlkioServiced,
    PsiCpu,
    PsiMemory,
    PsiIo,
    Shares,
    Quota,
    Period,
    Weight,
    CpuMax,
    MemoryLimit,
    Reservation,
    SwapLimit,
    ThreadsMax,
}

/// From here on, version 1 means that there is no limit: its largest is the largest number, rounded down to pages.
const UNLIMITED: u64 = 1 << 62;

impl Parse {
    /// Whether the file is a list, made record by record.
    pub(crate) fn is_list(self) -> bool {
        self == Self::Processes
    }

    /// Reads a text. Answers what makes no sense in it, if something does.
    pub(crate) fn read<'t>(self, text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
        match self {
            Self::CpuacctUsage => one(text, Id::CpuTotal, 1.0, out),
            Self::CpuacctStat => cpu::acct(text, out),
            Self::PerCpu => cpu::per_cpu(text, out),
            Self::CpuStatV1 => cpu::stat_v1(text, out),
            Self::CpuStatV2 => cpu::stat_v2(text, out),
            Self::MemoryUsage => one(text, Id::MemoryUsage, 1.0, out),
            Self::MemoryStatV1 => memory::stat_v1(text, out),
            Self::MemoryStatV2 => memory::stat_v2(text, out),
            Self::MemoryMax => one(text, Id::MemoryMax, 1.0, out),
            Self::MemoryFailcnt => one(text, Id::MemoryFailcnt, 1.0, out),
            Self::MemoryKernel => one(text, Id::MemoryKernel, 1.0, out),
            Self::MemoryEvents => memory::events(text, out),
            Self::OomControl => pairs(text, out, |key| (key == "oom_kill").then_some((Id::OomEvents, 1.0))),
            Self::Swap => one(text, Id::MemorySwap, 1.0, out),
            Self::NumaV1 => pages::numa_v1(text, out),
            Self::NumaV2 => pages::numa_v2(text, out),
            Self::Huge(size, of) => pages::huge(text, size, of, out),
            Self::HugeEvents(size) => pages::huge_events(text, size, out),
            Self::Threads => one(text, Id::Threads, 1.0, out),
            Self::Processes => processes(text, out),
            Self::IoStat => disks::io_stat(text, out),
            Self::BlkioBytes => disks::blkio(text, Of::IoBytes, out),
            Self::BlkioServiced => disks::blkio(text, Of::IoServiced, out),
            Self::PsiCpu => cpu::pressure(text, Id::CpuSome, out),
            Self::PsiMemory => cpu::pressure(text, Id::MemorySome, out),
            Self::PsiIo => cpu::pressure(text, Id::IoSome, out),
            Self::Shares => one(text, Id::Shares, 1.0, out),
            Self::Quota => limit(text, Id::Quota, out),
            Self::Period => one(text, Id::Period, 1.0, out),
            Self::Weight => cpu::weight(text, out),
            Self::CpuMax => cpu::max(text, out),
            Self::MemoryLimit => limit(text, Id::MemoryLimit, out),
            Self::Reservation => limit(text, Id::Reservation, out),
            Self::SwapLimit => limit(text, Id::SwapLimit, out),
            Self::ThreadsMax => limit(text, Id::ThreadsMax, out),
        }
    }
}

/// A whole number that can be a count. What is more is a negative number in disguise.
fn count(text: &str) -> Option<u64> {
    // Written out: it is called sixty times a group, and the library's takes a sign and other bases into account.
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    let mut number = 0_u64;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (number < COUNT_END).then_some(number)
}

/// A file with one number.
fn one<'t>(text: &'t str, id: Id, factor: f64, out: &mut Out<'_>) -> Result<(), &'t str> {
    let number = count(text.trim_ascii()).ok_or(text)?;
    out.push(id as usize, number as f64 * factor);
    Ok(())
}

/// A file with a limit: none is no value.
fn limit<'t>(text: &'t str, id: Id, out: &mut Out<'_>) -> Result<(), &'t str> {
    let text = text.trim_ascii();
    if text == "max" || text == "-1" {
        return Ok(());
    }
    let number = count(text).ok_or(text)?;
    if number < UNLIMITED {
        out.push(id as usize, number as f64);
    }
    Ok(())
}

/// A file of keys and numbers: those that `of` knows, times a factor.
fn pairs<'t>(text: &'t str, out: &mut Out<'_>, mut of: impl FnMut(&str) -> Option<(Id, f64)>) -> Result<(), &'t str> {
    let mut odd = Ok(());
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else { continue };
        let Some((id, factor)) = of(key) else { continue };
        match count(value.trim_ascii()) {
            Some(number) => out.push(id as usize, number as f64 * factor),
            None => odd = Err(line),
        }
    }
    odd
}

fn processes<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    let mut lines = text.lines();
    // Zero is a process of another namespace, which the agent cannot look at.
    out.process = lines.find_map(|line| line.parse().ok().filter(|process| *process > 0));
    let number = text.bytes().filter(|byte| *byte == b'\n').count();
    out.push(behind(Id::Processes, 0), number as f64);
    Ok(())
}

#[cfg(test)]
mod tests;
