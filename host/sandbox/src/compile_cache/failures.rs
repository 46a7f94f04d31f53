//! What failed to compile, so that the next start need not find out again.
//!
//! A note is named as the code would be, and belongs to this version of the agent and its budgets: another one tries
//! again. It is authenticated too, or a neighbour could have a plugin rejected.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use cap_std::fs::MetadataExt;

use super::{CompileCache, age};
use crate::compile::{CompileBudget, CompileError, FailurePermanence};
use crate::plugin::PluginHash;

/// A failure that may have lain in the machine is not remembered longer.
const PASSING_AGE: Duration = Duration::from_secs(3600);
/// Notes at the same time; the oldest go first.
const NOTES_MAX: usize = 1000;
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 1000;
/// Bytes of a note.
const NOTE_BYTES_MAX: u64 = 2048;
const ENDING: &str = ".failed";
const LASTING: &str = "lasting";
const PASSING: &str = "passing";

impl CompileCache {
    /// Why these bytes are not compiled, if they failed before and the file was not changed since.
    pub(crate) fn failure(&self, hash: PluginHash, changed: Option<SystemTime>) -> Option<CompileError> {
        let name = self.note_name(hash);
        let mut file = self.open_own(&name).ok()?;
        let noted = file.metadata().and_then(|metadata| metadata.modified()).ok()?.into_std();
        if changed.is_some_and(|changed| changed > noted) {
            return None;
        }
        let mut note = String::new();
        (&mut file).take(NOTE_BYTES_MAX).read_to_string(&mut note).ok()?;
        let (digits, text) = note.split_once('\n')?;
        let mut mac = self.key.mac(&name);
        mac.update(text.as_bytes());
        if !mac.is(digits) {
            tracing::warn!(%hash, "the note of a failed compilation is not what was written, and does not count");
            return None;
        }
        let (lasting, reason) = text.split_once('\n')?;
        let until = match lasting {
            LASTING => "",
            // Noted in the future counts as just now.
            PASSING if age(noted) <= PASSING_AGE => " within the hour",
            _ => return None,
        };
        Some(CompileError::Before { until, reason: reason.into() })
    }

    /// Remembers why these bytes do not compile.
    pub(crate) fn note_failure(
        &self,
        hash: PluginHash,
        error: &CompileError,
        lasting: FailurePermanence,
    ) -> io::Result<()> {
        let name = self.note_name(hash);
        let lasting = if lasting == FailurePermanence::Yes { LASTING } else { PASSING };
        let text = format!("{lasting}\n{}", saker_model::text::clean(&error.to_string(), REASON_BYTES_MAX));
        let mut mac = self.key.mac(&name);
        mac.update(text.as_bytes());
        let _alone = self.storing.lock();
        self.put(&name, format!("{}\n{text}", mac.text()).as_bytes())?;
        self.trim_notes()
    }

    /// Has these bytes compiled again when they are wanted. Answers whether they had failed.
    pub(crate) fn forget_failure(&self, hash: PluginHash) -> bool {
        self.dir.remove_file(self.note_name(hash)).is_ok()
    }

    fn note_name(&self, hash: PluginHash) -> String {
        let mut hasher = DefaultHasher::new();
        // Whatever may make the next attempt end in another way.
        (&self.engine_key, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
        let (small, large) = (CompileBudget::of(0), CompileBudget::of(1 << 20));
        [small, large].map(|budget| (budget.cpu_seconds, budget.data_bytes, budget.code_bytes)).hash(&mut hasher);
        format!("{hash}-{:016x}{ENDING}", hasher.finish())
    }

    fn trim_notes(&self) -> io::Result<()> {
        let mut notes = Vec::new();
        for entry in self.dir.entries()? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if entry.file_name().to_string_lossy().ends_with(ENDING) {
                notes.push((metadata.mtime(), entry.file_name()));
            }
        }
        notes.sort();
        let too_many = notes.len().saturating_sub(NOTES_MAX);
        notes.into_iter().take(too_many).try_for_each(|(_, name)| self.dir.remove_file(name))
    }
}
