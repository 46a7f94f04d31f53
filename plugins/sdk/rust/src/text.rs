//! Reading the small text files of `/proc` and `/sys`.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

use crate::collector::CollectError;

/// Bytes of the first read. The kernel makes these files as they are read and tells no size beforehand; the standard
/// library then probes with 32 bytes and doubles, ten calls for a file of 2 KB. Most files fit into one read of this
/// size, and some under `/proc/sys` answer only the first one.
pub(crate) const FIRST_READ: usize = 4 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The whole of a text file.
///
/// # Errors
/// A missing permission is [`CollectError::Denied`], anything else [`CollectError::Unavailable`], with the path.
pub fn read(path: &str) -> Result<String, CollectError> {
    read_io(path).map_err(|error| CollectError::from_io(path, &error))
}

/// The whole of a text file; none if there is no such file here, or the kernel does not serve it.
///
/// # Errors
/// A missing permission is [`CollectError::Denied`], anything else [`CollectError::Unavailable`], with the path.
pub fn read_if_there(path: &str) -> Result<Option<String>, CollectError> {
    if_there(path, read_io(path))
}

/// What came of reading a file that may be missing.
pub(crate) fn if_there(path: &str, read: io::Result<String>) -> Result<Option<String>, CollectError> {
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) => match CollectError::from_io(path, &error) {
            // A missing permission looks like a missing file at first, and must not pass for one.
            CollectError::Unavailable(_)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported) =>
            {
                Ok(None)
            }
            error => Err(error),
        },
    }
}

pub(crate) fn read_io(path: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(buffer.len().max(FIRST_READ), 0);
        let mut filled = 0;
        loop {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            match file.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        let bytes = &buffer[..filled];
        // Bytes that are no text spoil the line that they stand in, and none beside it. Looking for them one by one
        // costs more than the rest, and is hardly ever needed.
        Ok(std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned))
    })
}

/// A text, with U+FFFD for what is none.
pub(crate) fn from_bytes(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned())
}

/// The number that is all of `text`, apart from white space around it. `place` is where it was read.
///
/// # Errors
/// [`CollectError::Malformed`] with the place, if it is not a finite number.
pub fn number(text: &str, place: &str) -> Result<f64, CollectError> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| CollectError::malformed(place, &format!("a number, found {:?}", text.trim())))
}

/// The lines of a file whose lines are `key value…` or `key: value…`, as (key, rest).
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (key, rest) = line.trim_start().split_once([' ', '\t', ':'])?;
        Some((key, rest.trim_start_matches([' ', '\t', ':']).trim_end()))
    })
}

/// `text` with `_` for what a tag may not hold: a control character.
#[must_use]
pub fn tag_value(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_holds_anything_but_control_characters() {
        assert_eq!(tag_value("/mnt/a,b=c\nd e"), "/mnt/a,b=c_d e");
    }

    #[test]
    fn a_file_of_any_size_is_read_whole() {
        let path = std::env::temp_dir().join(format!("saker-sdk-text-{}", std::process::id()));
        let name = path.to_str().unwrap();
        for size in [0, 1, FIRST_READ - 1, FIRST_READ, FIRST_READ + 1, 5 * FIRST_READ, 3] {
            std::fs::write(&path, "x".repeat(size)).unwrap();
            assert_eq!(read(name).unwrap().len(), size);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_if_there(name), Ok(None));
        assert!(matches!(read(name), Err(CollectError::Unavailable(_))));
    }

    #[test]
    fn bytes_that_are_no_text_spoil_themselves_only() {
        let path = std::env::temp_dir().join(format!("saker-sdk-bytes-{}", std::process::id()));
        std::fs::write(&path, b"a 1\n\xff\xfe 2\nb 3\n").unwrap();
        assert_eq!(read(path.to_str().unwrap()).unwrap(), "a 1\n\u{fffd}\u{fffd} 2\nb 3\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number(" 2.5\n", "p"), Ok(2.5));
        for text in ["", "x", "inf", "nan"] {
            assert!(matches!(number(text, "p"), Err(CollectError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn pairs_are_split_at_a_colon_or_at_white_space() {
        let found: Vec<_> = pairs("MemTotal:  5 kB\npgfault 7\nlonely\n").collect();
        assert_eq!(found, [("MemTotal", "5 kB"), ("pgfault", "7")]);
    }
}
