//! Network, by namespace: groups that share one are told by one of them, read once.

use std::collections::BTreeSet;

use saker_sdk::glob;

use crate::files::{Fault, Key, open, read, whole};
use crate::metrics::Id;
use crate::series::{Of, Out};

/// Namespaces that are told apart. More than groups that are watched, and of those most share one.
const NAMESPACES_MAX: usize = 20_000;

/// What each group's namespace is.
#[derive(Debug)]
pub(crate) struct Network {
    proc: String,
    exclude: Vec<String>,
    /// The agent's own, which is the host's: the topmost group tells it.
    host: Option<Key>,
    /// Namespaces that a group tells.
    tellers: BTreeSet<Key>,
    wants_sockets: bool,
    /// No permission: not asked again.
    is_denied: bool,
}

/// What is known of the network of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// No process of it was seen yet.
    #[default]
    Unknown,
    /// Another group tells it.
    Other(Key),
    /// It tells this one.
    Own(Key),
}

/// States of a TCP connection, in the kernel's order.
const STATES: [&str; 11] = [
    "established",
    "synsent",
    "synrecv",
    "finwait1",
    "finwait2",
    "timewait",
    "close",
    "closewait",
    "lastack",
    "listen",
    "closing",
];

impl Network {
    pub(crate) fn new(proc: &str, exclude: Vec<String>, wants_sockets: bool) -> Self {
        let proc = proc.to_owned();
        let host = open(&format!("{proc}/net/dev")).and_then(|file| file.key()).ok();
        Self { proc, exclude, host, tellers: BTreeSet::new(), wants_sockets, is_denied: false }
    }

    /// Where processes are looked for.
    pub(crate) fn proc(&self) -> &str {
        &self.proc
    }

    /// Reads the namespace that a group tells, by one of its processes.
    pub(crate) fn tell(&mut self, link: &mut Link, process: Option<u32>, out: &mut Out<'_>) -> Result<(), Fault> {
        if out.container == "/" {
            let text = read(&format!("{}/net/dev", self.proc))?;
            self.push(&text, out);
            return Ok(());
        }
        let Some(process) = process.filter(|_| !self.is_denied) else { return Ok(()) };
        if let Link::Other(key) = *link
            && (Some(key) == self.host || self.tellers.contains(&key))
        {
            return Ok(());
        }
        let found = open(&format!("{}/{process}/net/dev", self.proc)).and_then(|file| Ok((file.key()?, file)));
        let (key, file) = match found {
            Ok(found) => found,
            Err(fault) => {
                self.is_denied = fault == Fault::Denied;
                return Err(fault);
            }
        };
        self.settle(link, key);
        // An open file would keep the namespace, so none stays open.
        if *link == Link::Own(key) {
            self.push(&whole(&file)?, out);
            if self.wants_sockets {
                self.push_sockets(process, out)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, link: &mut Link, key: Key) {
        if *link == Link::Own(key) {
            return;
        }
        self.release(link);
        let is_free = Some(key) != self.host && !self.tellers.contains(&key) && self.tellers.len() < NAMESPACES_MAX;
        *link = if is_free { Link::Own(key) } else { Link::Other(key) };
        if is_free {
            self.tellers.insert(key);
        }
    }

    /// A group has gone, or is in another namespace.
    pub(crate) fn release(&mut self, link: &mut Link) {
        if let Link::Own(key) = link {
            self.tellers.remove(key);
        }
        *link = Link::Unknown;
    }

    fn push(&self, text: &str, out: &mut Out<'_>) {
        let mut sums = [0.0; 4];
        let mut seen = false;
        for (name, figures) in text.lines().filter_map(interface) {
            if glob::any(&self.exclude, name) {
                continue;
            }
            const ALL: [Of; 8] = [
                Of::RxBytes,
                Of::RxPackets,
                Of::RxErrors,
                Of::RxDropped,
                Of::TxBytes,
                Of::TxPackets,
                Of::TxErrors,
                Of::TxDropped,
            ];
            for (of, figure) in ALL.iter().zip(figures) {
                out.push_of(*of, name, "", figure);
            }
            seen = true;
            for (sum, place) in sums.iter_mut().zip([0, 2, 4, 6]) {
                *sum += figures[place];
            }
        }
        if seen {
            for (id, sum) in [Id::RxBytes, Id::RxErrors, Id::TxBytes, Id::TxErrors].iter().zip(sums) {
                out.push(*id as usize, sum);
            }
        }
    }

    fn push_sockets(&self, process: u32, out: &mut Out<'_>) -> Result<(), Fault> {
        for (of, name) in [(Of::Tcp, "tcp"), (Of::Tcp6, "tcp6")] {
            let text = match read(&format!("{}/{process}/net/{name}", self.proc)) {
                Ok(text) => text,
                // A kernel without version 6 has no such file.
                Err(Fault::Absent) => continue,
                Err(fault) => return Err(fault),
            };
            let mut counts = [0_u32; STATES.len()];
            for line in text.lines().skip(1) {
                let state = line.split_ascii_whitespace().nth(3).and_then(|word| usize::from_str_radix(word, 16).ok());
                if let Some(count) = state.and_then(|state| counts.get_mut(state.checked_sub(1)?)) {
                    *count += 1;
                }
            }
            for (state, count) in STATES.iter().zip(counts) {
                out.push_of(of, state, "", f64::from(count));
            }
        }
        Ok(())
    }
}

/// Name, and bytes, packets, errors and drops, received and sent.
fn interface(line: &str) -> Option<(&str, [f64; 8])> {
    // An alias has colons in its name.
    let (name, figures) = line.rsplit_once(':')?;
    let mut found = [0.0; 8];
    let mut words = figures.split_ascii_whitespace();
    for (place, figure) in found.iter_mut().enumerate() {
        // Four columns of what is received are passed over: fifo, frame, compressed, multicast.
        let word = words.nth(if place == 4 { 4 } else { 0 })?;
        *figure = saker_sdk::gaps::count(word)? as f64;
    }
    Some((name.trim_ascii(), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_behind_any_name() {
        let line = "  eth0: 1 2 3 4 50 60 70 80 9 10 11 12 130 140 150 160";
        let figures = [1.0, 2.0, 3.0, 4.0, 9.0, 10.0, 11.0, 12.0];
        assert_eq!(interface(line), Some(("eth0", figures)));
        assert_eq!(interface(&line.replace("eth0", "eth0:1")), Some(("eth0:1", figures)));
        for odd in ["", "eth0: 1 2 3", "eth0: -1 2 3 4 5 6 7 8 9 10 11 12", " face |bytes packets"] {
            assert_eq!(interface(odd), None, "{odd}");
        }
    }
}
