//! The agent's side of the compiling process: starts it, hands it the component, takes its machine code as it comes, and
//! ends it with all that it may have started.
//!
//! It has threads of its own: disks and pipes may hang, and a compiler dies with the thread that started it.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use tokio::sync::oneshot;

use super::budget::{THREADS, WALL_MAX};
use super::child::PARENT;
use super::{CompileError, STATUS_TOO_LARGE, STATUS_UNUSABLE};
use crate::compile_cache::CodeWriter;

/// How much of the compiling process's words is kept.
const WORDS_MAX: u64 = 4096;
/// How much is taken from its output at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Compiles in a child. Dropping the future ends the child.
pub(super) async fn compile(
    program: &Path,
    arguments: &[String],
    bytes: Bytes,
    mut code: CodeWriter,
) -> Result<CodeWriter, CompileError> {
    let mut command = command(program, arguments);
    let group = Arc::new(ProcessGroup::default());
    let _ends_with_us = ProcessGuard(group.clone());
    let (done, end) = oneshot::channel();
    thread::Builder::new().name("compile".into()).spawn(move || {
        let result = run(&mut command, &group, bytes, &mut code).map(|()| code);
        // Whoever gave up waiting wants no code.
        let _ = done.send(result);
    })?;
    match tokio::time::timeout(WALL_MAX, end).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(std::io::Error::other("the thread that waits for the compiler has failed").into()),
        Err(_) => Err(CompileError::TimedOut),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the agent's compiler")]
fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env(PARENT, std::process::id().to_string())
        .env("RAYON_NUM_THREADS", THREADS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

fn run(command: &mut Command, group: &ProcessGroup, bytes: Bytes, code: &mut CodeWriter) -> Result<(), CompileError> {
    let input = bytes.len() as u64;
    let mut child = group.start(command)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = pipes else {
        return Err(std::io::Error::other("the compiler has no pipes").into());
    };
    let mut words = Vec::new();
    let taken = thread::scope(|scope| {
        scope.spawn(move || {
            // A compiler that has seen enough closes its input early: its status tells, not this error. From here on the
            // agent does not hold the component any more.
            let _ = stdin.write_all(&bytes);
        });
        // What is beyond is not read, and its writer is told so.
        scope.spawn(|| stderr.take(WORDS_MAX).read_to_end(&mut words));
        let taken = take(&mut stdout, code);
        if taken.is_err() {
            group.kill();
        }
        drop(stdout);
        taken
    });
    let status = group.wait(&mut child)?;
    taken?;
    // A compiler that was taken over could say anything.
    let words = clean(&String::from_utf8_lossy(&words), MESSAGE_BYTES_MAX);
    verdict(status, &words, input)
}

fn take(stdout: &mut impl Read, code: &mut CodeWriter) -> Result<(), CompileError> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match stdout.read(&mut piece)? {
            0 => return Ok(()),
            read => code.write(&piece[..read])?,
        }
    }
}

fn verdict(status: ExitStatus, words: &str, input: u64) -> Result<(), CompileError> {
    use std::os::unix::process::ExitStatusExt;
    let budget = super::CompileBudget::of(input);
    match (status.code(), status.signal().and_then(Signal::from_named_raw)) {
        (Some(0), _) => {
            if !words.is_empty() {
                tracing::warn!("the compiler says: {words}");
            }
            Ok(())
        }
        (Some(STATUS_UNUSABLE), _) => Err(CompileError::Unusable(words.into())),
        (Some(STATUS_TOO_LARGE), _) => Err(CompileError::CodeTooLarge { most: budget.code_bytes }),
        (_, Some(Signal::XCPU)) => Err(CompileError::CpuTime { seconds: budget.cpu_seconds }),
        // What Rust's allocator says when it is given nothing more.
        (_, Some(Signal::ABORT)) if words.starts_with("memory allocation of") => {
            Err(CompileError::Memory { most: budget.data_bytes })
        }
        _ => Err(CompileError::Ended { status: status.to_string(), words: words.into() }),
    }
}

/// The compiling process and whatever it has started, ended together.
#[derive(Default)]
struct ProcessGroup(Mutex<ProcessState>);

#[derive(Default)]
enum ProcessState {
    #[default]
    NotStarted,
    Runs(Pid),
    /// It has been waited for, and its number may be another's; or nobody wants it any more.
    Over,
}

impl ProcessGroup {
    fn start(&self, command: &mut Command) -> std::io::Result<Child> {
        let mut state = self.0.lock();
        if matches!(*state, ProcessState::Over) {
            return Err(std::io::Error::other("given up before it was started"));
        }
        let child = command.spawn()?;
        *state = Pid::from_raw(child.id().cast_signed()).map_or(ProcessState::Over, ProcessState::Runs);
        Ok(child)
    }

    /// Waits for its end, and ends what it leaves behind.
    fn wait(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
            // Without taking its status: until then its number is nobody else's.
            while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                if error != rustix::io::Errno::INTR {
                    return Err(error.into());
                }
            }
        }
        let mut state = self.0.lock();
        state.kill();
        *state = ProcessState::Over;
        child.wait()
    }

    fn kill(&self) {
        self.0.lock().kill();
    }
}

impl ProcessState {
    fn kill(&self) {
        if let Self::Runs(pid) = self {
            // One that has ended by itself is not there to be killed.
            let _ = kill_process_group(*pid, Signal::KILL);
        }
    }
}

/// Ends the group when nobody waits for it any more.
struct ProcessGuard(Arc<ProcessGroup>);

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.kill();
        if matches!(*state, ProcessState::NotStarted) {
            *state = ProcessState::Over;
        }
    }
}
