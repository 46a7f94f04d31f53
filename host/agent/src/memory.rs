//! Memory that is free, and that the allocator keeps.

/// Gives the system back what was freed and is still held. Takes milliseconds for each hundred MiB, so it is for a thread
/// that may wait, and for after much has gone.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library offers no other way")]
pub(crate) fn give_back() {
    // SAFETY: it takes a number, and touches only memory that is free.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give it back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
