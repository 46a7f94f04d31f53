//! Calls that hang in the operating system: what they wait for, and who is not called until they come back.
//!
//! `instance/thread.rs` gives a call up when its deadline has passed and its thread has not come back, asks here what
//! the thread waits for, and asks again before the next call of the same version. Nothing here waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use saker_model::text;

use crate::failure::Blame;

/// Calls under one name that may hang at the same time, over all its versions. A version whose last call hangs is not
/// called; the others are for the settings that an operator changes because of it.
pub(crate) const STUCK_CALLS_MAX: u64 = 4;

/// Why a call brought nothing that is not back, or was not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hang {
    /// The deadline has passed, and the call waits in the system.
    #[error("{export} took longer than its deadline of {limit:?}: {wait} hangs in the system")]
    Call {
        /// The export that was called.
        export: &'static str,
        /// The deadline.
        limit: Duration,
        /// What it waits for.
        wait: String,
    },
    /// An earlier call has not come back.
    #[error("not called: {0}")]
    Earlier(Stuck),
    /// Too many earlier calls under this name have not come back.
    #[error(
        "not called: {STUCK_CALLS_MAX} calls of its versions have not come back; the agent must be restarted to have another one"
    )]
    Many,
    /// No thread of the sandbox was free.
    #[error("not called: no thread of the sandbox was free within {waited:?}")]
    NoThread {
        /// How long it has waited.
        waited: Duration,
    },
}

impl Hang {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            // Whatever it does there, it is no call of the system's that is to blame.
            Self::Earlier(Stuck { wait: None }) => Blame::Plugin,
            _ => Blame::Host,
        }
    }
}

/// A call that was given up and has not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// What it waits for, if that is known.
    pub wait: Option<String>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wait {
            Some(wait) => write!(f, "{wait} in an earlier call still hangs in the system"),
            None => write!(f, "an earlier call has not come back from what it computes"),
        }
    }
}

/// What is known of the calls of one version that hang. Shared by its instances, and forgotten with it.
#[derive(Clone, Debug, Default)]
pub struct Hangs(Arc<HangsInner>);

#[derive(Debug, Default)]
struct HangsInner {
    calls: AtomicU32,
    last: Mutex<Option<Stuck>>,
    path: Mutex<String>,
}

impl Hangs {
    /// What hangs, if anything does.
    #[must_use]
    pub fn stuck(&self) -> Option<Stuck> {
        if self.0.calls.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.0.last.lock().clone()
    }

    pub(crate) fn given_up(&self, wait: Option<String>) {
        *self.0.last.lock() = Some(Stuck { wait });
        self.0.calls.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn back(&self) {
        self.0.calls.fetch_sub(1, Ordering::Release);
    }

    /// A path that the guest is about to use, below a directory that it holds.
    pub(crate) fn note_path(&self, path: &str) {
        let mut last = self.0.path.lock();
        last.clear();
        last.push_str(&path[..path.floor_char_boundary(text::NAME_BYTES_MAX)]);
    }

    /// What a thread of this process waits for in the system, if that concerns files.
    pub(crate) fn waits_for(&self, thread: i32) -> Option<String> {
        let line = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?;
        let mut words = line.split_ascii_whitespace();
        // A thread that computes has the word "running" there.
        let number: i64 = words.next()?.parse().ok()?;
        let first = words.next()?.trim_start_matches("0x");
        // Descriptors are the lower half of a register.
        let descriptor = u64::from_str_radix(first, 16).ok()? as u32 as i32;
        let place = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok();
        let place = place.map(|path| path.display().to_string());
        let wait = match (doing(number)?, place) {
            (SystemActivity::Descriptor(what), Some(place)) => format!("{what} {place}"),
            (SystemActivity::Path(what), Some(place)) => format!("{what} {place}/{}", self.0.path.lock()),
            // What the agent does with a grant before the guest begins.
            (SystemActivity::Descriptor(what) | SystemActivity::Path(what), None) => format!("{what} a granted path"),
            #[cfg(target_arch = "x86_64")]
            (SystemActivity::Absolute, _) => "a look at a granted path".into(),
        };
        Some(text::clean(&wait, text::MESSAGE_BYTES_MAX))
    }
}

enum SystemActivity {
    /// Something with the file that the first argument stands for.
    Descriptor(&'static str),
    /// Something with a path below it.
    Path(&'static str),
    /// A look at a path that the first argument points to.
    #[cfg(target_arch = "x86_64")]
    Absolute,
}

/// The calls of the system that wait for a file system.
fn doing(number: i64) -> Option<SystemActivity> {
    let doing = match number {
        libc::SYS_read | libc::SYS_pread64 | libc::SYS_readv | libc::SYS_preadv | libc::SYS_preadv2 => {
            SystemActivity::Descriptor("a read of")
        }
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_pwritev | libc::SYS_pwritev2 => {
            SystemActivity::Descriptor("a write to")
        }
        libc::SYS_fsync | libc::SYS_fdatasync => SystemActivity::Descriptor("a sync of"),
        libc::SYS_ftruncate => SystemActivity::Descriptor("a new size of"),
        libc::SYS_close => SystemActivity::Descriptor("closing"),
        libc::SYS_getdents64 => SystemActivity::Descriptor("a list of"),
        libc::SYS_fstat | libc::SYS_fstatfs => SystemActivity::Descriptor("a look at"),
        libc::SYS_openat | libc::SYS_openat2 => SystemActivity::Path("opening"),
        libc::SYS_newfstatat | libc::SYS_statx | libc::SYS_readlinkat | libc::SYS_faccessat => {
            SystemActivity::Path("a look at")
        }
        libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_linkat | libc::SYS_symlinkat | libc::SYS_renameat2 => {
            SystemActivity::Descriptor("a change in")
        }
        // The C library's own way to follow links.
        #[cfg(target_arch = "x86_64")]
        libc::SYS_readlink | libc::SYS_stat | libc::SYS_lstat | libc::SYS_open => SystemActivity::Absolute,
        _ => return None,
    };
    Some(doing)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_thread_that_waits_for_a_file_tells_which() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        // Opened for both, opening does not wait, and reading does.
        let mut fifo = File::options().read(true).write(true).open(&path).unwrap();
        let (tell, told) = mpsc::channel();
        let reader = {
            let mut fifo = fifo.try_clone().unwrap();
            thread::spawn(move || {
                tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
                fifo.read(&mut [0]).unwrap()
            })
        };
        let (id, hangs, start) = (told.recv().unwrap(), Hangs::default(), Instant::now());
        let expected = format!("a read of {}", path.display());
        while hangs.waits_for(id).as_ref() != Some(&expected) {
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", hangs.waits_for(id));
            thread::yield_now();
        }
        std::io::Write::write_all(&mut fifo, b"x").unwrap();
        assert_eq!(reader.join().unwrap(), 1);
        assert_eq!(hangs.waits_for(id), None, "it is gone");
    }

    #[test]
    fn a_call_that_hangs_is_known_until_it_is_back() {
        let hangs = Hangs::default();
        assert_eq!(hangs.stuck(), None);
        hangs.given_up(Some("a read of /mnt/x".into()));
        let stuck = hangs.clone().stuck().unwrap();
        let error = Hang::Earlier(stuck);
        assert_eq!(error.to_string(), "not called: a read of /mnt/x in an earlier call still hangs in the system");
        assert_eq!(error.blame(), Blame::Host);
        hangs.back();
        assert_eq!(hangs.stuck(), None);
        hangs.given_up(None);
        assert_eq!(Hang::Earlier(hangs.stuck().unwrap()).blame(), Blame::Plugin, "nothing else is known to hang");
    }
}
