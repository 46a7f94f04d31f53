//! Whole reads over the disk's single calls.

use std::io;

use saker_journal::DiskFile;

/// Reads so many bytes, or as many as there are.
pub(crate) fn read_at(file: &dyn DiskFile, count: usize, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    let mut have = 0;
    while have < count {
        match file.read_at(&mut bytes[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// A block of the disk that cannot be read costs what is in it, not what is read with it.
const BLOCK_BYTES: usize = 4096;

/// Reads so many bytes, with zeros for what the disk does not give back.
pub(crate) fn read_image(file: &dyn DiskFile, count: usize, offset: u64) -> io::Result<Vec<u8>> {
    /// A bad block, by Linux's number of the error.
    const EIO: i32 = 5;
    match read_at(file, count, offset) {
        Err(error) if error.raw_os_error() == Some(EIO) => {
            let mut image = vec![0; count];
            for (place, block) in image.chunks_mut(BLOCK_BYTES).enumerate() {
                match read_at(file, block.len(), offset + (place * BLOCK_BYTES) as u64) {
                    Ok(bytes) => block[..bytes.len()].copy_from_slice(&bytes),
                    Err(error) if error.raw_os_error() == Some(EIO) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(image)
        }
        other => other,
    }
}
