//! What is granted of the host's files, found once and held: from then on a grant is a descriptor, and what becomes of
//! its path changes nothing. The holder lives as long as the name that instances run under, and goes from one instance to
//! the next.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, fstatvfs, major, minor, openat, openat2};
use rustix::io::Errno;

use super::filesystems::{self, FileSystem};
use super::tree::{LOOK, OpenPurpose, OpenRejection, Tree, WalkTarget, walk};
use crate::grants::Grants;
use crate::system::FileSystemStats;

/// The grants of one instance name that are files, as they were found. Clones are the same holder.
#[derive(Clone, Debug, Default)]
pub struct HeldGrants(Arc<Mutex<HeldGrantsState>>);

#[derive(Clone, Debug, Default)]
struct HeldGrantsState {
    found: BTreeMap<PathBuf, GrantTarget>,
    statfs: BTreeMap<PathBuf, Arc<OwnedFd>>,
    /// The directories that granted sockets lie in, by the sockets' paths.
    sockets: BTreeMap<PathBuf, Arc<OwnedFd>>,
}

/// What was found at a granted path.
#[derive(Clone, Debug)]
pub(super) enum GrantTarget {
    Tree(Arc<Tree>),
    Single(Arc<SingleFile>),
}

/// A granted file. It is opened anew each time, by its name in the directory that is held: most of them are written anew
/// under their name, and a file of procfs says what is when it is opened.
#[derive(Debug)]
pub(super) struct SingleFile {
    pub(super) folder: OwnedFd,
    pub(super) name: String,
}

impl SingleFile {
    /// Opens it; a link in its place is not followed.
    pub(super) fn open(&self, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        Ok(openat(&self.folder, &*self.name, flags, Mode::empty())?)
    }
}

/// Why a granted path cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GrantPathError {
    /// A link in it could lead elsewhere tomorrow.
    #[error("{} has a link in it, {}, and leads to {}; grant that path", .path.display(), .link.display(), .leads.display())]
    Link {
        /// The path.
        path: PathBuf,
        /// Where the link is.
        link: PathBuf,
        /// Where it all leads today.
        leads: PathBuf,
    },
    /// Nothing grants it.
    #[error("{} is never granted: it leads to the agent itself, to what other processes hold, or to the kernel's memory and keys", .0.display())]
    Never(PathBuf),
    /// It cannot be written to.
    #[error("{} cannot be granted for writing: {why}", .path.display())]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The system does not open it.
    #[error("cannot open {}: {source}", .path.display())]
    Os {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether a path can be granted as it stands, for reading or for writing too. One that is not there yet can.
///
/// # Errors
/// [`GrantPathError`], but [`Os`](GrantPathError::Os) only where there is something.
pub fn check_grant_path(path: &Path, writing: bool) -> Result<(), GrantPathError> {
    match find(path).and_then(|found| if writing { found.check_writable(path) } else { Ok(()) }) {
        Err(GrantPathError::Os { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Devices that are the machine's memory or the kernel's log: numbers of the kernel's `devices.txt`.
const MEMORY_DEVICES: [(u32, u32); 4] = [(1, 1), (1, 2), (1, 4), (1, 11)];

/// Looks for a granted path without following links.
fn find(path: &Path) -> Result<GrantTarget, GrantPathError> {
    let os = |source: io::Error| GrantPathError::Os { path: path.into(), source };
    let rejected = |rejection| match rejection {
        OpenRejection::Os(source) => GrantPathError::Os { path: path.into(), source },
        OpenRejection::Denied(_) => GrantPathError::Never(path.into()),
    };
    match walk(path) {
        Ok(WalkTarget::Found(found)) => {
            let stat = fstat(&found).map_err(|errno| os(errno.into()))?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let tree = Tree::new(path, &found).map_err(os)?;
                tree.open("", OpenPurpose::Look, false).map_err(rejected)?;
                return Ok(GrantTarget::Tree(Arc::new(tree)));
            }
            if MEMORY_DEVICES.contains(&(major(stat.st_rdev), minor(stat.st_rdev)))
                && FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            {
                return Err(GrantPathError::Never(path.into()));
            }
            let (folder, name) = parent(path).map_err(os)?;
            match filesystems::of(&found).map_err(os)? {
                FileSystem::Proc | FileSystem::Sys => {
                    let tree = Tree::new(path.parent().unwrap_or(path), &folder).map_err(os)?;
                    single(&tree, &name).map_err(rejected)
                }
                _ => Ok(GrantTarget::Single(Arc::new(SingleFile { folder, name }))),
            }
        }
        Ok(WalkTarget::Link(at, folder, rest)) => {
            let in_kernel = matches!(filesystems::of(&at).map_err(os)?, FileSystem::Proc | FileSystem::Sys);
            if !in_kernel {
                return Err(leads_elsewhere(path, &folder, &rest));
            }
            let tree = Tree::new(&folder, &at).map_err(os)?;
            let rest = filesystems::as_text(&rest).map_err(os)?;
            match tree.open(rest, OpenPurpose::Look, false) {
                Ok(found) if is_folder(&found) => {
                    Ok(GrantTarget::Tree(Arc::new(tree.inner(path, rest, &found).map_err(rejected)?)))
                }
                Ok(_) => single(&tree, rest).map_err(rejected),
                Err(OpenRejection::Os(error)) if error.kind() == io::ErrorKind::NotFound => {
                    single(&tree, rest).map_err(rejected)
                }
                Err(rejection) => Err(rejected(rejection)),
            }
        }
        // What this kernel does not have is a file that is not there, and no reason for not running.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().and_then(|name| name.to_str());
            match (path.parent().map(find), name) {
                (Some(Ok(GrantTarget::Tree(tree))), Some(name)) if tree.is_kernel() => {
                    single(&tree, name).map_err(rejected)
                }
                _ => Err(os(error)),
            }
        }
        Err(error) => Err(os(error)),
    }
}

fn single(tree: &Tree, below: &str) -> Result<GrantTarget, OpenRejection> {
    let (folder, name) = tree.single(below)?;
    Ok(GrantTarget::Single(Arc::new(SingleFile { folder, name })))
}

/// The directory of a file that was found without links, and its name there.
fn parent(path: &Path) -> io::Result<(OwnedFd, String)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let name = filesystems::as_text(Path::new(name))?.to_owned();
    match walk(path.parent().unwrap_or(path))? {
        WalkTarget::Found(folder) => Ok((folder, name)),
        WalkTarget::Link(..) => Err(Errno::LOOP.into()),
    }
}

fn is_folder(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

impl GrantTarget {
    pub(super) fn check_writable(&self, path: &Path) -> Result<(), GrantPathError> {
        let unwritable = |why| GrantPathError::Unwritable { path: path.into(), why };
        match self {
            Self::Single(_) => Err(unwritable("it is a file, and only folders are granted for writing".into())),
            Self::Tree(tree) => match tree.unwritable() {
                Ok(None) => Ok(()),
                Ok(Some(why)) => Err(unwritable(why)),
                Err(source) => Err(GrantPathError::Os { path: path.into(), source }),
            },
        }
    }
}

impl HeldGrants {
    /// A holder of its own of the same grants: for a canary, whose other grants must not make this one forget its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// Forgets what is granted no more.
    pub(super) fn retain(&self, grants: &Grants) {
        let mut held = self.0.lock();
        held.found.retain(|path, _| {
            grants.read.contains(path) || grants.write.contains(path) || grants.data_dir.as_ref() == Some(path)
        });
        held.statfs.retain(|path, _| grants.statfs.contains(path));
        held.sockets.retain(|path, _| grants.unix.iter().any(|grant| grant.socket == *path));
    }

    /// What a granted path stands for.
    pub(super) fn get(&self, path: &Path) -> Result<GrantTarget, GrantPathError> {
        if let Some(found) = self.0.lock().found.get(path) {
            return Ok(found.clone());
        }
        // Not under the lock: a path may lead to a file system that does not answer.
        let found = find(path)?;
        Ok(self.0.lock().found.entry(path.to_owned()).or_insert(found).clone())
    }

    /// A granted directory that was found before.
    pub(super) fn tree(&self, path: &Path) -> Option<Arc<Tree>> {
        match self.0.lock().found.get(path) {
            Some(GrantTarget::Tree(tree)) => Some(tree.clone()),
            _ => None,
        }
    }

    /// The folder of the instance's own. The way to it is the agent's, and may have links in it; its name has none.
    pub(super) fn folder(&self, path: &Path) -> Result<Arc<Tree>, GrantPathError> {
        if let Some(tree) = self.tree(path) {
            return Ok(tree);
        }
        let os = |source: io::Error| GrantPathError::Os { path: path.into(), source };
        let real = path.parent().unwrap_or(path).canonicalize().map_err(os)?;
        let name = path.file_name().unwrap_or_default();
        let GrantTarget::Tree(tree) = find(&real.join(name))? else { return Err(os(Errno::NOTDIR.into())) };
        self.0.lock().found.insert(path.to_owned(), GrantTarget::Tree(tree.clone()));
        Ok(tree)
    }

    /// The places at or below which the fill of file systems may be asked for. One that is not there is looked for again
    /// when it is asked for.
    pub(super) fn statfs(&self, paths: &[PathBuf]) -> Result<StatfsRoots, GrantPathError> {
        for path in paths {
            match self.statfs_root(path) {
                Err(GrantPathError::Os { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                found => drop(found?),
            }
        }
        let mut paths = paths.to_vec();
        // The nearest first.
        paths.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        Ok(StatfsRoots { paths: paths.into(), held: self.clone() })
    }

    fn statfs_root(&self, path: &Path) -> Result<Arc<OwnedFd>, GrantPathError> {
        if let Some(root) = self.0.lock().statfs.get(path) {
            return Ok(root.clone());
        }
        let root = Arc::new(find_without_links(path)?);
        Ok(self.0.lock().statfs.entry(path.to_owned()).or_insert(root).clone())
    }

    /// The directory that a granted socket lies in. One that was removed holds nothing any more, and is looked for again:
    /// service managers make the directories of services anew with them.
    pub(super) fn socket_folder(&self, socket: &Path) -> Result<Arc<OwnedFd>, GrantPathError> {
        let held = self.0.lock().sockets.get(socket).cloned();
        if let Some(folder) = held.filter(|folder| fstat(folder).is_ok_and(|stat| stat.st_nlink > 0)) {
            return Ok(folder);
        }
        let folder = Arc::new(find_without_links(socket.parent().unwrap_or(socket))?);
        self.0.lock().sockets.insert(socket.to_owned(), folder.clone());
        Ok(folder)
    }
}

/// What lies at a path that no link is to lead to.
pub(super) fn find_without_links(path: &Path) -> Result<OwnedFd, GrantPathError> {
    let os = |source: io::Error| GrantPathError::Os { path: path.into(), source };
    match walk(path).map_err(os)? {
        WalkTarget::Found(found) => Ok(found),
        WalkTarget::Link(_, folder, rest) => Err(leads_elsewhere(path, &folder, &rest)),
    }
}

/// A path has a link in it, which is the first of `rest` in `folder`. Where that leads to is told also if there is nothing
/// yet: a link is one whether its end is there or not.
fn leads_elsewhere(path: &Path, folder: &Path, rest: &Path) -> GrantPathError {
    let mut parts = rest.components();
    let link = folder.join(parts.next().map_or(Path::new(""), |part| Path::new(part.as_os_str())));
    let leads = path.canonicalize().or_else(|_| Ok::<_, io::Error>(link.canonicalize()?.join(parts.as_path())));
    GrantPathError::Link { path: path.into(), link, leads: leads.unwrap_or_else(|_| path.into()) }
}

/// Whether a place for the fill of file systems can be granted as it stands.
///
/// # Errors
/// As [`check_grant_path`].
pub fn check_statfs_path(path: &Path) -> Result<(), GrantPathError> {
    match find_without_links(path) {
        Err(error @ GrantPathError::Link { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// The granted places whose file systems' fill may be asked for, by descriptor.
#[derive(Clone, Default)]
pub(crate) struct StatfsRoots {
    paths: Arc<[PathBuf]>,
    held: HeldGrants,
}

impl StatfsRoots {
    /// The fill of the file system at a path that is granted. No link below the granted place is followed.
    pub(crate) fn stat(&self, path: &str) -> Result<FileSystemStats, String> {
        let words = |errno: Errno| errno.to_string();
        let found = self.paths.iter().find_map(|granted| Some((granted, Path::new(path).strip_prefix(granted).ok()?)));
        let (granted, below) = found.ok_or_else(|| words(Errno::NOENT))?;
        let root = self.held.statfs_root(granted).map_err(|error| error.to_string())?;
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let place = openat2(root, below, LOOK, Mode::empty(), how).map_err(|errno| match errno {
            Errno::LOOP => "there is a link in it; ask for where it leads".into(),
            errno => words(errno),
        })?;
        let stat = fstatvfs(&place).map_err(words)?;
        // Blocks are counted in fragments, not in the preferred block size.
        Ok(FileSystemStats {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bfree.saturating_mul(stat.f_frsize),
            available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_inodes: stat.f_files,
            free_inodes: stat.f_ffree,
        })
    }
}
