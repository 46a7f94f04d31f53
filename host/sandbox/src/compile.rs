//! From a file's bytes to machine code, in a process of its own.
//!
//! Compiling untrusted bytes is not covered by what wasmtime promises about safety, and a large module takes hundreds
//! of megabytes. So the agent starts itself once more (`saker compile`), with limits on memory and time; what goes
//! wrong there costs one refusal.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::Engine;

/// Real time that a compilation may take. The largest guests known, Python interpreters, take 23 s.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Address space that the compiling process may use, in bytes.
const MEMORY_MAX: u64 = 4 << 30;
/// How much of the compiling process's words is kept.
const WORDS_MAX: u64 = 4096;
/// How much lower than the agent's the compiling process's priority is.
const NICENESS: i32 = 10;

/// Who compiles.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// A child process: this program, with these arguments. It gets the component on its standard input, must call
    /// [`restrict_this_process`] and [`compile_bytes`], and answers on its standard output.
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
    /// It took too long.
    #[error("compiling took longer than {TIME_MAX:?}")]
    TimedOut,
    /// The compiling process could not be run.
    #[error("cannot run the compiler")]
    Run(#[from] std::io::Error),
    /// The compiling process ended in another way: out of memory, usually.
    #[error("the compiler ended with {status}: {words}")]
    Ended {
        /// How it ended.
        status: String,
        /// What it said.
        words: String,
    },
}

/// Exit status of the compiling process for bytes that are unusable, with the reason on its standard error.
const STATUS_UNUSABLE: i32 = 65;

impl Compiler {
    pub(crate) async fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
        match self {
            Self::InProcess => {
                let (engine, bytes) = (engine.clone(), bytes.to_vec());
                let job = tokio::task::spawn_blocking(move || compile_on(&engine, &bytes));
                job.await.map_err(|error| CompileError::Run(error.into()))?
            }
            Self::Child { program, arguments } => {
                let work = compile_in_child(program, arguments, bytes);
                tokio::time::timeout(TIME_MAX, work).await.map_err(|_| CompileError::TimedOut)?
            }
        }
    }
}

async fn compile_in_child(program: &PathBuf, arguments: &[String], bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = Group::of(&child);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = pipes else {
        return Err(std::io::Error::other("the compiler has no pipes").into());
    };
    let (mut code, mut words) = (Vec::new(), Vec::new());
    let give = async {
        // A compiler that has seen enough closes its input early: its status tells, not this error.
        let _ = stdin.write_all(bytes).await;
        drop(stdin);
    };
    let mut stderr = stderr.take(WORDS_MAX);
    let (_, read, said) = tokio::join!(give, stdout.read_to_end(&mut code), stderr.read_to_end(&mut words));
    read?;
    said?;
    let status = child.wait().await?;
    // Its number may soon be another's.
    group.ended();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    match status.code() {
        Some(0) => Ok(code),
        Some(STATUS_UNUSABLE) => Err(CompileError::Unusable(words)),
        _ => Err(CompileError::Ended { status: status.to_string(), words }),
    }
}

/// The compiling process and whatever it has started, killed together if nobody waits for them any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that has ended by itself is not there to be killed.
        let _ = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}

/// Takes from this process what compiling does not need. For the child that a [`Compiler::Child`] starts.
///
/// # Errors
/// If the system refuses the limits.
pub fn restrict_this_process() -> std::io::Result<()> {
    let seconds = TIME_MAX.as_secs();
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY_MAX), maximum: Some(MEMORY_MAX) })?;
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds) })?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::process::setpriority_process(None, NICENESS)?;
    Ok(())
}

/// Compiles a component, or a core module for `wasm32-wasip1` that embeds the contract, to machine code that a
/// [`Sandbox`](crate::Sandbox) of the same version loads. Returns the code, or the exit status and the words of a
/// compiling process that refuses. `counting` compiles for a sandbox that counts instructions.
///
/// # Errors
/// A status for [`std::process::exit`] and the reason, for people.
pub fn compile_bytes(bytes: &[u8], counting: bool) -> Result<Vec<u8>, (i32, String)> {
    let engine = if counting { crate::engine::counting_engine() } else { crate::engine::new_engine() };
    let engine = engine.map_err(|error| (1, format!("{error:#}")))?;
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

/// Reads the file through to its end, so that a truncated or garbled one is refused with a place before anything is
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

    fn refusal(bytes: &[u8]) -> String {
        compile_bytes(bytes, false).unwrap_err().1
    }

    #[test]
    fn what_is_no_component_is_refused_with_the_reason() {
        assert_eq!(refusal(b""), "the file is empty");
        assert!(refusal(b"#!/bin/sh\n").contains("not WebAssembly"));
        assert!(refusal(b"\0asm\x0d\0\x01\0\x07\xff").contains("broken WebAssembly"), "truncated");
        // A core module that imports the function `f` of `env`, which is nothing of ours.
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x09\x01\x03env\x01f\0\0";
        assert!(refusal(module).contains("cannot be made a component"), "{}", refusal(module));
    }
}
