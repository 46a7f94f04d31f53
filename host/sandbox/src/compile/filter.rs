//! The system calls that compiling needs: memory, threads, locks, the clock, and writing to what is open.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Filters the system calls of this process from now on, and of all its threads to come.
///
/// # Errors
/// If the kernel, or what this process runs in, knows no filters.
pub(super) fn apply() -> Result<(), seccompiler::Error> {
    let program = program().map_err(seccompiler::Error::Backend)?;
    seccompiler::apply_filter_all_threads(&program)
}

fn program() -> Result<BpfProgram, BackendError> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    // Rejected as a kernel rejects what it does not know: libraries then do without, and make threads by the older
    // call, whose flags can be looked at.
    let rejection = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules()?, rejection, SeccompAction::Allow, machine)?.try_into()
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let always = [
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_sigaltstack,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_close,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.into_iter().map(|call| (call, Vec::new())).collect();
    let mut only = |call: i64, conditions: Vec<(u8, Op, i32)>| -> Result<(), BackendError> {
        let condition =
            |(place, op, value): (u8, Op, i32)| SeccompCondition::new(place, Width::Dword, op, u64::from(value as u32));
        let conditions = conditions.into_iter().map(condition).collect::<Result<_, _>>()?;
        rules.insert(call, vec![SeccompRule::new(conditions)?]);
        Ok(())
    };
    let has = |flag: i32| Op::MaskedEq(u64::from(flag as u32));
    // Memory, never files and never code.
    let (code, anonymous) = (libc::PROT_EXEC, libc::MAP_ANONYMOUS);
    only(libc::SYS_mmap, vec![(2, has(code), 0), (3, has(anonymous), anonymous)])?;
    only(libc::SYS_mprotect, vec![(2, has(code), 0)])?;
    // Threads, never processes.
    only(libc::SYS_clone, vec![(0, has(libc::CLONE_THREAD), libc::CLONE_THREAD)])?;
    only(libc::SYS_prctl, vec![(0, Op::Eq, libc::PR_SET_NAME)])?;
    // What it has to say.
    only(libc::SYS_write, vec![(0, Op::Le, libc::STDERR_FILENO)])?;
    only(libc::SYS_writev, vec![(0, Op::Le, libc::STDERR_FILENO)])?;
    // Aborting ends itself and nobody else.
    let own = std::process::id().cast_signed();
    only(libc::SYS_tgkill, vec![(0, Op::Eq, own)])?;
    Ok(rules)
}
