//! A place in procfs or sysfs: where it is in that file system, however it is mounted, and where the agent itself is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2, readlinkat, statat};
use rustix::io::Errno;

use super::filesystems::{self, as_text, path_of};
use super::procfs;
use super::tree::{LOOK, OpenRejection};

/// A place in procfs or sysfs.
#[derive(Debug)]
pub(super) struct KernelPath {
    /// The topmost directory of this mount, and where it is in the file system: the top, unless only a part is mounted.
    pub(super) top: OwnedFd,
    pub(super) base: Vec<String>,
    /// Where the granted directory is in the file system.
    pub(super) at: Vec<String>,
    pub(super) own: OwnProcess,
}

/// How the agent itself is found in a procfs.
#[derive(Debug)]
pub(super) enum OwnProcess {
    /// The list of its threads, and its number there.
    Tasks(OwnedFd, String),
    /// It is not there: the processes are those of a namespace that it is not in.
    Absent,
    /// It cannot be told, so that no process may be looked at.
    Unknown,
}

/// How often a path is resolved again that something was renamed beside.
const TRIES: usize = 16;

impl KernelPath {
    pub(super) fn new(dir: &OwnedFd, is_proc: bool) -> io::Result<Self> {
        let mount = filesystems::mount_of(dir)?;
        let path = path_of(dir)?;
        let below = path.strip_prefix(&mount.point).map_err(io::Error::other)?;
        let base = split(as_text(&mount.root)?);
        let inside = split(as_text(below)?);
        let up = vec![".."; inside.len()].join("/");
        let top = openat(dir, if up.is_empty() { "." } else { &up }, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        let own = if is_proc { OwnProcess::find(&top, base.is_empty()) } else { OwnProcess::Absent };
        let at = [base.clone(), inside].concat();
        Ok(Self { top, base, at, own })
    }

    /// A path below the granted directory, from the top of the file system.
    pub(super) fn join<'a>(&'a self, below: &'a str) -> Result<Vec<&'a str>, OpenRejection> {
        let mut parts: Vec<_> = self.at.iter().map(String::as_str).collect();
        if below.starts_with('/') {
            return Err(Errno::PERM.into());
        }
        for part in below.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part != ".." {
                parts.push(part);
            } else if parts.len() > self.at.len() {
                parts.pop();
            } else {
                // As WASI answers a path that leads out of its directory.
                return Err(Errno::PERM.into());
            }
        }
        Ok(parts)
    }

    /// A path from the top of the file system, as one from the top of this mount.
    pub(super) fn below_top(&self, parts: &[&str]) -> Option<String> {
        let inside = parts.get(self.base.len()..)?;
        let same = self.base.iter().zip(parts).all(|(base, part)| base == part);
        same.then(|| if inside.is_empty() { ".".to_owned() } else { inside.join("/") })
    }

    /// Where something is, from the top of the file system.
    pub(super) fn position(&self, fd: &OwnedFd) -> io::Result<Vec<String>> {
        let (top, path) = (path_of(&self.top)?, path_of(fd)?);
        let inside = path.strip_prefix(&top).map_err(io::Error::other)?;
        Ok([self.base.clone(), split(as_text(inside)?)].concat())
    }

    /// Whether a number is that of another process or thread than the agent's. None says that it cannot be told.
    pub(super) fn check_other(&self, number: &str) -> Result<(), Option<OpenRejection>> {
        match &self.own {
            // Threads are there by their number, though they are not listed.
            OwnProcess::Tasks(tasks, own) => match statat(tasks, number, AtFlags::SYMLINK_NOFOLLOW) {
                Err(_) if own != number => Ok(()),
                _ => Err(Some(Errno::NOENT.into())),
            },
            OwnProcess::Absent => Ok(()),
            OwnProcess::Unknown => Err(None),
        }
    }
}

impl OwnProcess {
    fn find(top: &OwnedFd, is_whole: bool) -> Self {
        let tasks = |folder: &OwnedFd, own: String| {
            let tasks = openat(folder, format!("{own}/task"), LOOK | OFlags::DIRECTORY, Mode::empty());
            tasks.map_or(Self::Unknown, |tasks| Self::Tasks(tasks, own))
        };
        let own_in = |folder: &OwnedFd| {
            let own = readlinkat(folder, "self", Vec::new()).ok()?.into_string().ok()?;
            procfs::is_number(&own).then_some(own)
        };
        if is_whole {
            // A namespace that the agent is not in has no link to it.
            return own_in(top).map_or(Self::Absent, |own| tasks(top, own));
        }
        let usual = open("/proc", LOOK | OFlags::DIRECTORY, Mode::empty());
        let same = |usual: &OwnedFd| Some(fstat(usual).ok()?.st_dev == fstat(top).ok()?.st_dev);
        match usual.ok().filter(|usual| same(usual) == Some(true)).and_then(|usual| Some((own_in(&usual)?, usual))) {
            Some((own, usual)) => tasks(&usual, own),
            None => Self::Unknown,
        }
    }
}

fn split(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
}

/// Opens a path from a descriptor.
pub(super) fn resolve(from: impl AsFd, path: &str, flags: OFlags, how: ResolveFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    let mut tries = 0;
    loop {
        match openat2(&from, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN) if tries < TRIES => tries += 1,
            // WASI's word for what leads out of its directory.
            Err(Errno::XDEV) => return Err(Errno::PERM),
            other => return other,
        }
    }
}
