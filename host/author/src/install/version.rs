//! Which of two versions is the older: numbers by their value, in order, and what comes before a release before it
//! (`1.2.0-rc.1` before `1.2.0`), as semantic versioning has it. Any text has a place, so none escapes the comparison.

use std::cmp::Ordering;

/// How one version stands to another.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    let release = match (one.1, other.1) {
        ("", "") => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (one, other) => natural(one, other),
    };
    natural(one.0, other.0).then(release)
}

/// What stands before the first hyphen and behind it, without the build.
fn parts(version: &str) -> (&str, &str) {
    let version = version.trim().trim_start_matches(['v', 'V']);
    let bare = version.split('+').next().unwrap_or_default();
    bare.split_once('-').unwrap_or((bare, ""))
}

/// Part by part; a number comes before a word, and what has no more parts is zero.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let (one, other) = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => (one.unwrap_or("0"), other.unwrap_or("0")),
        };
        let order = match (number(one), number(other)) {
            (Some(one), Some(other)) => one.len().cmp(&other.len()).then(one.cmp(other)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => one.cmp(other),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits of a number of any length, without zeros before it; no text at all is zero.
fn number(part: &str) -> Option<&str> {
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_order_that_people_expect() {
        let ascending = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.2",
            "1.0.0-alpha.10",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2",
            "1.10.0",
            "2",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(compare(one, other), place.cmp(&other_place), "{one} and {other}");
            }
        }
        for (one, other) in [("1.0", "1.0.0"), ("1.0.0+a", "1.0.0+b"), ("v1.2", "1.2"), ("01.2", "1.2"), ("", "0")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} and {other}");
        }
        assert_eq!(compare("99999999999999999999999999", "100000000000000000000000000"), Ordering::Less);
    }
}
