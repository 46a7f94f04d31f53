//! What compiling one file may cost. It grows with the file, since honest code takes time and memory in proportion to its
//! size, and a bomb is a small file that does not.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Real time that a compilation may take, on a machine that is busy with other things: the compiler has the lowest
/// claim to it.
pub(crate) const WALL_MAX: Duration = Duration::from_secs(120);
/// Threads that compile one file: two of these processes run at most, and each thread costs memory.
pub(crate) const THREADS: &str = "2";
/// Beyond the data itself: the program, stacks, and what the allocator reserves without touching it.
const RESERVE_BYTES: u64 = 1 << 30;

/// The bounds for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompileBudget {
    /// Processor time, over all threads.
    pub(crate) cpu_seconds: u64,
    /// Memory that the process may write to; nearly what it makes resident.
    pub(crate) data_bytes: u64,
    /// Machine code.
    pub(crate) code_bytes: u64,
}

impl CompileBudget {
    /// The budget of a file with so many bytes. What ships has up to 0.4 MiB and takes 0.7 s, 36 MiB and 1.1 MiB; a Python
    /// guest of 18 MiB takes 16 s on a busy core, 350 MiB and 33 MiB, and may take 46 s, 832 MiB and 80 MiB.
    pub(crate) const fn of(input_bytes: u64) -> Self {
        let mib = input_bytes.div_ceil(1 << 20);
        Self { cpu_seconds: 10 + 2 * mib, data_bytes: (256 + 32 * mib) << 20, code_bytes: (8 + 4 * mib) << 20 }
    }

    /// Holds this process to it. The kernel ends it with SIGXCPU, and lets no more memory be had.
    pub(crate) fn hold(self) -> std::io::Result<()> {
        let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(Resource::Data, limit(self.data_bytes))?;
        setrlimit(Resource::As, limit(self.data_bytes + RESERVE_BYTES))?;
        // The signal that ends it comes at the first, one that tells nothing at the second.
        let cpu = Rlimit { current: Some(self.cpu_seconds), maximum: Some(self.cpu_seconds + 1) };
        Ok(setrlimit(Resource::Cpu, cpu)?)
    }
}
