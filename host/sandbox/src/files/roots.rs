//! Where a guest's file calls begin: the directories and files that it is granted, or with a tape what stands in their
//! place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::p2::bindings::filesystem::types::{Descriptor, DirectoryEntryStream};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::held::{GrantPathError, GrantTarget, HeldGrants, SingleFile, StatfsRoots};
use super::tree::{OpenPurpose, OpenRejection, Tree};
use crate::failure::CallError;
use crate::folder;
use crate::grants::{Grants, Permission};
use crate::instance::InstanceSpec;
use crate::recording::{Recording, StagedRoot};

/// The granted directories and files, and which descriptors stand for them.
#[derive(Default)]
pub(crate) struct GrantedFiles {
    pub(super) open: usize,
    /// With the path that the guest knows each under.
    pub(super) roots: Vec<(String, Arc<GrantedRoot>)>,
    /// By descriptor.
    pub(super) opened: HashMap<u32, Arc<GrantedRoot>>,
    /// With a tape, and below roots whose paths are guarded: what else was opened, by its root and its path there.
    pub(super) below: HashMap<u32, (Arc<GrantedRoot>, String)>,
    /// With a tape: descriptors that were read from their beginning.
    pub(super) begun: HashSet<u32>,
    /// Lists of names that leave some out, by stream.
    pub(super) lists: HashMap<u32, (Arc<GrantedRoot>, String)>,
    pub(crate) statfs: StatfsRoots,
}

/// A directory that the guest begins from.
pub(crate) struct GrantedRoot {
    /// Where it is on the host.
    pub(super) host: PathBuf,
    /// What WASI is given for it.
    pub(super) dir: Dir,
    /// If only single files of it are granted: those, by the names that the guest knows them under.
    pub(super) only: Option<BTreeMap<String, Arc<SingleFile>>>,
    /// If it is granted as a whole.
    pub(super) tree: Option<Arc<Tree>>,
    /// Whether the command lines of processes are granted too.
    pub(super) arguments: bool,
    /// With a tape: what stands in its place.
    pub(super) staged: Option<StagedRoot>,
}

impl From<GrantPathError> for CallError {
    fn from(error: GrantPathError) -> Self {
        match error {
            GrantPathError::Os { .. } => Self::Host(error.to_string()),
            _ => Self::Grant(error.to_string()),
        }
    }
}

/// Opens what is granted, for the guest to begin from.
pub(crate) fn open_granted(spec: &InstanceSpec, files: &mut GrantedFiles) -> Result<(), CallError> {
    let (grants, held) = (&spec.grants, &spec.held);
    held.retain(grants);
    files.statfs = held.statfs(&grants.statfs)?;
    let roots = granted(grants, held)?;
    files.roots = roots.into_iter().map(|(guest, root)| (guest, Arc::new(root))).collect();
    Ok(())
}

fn granted(grants: &Grants, held: &HeldGrants) -> Result<Vec<(String, GrantedRoot)>, CallError> {
    let mut roots = Vec::new();
    let mut add = |guest: &str, tree: Arc<Tree>, perms| {
        let root = GrantedRoot::of_tree(tree, perms, grants.process_arguments);
        root.map(|root| roots.push((guest.to_owned(), root)))
            .map_err(|error| CallError::Host(format!("cannot open granted directory {guest}: {error}")))
    };
    // Files that lie in the same directory for the guest begin from the same place.
    let mut places: BTreeMap<&Path, BTreeMap<String, Arc<SingleFile>>> = BTreeMap::new();
    let mut directories = Vec::new();
    for path in &grants.write {
        let found = held.get(path)?;
        found.check_writable(path)?;
        if let GrantTarget::Tree(tree) = found {
            directories.push(path);
            add(&path.to_string_lossy(), tree, FsPerms::ReadWrite)?;
        }
    }
    // Where a directory may be written to, that is how it is opened.
    for path in grants.read.iter().filter(|path| !grants.write.contains(path)) {
        match (held.get(path)?, path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (GrantTarget::Tree(tree), ..) => {
                directories.push(path);
                add(&path.to_string_lossy(), tree, FsPerms::ReadOnly)?;
            }
            (GrantTarget::Single(file), Some(parent), Some(name)) => {
                places.entry(parent).or_default().insert(name.to_owned(), file);
            }
            _ => {}
        }
    }
    if let Some(path) = &grants.data_dir {
        folder::make(path)
            .map_err(|error| CallError::Host(format!("cannot make the folder {}: {error}", path.display())))?;
        add(folder::GUEST_PATH, held.folder(path)?, FsPerms::ReadWrite)?;
    }
    for (guest, only) in places {
        if !directories.iter().any(|directory| guest.starts_with(directory)) {
            roots.push((guest.to_string_lossy().into_owned(), GrantedRoot::of_files(guest, only)?));
        }
    }
    Ok(roots)
}

/// Puts the folders of a tape in the place of what is granted.
pub(crate) fn open_staged(spec: &InstanceSpec, files: &mut GrantedFiles, tape: &Recording) -> Result<(), CallError> {
    let grants = &spec.grants;
    if tape.is_recording() {
        files.statfs = spec.held.statfs(&grants.statfs)?;
        for (guest, real) in granted(grants, &spec.held)? {
            let names = real.only.as_ref().map(|only| only.keys().cloned().collect());
            files.stage(tape, guest, names, Some(Arc::new(real)))?;
        }
        return Ok(());
    }
    let mut places: BTreeMap<&Path, Option<Vec<String>>> = BTreeMap::new();
    for path in &grants.read {
        let (parent, name) = (path.parent(), path.file_name().and_then(|name| name.to_str()));
        let with_directory = grants.read.iter().any(|other| !tape.is_single(other) && path.starts_with(other));
        match (parent, name) {
            (Some(parent), Some(name)) if tape.is_single(path) => {
                if !with_directory && let Some(only) = places.entry(parent).or_insert_with(|| Some(Vec::new())) {
                    only.push(name.to_owned());
                }
            }
            _ => _ = places.insert(path, None),
        }
    }
    places.into_iter().try_for_each(|(path, only)| files.stage(tape, path.to_string_lossy().into(), only, None))
}

impl GrantedRoot {
    fn of_tree(tree: Arc<Tree>, perms: FsPerms, arguments: bool) -> io::Result<Self> {
        let mode = match perms {
            FsPerms::ReadOnly => OpenMode::READ,
            FsPerms::ReadWrite => OpenMode::READ | OpenMode::WRITE,
        };
        let dir = Dir::new(File::from(tree.dir.try_clone()?), perms, mode, true);
        Ok(Self { host: tree.host.clone(), dir, only: None, tree: Some(tree), arguments, staged: None })
    }

    fn of_files(host: &Path, only: BTreeMap<String, Arc<SingleFile>>) -> Result<Self, CallError> {
        let cannot = |error| CallError::Host(format!("cannot open {}: {error}", host.display()));
        let folder = match only.values().next() {
            Some(file) => file.folder.try_clone().map_err(cannot)?,
            None => return Err(cannot(io::ErrorKind::NotFound.into())),
        };
        let dir = Dir::new(File::from(folder), FsPerms::ReadOnly, OpenMode::READ, true);
        Ok(Self { host: host.into(), dir, only: Some(only), tree: None, arguments: false, staged: None })
    }

    /// Whether WASI sees no path below it.
    pub(super) fn is_guarded(&self) -> bool {
        self.only.is_some() || self.tree.as_ref().is_some_and(|tree| tree.is_guarded())
    }

    /// Opens a path below, if it is granted.
    pub(crate) fn open(&self, below: &str, aim: OpenPurpose) -> Result<OwnedFd, OpenRejection> {
        if let Some(tree) = &self.tree {
            return tree.open(below, aim, self.arguments);
        }
        let flags = if aim == OpenPurpose::Read { OFlags::RDONLY } else { OFlags::PATH };
        Ok(self.single(below)?.open(flags)?)
    }

    /// The single file of this name.
    pub(super) fn single(&self, below: &str) -> Result<&SingleFile, OpenRejection> {
        let below = below.trim_start_matches("./");
        let only = self.only.as_ref();
        if let Some(file) = only.and_then(|only| only.get(below)) {
            return Ok(file);
        }
        // Granted is a directory that this kernel does not have: what would be in it is not there either.
        let inside = |name: &String| below.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if only.is_some_and(|only| only.keys().any(inside)) {
            return Err(OpenRejection::Os(io::ErrorKind::NotFound.into()));
        }
        Err(OpenRejection::Denied(Permission::Read(self.host.join(below).display().to_string())))
    }

    /// Whether a path below may be asked for, as far as that can be told without looking.
    pub(super) fn admits(&self, below: &str) -> Result<(), OpenRejection> {
        match &self.tree {
            Some(tree) => tree.admits(below, self.arguments),
            None => self.single(below).map(drop),
        }
    }

    /// Whether a list of what is below leaves a name out.
    pub(crate) fn is_hidden(&self, below: &str, name: &str) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.is_hidden(below, name))
    }
}

impl GrantedFiles {
    /// Has copies stand for a root: all of it, or these names.
    fn stage(
        &mut self,
        tape: &Recording,
        guest: String,
        names: Option<Vec<String>>,
        real: Option<Arc<GrantedRoot>>,
    ) -> Result<(), CallError> {
        let cannot = |error| CallError::Host(format!("cannot open the copies of {guest}: {error}"));
        let staged = tape.root(&guest, real).map_err(CallError::Host)?;
        let copies = File::open(&staged.copies).map_err(cannot)?;
        let single = |name: String| {
            let folder = OwnedFd::from(copies.try_clone().map_err(cannot)?);
            Ok((name.clone(), Arc::new(SingleFile { folder, name })))
        };
        let only = names.map(|names| names.into_iter().map(single).collect::<Result<_, CallError>>()).transpose()?;
        let dir = Dir::new(copies.try_clone().map_err(cannot)?, FsPerms::ReadOnly, OpenMode::READ, true);
        let host = PathBuf::from(&guest);
        self.roots.push((
            guest,
            Arc::new(GrantedRoot { host, dir, only, tree: None, arguments: false, staged: Some(staged) }),
        ));
        Ok(())
    }

    /// Where a path below a descriptor lies: its root, and the path from there.
    pub(super) fn place(&self, fd: &Resource<Descriptor>, path: &str) -> Option<(&Arc<GrantedRoot>, String)> {
        if let Some(root) = self.opened.get(&fd.rep()) {
            return Some((root, path.to_owned()));
        }
        let (root, above) = self.below.get(&fd.rep())?;
        Some((root, format!("{above}/{path}")))
    }

    /// Whether a list leaves a name out.
    pub(super) fn leaves_out(&self, stream: &Resource<DirectoryEntryStream>, name: &str) -> bool {
        self.lists.get(&stream.rep()).is_some_and(|(root, below)| root.is_hidden(below, name))
    }
}
