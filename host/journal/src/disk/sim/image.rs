//! What is on a simulated disk: files and folders as they are, and as they would be after a loss of power.

use std::collections::BTreeMap;

use crate::disk::FolderEntry;

/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A change of a file.
#[derive(Clone)]
pub(super) enum FileChange {
    Write { offset: u64, bytes: Vec<u8> },
    Size(u64),
}

/// Changes of names that go together. A name that stands for nothing is gone.
type NameChanges = Vec<(String, Option<usize>)>;

#[derive(Clone)]
enum Inode {
    File { now: Vec<u8>, safe: Vec<u8>, pending: Vec<FileChange> },
    Folder { now: BTreeMap<String, usize>, safe: BTreeMap<String, usize>, pending: Vec<NameChanges> },
}

#[derive(Clone)]
pub(super) struct DiskImage(Vec<Inode>);

impl DiskImage {
    pub(super) fn new() -> Self {
        let mut image = Self(Vec::new());
        image.new_folder();
        image
    }

    pub(super) fn new_file(&mut self) -> usize {
        self.0.push(Inode::File { now: Vec::new(), safe: Vec::new(), pending: Vec::new() });
        self.0.len() - 1
    }

    pub(super) fn new_folder(&mut self) -> usize {
        self.0.push(Inode::Folder { now: BTreeMap::new(), safe: BTreeMap::new(), pending: Vec::new() });
        self.0.len() - 1
    }

    pub(super) fn is_folder(&self, inode: usize) -> bool {
        matches!(self.0[inode], Inode::Folder { .. })
    }

    fn names(&self, folder: usize) -> &BTreeMap<String, usize> {
        static NONE: BTreeMap<String, usize> = BTreeMap::new();
        if let Inode::Folder { now, .. } = &self.0[folder] { now } else { &NONE }
    }

    fn bytes(&self, file: usize) -> &[u8] {
        if let Inode::File { now, .. } = &self.0[file] { now } else { &[] }
    }

    pub(super) fn find(&self, folder: usize, name: &str) -> Option<usize> {
        self.names(folder).get(name).copied()
    }

    pub(super) fn list(&self, folder: usize) -> Vec<FolderEntry> {
        let entry = |(name, &inode): (&String, &usize)| {
            let (is_folder, bytes) = (self.is_folder(inode), self.size(inode));
            FolderEntry { name: name.clone(), is_folder, bytes, changed_ms: 0 }
        };
        self.names(folder).iter().map(entry).collect()
    }

    pub(super) fn size(&self, file: usize) -> u64 {
        self.bytes(file).len() as u64
    }

    pub(super) fn read(&self, file: usize, bytes: &mut [u8], offset: u64) -> usize {
        let rest = self.bytes(file).get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        bytes[..read].copy_from_slice(&rest[..read]);
        read
    }

    pub(super) fn rename(&mut self, folder: usize, names: NameChanges) {
        if let Inode::Folder { now, pending, .. } = &mut self.0[folder] {
            apply_names(now, &names);
            pending.push(names);
        }
    }

    pub(super) fn change(&mut self, file: usize, change: FileChange) {
        if let Inode::File { now, pending, .. } = &mut self.0[file] {
            apply(now, &change);
            pending.push(change);
        }
    }

    /// Makes names safe.
    pub(super) fn sync_folder(&mut self, folder: usize) {
        if let Inode::Folder { safe, pending, .. } = &mut self.0[folder] {
            pending.drain(..).for_each(|change| apply_names(safe, &change));
        }
    }

    /// The same where it fails: some are safe, the others may be by a later attempt.
    pub(super) fn fail_to_sync_folder(&mut self, folder: usize, random: &mut Xorshift) {
        if let Inode::Folder { safe, pending, .. } = &mut self.0[folder] {
            let safe_ones = random.below(pending.len() as u64 + 1) as usize;
            pending.drain(..safe_ones).for_each(|change| apply_names(safe, &change));
        }
    }

    /// Makes a file's contents safe; with a chance, for it fails, each or not, and those that are not never will be.
    pub(super) fn sync_file(&mut self, file: usize, chance: Option<&mut Xorshift>) {
        if let Inode::File { safe, pending, .. } = &mut self.0[file] {
            survive(safe, std::mem::take(pending), chance);
        }
    }

    /// What a loss of power leaves.
    pub(super) fn survivor(&self, random: &mut Xorshift) -> Self {
        let mut image = self.clone();
        for inode in 0..image.0.len() {
            if let Inode::Folder { safe, pending, .. } = &mut image.0[inode] {
                pending.drain(..).filter(|_| random.below(2) == 0).for_each(|change| apply_names(safe, &change));
            }
            image.sync_file(inode, Some(random));
            match &mut image.0[inode] {
                Inode::File { now, safe, .. } => *now = safe.clone(),
                Inode::Folder { now, safe, .. } => *now = safe.clone(),
            }
        }
        image
    }

    /// The same with everything written.
    pub(super) fn written(&self) -> Self {
        let mut image = self.clone();
        for inode in 0..image.0.len() {
            image.sync_folder(inode);
            image.sync_file(inode, None);
        }
        image
    }

    pub(super) fn files(&self) -> Vec<(String, u64)> {
        let mut files = Vec::new();
        self.walk(0, "", &mut |path, inode| files.push((path.to_owned(), self.size(inode))));
        files
    }

    fn walk(&self, folder: usize, path: &str, each: &mut dyn FnMut(&str, usize)) {
        for (name, &inode) in self.names(folder) {
            let path = format!("{path}/{name}");
            if self.is_folder(inode) {
                self.walk(inode, &path, each);
            } else {
                each(&path, inode);
            }
        }
    }

    pub(super) fn flip(&mut self, path: &str, offset: u64, mask: u8) -> bool {
        let mut found = None;
        self.walk(0, "", &mut |other, inode| found = found.or((other == path).then_some(inode)));
        let Some(Inode::File { now, safe, .. }) = found.and_then(|inode| self.0.get_mut(inode)) else { return false };
        for bytes in [&mut *safe, &mut *now] {
            if let Some(byte) = bytes.get_mut(offset as usize) {
                *byte ^= mask;
            }
        }
        offset < now.len() as u64
    }
}

fn apply(bytes: &mut Vec<u8>, change: &FileChange) {
    match change {
        FileChange::Size(size) => bytes.resize(*size as usize, 0),
        FileChange::Write { offset, bytes: written } => {
            let (from, to) = (*offset as usize, *offset as usize + written.len());
            if to > bytes.len() {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(written);
        }
    }
}

fn apply_names(names: &mut BTreeMap<String, usize>, change: &NameChanges) {
    for (name, inode) in change {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

fn survive(safe: &mut Vec<u8>, pending: Vec<FileChange>, chance: Option<&mut Xorshift>) {
    let Some(random) = chance else { return pending.iter().for_each(|change| apply(safe, change)) };
    // All of it, nothing, or some: so that each is seen often, however many writes there are.
    let fate = random.below(4);
    for change in pending {
        let fate = if fate > 2 { random.below(3) } else { fate };
        match (fate, change) {
            (0, _) => {}
            (1, change) => apply(safe, &change),
            (_, FileChange::Write { offset, bytes }) => survive_in_part(safe, offset, &bytes, random),
            (_, change) => apply(safe, &change),
        }
    }
}

/// Some sectors of a write get there. Those that do not are as they were, or zeros where the file has grown.
fn survive_in_part(safe: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Xorshift) {
    let mut from = 0;
    while from < bytes.len() {
        let to_boundary = SECTOR_BYTES - (offset as usize + from) % SECTOR_BYTES;
        let to = bytes.len().min(from + to_boundary);
        if random.below(2) == 0 {
            apply(safe, &FileChange::Write { offset: offset + from as u64, bytes: bytes[from..to].to_vec() });
        }
        from = to;
    }
    if random.below(2) == 0 && safe.len() < offset as usize + bytes.len() {
        apply(safe, &FileChange::Size(offset + bytes.len() as u64));
    }
}

/// Xorshift: the same numbers everywhere.
#[derive(Clone, Copy)]
pub(super) struct Xorshift(u64);

impl Xorshift {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
