//! Names with `*` in them, for settings that list devices, interfaces or file systems.
//!
//! `*` stands for any run of characters, also for none. Everything else stands for itself.

/// Whether `pattern` fits the whole of `text`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = text.strip_prefix(head).and_then(|left| left.strip_suffix(tail)) else { return false };
    // Taking each piece where it first occurs leaves the most for the pieces after it.
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    true
}

/// Whether one of `patterns` fits the whole of `text`.
#[must_use]
pub fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let fits = |pattern: &str| ["eth0", "veth0", "e0", ""].map(|text| matches(pattern, text));
        assert_eq!(fits("*"), [true; 4]);
        assert_eq!(fits("eth*"), [true, false, false, false]);
        assert_eq!(fits("*eth0"), [true, true, false, false]);
        assert_eq!(fits("e*0"), [true, false, true, false]);
        assert_eq!(fits("*e*h*"), [true, true, false, false]);
        assert_eq!(fits("**0**"), [true, true, true, false]);
        assert_eq!(fits(""), [false, false, false, true]);
    }

    #[test]
    fn the_parts_around_a_star_do_not_share_characters() {
        assert!(!matches("ab*ba", "aba"));
        assert!(!matches("a*b*b", "ab"));
        assert!(matches("a*ab*b", "aaabab"));
        assert!(matches("größe*", "größer"));
    }

    #[test]
    fn a_list_fits_if_one_of_its_patterns_does() {
        let patterns = ["lo".to_owned(), "veth*".to_owned()];
        assert!(any(&patterns, "veth12"));
        assert!(!any(&patterns, "lo1"));
        assert!(!any(&[], "lo"));
    }
}
