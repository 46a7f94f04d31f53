//! `/proc/PID/stat`, parsed. Its columns are described in `man 5 proc`.

use saker_sdk::gaps::count;

/// Kernel ticks a second: `USER_HZ`, 100 on every Linux architecture that this agent runs on.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// As many threads as the kernel can have (`PID_MAX_LIMIT`).
const THREADS_MAX: u64 = 4 << 20;
/// More pages than any machine has.
const PAGES_END: u64 = 1 << 48;

/// The kernel's mark on its own threads, `PF_KTHREAD`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process<'a> {
    /// The name of its program, cut to 15 bytes by the kernel. Any bytes, also brackets, spaces and line ends.
    pub(crate) name: &'a [u8],
    /// What its first thread does: a letter.
    pub(crate) state: u8,
    /// Whether it is a thread of the kernel, which has no command line.
    pub(crate) kernel: bool,
    /// Processor time of all its threads, in ticks.
    pub(crate) ticks: u64,
    pub(crate) threads: u64,
    /// When it started, in ticks since boot. With its number, this tells it from every other.
    pub(crate) start: u64,
    /// Memory that it holds, in pages.
    pub(crate) pages: u64,
}

impl<'a> Process<'a> {
    /// Parses the file; none if it makes no sense.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|&byte| byte == b'(')?;
        // The name may hold brackets itself, the columns behind it cannot.
        let close = line.iter().rposition(|&byte| byte == b')')?;
        let name = line.get(open + 1..close)?;
        let mut columns = std::str::from_utf8(&line[close + 1..]).ok()?.split_ascii_whitespace();
        let state = *columns.next()?.as_bytes().first()?;
        let mut number = |skipped: usize| columns.nth(skipped).and_then(count);
        let flags = number(5)?;
        let (user, system) = (number(4)?, number(0)?);
        let (threads, start, pages) = (number(4)?, number(1)?, number(1)?);
        if threads > THREADS_MAX || pages >= PAGES_END {
            return None;
        }
        let kernel = flags & KERNEL_THREAD != 0;
        Some(Self { name, state, kernel, ticks: user.saturating_add(system), threads, start, pages })
    }

    /// Whether it has ended, and only its parent has not noticed yet.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, state: &str) -> String {
        format!(
            "812 ({name}) {state} 1 812 812 0 -1 4194624 900 0 3 0 250 150 7 8 20 0 4 0 9000 61440000 1200 \
             18446744073709551615 1 1 0 0 0 0 0 4096 1256 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        )
    }

    #[test]
    fn columns_are_found_behind_any_name() {
        for name in ["nginx", "", "Web Content", "tmux: server", "a) R 1 (b", ")", "line\nend", "größe"] {
            let text = line(name, "S");
            let expected = Process {
                name: name.as_bytes(),
                state: b'S',
                kernel: false,
                ticks: 400,
                threads: 4,
                start: 9000,
                pages: 1200,
            };
            assert_eq!(Process::parse(text.as_bytes()), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn a_name_need_not_be_utf_8() {
        let mut bytes = line("x", "R").into_bytes();
        bytes[5] = 0xff;
        assert_eq!(Process::parse(&bytes).unwrap().name, b"\xff");
    }

    #[test]
    fn kernel_threads_and_the_dead_are_told_apart() {
        let kthreadd = include_bytes!("../../../../tests/fixtures/proc/2/stat");
        assert!(Process::parse(kthreadd).unwrap().kernel);
        let is_dead = |state| Process::parse(line("x", state).as_bytes()).unwrap().is_dead();
        assert_eq!(["Z", "X", "S", "D"].map(is_dead), [true, true, false, false]);
    }

    #[test]
    fn nonsense_is_no_process() {
        for text in ["", "1", "1 (x", "1 x)", ") (", "1 (x) ", "1 (x) S 1 2 3", "1 (x) S 1 1 1 0 -1 many 0 0 0 0 0 0"] {
            assert_eq!(Process::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
