//! Where a guest's file calls begin: the directories and files that it is granted, or with a tape what stands in their
//! place.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::Descriptor;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::failure::CallError;
use crate::folder;
use crate::grants::Grants;
use crate::tape::{StagedRoot, Tape};

/// The granted directories and files, and which descriptors stand for them.
#[derive(Default)]
pub(crate) struct Files {
    pub(super) open: usize,
    /// By the path that the guest knows them under.
    pub(super) roots: HashMap<String, Arc<Root>>,
    /// By descriptor.
    pub(super) opened: HashMap<u32, Arc<Root>>,
    /// With a tape: what else was opened, by its root and its path there.
    pub(super) below: HashMap<u32, (Arc<Root>, String)>,
}

/// A directory that the guest begins from.
pub(super) struct Root {
    /// Where it is on the host.
    pub(super) host: PathBuf,
    /// If only single files of it are granted: the names that the guest knows them under, and what they really are.
    pub(super) only: Option<BTreeMap<String, String>>,
    /// With a tape: what stands in its place.
    pub(super) staged: Option<StagedRoot>,
}

/// A granted file: its directory and its name, as they were granted, and as they are when links are followed.
struct GrantedFile {
    guest: (PathBuf, String),
    host: (PathBuf, String),
}

impl GrantedFile {
    /// None, if the path is a directory's or there is nothing.
    fn find(path: &Path) -> Option<Self> {
        let real = path.canonicalize().ok().filter(|real| !real.is_dir())?;
        let split = |path: &Path| Some((path.parent()?.to_owned(), path.file_name()?.to_str()?.to_owned()));
        Some(Self { guest: split(path)?, host: split(&real)? })
    }
}

/// Opens what is granted, for the guest to begin from.
pub(crate) fn open_granted(wasi: &mut WasiCtxBuilder, grants: &Grants, files: &mut Files) -> Result<(), CallError> {
    let (single, directories): (Vec<_>, Vec<_>) =
        grants.read.iter().map(|path| (path, GrantedFile::find(path))).partition(|(_, file)| file.is_some());
    let mut add = |files: &mut Files, guest: &str, host: &Path, perms, only| {
        wasi.preopened_dir(host, guest, perms)
            .map_err(|error| CallError::Host(format!("cannot open granted directory {}: {error:#}", host.display())))?;
        files.roots.insert(guest.into(), Arc::new(Root { host: host.into(), only, staged: None }));
        Ok::<_, CallError>(())
    };
    for (path, _) in &directories {
        // Where a directory may be written to, that is how it is opened.
        if !grants.write.contains(path) {
            add(files, &path.to_string_lossy(), path, FsPerms::ReadOnly, None)?;
        }
    }
    for path in &grants.write {
        add(files, &path.to_string_lossy(), path, FsPerms::ReadWrite, None)?;
    }
    if let Some(path) = &grants.folder {
        folder::make(path)
            .map_err(|error| CallError::Host(format!("cannot make the folder {}: {error}", path.display())))?;
        add(files, folder::GUEST_PATH, path, FsPerms::ReadWrite, None)?;
    }
    // Files that lie in the same directory, for the guest and really, begin from the same place.
    let mut places: BTreeMap<PathBuf, (PathBuf, BTreeMap<String, String>)> = BTreeMap::new();
    for (path, file) in single {
        let granted_with_directory = directories.iter().any(|(directory, _)| path.starts_with(directory))
            || grants.write.iter().any(|directory| path.starts_with(directory));
        if let Some(GrantedFile { guest, host }) = file.filter(|_| !granted_with_directory) {
            let place = places.entry(guest.0).or_insert_with(|| (host.0.clone(), BTreeMap::new()));
            if place.0 != host.0 {
                return Err(CallError::Host(format!(
                    "{} is a link to another directory than that of other granted files beside it; grant where it leads",
                    path.display()
                )));
            }
            place.1.insert(guest.1, host.1);
        }
    }
    for (guest, (host, only)) in places {
        add(files, &guest.to_string_lossy(), &host, FsPerms::ReadOnly, Some(only))?;
    }
    Ok(())
}

/// Puts the folders of a tape in the place of what is granted.
pub(crate) fn open_staged(
    wasi: &mut WasiCtxBuilder,
    grants: &Grants,
    files: &mut Files,
    tape: &Tape,
) -> Result<(), CallError> {
    let mut places: BTreeMap<&Path, Option<BTreeMap<String, String>>> = BTreeMap::new();
    for path in &grants.read {
        let (parent, name) = (path.parent(), path.file_name().and_then(|name| name.to_str()));
        let with_directory = grants.read.iter().any(|other| !tape.is_single(other) && path.starts_with(other));
        match (parent, name) {
            (Some(parent), Some(name)) if tape.is_single(path) => {
                if !with_directory && let Some(only) = places.entry(parent).or_insert_with(|| Some(BTreeMap::new())) {
                    only.insert(name.to_owned(), name.to_owned());
                }
            }
            _ => _ = places.insert(path, None),
        }
    }
    for (path, only) in places {
        let guest = path.to_string_lossy();
        let staged = tape.root(&guest).map_err(CallError::Host)?;
        wasi.preopened_dir(&staged.copies, &guest, FsPerms::ReadOnly)
            .map_err(|error| CallError::Host(format!("cannot open the copies of {guest}: {error:#}")))?;
        files.roots.insert(guest.into(), Arc::new(Root { host: path.into(), only, staged: Some(staged) }));
    }
    Ok(())
}

impl Files {
    /// Where a path below a descriptor lies: its root, and the path from there.
    pub(super) fn place(&self, fd: &Resource<Descriptor>, path: &str) -> Option<(Arc<Root>, String)> {
        if let Some(root) = self.opened.get(&fd.rep()) {
            return Some((root.clone(), path.to_owned()));
        }
        let (root, above) = self.below.get(&fd.rep())?;
        Some((root.clone(), format!("{above}/{path}")))
    }
}
