//! Descriptors: as many as the system gives, and some that no connection may have.

use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many are kept back for collectors, queues and plugin files, which open them for moments: a hundred collectors at
/// work use fewer.
const KEPT_BACK: u64 = 64;

/// Raises the limit of this process to what it may be raised to. Answers the limit that there is now, if there is one.
///
/// # Errors
/// If the system rejects it; the limit is then what it was.
pub fn raise_limit() -> std::io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(limit.maximum)
}

/// Whether a socket stands on a descriptor that is kept back. The system gives the lowest one that is free, so whoever
/// closes sockets at or above a mark keeps all descriptors from there on for others, whatever else is open.
#[must_use]
pub fn is_kept_back(descriptor: RawFd) -> bool {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return false };
    is_kept_back_of(limit, descriptor)
}

fn is_kept_back_of(limit: u64, descriptor: RawFd) -> bool {
    // Where there are next to none, half of them.
    let mark = limit - KEPT_BACK.min(limit / 2);
    u64::try_from(descriptor).is_ok_and(|descriptor| descriptor >= mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_64_descriptors_are_not_for_connections() {
        assert!(!is_kept_back_of(256, 191));
        assert!(is_kept_back_of(256, 192));
        assert!(!is_kept_back_of(64, 31));
        assert!(is_kept_back_of(64, 32));
    }

    #[test]
    fn the_limit_is_raised_to_what_it_may_be() {
        let most = raise_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, most);
    }
}
