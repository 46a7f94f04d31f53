//! Threads by state. Read only if it is asked for: it is a file for each thread.

use crate::files::read;
use crate::group::processes;
use crate::layout::Layout;
use crate::metrics::Id;
use crate::notes::Notes;
use crate::series::Out;
use crate::tree;

/// Threads that are looked at in one run, at 10 µs each: a fifth of a second.
const THREADS_MAX: usize = 20_000;

/// How threads are looked at.
#[derive(Debug)]
pub(crate) struct Tasks {
    proc: String,
    is_wanted: bool,
    left: usize,
}

impl Tasks {
    pub(crate) fn new(proc: &str, is_wanted: bool) -> Self {
        Self { proc: proc.to_owned(), is_wanted, left: THREADS_MAX }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self) {
        self.left = THREADS_MAX;
    }

    /// Counts the threads of a group, without those of groups below it.
    pub(crate) fn tell(&mut self, layout: &Layout, path: &str, out: &mut Out<'_>, notes: &mut Notes) {
        let Some(of) = processes(layout).filter(|_| self.is_wanted) else { return };
        let folder = tree::full(&layout.roots[of.tree], path);
        let lists = ["cgroup.threads", "tasks"].iter().find_map(|name| read(&format!("{folder}/{name}")).ok());
        let Some(threads) = lists else { return };
        let mut counts = [0_u32; 4];
        for thread in threads.lines() {
            if self.left == 0 {
                notes.left_out("threads by state", path, "there are more threads than are looked at in one run");
                return;
            }
            self.left -= 1;
            // One that has ended since is none.
            let Ok(stat) = read(&format!("{}/{thread}/stat", self.proc)) else { continue };
            let Some(place) = stat.rsplit_once(") ").and_then(|(_, rest)| place(rest.as_bytes().first()?)) else {
                continue;
            };
            counts[place] += 1;
        }
        for (place, count) in (Id::Sleeping as usize..).zip(counts) {
            out.push(place, f64::from(count));
        }
    }
}

/// The place of a state among those that are counted.
fn place(state: &u8) -> Option<usize> {
    match state {
        b'S' | b'I' | b'P' => Some(0),
        b'R' => Some(1),
        b'T' | b't' => Some(2),
        b'D' => Some(3),
        _ => None,
    }
}
