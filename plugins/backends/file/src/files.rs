//! The files of a directory: only the newest is written to, and always ends with a whole line.
//!
//! Nothing is opened before there is something to write, so that another version can be tried while this one writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use saker_sdk::host::{self, Level};
use saker_sdk::{OpenError, WriteError, denied_writing};

use crate::stamp;

/// How far back the end of the last whole line is looked for, in bytes. A crash cuts one piece short, which is shorter; a
/// file with a longer line is none of ours, and is left as it is.
const REPAIR_MAX: u64 = 8 << 20;
/// Bytes that are read at once in this.
const READ_MAX: u64 = 64 << 10;

/// When a file ends, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) max_bytes: u64,
    /// 0 is any age.
    pub(crate) max_age_ms: i64,
    /// The current file among them; 0 is all.
    pub(crate) keep: usize,
    pub(crate) fsync: bool,
}

/// The files of one name.
#[derive(Debug)]
pub(crate) struct Files {
    directory: String,
    name: String,
    extension: &'static str,
    rules: Rules,
    current: Option<CurrentFile>,
}

#[derive(Debug)]
struct CurrentFile {
    file: File,
    path: String,
    length: u64,
    since_ms: i64,
}

impl Files {
    pub(crate) fn new(
        directory: String,
        name: String,
        extension: &'static str,
        rules: Rules,
    ) -> Result<Self, OpenError> {
        let wrong = |message: String| Err(OpenError::Settings(message));
        if !directory.starts_with('/') {
            return wrong(format!("directory: must be absolute, found {directory:?}"));
        }
        if name.is_empty()
            || name.starts_with('.')
            || name.contains(|letter: char| letter == '/' || letter.is_control())
        {
            return wrong(format!("name: must be the beginning of a file's name, without a /, found {name:?}"));
        }
        if rules.max_bytes == 0 {
            return wrong("max_bytes: must be more than 0".into());
        }
        Ok(Self { directory: directory.trim_end_matches('/').into(), name, extension, rules, current: None })
    }

    /// Appends whole lines, or nothing of them.
    pub(crate) fn append(&mut self, lines: &[u8], now_ms: i64) -> Result<(), WriteError> {
        self.append_io(lines, now_ms).map_err(|error| match denied_writing(&format!("{}/", self.directory), &error) {
            Some(permission) => WriteError::Denied(permission),
            None => WriteError::retry(format!("{}: {error}", self.directory), None),
        })
    }

    fn append_io(&mut self, lines: &[u8], now_ms: i64) -> io::Result<()> {
        let mut current = match self.current.take() {
            Some(current) => self.still(current, now_ms)?,
            None => self.find_or_begin(now_ms)?,
        };
        if self.is_over(&current, lines.len() as u64, now_ms) {
            current = self.begin(now_ms, Some(current.since_ms))?;
        }
        let written = current.file.write_all(lines);
        let written = if self.rules.fsync { written.and_then(|()| current.file.sync_data()) } else { written };
        match written {
            Ok(()) => current.length += lines.len() as u64,
            Err(error) => {
                // What was written of it would be read as a line. If it cannot be taken back now, it is when the file is
                // opened the next time.
                current.file.set_len(current.length)?;
                self.current = Some(current);
                return Err(error);
            }
        }
        self.current = Some(current);
        Ok(())
    }

    /// The current file, unless someone has taken it away: what is written to it then, nobody reads.
    fn still(&self, current: CurrentFile, now_ms: i64) -> io::Result<CurrentFile> {
        match fs::metadata(&current.path) {
            Ok(metadata) => Ok(CurrentFile { length: metadata.len(), ..current }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.begin(now_ms, Some(current.since_ms)),
            Err(error) => Err(error),
        }
    }

    fn is_over(&self, current: &CurrentFile, more: u64, now_ms: i64) -> bool {
        let Rules { max_bytes, max_age_ms, .. } = self.rules;
        let too_long = current.length > 0 && current.length + more > max_bytes;
        too_long || (max_age_ms > 0 && now_ms.saturating_sub(current.since_ms) >= max_age_ms)
    }

    /// The newest file, with its last line whole; or a new one.
    fn find_or_begin(&self, now_ms: i64) -> io::Result<CurrentFile> {
        let Some(&since_ms) = self.stamps()?.last() else { return self.begin(now_ms, None) };
        let path = self.path(since_ms);
        let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        let Some(whole) = end_of_lines(&mut file, length)? else {
            host::log(
                Level::Warn,
                &format!("{path}: no line ends in its last {REPAIR_MAX} bytes; another file is begun"),
            );
            return self.begin(now_ms, Some(since_ms));
        };
        if whole < length {
            file.set_len(whole)?;
            let line = format!("{path}: took back {} bytes of a line that was not finished", length - whole);
            host::log(Level::Warn, &line);
        }
        Ok(CurrentFile { file, path, length: whole, since_ms })
    }

    /// Begins a file that is newer than the one before, and removes those that are too many.
    fn begin(&self, now_ms: i64, before_ms: Option<i64>) -> io::Result<CurrentFile> {
        // A clock may be set back, and two files may follow each other within a millisecond.
        let since_ms = before_ms.map_or(now_ms, |before| now_ms.max(before + 1));
        let path = self.path(since_ms);
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let stamps = self.stamps()?;
        let too_many = if self.rules.keep == 0 { 0 } else { stamps.len().saturating_sub(self.rules.keep) };
        for old in &stamps[..too_many] {
            let path = self.path(*old);
            if let Err(error) = fs::remove_file(&path) {
                host::log(Level::Warn, &format!("{path}: cannot be removed: {error}"));
            }
        }
        Ok(CurrentFile { file, path, length: 0, since_ms })
    }

    /// When the files that are there were begun, the oldest first.
    fn stamps(&self) -> io::Result<Vec<i64>> {
        let mut stamps = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(&self.name)?.strip_prefix('-'));
            let stamp = rest.and_then(|rest| rest.strip_suffix(self.extension)?.strip_suffix('.'));
            stamps.extend(stamp.and_then(stamp::read));
        }
        stamps.sort_unstable();
        Ok(stamps)
    }

    fn path(&self, since_ms: i64) -> String {
        format!("{}/{}-{}.{}", self.directory, self.name, stamp::of(since_ms), self.extension)
    }
}

/// Where the last whole line ends; none if that is too far back.
fn end_of_lines(file: &mut File, length: u64) -> io::Result<Option<u64>> {
    let mut end = length;
    let mut piece = Vec::new();
    while end > 0 {
        if length - end >= REPAIR_MAX {
            return Ok(None);
        }
        let start = end.saturating_sub(READ_MAX);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(place) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + place as u64 + 1));
        }
        end = start;
    }
    Ok(Some(0))
}

#[cfg(test)]
mod tests;
