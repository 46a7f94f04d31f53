//! Reading the small text files of `/proc` and `/sys`.

use std::fs;

use crate::collector::CollectError;

/// The whole of a text file.
///
/// # Errors
/// A missing permission is [`CollectError::Denied`], anything else [`CollectError::Unavailable`], with the path.
pub fn read(path: &str) -> Result<String, CollectError> {
    fs::read_to_string(path).map_err(|error| CollectError::from_io(path, &error))
}

/// The number that is all of `text`, apart from white space around it. `place` is where it was read.
///
/// # Errors
/// [`CollectError::Malformed`] with the place, if it is not a number.
pub fn number(text: &str, place: &str) -> Result<f64, CollectError> {
    text.trim().parse().map_err(|_| CollectError::malformed(place, &format!("a number, found {:?}", text.trim())))
}

/// The lines of a file whose lines are `key value…` or `key: value…`, as (key, rest).
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (key, rest) = line.trim_start().split_once([' ', '\t', ':'])?;
        Some((key, rest.trim_start_matches([' ', '\t', ':']).trim_end()))
    })
}
