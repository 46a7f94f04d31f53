//! Memory.

use super::pairs;
use crate::metrics::Id;
use crate::series::Out;

/// `total_…` is the group with all below it; the same without is the group alone. Only the former compare with usage.
pub(super) fn stat_v1<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    pairs(text, out, |key| {
        Some((
            match key {
                "total_cache" => Id::MemoryCache,
                "total_rss" => Id::MemoryRss,
                "total_swap" => Id::MemorySwap,
                "total_mapped_file" => Id::MemoryMapped,
                "total_active_file" => Id::MemoryActive,
                "total_inactive_file" => Id::MemoryInactive,
                "total_dirty" => Id::MemoryDirty,
                "total_writeback" => Id::MemoryWriteback,
                "total_workingset_refault_file" => Id::RefaultFile,
                "total_workingset_refault_anon" => Id::RefaultAnon,
                "pgfault" => Id::OwnFaults,
                "pgmajfault" => Id::OwnMajor,
                "total_pgfault" => Id::AllFaults,
                "total_pgmajfault" => Id::AllMajor,
                _ => return None,
            },
            1.0,
        ))
    })
}

pub(super) fn stat_v2<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    pairs(text, out, |key| {
        Some((
            match key {
                "file" => Id::MemoryCache,
                "anon" => Id::MemoryRss,
                "kernel" => Id::MemoryKernel,
                "file_mapped" => Id::MemoryMapped,
                "active_file" => Id::MemoryActive,
                "inactive_file" => Id::MemoryInactive,
                "file_dirty" => Id::MemoryDirty,
                "file_writeback" => Id::MemoryWriteback,
                "pgscan" => Id::Pgscan,
                "pgsteal" => Id::Pgsteal,
                "workingset_refault_file" => Id::RefaultFile,
                "workingset_refault_anon" => Id::RefaultAnon,
                // Counted with all below it; version 2 does not tell what the group has alone.
                "pgfault" => Id::AllFaults,
                "pgmajfault" => Id::AllMajor,
                _ => return None,
            },
            1.0,
        ))
    })
}

pub(super) fn events<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    pairs(text, out, |key| match key {
        "high" => Some((Id::EventsHigh, 1.0)),
        "max" => Some((Id::EventsMax, 1.0)),
        "oom_kill" => Some((Id::OomEvents, 1.0)),
        _ => None,
    })
}

/// What follows from the figures of memory together. Nothing follows from what is not known.
pub(crate) fn conclude(out: &mut Out<'_>) {
    // The topmost group of version 2 does not tell its usage: it is what its pages and files take.
    let pages = || Some(out.value(Id::MemoryRss)? + out.value(Id::MemoryCache)?);
    let told = out.value(Id::MemoryUsage);
    let Some(usage) = told.or_else(pages) else { return };
    if told.is_none() {
        out.push(Id::MemoryUsage as usize, usage);
    }
    // What is in use beyond what the kernel can drop at once, by cAdvisor's rule: files that were not used for a while do
    // not count. The figures are not of the same moment, so it may come out below nothing.
    if let Some(inactive) = out.value(Id::MemoryInactive) {
        out.push(Id::MemoryWorking as usize, (usage - inactive).max(0.0));
    }
}
