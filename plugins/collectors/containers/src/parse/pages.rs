//! Huge pages, and pages by NUMA node. Both are read only if they are asked for.

use super::{Parse, count};
use crate::series::{Of, Out};

/// The files of one size of pages.
pub(crate) struct PageSize {
    pub(crate) one: [(&'static str, Parse); 3],
    pub(crate) two: [(&'static str, Parse); 2],
}

macro_rules! page_sizes {
    ($($size:literal)*) => {
        /// The sizes that kernels have huge pages of. A group has files for those of its machine.
        pub(crate) const PAGE_SIZES: &[PageSize] = &[$(PageSize {
            one: [
                (concat!("hugetlb.", $size, ".usage_in_bytes"), Parse::Huge($size, Of::HugeUsage)),
                (concat!("hugetlb.", $size, ".max_usage_in_bytes"), Parse::Huge($size, Of::HugeMax)),
                (concat!("hugetlb.", $size, ".failcnt"), Parse::Huge($size, Of::HugeFailcnt)),
            ],
            two: [
                (concat!("hugetlb.", $size, ".current"), Parse::Huge($size, Of::HugeUsage)),
                (concat!("hugetlb.", $size, ".events"), Parse::HugeEvents($size)),
            ],
        }),*];
    };
}

page_sizes!("64KB" "2MB" "32MB" "1GB" "16GB");

pub(super) fn huge<'t>(text: &'t str, size: &'static str, of: Of, out: &mut Out<'_>) -> Result<(), &'t str> {
    let number = count(text.trim_ascii()).ok_or(text)?;
    out.push_of(of, size, "", number as f64);
    Ok(())
}

pub(super) fn huge_events<'t>(text: &'t str, size: &'static str, out: &mut Out<'_>) -> Result<(), &'t str> {
    let most = text.lines().find_map(|line| line.strip_prefix("max "));
    let number = most.and_then(count).ok_or(text)?;
    out.push_of(Of::HugeFailcnt, size, "", number as f64);
    Ok(())
}

/// What stands before the nodes, and what cAdvisor calls it.
const KINDS: [&str; 3] = ["file", "anon", "unevictable"];

/// `hierarchical_file=9 N0=5 N1=4`, in pages; without `hierarchical_` of the group alone.
pub(super) fn numa_v1<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((name, _)) = words.next().and_then(|word| word.split_once('=')) else { continue };
        let (of, name) = match name.strip_prefix("hierarchical_") {
            Some(name) => (Of::NumaAll, name),
            None => (Of::NumaOwn, name),
        };
        let Some(kind) = KINDS.iter().find(|kind| **kind == name) else { continue };
        nodes(words, of, kind, 1, out).ok_or(line)?;
    }
    Ok(())
}

/// `file N0=20480 N1=16384`, in bytes, the group with all below it. They are told in pages of 4 KiB, as version 1 has
/// them.
pub(super) fn numa_v2<'t>(text: &'t str, out: &mut Out<'_>) -> Result<(), &'t str> {
    const PAGE: u64 = 4096;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(kind) = words.next().and_then(|name| KINDS.iter().find(|kind| **kind == name)) else { continue };
        nodes(words, Of::NumaAll, kind, PAGE, out).ok_or(line)?;
    }
    Ok(())
}

fn nodes<'t>(
    words: impl Iterator<Item = &'t str>,
    of: Of,
    kind: &'static str,
    unit: u64,
    out: &mut Out<'_>,
) -> Option<()> {
    for word in words {
        let (node, number) = word.strip_prefix('N')?.split_once('=')?;
        count(node)?;
        out.push_of(of, node, kind, (count(number)? / unit) as f64);
    }
    Some(())
}
