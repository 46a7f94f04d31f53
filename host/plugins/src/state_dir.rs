//! The saved state of instances, on disk: a small file for each, read at the start and written by a thread of its own.
//!
//! The supervisor hands over what has changed and never waits for the disk, but for a moment at the end.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use parking_lot::{Condvar, Mutex};
use saker_journal::{Contents, Disk, WholeFiles, real};
use saker_sandbox::StateCell;
use tokio::sync::oneshot;

const SUFFIX: &str = ".state";

/// The cells of all names that were asked for, and what was found for others.
pub struct StateDir {
    cells: BTreeMap<String, StateCell>,
    /// By file name.
    found: BTreeMap<String, Vec<u8>>,
    desk: Arc<StateWriterQueue>,
}

/// What the thread that writes is given.
#[derive(Default)]
struct StateWriterQueue {
    work: Mutex<StateWork>,
    changed: Condvar,
}

#[derive(Default)]
struct StateWork {
    /// The newest state of each that is not written, by file name. One that fails stays.
    states: BTreeMap<String, Arc<[u8]>>,
    /// Whether there is something to try.
    due: bool,
    /// Whoever waits until all has been tried.
    waiting: Vec<oneshot::Sender<()>>,
    ended: bool,
}

impl StateDir {
    /// Opens the folder, which is made if it is not there, and reads all of it: this may take a while.
    pub fn open(path: &Path) -> io::Result<Self> {
        // What plugins keep may be secret.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Self::on(real(Dir::open_ambient_dir(path, ambient_authority())?))
    }

    /// The same on some disk.
    fn on(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let files = WholeFiles::new(disk);
        let mut found = BTreeMap::new();
        for file in files.names(SUFFIX).map_err(io::Error::other)? {
            match files.read(&file) {
                Ok(Contents::Held(bytes)) => drop(found.insert(file, bytes)),
                Ok(Contents::Missing) => {}
                Ok(Contents::SetAside { name, bytes }) => {
                    tracing::error!(bytes, "saved state {file} is damaged, or is none: set aside as {name}");
                }
                Err(error) => tracing::error!("saved state {file} cannot be read: {error}"),
            }
        }
        let desk = Arc::new(StateWriterQueue::default());
        let own = desk.clone();
        std::thread::Builder::new().name("saker-state".into()).spawn(move || own.write_all(&files))?;
        Ok(Self { cells: BTreeMap::new(), found, desk })
    }

    /// The cell of a name, with what was kept under it.
    pub(crate) fn cell(&mut self, name: &str) -> StateCell {
        if let Some(cell) = self.cells.get(name) {
            return cell.clone();
        }
        let cell = StateCell::with(self.found.remove(&file_name(name)));
        self.cells.insert(name.to_owned(), cell.clone());
        cell
    }

    /// Lets what has changed be written, and what could not be written before be tried again.
    pub(crate) fn save(&self) {
        let changed = self.cells.iter().filter_map(|(name, cell)| Some((file_name(name), cell.take_changed()?)));
        let changed: Vec<_> = changed.collect();
        let mut work = self.desk.work.lock();
        work.states.extend(changed);
        work.due = true;
        self.desk.changed.notify_all();
    }

    /// Saves, and waits until it is on the disk or cannot be.
    pub(crate) fn saved(&self) -> impl Future<Output = ()> + use<> {
        let (done, is_done) = oneshot::channel();
        self.desk.work.lock().waiting.push(done);
        self.save();
        // A thread that is gone writes nothing more.
        async move { drop(is_done.await) }
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        self.desk.work.lock().ended = true;
        self.desk.changed.notify_all();
    }
}

impl StateWriterQueue {
    /// Writes what there is to write until nothing more can come.
    fn write_all(&self, files: &WholeFiles) {
        loop {
            let mut work = self.work.lock();
            while !work.due && !work.ended {
                self.changed.wait(&mut work);
            }
            if !work.due {
                return;
            }
            work.due = false;
            let (states, waiting) = (std::mem::take(&mut work.states), std::mem::take(&mut work.waiting));
            drop(work);
            for (file, state) in states {
                if let Err(error) = files.write(&file, &state) {
                    tracing::warn!("cannot keep the saved state {file}: {error}");
                    // Unless there is a newer one by now.
                    self.work.lock().states.entry(file).or_insert(state);
                }
            }
            for done in waiting {
                // Whoever waited may have gone.
                let _ = done.send(());
            }
        }
    }
}

/// Names are checked when the configuration is read and when a plugin file is found, and hold no `/`.
fn file_name(name: &str) -> String {
    format!("{}{SUFFIX}", name.replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use saker_journal::{SimDisk, SimFault, SimTrouble};

    use super::*;

    fn state(dir: &mut StateDir, name: &str) -> Option<Vec<u8>> {
        dir.cell(name).load().map(|bytes| bytes.to_vec())
    }

    #[tokio::test]
    async fn state_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut first = StateDir::open(&path).unwrap();
        let cell = first.cell("destination a");
        assert_eq!(cell.load(), None);
        cell.save(vec![1, 2, 3]);
        first.saved().await;
        let mut second = StateDir::open(&path).unwrap();
        assert_eq!(state(&mut second, "destination a"), Some(vec![1, 2, 3]));
        assert_eq!(state(&mut second, "cpu"), None);
    }

    #[tokio::test]
    async fn what_is_no_saved_state_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cpu.state"), "of another time").unwrap();
        let mut dir = StateDir::open(folder.path()).unwrap();
        assert_eq!(state(&mut dir, "cpu"), None);
        assert_eq!(std::fs::read(folder.path().join("cpu.state.damaged")).unwrap(), b"of another time");
    }

    #[tokio::test]
    async fn after_a_hang_of_the_disk_the_newest_state_is_written() {
        let disk = SimDisk::new(1);
        let mut dir = StateDir::on(disk.root()).unwrap();
        let cell = dir.cell("cpu");
        disk.fail(SimFault::at(disk.calls(), SimTrouble::Hang));
        for number in 0..10 {
            cell.save(vec![number]);
            dir.save();
        }
        cell.save(vec![10]);
        let saved = dir.saved();
        tokio::time::timeout(Duration::from_millis(50), saved).await.unwrap_err();
        disk.release();
        dir.saved().await;
        assert_eq!(state(&mut StateDir::on(disk.copy().root()).unwrap(), "cpu"), Some(vec![10]));
    }

    #[tokio::test]
    async fn whichever_call_fails_the_old_state_or_the_new_is_there() {
        for trouble in [SimTrouble::Broken, SimTrouble::Full, SimTrouble::PowerCut] {
            for at in 0..8 {
                let disk = SimDisk::new(at);
                let mut dir = StateDir::on(disk.root()).unwrap();
                let cell = dir.cell("cpu");
                cell.save(vec![1]);
                dir.saved().await;
                disk.fail(SimFault::at(disk.calls() + at, trouble));
                cell.save(vec![2]);
                dir.saved().await;
                let left = if trouble == SimTrouble::PowerCut { disk.power_cut() } else { disk.copy() };
                let found = state(&mut StateDir::on(left.root()).unwrap(), "cpu");
                assert!(matches!(found.as_deref(), Some([1 | 2])), "{trouble:?} at {at}: {found:?}");
                if trouble != SimTrouble::PowerCut {
                    dir.saved().await;
                    let found = state(&mut StateDir::on(disk.power_cut().root()).unwrap(), "cpu");
                    assert_eq!(found, Some(vec![2]), "{trouble:?} at {at}");
                }
            }
        }
    }
}
