//! Patterns as operators write them: text in which `*` stands for any run of characters, or `/…/` around a regular
//! expression. Both must fit the whole of a text.

use regex_lite::{Captures, Regex};

/// One pattern.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// This text.
    Exact(String),
    /// What this fits. Each `*` of a glob is a group.
    Regex(Regex),
}

/// How a pattern fits a text.
pub(crate) struct Fit<'t>(Option<Captures<'t>>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with the regular expression.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let regex = match inner {
            // Read alone first, so that nothing in it can end the brackets around it.
            Some(inner) => Regex::new(inner).map(|_| format!("^(?:{inner})$")),
            None if text.contains('*') => {
                let pieces: Vec<_> = text.split('*').map(regex_lite::escape).collect();
                Ok(format!("(?s)^{}$", pieces.join("(.*)")))
            }
            None => return Ok(Self::Exact(text.into())),
        };
        let regex = regex.and_then(|regex| Regex::new(&regex));
        regex.map(Self::Regex).map_err(|error| format!("{text:?} is no regular expression: {error}"))
    }

    /// How this fits the whole of `text`, if it does.
    pub(crate) fn fit<'t>(&self, text: &'t str) -> Option<Fit<'t>> {
        match self {
            Self::Exact(exact) => (exact == text).then_some(Fit(None)),
            Self::Regex(regex) => regex.captures(text).map(|captures| Fit(Some(captures))),
        }
    }

    /// Whether this fits the whole of `text`.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::Regex(regex) => regex.captures_len() - 1,
        }
    }

    /// The groups that have a name, with their numbers.
    pub(crate) fn named_groups(&self) -> impl Iterator<Item = (usize, &str)> {
        let regex = match self {
            Self::Exact(_) => None,
            Self::Regex(regex) => Some(regex),
        };
        let names = regex.into_iter().flat_map(Regex::capture_names);
        names.enumerate().filter_map(|(number, name)| Some((number, name?)))
    }
}

impl<'t> Fit<'t> {
    /// What a group stands for; empty if it took no part.
    pub(crate) fn group(&self, number: usize) -> &'t str {
        self.0.as_ref().and_then(|captures| captures.get(number)).map_or("", |found| found.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_the_whole_of_a_text() {
        for (pattern, fitting, other) in [
            ("cpu.idle", &["cpu.idle"][..], &["cpu.idle2", "xcpu.idle", "cpu-idle", ""][..]),
            ("cpu.*", &["cpu.", "cpu.idle", "cpu.a.b"], &["cpu", "cpuxidle", "xcpu.idle"]),
            ("*.bytes", &[".bytes", "net.if.in.bytes"], &["bytes", "net.bytes.x"]),
            ("a*b*c", &["abc", "axxbxxc"], &["acb", "ab"]),
            ("*", &["", "x", "/"], &[]),
            ("", &[""], &["x"]),
            ("a+(b)[c]", &["a+(b)[c]"], &["aab"]),
            ("/", &["/"], &[""]),
            ("/data*", &["/data", "/data1"], &["data"]),
            ("/cpu|mem/", &["cpu", "mem"], &["cpux", "xmem", "/cpu|mem/"]),
            ("/sd[a-z]+\\d*/", &["sda", "sdaa12"], &["nvme0n1", "xsda"]),
            ("/(?i)EU-.*/", &["eu-1", "Eu-2"], &["us-1"]),
            ("//", &[""], &["x"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            for (texts, expected) in [(fitting, true), (other, false)] {
                for text in texts {
                    assert_eq!(parsed.is_match(text), expected, "{pattern} {text}");
                    assert_eq!(parsed.fit(text).is_some(), expected, "{pattern} {text}");
                }
            }
        }
    }

    #[test]
    fn a_star_and_a_bracket_are_groups() {
        for (pattern, text, expected) in [
            ("net.*.*", "net.if.in.bytes", &["if.in", "bytes"][..]),
            ("/(sd.)(\\d+)?/", "sda", &["sda", ""]),
            ("/(?<disk>sd.)(\\d+)/", "sda2", &["sda", "2"]),
            ("exact", "exact", &[]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            let fit = parsed.fit(text).unwrap();
            let groups: Vec<_> = (1..=parsed.groups()).map(|number| fit.group(number)).collect();
            assert_eq!(groups, expected, "{pattern}");
        }
        let named = Pattern::parse("/(a)(?<disk>sd.)/").unwrap();
        assert_eq!(named.named_groups().collect::<Vec<_>>(), [(2, "disk")]);
    }

    #[test]
    fn a_wrong_regular_expression_is_named() {
        for pattern in ["/(a/", "/a)|(b/", "/*/"] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.starts_with(&format!("{pattern:?} is no regular expression: ")), "{error}");
        }
    }
}
