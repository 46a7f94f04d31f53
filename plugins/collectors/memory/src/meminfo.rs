//! `/proc/meminfo`, parsed. Its lines are described in the kernel's Documentation/filesystems/proc.rst.

use saker_sdk::gaps::GapSource;

/// The lines that are reported, and the metrics that they are reported as, in the kernel's order.
pub(crate) const FIGURES: [(&str, &str); 24] = [
    ("MemTotal", "mem.memtotal"),
    ("MemFree", "mem.unused"),
    ("MemAvailable", "mem.memavailable"),
    ("Buffers", "mem.buffers"),
    ("Cached", "mem.cached"),
    ("SwapTotal", "mem.swaptotal"),
    ("SwapFree", "mem.swapfree"),
    ("Dirty", "mem.dirty"),
    ("Writeback", "mem.writeback"),
    ("AnonPages", "mem.anon"),
    ("Shmem", "mem.shmem"),
    ("Slab", "mem.slab"),
    ("SReclaimable", "mem.slab.reclaimable"),
    ("SUnreclaim", "mem.slab.unreclaimable"),
    ("KernelStack", "mem.kernelstack"),
    ("PageTables", "mem.pagetables"),
    ("CommitLimit", "mem.commitlimit"),
    ("Committed_AS", "mem.committed"),
    ("AnonHugePages", "mem.anon.hugepages"),
    ("HugePages_Total", "mem.hugepages.total"),
    ("HugePages_Free", "mem.hugepages.free"),
    ("HugePages_Rsvd", "mem.hugepages.reserved"),
    ("HugePages_Surp", "mem.hugepages.surplus"),
    ("Hugepagesize", "mem.hugepages.size"),
];

// Where the figures stand in `FIGURES` that others are derived from.
const TOTAL: usize = 0;
const UNUSED: usize = 1;
const AVAILABLE: usize = 2;
const BUFFERS: usize = 3;
const CACHED: usize = 4;
const SWAP_TOTAL: usize = 5;
const SWAP_FREE: usize = 6;

/// More than any machine has, in bytes or in pages: a container's `SwapFree` may be a negative number in disguise.
const FIGURE_END: u64 = 1 << 56;

/// All that is read of `/proc/meminfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meminfo {
    /// One for each of [`FIGURES`], in bytes or in pages; none where the kernel has no such line, or one that makes no
    /// sense.
    pub(crate) figures: [Option<u64>; FIGURES.len()],
}

impl Meminfo {
    /// Parses the file.
    pub(crate) fn parse(text: &str, place: &mut GapSource<'_>) -> Self {
        let mut figures = [None; FIGURES.len()];
        for line in text.lines() {
            let Some((key, rest)) = line.split_once(':') else { continue };
            if let Some(index) = FIGURES.iter().position(|(name, _)| *name == key) {
                figures[index] = figure(rest);
                if figures[index].is_none() {
                    place.odd(key, "a number of kB or of pages that a machine can have", rest.trim());
                }
            }
        }
        if figures.iter().all(Option::is_none) {
            place.malformed("lines such as \"MemTotal: 8 kB\"");
        }
        Self { figures }
    }

    /// Memory in all, and what new work could take of it without swapping, in bytes. Kernels before 3.14 do not tell the
    /// latter; the caches stand in.
    pub(crate) fn memory(&self) -> Option<(u64, u64)> {
        self.figures[TOTAL].zip(free(&self.figures))
    }

    /// What new work could take without swapping.
    pub(crate) fn free(&self) -> Option<u64> {
        free(&self.figures)
    }

    /// Swap space in all, and what is free of it, in bytes.
    pub(crate) fn swap(&self) -> Option<(u64, u64)> {
        self.figures[SWAP_TOTAL].zip(self.figures[SWAP_FREE])
    }
}

fn free(figures: &[Option<u64>; FIGURES.len()]) -> Option<u64> {
    figures[AVAILABLE].or_else(|| {
        let caches = [BUFFERS, CACHED].map(|index| figures[index].unwrap_or(0));
        Some(caches.into_iter().fold(figures[UNUSED]?, u64::saturating_add))
    })
}

/// A size becomes bytes. A bare number, as of huge pages, stays.
fn figure(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_suffix("kB") {
        Some(number) => number.trim_end().parse::<u64>().ok()?.checked_mul(1024),
        None => text.parse().ok(),
    }
    .filter(|figure| *figure < FIGURE_END)
}

#[cfg(test)]
mod tests {
    use saker_sdk::CollectError;
    use saker_sdk::gaps::Gaps;

    use super::*;

    const MEMINFO: &str = include_str!("../../../../tests/fixtures/proc/meminfo");

    fn parse(text: &str) -> Meminfo {
        Meminfo::parse(text, &mut Gaps::default().of("meminfo"))
    }

    fn named(meminfo: &Meminfo, name: &str) -> Option<u64> {
        meminfo.figures[FIGURES.iter().position(|(key, _)| *key == name).unwrap()]
    }

    #[test]
    fn a_real_file_has_every_figure() {
        let meminfo = parse(MEMINFO);
        assert!(meminfo.figures.iter().all(Option::is_some), "{meminfo:?}");
        assert_eq!(meminfo.memory(), Some((16_314_120 * 1024, 9_871_232 * 1024)));
        assert_eq!(meminfo.swap(), Some((4_194_300 * 1024, 3_145_724 * 1024)));
    }

    #[test]
    fn lines_with_similar_names_are_kept_apart() {
        let meminfo = parse(MEMINFO);
        assert_eq!(named(&meminfo, "Cached"), Some(7_536_412 * 1024), "and not SwapCached");
        assert_eq!(named(&meminfo, "Writeback"), Some(64 * 1024), "and not WritebackTmp");
        assert_eq!(named(&meminfo, "PageTables"), Some(62_464 * 1024), "and not SecPageTables");
    }

    #[test]
    fn huge_pages_are_counted_in_pages_and_their_size_in_bytes() {
        let meminfo = parse(MEMINFO);
        assert_eq!((named(&meminfo, "HugePages_Rsvd"), named(&meminfo, "HugePages_Surp")), (Some(8), Some(2)));
        assert_eq!(named(&meminfo, "Hugepagesize"), Some(2 * 1024 * 1024));
    }

    #[test]
    fn the_constants_point_at_their_lines() {
        let names = [TOTAL, UNUSED, AVAILABLE, BUFFERS, CACHED, SWAP_TOTAL, SWAP_FREE].map(|index| FIGURES[index].0);
        assert_eq!(names, ["MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree"]);
    }

    #[test]
    fn without_an_estimate_the_caches_count_as_free() {
        let old = parse("MemTotal: 99 kB\nMemFree: 4 kB\nBuffers: 2 kB\nCached: 1 kB\n");
        assert_eq!(old.free(), Some(7 * 1024));
    }

    #[test]
    fn an_estimate_of_nothing_is_believed() {
        let full = parse("MemTotal: 99 kB\nMemFree: 4 kB\nMemAvailable: 0 kB\n");
        assert_eq!(full.free(), Some(0));
    }

    #[test]
    fn a_figure_that_makes_no_sense_is_named_and_costs_itself() {
        for wrong in ["many kB", "-1 kB", "", "18446744073709551615 kB", "9007199246535028 kB", "72057594037927936"] {
            let mut gaps = Gaps::default();
            let text = format!("MemTotal: {wrong}\nMemFree: 4 kB\n");
            let meminfo = Meminfo::parse(&text, &mut gaps.of("meminfo"));
            assert_eq!((named(&meminfo, "MemTotal"), named(&meminfo, "MemFree")), (None, Some(4096)), "{wrong}");
            assert_eq!((meminfo.memory(), meminfo.free()), (None, Some(4096)));
            let error = gaps.finish(Vec::new()).unwrap_err();
            let expected =
                format!("meminfo: expected a number of kB or of pages that a machine can have, found {wrong:?}");
            assert_eq!(error, CollectError::Malformed(expected));
        }
    }

    #[test]
    fn a_file_without_figures_is_named() {
        let mut gaps = Gaps::default();
        Meminfo::parse("nonsense\nNewInLinux9: lots\n", &mut gaps.of("meminfo"));
        let expected = "meminfo: expected lines such as \"MemTotal: 8 kB\"";
        assert_eq!(gaps.finish(Vec::new()), Err(CollectError::Malformed(expected.into())));
    }
}
