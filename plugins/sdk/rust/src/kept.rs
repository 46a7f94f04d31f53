//! A small file of `/proc` or `/sys` that is read at every run: opened once, and read again from its beginning, which
//! costs a third of opening it each time.

use std::io;

use crate::collector::CollectError;
use crate::text;

/// A text file of the kernel's that stays open. The kernel makes such a file anew whenever it is read from its beginning.
///
/// What is read is what was opened: a file on a disk that is replaced by another under its name goes on being the old one,
/// so such a file is better read with [`text::read`]. If reading fails or brings nothing, the path is opened again.
#[derive(Debug)]
pub struct KeptFile {
    path: String,
    open: Option<inner::Open>,
}

impl KeptFile {
    /// The file at a path. It is not opened yet.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), open: None }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole of it, as it is now.
    ///
    /// # Errors
    /// As [`text::read`].
    pub fn read(&mut self) -> Result<String, CollectError> {
        self.read_io().map_err(|error| CollectError::from_io(&self.path, &error))
    }

    /// The whole of it; none if there is no such file here, or the kernel does not serve it.
    ///
    /// # Errors
    /// As [`text::read_if_there`].
    pub fn read_if_there(&mut self) -> Result<Option<String>, CollectError> {
        let read = self.read_io();
        text::if_there(&self.path, read)
    }

    fn read_io(&mut self) -> io::Result<String> {
        if let Some(bytes) = self.open.as_ref().and_then(inner::Open::read) {
            return Ok(text::from_bytes(bytes));
        }
        self.open = inner::open(&self.path)?;
        match self.open.as_ref().and_then(inner::Open::read) {
            Some(bytes) => Ok(text::from_bytes(bytes)),
            // Says why it cannot be read, or that it is empty.
            None => {
                self.open = None;
                text::read_io(&self.path)
            }
        }
    }
}

/// Reads from the beginning with `read`, which is given how much at most and from where. Nothing if that fails, or if
/// there is nothing.
fn whole(mut read: impl FnMut(usize, usize) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = read(text::FIRST_READ, 0)?;
    let mut ended = bytes.is_empty();
    while !ended {
        let more = read(bytes.len().max(text::FIRST_READ), bytes.len())?;
        ended = more.is_empty();
        bytes.extend_from_slice(&more);
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The descriptors of WASI itself: reading with the C library's costs three calls more.
#[cfg(target_arch = "wasm32")]
mod inner {
    use std::io;
    use std::path::Path;

    use wasip2::filesystem::preopens;
    use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

    #[derive(Debug)]
    pub(super) struct Open(Descriptor);

    std::thread_local! {
        /// Asked for once: each time would open them again.
        static GRANTED: Vec<(Descriptor, String)> = preopens::get_directories();
    }

    /// Opens a path. None if what went wrong is better said by the C library.
    pub(super) fn open(path: &str) -> io::Result<Option<Open>> {
        GRANTED.with(|granted| {
            let holding = granted.iter().filter_map(|(directory, name)| {
                Some((directory, name, Path::new(path).strip_prefix(name).ok()?.to_str()?))
            });
            let Some((directory, _, below)) = holding.max_by_key(|(_, name, _)| name.len()) else { return Ok(None) };
            let (follow, read) = (PathFlags::SYMLINK_FOLLOW, DescriptorFlags::READ);
            match directory.open_at(follow, below, OpenFlags::empty(), read) {
                Ok(file) => Ok(Some(Open(file))),
                Err(ErrorCode::NoEntry) => Err(io::ErrorKind::NotFound.into()),
                Err(_) => Ok(None),
            }
        })
    }

    impl Open {
        pub(super) fn read(&self) -> Option<Vec<u8>> {
            super::whole(|most, from| self.0.read(most as u64, from as u64).ok().map(|(bytes, _)| bytes))
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod inner {
    use std::fs::File;
    use std::io::{self, Read, Seek, SeekFrom};

    #[derive(Debug)]
    pub(super) struct Open(File);

    pub(super) fn open(path: &str) -> io::Result<Option<Open>> {
        File::open(path).map(|file| Some(Open(file)))
    }

    impl Open {
        pub(super) fn read(&self) -> Option<Vec<u8>> {
            super::whole(|most, from| {
                let mut file = &self.0;
                file.seek(SeekFrom::Start(from as u64)).ok()?;
                let mut bytes = vec![0; most];
                let read = file.read(&mut bytes).ok()?;
                bytes.truncate(read);
                Some(bytes)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(test: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("saker-sdk-kept-{}-{test}", std::process::id()))
    }

    #[test]
    fn a_file_is_read_from_its_beginning_each_time() {
        let path = path("again");
        let mut kept = KeptFile::new(path.to_str().unwrap());
        for size in [1, text::FIRST_READ, 5 * text::FIRST_READ, 3] {
            std::fs::write(&path, "x".repeat(size)).unwrap();
            assert_eq!(kept.read().unwrap().len(), size);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn one_that_comes_goes_and_comes_back_is_there_whenever_it_can_be() {
        let path = path("comes");
        let mut kept = KeptFile::new(path.to_str().unwrap());
        assert_eq!(kept.read_if_there(), Ok(None));
        assert!(matches!(kept.read(), Err(CollectError::Unavailable(_))));
        std::fs::write(&path, "one").unwrap();
        assert_eq!(kept.read_if_there(), Ok(Some("one".into())));
        // What is open has nothing any more, and another is there under its name.
        std::fs::write(&path, "").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "two").unwrap();
        assert_eq!(kept.read(), Ok("two".into()));
        std::fs::write(&path, "").unwrap();
        assert_eq!(kept.read(), Ok(String::new()), "an empty file is one");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn bytes_that_are_no_text_spoil_themselves_only() {
        let path = path("bytes");
        std::fs::write(&path, b"a 1\n\xff 2\n").unwrap();
        assert_eq!(KeptFile::new(path.to_str().unwrap()).read().unwrap(), "a 1\n\u{fffd} 2\n");
        std::fs::remove_file(&path).unwrap();
    }
}
