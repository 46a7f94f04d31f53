//! Recordings of what a collector was told by its host, and their replay: a test needs no host then.
//!
//! A recorded instance begins from empty folders in place of the granted ones. Before WASI sees a path, what the path
//! really leads to is copied there and written to the tape; in a replay it comes from the tape. So both instances read
//! copies, through the same code, and a replayed one reads exactly what the recorded one has. For every path the tape
//! holds what was found each time it was asked for, in that order; asked for again, the last answer stands.
//!
//! Clocks, the size of file systems and environment variables are on the tape, and so is the seed of random numbers.
//! What goes over the network is not, and neither is what a plugin writes.

mod stage;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

use crate::bindings::host::statfs::{Usage, UsageError};
use crate::files::GrantedRoot;
use crate::grants::Grants;
use crate::instance::Run;
use stage::{StagedPath, StagingFolder};

/// The form of the lines, in the first of them.
const FORM: u64 = 1;

/// A recording that is made or replayed. Clones are the same one.
#[derive(Clone)]
pub struct Recording(Arc<RecordingShared>);

/// What stands for a granted folder.
pub(crate) struct StagedRoot {
    guest: String,
    /// What is granted itself, which only a recording looks into.
    pub(crate) real: Option<Arc<GrantedRoot>>,
    /// Where the copies are.
    pub(crate) copies: PathBuf,
}

/// Asks the host about a path below a granted folder.
type PathQuery = fn(&GrantedRoot, &str) -> Result<Value, String>;

/// What a guest wants to know of a path.
#[derive(Clone, Copy)]
pub(crate) enum PathQuestion {
    /// What is there, with all that a file holds.
    Content,
    /// Whether it is a file or a folder, and how large.
    Kind,
    /// What the folder holds.
    Entries,
    /// Where the link leads.
    Link,
}

struct RecordingShared {
    stage: StagingFolder,
    /// The granted paths that are files.
    single: Vec<PathBuf>,
    seed: String,
    env: HashMap<String, String>,
    side: Mutex<RecordingSide>,
    /// Why the recording does not hold what the plugin has asked for; the first time.
    gap: Mutex<Option<String>>,
}

enum RecordingSide {
    Recording(Vec<Value>),
    Replaying(HashMap<String, VecDeque<Value>>),
}

/// What a recording says beside the answers.
#[derive(Clone, Debug)]
pub struct RecordingHeader {
    /// What [`Recording::record`] was given.
    pub head: Map<String, Value>,
    /// The runs, in their order.
    pub runs: Vec<Run>,
}

impl Recording {
    /// Begins a recording. `head` is kept in its first line, for whoever replays it.
    ///
    /// # Errors
    /// In words: there is no room for copies of files, or `grants` holds what cannot be recorded.
    pub fn record(head: Map<String, Value>, grants: &Grants) -> Result<Self, String> {
        if !grants.connect.is_empty() || !grants.secret.is_empty() {
            return Err("a recording does not hold what goes over the network: leave out connect and secret".into());
        }
        if !grants.write.is_empty() || grants.data_dir.is_some() {
            return Err("a recording does not hold what a plugin writes: leave out write and data_dir".into());
        }
        let single: Vec<_> = grants.read.iter().filter(|path| !path.is_dir()).cloned().collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = blake3::hash(format!("{now:?} {}", std::process::id()).as_bytes()).to_hex().to_string();
        let env = grants.env.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        let env: HashMap<_, _> = env.collect();
        let first = json!({"recording": FORM, "random": seed, "env": env, "single": single, "head": head});
        Self::new(seed, env, single, RecordingSide::Recording(vec![first]))
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// In words, with the line: what is there, and what should be.
    pub fn replay(text: &str) -> Result<(Self, RecordingHeader), String> {
        let mut lines = text.lines().zip(1..).map(|(line, number)| match serde_json::from_str::<Value>(line) {
            Ok(value) => Ok((value, number)),
            Err(error) if error.is_eof() => {
                Err(format!("line {number} breaks off: the recording is not whole; record anew"))
            }
            Err(error) => Err(format!("line {number} is no JSON: {error}")),
        });
        let first = lines.next().transpose()?.map(|(value, _)| value).unwrap_or_default();
        if first["recording"] != FORM {
            return Err(format!("line 1: expected \"recording\": {FORM}; it is no recording, or of another version"));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let seed = text(&first["random"]).ok_or("line 1: expected \"random\"")?;
        let env = first["env"].as_object().into_iter().flatten();
        let env = env.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
        let mut recorded =
            RecordingHeader { head: first["head"].as_object().cloned().unwrap_or_default(), runs: Vec::new() };
        let mut known: HashMap<String, VecDeque<Value>> = HashMap::new();
        for line in lines {
            let (value, number) = line?;
            if value.get("run").is_some() {
                recorded.runs.push(run_of(&value["run"]).ok_or_else(|| format!("line {number}: expected a run"))?);
            } else {
                let key = key_of(&value).ok_or_else(|| format!("line {number}: expected an answer, found {value}"))?;
                known.entry(key).or_default().push_back(value);
            }
        }
        let single = first["single"].as_array().into_iter().flatten().filter_map(text).map(PathBuf::from).collect();
        Ok((Self::new(seed, env, single, RecordingSide::Replaying(known))?, recorded))
    }

    fn new(
        seed: String,
        env: HashMap<String, String>,
        single: Vec<PathBuf>,
        side: RecordingSide,
    ) -> Result<Self, String> {
        let stage =
            StagingFolder::new().map_err(|error| format!("cannot make a folder for copies of files: {error}"))?;
        Ok(Self(Arc::new(RecordingShared { stage, single, seed, env, side: Mutex::new(side), gap: Mutex::default() })))
    }

    /// Writes a run to the recording; nothing in a replay.
    pub fn run(&self, run: Run) {
        if let RecordingSide::Recording(lines) = &mut *self.0.side.lock() {
            let Run { timestamp_ms, interval_ms, step_s } = run;
            lines.push(json!({"run": {"timestamp_ms": timestamp_ms, "interval_ms": interval_ms, "step_s": step_s}}));
        }
    }

    /// What the plugin has asked for and the recording cannot tell, if there was any.
    #[must_use]
    pub fn gap(&self) -> Option<String> {
        self.0.gap.lock().clone()
    }

    /// The recording, one JSON object a line; nothing in a replay.
    #[must_use]
    pub fn lines(&self) -> String {
        match &*self.0.side.lock() {
            RecordingSide::Recording(lines) => lines.iter().map(|line| format!("{line}\n")).collect(),
            RecordingSide::Replaying(_) => String::new(),
        }
    }

    /// Whether a granted path is a single file's.
    pub(crate) fn is_single(&self, path: &Path) -> bool {
        self.0.single.iter().any(|single| single == path)
    }

    pub(crate) fn seed(&self) -> &str {
        &self.0.seed
    }

    pub(crate) fn env(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.env.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether it is made, and not replayed.
    pub(crate) fn is_recording(&self) -> bool {
        matches!(*self.0.side.lock(), RecordingSide::Recording(_))
    }

    /// Opens what stands for a granted folder; `real` is the folder itself in a recording.
    pub(crate) fn root(&self, guest: &str, real: Option<Arc<GrantedRoot>>) -> Result<StagedRoot, String> {
        let copies = self.0.stage.root(guest).map_err(|error| format!("cannot make a folder for copies: {error}"))?;
        Ok(StagedRoot { guest: guest.into(), real, copies })
    }

    /// Puts into place what a guest asks for by a path below a root.
    pub(crate) fn fetch(&self, root: &StagedRoot, path: &str, sought: PathQuestion) {
        let Some(place) = StagedPath::new(root.copies.clone(), path) else { return };
        let guest = Path::new(&root.guest).join(place.below());
        let guest = guest.to_string_lossy();
        let guest = if place.below().as_os_str().is_empty() { root.guest.as_str() } else { &guest };
        let (verb, look): (_, PathQuery) = match sought {
            PathQuestion::Content => ("path", stage::look),
            PathQuestion::Kind => ("kind", stage::kind),
            PathQuestion::Entries => ("entries", stage::list),
            PathQuestion::Link => ("link", stage::link),
        };
        let real = || {
            let below = place.below().to_str().ok_or("its path is not UTF-8")?;
            look(root.real.as_ref().ok_or("a replay has no host")?, below)
        };
        let put = self.answer(verb, guest, real).and_then(|answer| match sought {
            PathQuestion::Content => self.0.stage.put(&place, &answer),
            PathQuestion::Kind => self.0.stage.put_kind(&place, &answer),
            PathQuestion::Entries => self.0.stage.put_entries(&place, &answer),
            PathQuestion::Link => self.0.stage.put_link(&place, &answer),
        });
        self.note(guest, put);
    }

    pub(crate) fn usage(
        &self,
        path: &str,
        real: impl FnOnce() -> Result<Usage, UsageError>,
    ) -> Result<Usage, UsageError> {
        let asked = || {
            Ok(match real() {
                Ok(usage) => json!({"sizes": [usage.total_bytes, usage.free_bytes, usage.available_bytes,
                    usage.total_inodes, usage.free_inodes]}),
                Err(UsageError::Unavailable(why)) => json!({"error": why}),
                // It is asked for what was granted.
                Err(UsageError::Denied(_)) => json!({"error": "denied"}),
            })
        };
        let answer = self.answer("statfs", path, asked).map_err(|why| {
            self.note(path, Err(why.clone()));
            UsageError::Unavailable(format!("{path}: {why}"))
        })?;
        let sizes: Vec<_> = answer["sizes"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let &[total_bytes, free_bytes, available_bytes, total_inodes, free_inodes] = sizes.as_slice() else {
            return Err(UsageError::Unavailable(answer["error"].as_str().unwrap_or("no sizes").to_owned()));
        };
        Ok(Usage { total_bytes, free_bytes, available_bytes, total_inodes, free_inodes })
    }

    /// The answer to a question: from the host, and written down; or from the tape.
    fn answer(&self, verb: &str, what: &str, real: impl FnOnce() -> Result<Value, String>) -> Result<Value, String> {
        const NOT_TOLD: &str = "the recording does not tell of it; record anew";
        if let RecordingSide::Replaying(known) = &mut *self.0.side.lock() {
            let answers = known.get_mut(&format!("{verb} {what}")).ok_or(NOT_TOLD)?;
            // The last answer stands.
            let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            return answer.ok_or_else(|| NOT_TOLD.into());
        }
        // Not under the lock: a file may keep whoever reads it waiting for ever.
        let mut answer = real()?;
        answer[verb] = what.into();
        if let RecordingSide::Recording(lines) = &mut *self.0.side.lock() {
            lines.push(answer.clone());
        }
        Ok(answer)
    }

    fn note(&self, what: &str, result: Result<(), String>) {
        if let Err(why) = result {
            self.0.gap.lock().get_or_insert(format!("{what}: {why}"));
        }
    }

    fn clock(&self, name: &str, real: impl FnOnce() -> Duration) -> Duration {
        let now = || Ok(json!({"ns": u64::try_from(real().as_nanos()).unwrap_or(u64::MAX)}));
        let answer = self.answer("clock", name, now).unwrap_or_else(|why| {
            self.note(&format!("the {name} clock"), Err(why));
            Value::Null
        });
        Duration::from_nanos(answer["ns"].as_u64().unwrap_or(0))
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tape").field(&self.0.seed).finish()
    }
}

/// What an answer is to: the verb and its object.
fn key_of(answer: &Value) -> Option<String> {
    let verbs = ["path", "kind", "entries", "link", "statfs", "clock"];
    verbs.iter().find_map(|verb| Some(format!("{verb} {}", answer.get(verb)?.as_str()?)))
}

fn run_of(value: &Value) -> Option<Run> {
    let small = |key: &str| u32::try_from(value[key].as_u64()?).ok();
    Some(Run {
        timestamp_ms: value["timestamp_ms"].as_i64()?,
        interval_ms: small("interval_ms")?,
        step_s: small("step_s")?,
    })
}

/// The clocks of an instance with a tape.
pub(crate) struct RecordedClock {
    tape: Recording,
    start: Instant,
}

impl RecordedClock {
    pub(crate) fn new(tape: Recording) -> Self {
        Self { tape, start: Instant::now() }
    }
}

impl HostWallClock for RecordedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.tape.clock("wall", || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl HostMonotonicClock for RecordedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.tape.clock("monotonic", || self.start.elapsed()).as_nanos()).unwrap_or(u64::MAX)
    }
}
