//! The file that a journal writes to: the one place where bytes reach the disk, and where tests let the disk fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub(crate) struct SegmentFile(File);

impl SegmentFile {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    /// One `write(2)`, unless the system takes a part; then the rest is tried too, which tells why.
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Err((part, error)) = faults::write(bytes.len()) {
            self.0.write_all_at(&bytes[..part], offset)?;
            return Err(error);
        }
        self.0.write_all_at(bytes, offset)
    }

    pub(crate) fn set_len(&self, bytes: u64) -> io::Result<()> {
        #[cfg(test)]
        faults::set_len()?;
        self.0.set_len(bytes)
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        faults::sync()?;
        self.0.sync_data()
    }
}

/// A disk that fails on demand, for the thread that asks.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::RefCell;
    use std::io;

    #[derive(Clone, Copy, Default)]
    pub(crate) struct Faults {
        /// So many bytes can still be written; then the disk is full.
        pub(crate) room: Option<usize>,
        pub(crate) set_len_fails: bool,
        pub(crate) sync_fails: bool,
    }

    thread_local! {
        static FAULTS: RefCell<Faults> = RefCell::default();
    }

    pub(crate) fn set(faults: Faults) {
        FAULTS.set(faults);
    }

    /// How much of a failing write is written, and with what it fails.
    pub(super) fn write(bytes: usize) -> Result<(), (usize, io::Error)> {
        FAULTS.with_borrow_mut(|faults| match &mut faults.room {
            Some(room) if *room < bytes => Err((std::mem::take(room), io::ErrorKind::StorageFull.into())),
            Some(room) => {
                *room -= bytes;
                Ok(())
            }
            None => Ok(()),
        })
    }

    pub(super) fn set_len() -> io::Result<()> {
        FAULTS.with_borrow(|faults| fail_if(faults.set_len_fails))
    }

    pub(super) fn sync() -> io::Result<()> {
        FAULTS.with_borrow(|faults| fail_if(faults.sync_fails))
    }

    fn fail_if(fails: bool) -> io::Result<()> {
        if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}
