//! How a call ends when it does not end well, and whose fault that is.

use std::fmt;
use std::time::Duration;

use saker_model::text::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX, clean};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use crate::ctx::handles;
use crate::engine::GUEST_STACK_BYTES;
use crate::grants::Permission;
use crate::hang::Hang;
use crate::limits::{Exceeded, Limits};

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The plugin's author.
    Plugin,
    /// Whoever runs the agent: a setting or a grant is missing.
    Operator,
    /// The agent itself, or the machine.
    Host,
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin's own error.
    #[error(transparent)]
    Plugin(#[from] PluginFault),
    /// A grant was missing.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The call was ended from outside, and the instance with it.
    #[error(transparent)]
    Killed(#[from] Kill),
    /// A grant cannot be used as it is written.
    #[error("cannot use its grants: {0}")]
    Grant(String),
    /// The call hangs in the system, or an earlier one does.
    #[error(transparent)]
    Hung(#[from] Hang),
    /// The agent failed.
    #[error("the agent failed: {0}")]
    Host(String),
}

/// An error that a plugin has returned. The instance lives on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    /// Settings that the plugin cannot use.
    #[error("settings: {0}")]
    Settings(String),
    /// What it measures is not there, or does not answer.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// What it read makes no sense.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A grant that was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What the plugin wanted to touch.
    pub permission: Permission,
    /// The table of the configuration that can allow it, such as `plugin.cpu`.
    pub section: String,
}

/// What ended a call from outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kill {
    /// It took too long.
    #[error("killed: {export} took longer than its deadline of {limit:?}")]
    Deadline {
        /// The export that was called.
        export: &'static str,
        /// The deadline.
        limit: Duration,
    },
    /// It wanted more memory than its limit.
    #[error("killed: it wanted more than its memory limit of {limit} bytes")]
    Memory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It wanted larger tables than its limit.
    #[error("killed: it wanted more than its limit of {limit} table elements")]
    Table {
        /// The limit, in elements.
        limit: usize,
    },
    /// It handed over more bytes than its limit.
    #[error("killed: it handed over more than its limit of {limit} bytes in one call")]
    AnswerBytes {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It handed over more records than its limit.
    #[error("killed: it handed over {records} records, and its limit is {limit}")]
    AnswerRecords {
        /// How many there were.
        records: usize,
        /// The limit.
        limit: usize,
    },
    /// Its columns break the contract, so that what it means by its handles is not known any more.
    #[error("killed: its columns {what}")]
    Columns {
        /// How, after "its columns".
        what: String,
    },
    /// It left more files open than its limit.
    #[error("killed: it wanted more than its limit of {limit} open files")]
    OpenFiles {
        /// The limit.
        limit: usize,
    },
    /// It left more handles open than there may be: of files, sockets, requests, streams.
    #[error("killed: it wanted more than {limit} handles at the same time")]
    Handles {
        /// The limit.
        limit: usize,
    },
    /// It is made of more core instances, memories or tables than its limit.
    #[error("killed: it is made of more than {limit} core instances, memories or tables")]
    Instances {
        /// The limit.
        limit: usize,
    },
    /// It used more of a processor than its share, call after call.
    #[error("throttled: it used {percent} percent of a core over a minute, and its limit is {limit}")]
    Cpu {
        /// What it used.
        percent: u32,
        /// The limit.
        limit: u32,
    },
    /// Its stack was used up.
    #[error("killed: its stack of 512 KiB was used up")]
    Stack {
        /// The innermost functions, innermost first.
        frames: Vec<String>,
    },
    /// It trapped: a panic, an `abort`, a wild pointer.
    #[error("trapped: {reason}{}", Frames(.frames))]
    Trap {
        /// What the trap says.
        reason: String,
        /// The innermost functions, innermost first.
        frames: Vec<String>,
    },
}

struct Frames<'a>(&'a [String]);

impl fmt::Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, " in {}", self.0[..self.0.len().min(FRAMES_SHOWN)].join(" < "))
        }
    }
}

/// How many functions of a backtrace are kept.
const FRAMES_MAX: usize = 20;
/// How many of them are in the message.
const FRAMES_SHOWN: usize = 5;

impl CallError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Plugin(PluginFault::Settings(_) | PluginFault::Unavailable(_)) | Self::Denied(_) | Self::Grant(_) => {
                Blame::Operator
            }
            Self::Plugin(PluginFault::Malformed(_) | PluginFault::Other(_)) | Self::Killed(_) => Blame::Plugin,
            Self::Hung(hang) => hang.blame(),
            Self::Host(_) => Blame::Host,
        }
    }

    /// The name that it is counted under.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plugin(PluginFault::Settings(_)) => "settings",
            Self::Plugin(PluginFault::Unavailable(_)) => "unavailable",
            Self::Plugin(_) => "error",
            Self::Denied(_) => "denied",
            Self::Grant(_) => "grant",
            Self::Killed(Kill::Deadline { .. }) => "deadline",
            Self::Killed(Kill::Memory { .. }) => "memory",
            Self::Killed(Kill::Table { .. }) => "table",
            Self::Killed(Kill::AnswerBytes { .. } | Kill::AnswerRecords { .. } | Kill::Columns { .. }) => "answer",
            Self::Killed(Kill::OpenFiles { .. } | Kill::Handles { .. }) => "handles",
            Self::Killed(Kill::Instances { .. }) => "instances",
            Self::Killed(Kill::Cpu { .. }) => "cpu",
            Self::Killed(Kill::Stack { .. }) => "stack",
            Self::Killed(Kill::Trap { .. }) => "trap",
            Self::Hung(_) => "hung",
            Self::Host(_) => "host",
        }
    }

    /// The limit that it ran into, by its key in the configuration, and its value, if it was one.
    #[must_use]
    pub fn limit(&self) -> Option<(String, String)> {
        let Self::Killed(kill) = self else { return None };
        let (key, value) = match kill {
            Kill::Deadline { export, limit } => return Some((deadline_key(export), format!("{limit:?}"))),
            Kill::Memory { limit } => ("max_memory_bytes", *limit as u64),
            Kill::Table { limit } => ("max_table_elements", *limit as u64),
            Kill::AnswerBytes { limit } => ("max_result_bytes", *limit as u64),
            Kill::AnswerRecords { limit, .. } => ("max_result_samples", *limit as u64),
            Kill::OpenFiles { limit } => ("max_open_files", *limit as u64),
            Kill::Handles { limit } => ("handles", *limit as u64),
            Kill::Instances { limit } => ("max_core_instances", *limit as u64),
            Kill::Cpu { limit, .. } => ("max_cpu_percent", u64::from(*limit)),
            Kill::Stack { .. } => ("stack_bytes", GUEST_STACK_BYTES as u64),
            Kill::Trap { .. } | Kill::Columns { .. } => return None,
        };
        Some((key.into(), value.to_string()))
    }

    /// Where in the guest it happened: the innermost functions, innermost first.
    #[must_use]
    pub fn frames(&self) -> &[String] {
        match self {
            Self::Killed(Kill::Trap { frames, .. } | Kill::Stack { frames }) => frames,
            _ => &[],
        }
    }

    /// Sorts what wasmtime answered for a call that did not return.
    pub(crate) fn from_wasmtime(error: &wasmtime::Error, limits: &Limits) -> Self {
        match error.downcast_ref::<Exceeded>() {
            Some(&Exceeded::Memory { limit }) => return Kill::Memory { limit }.into(),
            Some(&Exceeded::Table { limit }) => return Kill::Table { limit }.into(),
            None => {}
        }
        if let Some(kill) = error.downcast_ref::<Kill>() {
            return kill.clone().into();
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            return Kill::Handles { limit: handles(limits) }.into();
        }
        // wasmtime keeps the types of these errors to itself; tests hold their words.
        match says(error, &["fuel allocated for hostcalls has been exhausted", "resource limit exceeded: "]) {
            Some(0) => return Kill::AnswerBytes { limit: limits.max_result_bytes }.into(),
            Some(_) => return Kill::Instances { limit: limits.max_core_instances }.into(),
            None => {}
        }
        let frames = frames(error);
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Kill::Stack { frames }.into(),
            Some(trap) => Kill::Trap { reason: trap.to_string().replace("wasm trap: ", ""), frames }.into(),
            None => Kill::Trap { reason: clean(&error.root_cause().to_string(), MESSAGE_BYTES_MAX), frames }.into(),
        }
    }
}

/// The deadline that an export is held to.
fn deadline_key(export: &str) -> String {
    let key = if export == "map-series" { "map" } else { export };
    format!("deadline.{key}")
}

fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    trace
        .frames()
        .iter()
        .take(FRAMES_MAX)
        .map(|frame| match frame.func_name() {
            Some(name) => clean(name, NAME_BYTES_MAX),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}

/// Which of these words an error says, without putting together all that it says: it may name functions of megabytes.
fn says(error: &wasmtime::Error, words: &[&str]) -> Option<usize> {
    struct TlsListener<'a>(&'a [&'a str], Option<usize>);

    impl fmt::Write for TlsListener<'_> {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            self.1 = self.1.or_else(|| self.0.iter().position(|word| piece.contains(word)));
            Ok(())
        }
    }

    let mut listener = TlsListener(words, None);
    // The listener rejects nothing.
    let _ = fmt::write(&mut listener, format_args!("{error:#}"));
    listener.1
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Permission::Read(path) | Permission::Write(path) | Permission::Statfs(path) = &self.permission
            && !path.starts_with('/')
        {
            return write!(f, "denied: {}: a plugin has no current folder; write the whole path", self.permission);
        }
        if let Permission::Never(_) = &self.permission {
            return write!(
                f,
                "denied: {}: no grant opens the agent itself, what other processes hold, or the kernel's memory and keys",
                self.permission
            );
        }
        write!(
            f,
            "denied: {}; to allow it, write under [{}]: {}",
            self.permission,
            self.section,
            self.permission.grant_line()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_gives_the_line_that_would_allow_it() {
        let denied =
            Denied { permission: Permission::Connect("10.0.0.1:8086".into()), section: "destination.a".into() };
        assert_eq!(
            denied.to_string(),
            "denied: connecting to 10.0.0.1:8086; to allow it, write under [destination.a]: grant.connect = [\"10.0.0.1:8086\"]"
        );
        let relative = Denied { permission: Permission::Read("loadavg".into()), section: "plugin.a".into() };
        assert_eq!(
            relative.to_string(),
            "denied: reading loadavg: a plugin has no current folder; write the whole path"
        );
    }

    #[test]
    fn a_limit_is_named_by_its_key_with_its_value() {
        let late = CallError::from(Kill::Deadline { export: "map-series", limit: Duration::from_secs(5) });
        assert_eq!(late.limit(), Some(("deadline.map".into(), "5s".into())));
        assert_eq!(CallError::from(Kill::Memory { limit: 9 }).limit(), Some(("max_memory_bytes".into(), "9".into())));
        assert_eq!(CallError::Host("x".into()).limit(), None);
    }

    #[test]
    fn what_a_trap_says_is_one_line_of_bounded_length() {
        let text = format!("\x1b[2J\n2026 ERROR {}", "x".repeat(7 << 20));
        let error = CallError::from_wasmtime(&wasmtime::Error::msg(text), &Limits::default());
        let said = error.to_string();
        assert!(said.starts_with("trapped: [2J 2026 ERROR xx") && said.len() < 2 * MESSAGE_BYTES_MAX, "{}", said.len());
    }

    #[test]
    fn every_end_has_someone_to_blame() {
        let trap = Kill::Trap { reason: "unreachable".into(), frames: vec!["f".into(), "g".into()] };
        assert_eq!(trap.to_string(), "trapped: unreachable in f < g");
        assert_eq!(CallError::from(trap).blame(), Blame::Plugin);
        assert_eq!(CallError::Plugin(PluginFault::Unavailable("x".into())).blame(), Blame::Operator);
        assert_eq!(CallError::Host("x".into()).blame(), Blame::Host);
    }
}
