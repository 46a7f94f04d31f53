//! The compiling process: a component on its standard input, machine code on its standard output, and nothing of the
//! agent around it.
//!
//! It parses and compiles bytes of strangers, so it gives up what that does not need before it looks at them: it opens no
//! file or socket any more, starts no program, maps no code, and outlives nobody.

use std::io::{Read, Write};

use rustix::process::{Resource, Rlimit, Signal, getppid, setrlimit};

use super::budget::CompileBudget;
use super::filter;
use super::{STATUS_FAILED, STATUS_TOO_LARGE, compile_bytes};

/// The variable in which the agent tells its process id.
pub(super) const PARENT: &str = "SAKER_COMPILER_OF";
/// No component is larger, whatever the agent was told to take; the budget that follows from it is the largest.
const INPUT_BYTES_MAX: u64 = 256 << 20;
/// How much lower than the agent's its priority is.
const NICENESS: i32 = 10;
/// The first to go when the machine's memory is short.
const OOM_SCORE: &str = "1000";

/// Compiles its standard input to its standard output, within limits. `counting` compiles for a sandbox that counts
/// instructions. For the child that a [`Compiler::Child`](super::Compiler::Child) starts, as its only work.
///
/// # Errors
/// A status for [`std::process::exit`] and the reason, for people.
pub fn compile_child(counting: bool) -> Result<(), (i32, String)> {
    let failed = |error: std::io::Error| (STATUS_FAILED, error.to_string());
    close_inherited();
    die_with_parent().map_err(failed)?;
    give_up_privileges().map_err(failed)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err((super::STATUS_UNUSABLE, format!("it has more than {INPUT_BYTES_MAX} bytes")));
    }
    let budget = CompileBudget::of(bytes.len() as u64);
    budget.hold().map_err(failed)?;
    let filtered = filter::apply();
    let code = compile_bytes(&bytes, counting)?;
    drop(bytes);
    if code.len() as u64 > budget.code_bytes {
        return Err((STATUS_TOO_LARGE, String::new()));
    }
    std::io::stdout().lock().write_all(&code).map_err(failed)?;
    if let Err(error) = filtered {
        // Said to the agent, whose log it reaches; the limits above hold all the same.
        eprintln!("it ran without a filter of system calls: {error}");
    }
    Ok(())
}

/// Closes all but the three pipes: whatever has started the agent may have left files open to all its descendants. A
/// kernel before 5.9 knows no such call; then they cannot be read or written for the filter.
#[allow(unsafe_code, reason = "neither the standard library nor rustix closes what it does not own")]
fn close_inherited() {
    // SAFETY: this process has one thread and has opened nothing yet, so no descriptor beyond the third has an owner here.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

fn die_with_parent() -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // One that was killed before the line above has sent no signal:
    //
    //   agent      starts us ── is killed
    //   this                                set_parent_process_death_signal ── getppid
    let expected = std::env::var(PARENT).ok().and_then(|text| text.parse().ok());
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if expected.is_some() && expected != parent {
        return Err(std::io::Error::other("the agent that started this compiler has gone"));
    }
    Ok(())
}

fn give_up_privileges() -> std::io::Result<()> {
    // For people: it was started by a path that says nothing.
    let _ = rustix::thread::set_name(c"saker-compile");
    // A kernel without /proc, or with a stricter policy, leaves it as it is.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    rustix::process::setpriority_process(None, NICENESS)?;
    rustix::thread::set_no_new_privs(true)?;
    let none = || Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none())?;
    // What is open stays so, the three pipes; nothing else can be opened or connected, and no file grows. The number of
    // processes is not limited here: it counts those of the whole user, and threads are processes.
    setrlimit(Resource::Nofile, none())?;
    setrlimit(Resource::Fsize, none())?;
    CompileBudget::of(INPUT_BYTES_MAX).hold()
}
