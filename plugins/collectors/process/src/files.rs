//! Reading of the many small files below `/proc/PID` through buffers that stay, because each file operation crosses
//! the sandbox.

use std::fs::File;
use std::io::{self, Read};

/// A buffer for the files of one kind, whose length is the most that is read of one.
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }

    /// The beginning of a file, as far as the buffer goes. None if it cannot be read: most likely its process has
    /// ended since it was listed, or belongs to someone whose processes are hidden.
    ///
    /// A read that stops at `last` is taken for the whole, which spares asking for the end of the file.
    pub(crate) fn read(&mut self, path: &str, last: u8) -> Option<&mut [u8]> {
        self.try_read(path, last).ok()
    }

    /// The same, with the reason if it cannot be read.
    pub(crate) fn try_read(&mut self, path: &str, last: u8) -> io::Result<&mut [u8]> {
        let mut file = File::open(path)?;
        let mut filled = 0;
        loop {
            let got = file.read(&mut self.0[filled..])?;
            filled += got;
            if got == 0 || self.0[filled - 1] == last {
                return Ok(&mut self.0[..filled]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_far_as_the_buffer_goes() {
        let path = "../../../tests/fixtures/proc/uptime";
        assert_eq!(Buffer::new(64).read(path, b'\n').unwrap(), b"1462898.17 2883122.94\n");
        assert_eq!(Buffer::new(4).read(path, b'\n').unwrap(), b"1462");
        assert_eq!(Buffer::new(64).read("/nowhere/stat", b'\n'), None);
    }
}
