//! A disk in memory, for tests: the same from the same seed, and as bad as a disk may be.
//!
//! It keeps what was written and what was synced apart. After [`SimDisk::power_cut`] each write, each change of a size and
//! each name that was not synced is there, is not, or, of a write, is there in part, by sectors. After a failed sync the
//! file's unsynced writes are there or not for good, and no later sync brings them back, though they can be read until
//! then. A [`SimFault`] comes with the n-th call.

mod image;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Disk, DiskFile, FolderEntry, OpenMode};
use image::{DiskImage, FileChange, Xorshift};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimTrouble {
    /// The disk answers `EIO`; of a write a part may have been done.
    Broken,
    /// There is no room; of a write a part may have been done. Calls that take no room succeed.
    Full,
    /// This call and all after it wait for [`SimDisk::release`].
    Hang,
    /// The power goes: the call may have been done or not, and all after it fail.
    PowerCut,
}

/// Trouble, and when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFault {
    /// With which call, by [`SimDisk::calls`].
    pub at: u64,
    /// For so many calls.
    pub calls: u64,
    /// Only with calls that name a path with this in it; all do with `""`.
    pub path: String,
    /// What comes.
    pub trouble: SimTrouble,
}

impl SimFault {
    /// Trouble with the call of that number, whatever it is.
    #[must_use]
    pub fn at(at: u64, trouble: SimTrouble) -> Self {
        Self { at, calls: 1, path: String::new(), trouble }
    }
}

/// The root folder of a simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<SimWorld>);

struct SimWorld {
    state: Mutex<SimState>,
    released: Condvar,
}

struct SimState {
    image: DiskImage,
    random: Xorshift,
    calls: u64,
    faults: Vec<SimFault>,
    dead: bool,
    /// Calls that wait.
    hanging: u64,
    releases: u64,
    locked: HashSet<usize>,
}

const ROOT: usize = 0;

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(DiskImage::new(), Xorshift::new(seed))
    }

    fn with(image: DiskImage, random: Xorshift) -> Self {
        let state = SimState {
            image,
            random,
            calls: 0,
            faults: Vec::new(),
            dead: false,
            hanging: 0,
            releases: 0,
            locked: HashSet::new(),
        };
        Self(Arc::new(SimWorld { state: Mutex::new(state), released: Condvar::new() }))
    }

    /// Its root folder.
    #[must_use]
    pub fn root(&self) -> Arc<dyn Disk> {
        Arc::new(SimFolder { world: self.0.clone(), inode: ROOT, path: String::new() })
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.state.lock().calls
    }

    /// Lets something go wrong.
    pub fn fail(&self, fault: SimFault) {
        self.0.state.lock().faults.push(fault);
    }

    /// Nothing goes wrong any more. Calls that hang go on.
    pub fn release(&self) {
        let mut state = self.0.state.lock();
        state.faults.clear();
        state.releases += 1;
        self.0.released.notify_all();
    }

    /// How many calls hang.
    #[must_use]
    pub fn hanging(&self) -> u64 {
        self.0.state.lock().hanging
    }

    /// What a loss of power now would leave, on a disk of its own. This one answers no call any more.
    #[must_use]
    pub fn power_cut(&self) -> Self {
        let mut state = self.0.state.lock();
        state.dead = true;
        let mut random = state.random;
        let image = state.image.survivor(&mut random);
        Self::with(image, random)
    }

    /// The same with all that was written, synced or not: what the death of the process leaves.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.0.state.lock();
        Self::with(state.image.written(), state.random)
    }

    /// All files, by path.
    #[must_use]
    pub fn files(&self) -> Vec<(String, u64)> {
        self.0.state.lock().image.files()
    }

    /// Flips the bits of `mask` in a byte of a file, without a call. Answers whether there is such a byte.
    pub fn flip(&self, path: &str, offset: u64, mask: u8) -> bool {
        self.0.state.lock().image.flip(path, offset, mask)
    }
}

/// What kind of call it is, which says what can go wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SimCallKind {
    /// Takes no room.
    Looks,
    Grows,
}

impl SimWorld {
    /// Counts a call, and lets it fail or hang. With `Ok` the call is to be done; with the second part set it fails
    /// afterwards, for the power went meanwhile.
    fn call(&self, path: &str, kind: SimCallKind) -> (MutexGuard<'_, SimState>, Option<SimTrouble>) {
        let mut state = self.state.lock();
        let number = state.calls;
        state.calls += 1;
        if state.dead {
            return (state, Some(SimTrouble::Broken));
        }
        let due = |fault: &&SimFault| {
            let hangs_on = fault.trouble == SimTrouble::Hang;
            fault.at <= number && (hangs_on || number - fault.at < fault.calls) && path.contains(&fault.path)
        };
        let trouble = state.faults.iter().find(due).map(|fault| fault.trouble);
        match trouble {
            Some(SimTrouble::Hang) => {
                let releases = state.releases;
                state.hanging += 1;
                while state.releases == releases {
                    self.released.wait(&mut state);
                }
                state.hanging -= 1;
                let trouble = state.dead.then_some(SimTrouble::Broken);
                (state, trouble)
            }
            Some(SimTrouble::Full) if kind == SimCallKind::Looks => (state, None),
            Some(SimTrouble::PowerCut) => {
                state.dead = true;
                (state, trouble)
            }
            _ => (state, trouble),
        }
    }
}

fn error_of(trouble: SimTrouble) -> io::Error {
    match trouble {
        SimTrouble::Full => io::ErrorKind::StorageFull.into(),
        SimTrouble::Broken | SimTrouble::Hang | SimTrouble::PowerCut => io::Error::from_raw_os_error(5),
    }
}

impl SimState {
    /// Whether a call that meets trouble is done all the same: when the power goes nobody knows.
    fn is_done_with(&mut self, trouble: Option<SimTrouble>) -> bool {
        match trouble {
            None => true,
            Some(SimTrouble::PowerCut) => self.random.below(2) == 0,
            Some(_) => false,
        }
    }

    fn change(
        &mut self,
        folder: usize,
        change: Vec<(String, Option<usize>)>,
        trouble: Option<SimTrouble>,
    ) -> io::Result<()> {
        if self.is_done_with(trouble) {
            self.image.rename(folder, change);
        }
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))
    }
}

struct SimFolder {
    world: Arc<SimWorld>,
    inode: usize,
    path: String,
}

impl SimFolder {
    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Removes a name that is that of a folder or of a file, as asked for.
    fn remove(&self, name: &str, folder: bool) -> io::Result<()> {
        let (mut state, trouble) = self.world.call(&self.path_of(name), SimCallKind::Looks);
        let inode = state.image.find(self.inode, name).ok_or(io::ErrorKind::NotFound)?;
        if state.image.is_folder(inode) != folder {
            return Err(if folder { io::ErrorKind::NotADirectory } else { io::ErrorKind::IsADirectory }.into());
        }
        state.change(self.inode, vec![(name.to_owned(), None)], trouble)
    }
}

impl Disk for SimFolder {
    fn open(&self, name: &str, how: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path_of(name);
        let kind =
            if matches!(how, OpenMode::Create | OpenMode::New) { SimCallKind::Grows } else { SimCallKind::Looks };
        let (mut state, trouble) = self.world.call(&path, kind);
        let found = state.image.find(self.inode, name);
        let inode = match (found, how) {
            (Some(_), OpenMode::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, OpenMode::Read | OpenMode::Existing) => return Err(io::ErrorKind::NotFound.into()),
            (Some(inode), _) if state.image.is_folder(inode) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(inode), _) => inode,
            (None, _) => {
                let inode = state.image.new_file();
                state.change(self.inode, vec![(name.to_owned(), Some(inode))], trouble)?;
                inode
            }
        };
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))?;
        Ok(Box::new(SimFile {
            world: self.world.clone(),
            inode,
            path,
            writable: how != OpenMode::Read,
            locked: Mutex::default(),
        }))
    }

    fn folder(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let path = self.path_of(name);
        let (mut state, trouble) = self.world.call(&path, SimCallKind::Grows);
        let found = state.image.find(self.inode, name);
        let inode = found.unwrap_or_else(|| state.image.new_folder());
        if found.is_none() {
            state.change(self.inode, vec![(name.to_owned(), Some(inode))], trouble)?;
        }
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))?;
        Ok(Arc::new(Self { world: self.world.clone(), inode, path }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut state, trouble) = self.world.call(&self.path_of(from), SimCallKind::Grows);
        let inode = state.image.find(self.inode, from).ok_or(io::ErrorKind::NotFound)?;
        state.change(self.inode, vec![(from.to_owned(), None), (to.to_owned(), Some(inode))], trouble)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.remove(name, false)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.remove(name, true)
    }

    fn list(&self) -> io::Result<Vec<FolderEntry>> {
        let (state, trouble) = self.world.call(&self.path, SimCallKind::Looks);
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))?;
        Ok(state.image.list(self.inode))
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, trouble) = self.world.call(&self.path, SimCallKind::Grows);
        let state = &mut *state;
        match trouble {
            None => state.image.sync_folder(self.inode),
            Some(_) => state.image.fail_to_sync_folder(self.inode, &mut state.random),
        }
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))
    }
}

struct SimFile {
    world: Arc<SimWorld>,
    inode: usize,
    path: String,
    writable: bool,
    locked: Mutex<bool>,
}

impl SimFile {
    fn change(&self, change: FileChange, trouble: Option<SimTrouble>, state: &mut SimState) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if state.is_done_with(trouble) {
            state.image.change(self.inode, change);
        }
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let (state, trouble) = self.world.call(&self.path, SimCallKind::Looks);
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))?;
        Ok(state.image.read(self.inode, bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let (mut state, trouble) = self.world.call(&self.path, SimCallKind::Grows);
        if matches!(trouble, Some(SimTrouble::Broken | SimTrouble::Full)) && !state.dead {
            // A part of it gets there.
            let part = state.random.below(bytes.len() as u64 + 1) as usize;
            state.image.change(self.inode, FileChange::Write { offset, bytes: bytes[..part].to_vec() });
        }
        self.change(FileChange::Write { offset, bytes: bytes.to_vec() }, trouble, &mut state)?;
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, trouble) = self.world.call(&self.path, SimCallKind::Grows);
        let state = &mut *state;
        state.image.sync_file(self.inode, trouble.map(|_| &mut state.random));
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))
    }

    fn size(&self) -> io::Result<u64> {
        let (state, trouble) = self.world.call(&self.path, SimCallKind::Looks);
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))?;
        Ok(state.image.size(self.inode))
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        let (mut state, trouble) = self.world.call(&self.path, SimCallKind::Looks);
        self.change(FileChange::Size(bytes), trouble, &mut state)
    }

    fn try_lock(&self) -> io::Result<bool> {
        let (mut state, trouble) = self.world.call(&self.path, SimCallKind::Looks);
        trouble.map_or(Ok(()), |trouble| Err(error_of(trouble)))?;
        let mut locked = self.locked.lock();
        *locked |= state.locked.insert(self.inode);
        Ok(*locked)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if *self.locked.get_mut() {
            self.world.state.lock().locked.remove(&self.inode);
        }
    }
}
