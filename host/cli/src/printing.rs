//! What commands print to standard output and standard error. Both may be a pipe whose reader has gone or a file on a
//! full disk, and neither is a reason to panic as `println!` does.
//!
//! The agent itself prints from `log.rs` while it runs, since nothing here may wait for it.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether whoever read standard output has gone, as `head` does when it has enough.
static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

/// What was asked for cannot be printed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct PrintError(#[source] io::Error);

/// Prints to standard output. A reader that has gone is no failure: the command's verdict stands without it.
///
/// # Errors
/// If it cannot be written for any other reason, such as a full disk.
pub fn print(text: fmt::Arguments<'_>) -> Result<(), PrintError> {
    let mut stdout = io::stdout().lock();
    judge(stdout.write_fmt(text).and_then(|()| stdout.flush()))
}

/// Prints to standard error, which is where a failure to do so would be told as well.
pub fn print_error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Whether it is of no use to print on.
pub fn reader_is_gone() -> bool {
    READER_IS_GONE.load(Ordering::Relaxed)
}

fn judge(printed: io::Result<()>) -> Result<(), PrintError> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            READER_IS_GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        other => other.map_err(PrintError),
    }
}

/// Prints a line to standard output: `say!("{name}: removed")?`.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {
        $crate::printing::print(format_args!("{}\n", format_args!($($words)*)))
    };
}

/// Prints a line to standard error, after the program's name.
#[macro_export]
macro_rules! complain {
    ($($words:tt)*) => {
        $crate::printing::print_error(format_args!("saker: {}\n", format_args!($($words)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
        assert!(judge(Ok(())).is_ok() && !reader_is_gone());
        let full = judge(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(full.to_string().starts_with("cannot write to standard output: "), "{full}");
        assert!(!reader_is_gone());
        assert!(judge(Err(io::ErrorKind::BrokenPipe.into())).is_ok() && reader_is_gone());
    }
}
