//! From a file's bytes to machine code, in a process of its own.
//!
//! Compiling untrusted bytes is not covered by what wasmtime promises about safety, and a large module takes hundreds
//! of megabytes. So the agent starts itself once more (`saker compile`), within a budget that follows from the file's
//! size and without any privilege; what goes wrong there costs one rejection.

mod budget;
mod child;
mod filter;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::Engine;

use crate::compile_cache::{CodeWriteError, CodeWriter};
pub(crate) use budget::CompileBudget;
use budget::WALL_MAX;
pub use child::compile_child;

/// Who compiles.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// A child process: this program, with these arguments. It gets the component on its standard input, must call
    /// [`compile_child`], and answers on its standard output.
    Child {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// This process, on a thread of its own. For tools and tests that load only what they trust.
    InProcess,
}

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes are not a component, or one that cannot be compiled.
    #[error("{0}")]
    Unusable(String),
    /// It took more than its share of the processors.
    #[error("compiling took more than the {seconds} s of processor time that a file of its size may take")]
    CpuTime {
        /// What it may take.
        seconds: u64,
    },
    /// It wanted too much memory.
    #[error("compiling needs more than the {most} bytes of memory that a file of its size may take")]
    Memory {
        /// What it may take.
        most: u64,
    },
    /// It becomes too much machine code.
    #[error("it compiles to more than the {most} bytes of machine code that a file of its size may have")]
    CodeTooLarge {
        /// What it may become.
        most: u64,
    },
    /// It took too long by the clock.
    #[error("compiling took longer than {WALL_MAX:?}")]
    TimedOut,
    /// The compiling process could not be run.
    #[error("cannot run the compiler")]
    Run(#[from] std::io::Error),
    /// The compiling process ended in another way: killed when the machine was out of memory, usually.
    #[error("the compiler ended with {status}: {words}")]
    Ended {
        /// How it ended.
        status: String,
        /// What it said.
        words: String,
    },
    /// It was tried before, and is not tried again as it is.
    #[error(
        "compiling it failed before, and is not tried again{until}: {reason} (to try again, replace or touch the file, or \
         run: saker plugin resume FILE)"
    )]
    Before {
        /// Until when, if not for good.
        until: &'static str,
        /// Why it failed.
        reason: String,
    },
}

/// Whether a failure comes again whenever these bytes are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailurePermanence {
    /// It lies in the bytes.
    Yes,
    /// It may lie in what else the machine had to do.
    No,
}

/// Exit status of the compiling process for bytes that are unusable, with the reason on its standard error.
const STATUS_UNUSABLE: i32 = 65;
/// For bytes that become more machine code than they may.
const STATUS_TOO_LARGE: i32 = 66;
/// For anything else.
const STATUS_FAILED: i32 = 1;
/// What fails sooner is not remembered: looking at it again costs no more than remembering it.
const REMEMBERED_FROM: Duration = Duration::from_secs(1);

impl Compiler {
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        bytes: Bytes,
        mut code: CodeWriter,
    ) -> Result<CodeWriter, CompileError> {
        match self {
            Self::InProcess => {
                let engine = engine.clone();
                let job = move || -> Result<_, CompileError> {
                    code.write(&compile_on(&engine, &bytes)?)?;
                    Ok(code)
                };
                tokio::task::spawn_blocking(job).await.map_err(|error| CompileError::Run(error.into()))?
            }
            Self::Child { program, arguments } => process::compile(program, arguments, bytes, code).await,
        }
    }
}

impl CompileError {
    /// Whether it is worth remembering after it has taken so long, and for how long.
    pub(crate) fn lasting(&self, took: Duration) -> Option<FailurePermanence> {
        match self {
            Self::Run(_) | Self::Before { .. } => None,
            _ if took < REMEMBERED_FROM => None,
            Self::Unusable(_) | Self::CpuTime { .. } | Self::CodeTooLarge { .. } => Some(FailurePermanence::Yes),
            // A machine that is short of memory or of time can do it another day.
            Self::Memory { .. } | Self::TimedOut | Self::Ended { .. } => Some(FailurePermanence::No),
        }
    }
}

impl From<CodeWriteError> for CompileError {
    fn from(error: CodeWriteError) -> Self {
        match error {
            CodeWriteError::TooLarge { most } => Self::CodeTooLarge { most },
            CodeWriteError::Io(error) => Self::Run(error),
        }
    }
}

/// Compiles a component, or a core module for `wasm32-wasip1` that embeds the contract, to machine code that a
/// [`Sandbox`](crate::Sandbox) of the same version loads. Returns the code, or the exit status and the words of a
/// compiling process that rejects it. `counting` compiles for a sandbox that counts instructions.
///
/// # Errors
/// A status for [`std::process::exit`] and the reason, for people.
pub fn compile_bytes(bytes: &[u8], counting: bool) -> Result<Vec<u8>, (i32, String)> {
    let engine = if counting { crate::engine::counting_engine() } else { crate::engine::new_engine() };
    let engine = engine.map_err(|error| (STATUS_FAILED, format!("{error:#}")))?;
    compile_on(&engine, bytes).map_err(|error| (STATUS_UNUSABLE, error.to_string()))
}

fn compile_on(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let unusable = |error: &dyn std::fmt::Display| CompileError::Unusable(error.to_string());
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(CompileError::Unusable(
            "it is machine code that was compiled before, which cannot be checked; put the .wasm file here".into(),
        ));
    }
    let wrapped;
    let component = match encoding(bytes)? {
        Encoding::Component => bytes,
        Encoding::Module => {
            wrapped = wrap(bytes)?;
            &wrapped
        }
    };
    engine.precompile_component(component).map_err(|error| unusable(&format_args!("{error:#}")))
}

/// Reads the file through to its end, so that a truncated or garbled one is rejected with a place before anything is
/// compiled.
fn encoding(bytes: &[u8]) -> Result<Encoding, CompileError> {
    if bytes.is_empty() {
        return Err(CompileError::Unusable("the file is empty".into()));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(CompileError::Unusable("the file is not WebAssembly: it does not begin with \"\\0asm\"".into()));
    }
    let mut found = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| CompileError::Unusable(format!("broken WebAssembly: {error}")))?;
        match payload {
            Payload::Version { encoding, .. } => _ = found.get_or_insert(encoding),
            Payload::CustomSection(section) => crate::names::check(&section).map_err(CompileError::Unusable)?,
            _ => {}
        }
    }
    found.ok_or_else(|| CompileError::Unusable("broken WebAssembly: it has no header".into()))
}

/// Makes a component of a core module that was built for `wasm32-wasip1`.
fn wrap(module: &[u8]) -> Result<Vec<u8>, CompileError> {
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", adapter))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| CompileError::Unusable(format!("a core module that cannot be made a component: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(bytes: &[u8]) -> String {
        compile_bytes(bytes, false).unwrap_err().1
    }

    #[test]
    fn what_is_no_component_is_rejected_with_the_reason() {
        assert_eq!(rejection(b""), "the file is empty");
        assert!(rejection(b"#!/bin/sh\n").contains("not WebAssembly"));
        assert!(rejection(b"\0asm\x0d\0\x01\0\x07\xff").contains("broken WebAssembly"), "truncated");
        // A core module that imports the function `f` of `env`, which is nothing of ours.
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x09\x01\x03env\x01f\0\0";
        assert!(rejection(module).contains("cannot be made a component"), "{}", rejection(module));
    }
}
