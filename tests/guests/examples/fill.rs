//! Fills a folder until there is no room, in one of the ways to hide how much that is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// How the folder is filled.
    pub enum How {
        /// One file that grows.
        File = "file",
        /// Files that are deleted as soon as they are there, and written to on.
        Nameless = "nameless",
        /// Blocks far apart, with nothing between them.
        Sparse = "sparse",
        /// Empty files with long names.
        Tiny = "tiny",
        /// Folders in folders in folders.
        Deep = "deep",
        /// Further names of one file.
        Links = "links",
    }
}

saker_sdk::settings! {
    /// Settings of `fill`.
    pub struct FillSettings {
        /// The folder.
        pub folder: String = "/data".into(),
        /// How it is filled.
        pub how: How = How::File,
        /// Steps at most: of 64 KiB, or entries.
        pub most: u32 = 1_000_000,
        /// Whether all is deleted and closed before.
        pub clear: bool = false,
    }
}

/// The guest, with the files that it holds.
pub struct Fill(FillSettings, Vec<File>);

const STEP: usize = 64 << 10;

impl Collector for Fill {
    type Settings = FillSettings;

    fn describe() -> Description {
        Description::new("fill", "1.0.0", "Fills a folder").requests(data_dir(), "to fill it")
    }

    fn open(settings: FillSettings) -> Result<Self, OpenError> {
        Ok(Self(settings, Vec::new()))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        if self.0.clear {
            self.1.clear();
            let entries = fs::read_dir(&self.0.folder).map_err(|error| CollectError::Other(error.to_string()))?;
            for entry in entries.flatten() {
                // A folder is none that could be deleted like that.
                let _ = fs::remove_file(entry.path());
            }
        }
        let mut steps = 0_u32;
        let end = loop {
            if steps == self.0.most {
                break None;
            }
            match self.step(steps) {
                Ok(()) => steps += 1,
                Err(error) => break Some(error),
            }
        };
        let full = end.as_ref().is_some_and(is_full);
        if full && matches!(self.0.how, How::File) {
            // Its stream is closed by the error.
            self.1.clear();
        }
        if let Some(error) = end.filter(|_| !full) {
            return Err(CollectError::Other(format!("after {steps} steps: {error}")));
        }
        Ok(vec![Sample::gauge("fill.steps", f64::from(steps)), Sample::gauge("fill.full", f64::from(u8::from(full)))])
    }
}

saker_sdk::export_collector!(Fill);

/// Whether this is how a full disk is told. Of a stream's errors the C library makes one, whatever they were.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull || error.raw_os_error() == Some(EIO)
}

const EIO: i32 = 29;

impl Fill {
    fn step(&mut self, step: u32) -> io::Result<()> {
        let folder = &self.0.folder;
        match self.0.how {
            How::File => {
                if self.1.is_empty() {
                    self.1.push(OpenOptions::new().append(true).create(true).open(format!("{folder}/file"))?);
                }
                self.1[0].write_all(&[7; STEP])
            }
            How::Nameless => {
                // A new one every two MiB, so that there are many.
                if step.is_multiple_of(32) {
                    let path = format!("{folder}/nameless");
                    self.1.push(File::create(&path)?);
                    fs::remove_file(&path)?;
                }
                self.1.last_mut().expect("one was just made").write_all(&[7; STEP])
            }
            How::Sparse => {
                if self.1.is_empty() {
                    self.1.push(File::create(format!("{folder}/sparse"))?);
                }
                self.1[0].set_len((u64::from(step) + 1) << 30)?;
                self.1[0].seek(SeekFrom::Start(u64::from(step) << 30))?;
                self.1[0].write_all(&[7; STEP])
            }
            How::Tiny => {
                let name = format!("{step:0>250}");
                // One that is there already takes no room.
                File::create_new(format!("{folder}/{name}")).map(drop)
            }
            How::Deep => {
                let mut path = folder.clone();
                (0..step % 200).for_each(|_| path.push_str("/d"));
                fs::create_dir(format!("{path}/{}", if step % 200 == 199 { format!("e{step}") } else { "d".into() }))
                    .or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
                fs::create_dir(format!("{path}/f{step}"))
            }
            How::Links => {
                let first = format!("{folder}/first");
                if step == 0 {
                    File::create(&first)?.write_all(&[7; STEP])?;
                }
                fs::hard_link(&first, format!("{folder}/{step:0>250}"))
            }
        }
    }
}
