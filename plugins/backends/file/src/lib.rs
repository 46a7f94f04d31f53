//! The `file` backend: lines in files of a granted directory, one file after the other. README.md has the settings.
//!
//! `files` opens, fills, ends and removes them; `stamp` makes their names.

mod files;
mod stamp;

use std::time::{SystemTime, UNIX_EPOCH};

use saker_sdk::bodies::{Bodies, BodyOutcome, Filled, Request};
use saker_sdk::encode::{Format, Lines};
use saker_sdk::prelude::*;

use crate::files::{Files, Rules};

/// Bytes that are written at once: what a full disk may have to give back.
const PIECE_MAX: usize = 1 << 20;

saker_sdk::settings! {
    /// Settings of the `file` backend.
    pub struct FileSettings {
        /// The directory of the files: absolute, and granted. /data is the instance's own.
        pub directory: String,
        /// What the files' names begin with.
        pub name: String = "saker".into(),
        /// How a line looks.
        pub format: Format = Format::Json,
        /// How long a file may get, in bytes; then the next one is begun.
        pub max_bytes: u32 = 67_108_864,
        /// How old a file may get, in seconds; 0 is any age.
        pub max_age_s: u32 = 86_400,
        /// How many files are kept, the one that is written to among them; 0 is all of them.
        pub keep: u32 = 10,
        /// Whether points count as written only when the disk has them.
        pub fsync: bool = false,
    }
}

/// The backend, with the series that it knows.
pub struct FileBackend {
    lines: Lines,
    bodies: Bodies,
    files: Files,
    piece: Vec<u8>,
}

impl Backend for FileBackend {
    type Settings = FileSettings;

    fn describe() -> Description {
        let summary = "Writes points to files of lines that follow each other";
        Description::new("file", env!("CARGO_PKG_VERSION"), summary)
            .requests(write("<directory>"), "the files are there")
            .requests(data_dir(), "for files that only this agent is to read, with directory = \"/data\"")
    }

    fn open(settings: FileSettings) -> Result<Self, OpenError> {
        let extension = match settings.format {
            Format::Json | Format::Falcon => "jsonl",
            Format::Influx => "influx",
        };
        let rules = Rules {
            max_bytes: settings.max_bytes.into(),
            max_age_ms: i64::from(settings.max_age_s) * 1000,
            keep: settings.keep as usize,
            fsync: settings.fsync,
        };
        Ok(Self {
            lines: settings.format.lines(),
            bodies: Bodies::new(PIECE_MAX),
            files: Files::new(settings.directory, settings.name, extension, rules)?,
            piece: Vec::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        self.lines.define(&definitions);
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        self.lines.check(&points)?;
        let mut call = Call { lines: &self.lines, files: &mut self.files, piece: &mut self.piece };
        self.bodies.write(points, &mut call)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.lines.forget(&ids);
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(FileBackend);

struct Call<'a> {
    lines: &'a Lines,
    files: &'a mut Files,
    piece: &'a mut Vec<u8>,
}

impl Request for Call<'_> {
    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        Filled::one_by_one(self.piece, points, places, most, |piece, point| {
            self.lines.push(point, piece).expect("the whole call was checked");
        })
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        self.files.append(self.piece, i64::try_from(now).unwrap_or(i64::MAX))?;
        Ok(BodyOutcome::All)
    }
}

#[cfg(test)]
mod tests;
