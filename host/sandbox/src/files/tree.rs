//! A granted directory, opened once and held: what lies below it is reached from its descriptor, whatever becomes of the
//! path that it was found by.
//!
//! Where a tree lies in the kernel's own file systems, or above one, paths below it are opened here and not by WASI, and
//! the rules of `procfs.rs` and `sysfs.rs` hold.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat};
use rustix::io::Errno;

use super::filesystems::{self, FileSystem, path_of};
use super::kernel::{KernelPath, OwnProcess, resolve};
use super::procfs::{self, PathDecision};
use super::sysfs;
use crate::grants::Permission;

/// Why something is not opened.
#[derive(Debug)]
pub(crate) enum OpenRejection {
    /// The system says so. What is hidden looks as if it were not there.
    Os(io::Error),
    /// It is not granted.
    Denied(Permission),
}

impl From<Errno> for OpenRejection {
    fn from(errno: Errno) -> Self {
        Self::Os(errno.into())
    }
}

impl From<io::Error> for OpenRejection {
    fn from(error: io::Error) -> Self {
        Self::Os(error)
    }
}

/// A granted directory.
#[derive(Debug)]
pub(super) struct Tree {
    /// Where it was found.
    pub(super) host: PathBuf,
    /// Open for reading.
    pub(super) dir: OwnedFd,
    place: TreeRules,
}

/// Which rules hold below.
#[derive(Debug)]
enum TreeRules {
    /// Storage, with nothing else mounted below when it was opened.
    Plain,
    /// Storage, or one of the kernel's file systems that was named itself, with other file systems below or devices
    /// beside: each path is looked at before it is opened.
    Mixed(FileSystem),
    Proc(KernelPath),
    Sys(KernelPath),
}

/// Opened for reading, as WASI does it.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
/// Opened to look at.
pub(super) const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What a path below a tree is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenPurpose {
    /// To read it.
    Read,
    /// To see what it is.
    Look,
    /// To see what it is; a link at its end is meant itself.
    LookAtLink,
}

impl OpenPurpose {
    fn flags(self) -> OFlags {
        match self {
            Self::Read => READ,
            Self::Look => LOOK,
            Self::LookAtLink => LOOK | OFlags::NOFOLLOW,
        }
    }
}

impl Tree {
    /// The tree of a directory that was found without following links.
    pub(super) fn new(host: &Path, found: &OwnedFd) -> io::Result<Self> {
        let dir = openat(found, ".", READ | OFlags::DIRECTORY, Mode::empty())?;
        let place = match filesystems::of(&dir)? {
            FileSystem::Proc => TreeRules::Proc(KernelPath::new(&dir, true)?),
            FileSystem::Sys => TreeRules::Sys(KernelPath::new(&dir, false)?),
            other @ FileSystem::Kernel(_) => TreeRules::Mixed(other),
            FileSystem::Ordinary => {
                let path = path_of(&dir)?;
                // Devices are in memory file systems, and no number tells those from others.
                if filesystems::mounted_below(&path)?.any || path.starts_with("/dev") {
                    TreeRules::Mixed(FileSystem::Ordinary)
                } else {
                    TreeRules::Plain
                }
            }
        };
        Ok(Self { host: host.to_owned(), dir, place })
    }

    /// The tree of a directory below this one, which may lie behind a link that the host follows. In procfs it keeps the
    /// place that it is asked for by: `net`, and not that of a process.
    pub(super) fn inner(&self, host: &Path, below: &str, found: &OwnedFd) -> Result<Self, OpenRejection> {
        let mut inner = Self::new(host, found)?;
        if let (TreeRules::Proc(outer), TreeRules::Proc(kernel)) = (&self.place, &mut inner.place) {
            kernel.at = outer.join(below)?.into_iter().map(str::to_owned).collect();
        }
        inner.open("", OpenPurpose::Look, false)?;
        Ok(inner)
    }

    /// Whether paths below are opened here. Where they are not, WASI opens them.
    pub(super) fn is_guarded(&self) -> bool {
        !matches!(self.place, TreeRules::Plain)
    }

    /// Whether it lies in procfs or sysfs.
    pub(super) fn is_kernel(&self) -> bool {
        matches!(self.place, TreeRules::Proc(_) | TreeRules::Sys(_))
    }

    /// Why it cannot be granted for writing, if it cannot.
    pub(super) fn unwritable(&self) -> io::Result<Option<String>> {
        if filesystems::of(&self.dir)? != FileSystem::Ordinary {
            return Ok(Some("it is a file system of the kernel's, which is only read".into()));
        }
        let below = filesystems::mounted_below(&path_of(&self.dir)?)?;
        Ok(below.kernel.map(|point| format!("{} stands below it, which is only read", point.display())))
    }

    /// Opens a path below, if it may be. `arguments` says whether command lines of processes are granted.
    pub(super) fn open(&self, below: &str, aim: OpenPurpose, arguments: bool) -> Result<OwnedFd, OpenRejection> {
        match &self.place {
            TreeRules::Plain => self.open_beneath(below, aim, FileSystem::Ordinary, false),
            TreeRules::Mixed(own) => self.open_beneath(below, aim, *own, true),
            TreeRules::Proc(kernel) => {
                let path = self.judge(kernel, below, arguments)?;
                Ok(resolve(&kernel.top, &path, aim.flags(), ResolveFlags::NO_SYMLINKS)?)
            }
            TreeRules::Sys(kernel) => self.open_device(kernel, below, aim),
        }
    }

    /// Whether a path may be opened as far as that can be told without looking: the command line of a process, say.
    pub(super) fn admits(&self, below: &str, arguments: bool) -> Result<(), OpenRejection> {
        match &self.place {
            TreeRules::Proc(kernel) => self.judge(kernel, below, arguments).map(drop),
            _ => Ok(()),
        }
    }

    /// Names that a list of this directory leaves out: the agent itself.
    pub(super) fn is_hidden(&self, below: &str, name: &str) -> bool {
        let TreeRules::Proc(kernel) = &self.place else { return false };
        let Ok(parts) = kernel.join(below) else { return true };
        let own = matches!(&kernel.own, OwnProcess::Tasks(_, own) if own == name);
        parts.is_empty() && (own || name == "self" || name == "thread-self")
    }

    fn denied(&self, below: &str) -> OpenRejection {
        OpenRejection::Denied(Permission::Never(self.host.join(below).display().to_string()))
    }

    /// Below storage: links lead to what lies below as well, and nothing leads into the kernel or to a device.
    fn open_beneath(
        &self,
        below: &str,
        aim: OpenPurpose,
        own: FileSystem,
        first_look: bool,
    ) -> Result<OwnedFd, OpenRejection> {
        let resolve_flags = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let check = |fd: &OwnedFd| match filesystems::of(fd)? {
            FileSystem::Ordinary => Ok(()),
            found if found == own => Ok(()),
            _ => Err(self.denied(below)),
        };
        let begin = |flags| resolve(&self.dir, below, flags, resolve_flags);
        if aim == OpenPurpose::Read && first_look {
            // Opening a device may already do something, and so may opening a file of the kernel's.
            let seen = begin(LOOK)?;
            check(&seen)?;
            if filesystems::is_device(&seen)? {
                return Err(self.denied(below));
            }
        }
        let opened = begin(aim.flags())?;
        check(&opened)?;
        Ok(opened)
    }

    /// The path from the top of this mount of procfs that may be opened for one below this directory.
    fn judge(&self, kernel: &KernelPath, below: &str, arguments: bool) -> Result<String, OpenRejection> {
        let parts = kernel.join(below)?;
        match procfs::judge(&parts) {
            PathDecision::Open => kernel.below_top(&parts).ok_or_else(|| self.denied(below)),
            PathDecision::OpenOwn => match &kernel.own {
                OwnProcess::Tasks(_, own) if kernel.base.is_empty() => Ok(format!("{own}/{}", parts.join("/"))),
                _ => Err(Errno::NOENT.into()),
            },
            PathDecision::Arguments if !arguments => {
                // The agent's own is not there for anybody, granted or not.
                kernel.check_other(parts[0]).map_err(|rejection| rejection.unwrap_or_else(|| self.denied(below)))?;
                Err(OpenRejection::Denied(Permission::ProcessArguments))
            }
            PathDecision::OpenUnlessOwn | PathDecision::Arguments => {
                kernel.check_other(parts[0]).map_err(|rejection| rejection.unwrap_or_else(|| self.denied(below)))?;
                if let ["task", thread, ..] = parts[1..] {
                    kernel.check_other(thread).map_err(|rejection| rejection.unwrap_or_else(|| self.denied(below)))?;
                }
                kernel.below_top(&parts).ok_or_else(|| self.denied(below))
            }
            PathDecision::Never => Err(self.denied(below)),
        }
    }

    /// Below sysfs: links lead to what lies below as well, and those of devices to their device.
    fn open_device(&self, kernel: &KernelPath, below: &str, aim: OpenPurpose) -> Result<OwnedFd, OpenRejection> {
        let parts = kernel.join(below)?;
        let canonical = self.without_links(kernel, &parts, aim, below)?;
        let parts: Vec<_> = canonical.split('/').filter(|part| !part.is_empty()).collect();
        if !sysfs::is_open(&parts) {
            return Err(self.denied(below));
        }
        let path = kernel.below_top(&parts).ok_or_else(|| self.denied(below))?;
        let flags = ResolveFlags::NO_SYMLINKS;
        let opened = match aim {
            // A link at the end is what is asked for.
            OpenPurpose::LookAtLink => {
                let (folder, name) = path.rsplit_once('/').unwrap_or((".", &path));
                let folder = resolve(&kernel.top, folder, LOOK, flags)?;
                openat(&folder, name, aim.flags(), Mode::empty())?
            }
            _ => resolve(&kernel.top, &path, aim.flags(), flags)?,
        };
        match filesystems::of(&opened)? {
            FileSystem::Sys | FileSystem::Ordinary => Ok(opened),
            _ => Err(self.denied(below)),
        }
    }

    /// Where a path of sysfs leads, from its top.
    fn without_links(
        &self,
        kernel: &KernelPath,
        parts: &[&str],
        aim: OpenPurpose,
        below: &str,
    ) -> Result<String, OpenRejection> {
        let joined = parts.join("/");
        let path = kernel.below_top(parts).ok_or_else(|| self.denied(below))?;
        let (asked, name) = match (aim, path.rsplit_once('/')) {
            (OpenPurpose::LookAtLink, Some((folder, _))) => (folder.to_owned(), parts.last().copied()),
            (OpenPurpose::LookAtLink, None) => return Ok(joined),
            _ => (path, None),
        };
        match resolve(&kernel.top, &asked, LOOK, ResolveFlags::NO_SYMLINKS) {
            Ok(_) => return Ok(joined),
            Err(Errno::LOOP) => {}
            Err(errno) => return Err(errno.into()),
        }
        let follow = |path: &str| -> Result<Vec<String>, OpenRejection> {
            let flags = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            let found = resolve(&kernel.top, path, LOOK, flags)?;
            kernel.position(&found).map_err(OpenRejection::Os)
        };
        let asked_parts = &parts[..parts.len() - usize::from(name.is_some())];
        let within = |found: &[String]| found.starts_with(&kernel.at);
        let found = follow(&asked)?;
        if within(&found) {
            return Ok(found.iter().map(String::as_str).chain(name).collect::<Vec<_>>().join("/"));
        }
        // A class lists its devices by links that lead out of it: what such a link stands for is meant, and no link beyond.
        let count = sysfs::device_link(asked_parts).ok_or_else(|| self.denied(below))?;
        let (link, rest) = asked_parts.split_at(count);
        let device = follow(&kernel.below_top(link).ok_or_else(|| self.denied(below))?)?;
        let direct: Vec<_> = device.iter().map(String::as_str).chain(rest.iter().copied()).collect();
        if found.iter().map(String::as_str).ne(direct.iter().copied()) {
            return Err(self.denied(below));
        }
        Ok(direct.into_iter().chain(name).collect::<Vec<_>>().join("/"))
    }

    /// The directory and the name of a single file that is granted by a path below, with links that the host follows.
    pub(super) fn single(&self, below: &str) -> Result<(OwnedFd, String), OpenRejection> {
        let kernel = match &self.place {
            TreeRules::Proc(kernel) | TreeRules::Sys(kernel) => kernel,
            _ => return Err(self.denied(below)),
        };
        // The command line of one process, by its number, would be that of whoever has the number next.
        let path = match &self.place {
            TreeRules::Proc(_) => self.judge(kernel, below, false)?,
            _ => {
                let parts = kernel.join(below)?;
                let canonical = self.without_links(kernel, &parts, OpenPurpose::Look, below)?;
                let parts: Vec<_> = canonical.split('/').collect();
                let path = kernel.below_top(&parts).filter(|_| sysfs::is_open(&parts));
                path.ok_or_else(|| self.denied(below))?
            }
        };
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", &path));
        Ok((resolve(&kernel.top, folder, LOOK | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)?, name.to_owned()))
    }
}

/// What is found at an absolute path.
pub(super) enum WalkTarget {
    /// It, and no link on the way.
    Found(OwnedFd),
    /// A link: the directory that it lies in, the path of that, and what is left of the path from the link on.
    Link(OwnedFd, PathBuf, PathBuf),
}

/// Goes along a path without following links: part by part, so that it is known where one lies.
pub(super) fn walk(path: &Path) -> io::Result<WalkTarget> {
    let mut at = openat(CWD, "/", LOOK | OFlags::DIRECTORY, Mode::empty())?;
    let mut so_far = PathBuf::from("/");
    let mut parts = path.components();
    parts.next();
    while let Some(part) = parts.next() {
        let next = openat(&at, part.as_os_str(), LOOK | OFlags::NOFOLLOW, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&next)?.st_mode) == FileType::Symlink {
            let rest = Path::new(part.as_os_str()).join(parts.as_path());
            return Ok(WalkTarget::Link(at, so_far, rest));
        }
        so_far.push(part);
        at = next;
    }
    Ok(WalkTarget::Found(at))
}
