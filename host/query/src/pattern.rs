//! Regular expressions as Prometheus takes them (RE2), run by the `regex` crate without its Unicode tables.
//!
//! The two languages differ in little, and that little is rewritten: Perl classes are ASCII, as RE2 has them; letters
//! under the flag `i` become classes (ASCII letters only); what only one of the two gives a meaning is escaped.

use regex::{Captures, Regex, RegexBuilder};

/// Bytes of a compiled pattern: enough for thousands of alternatives, too little to hurt.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// How deep groups may nest.
const NESTING_MAX: u32 = 100;

/// A pattern that matches whole texts.
#[derive(Clone, Debug)]
pub struct TextPattern(Regex);

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression.
    #[error("{0}")]
    Syntax(String),
    /// It is too large once compiled.
    #[error("it is too large: at most {COMPILED_BYTES_MAX} bytes compiled")]
    TooLarge,
}

impl TextPattern {
    /// Compiles a pattern, anchored at both ends, in which a dot matches a line's end too.
    ///
    /// # Errors
    /// [`PatternError`]
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        // First alone: `a)(b` is only wrong as long as it does not stand in a group.
        build(&rewrite(pattern))?;
        build(&format!("^(?s:{})$", rewrite(pattern))).map(Self)
    }

    /// Compiles a pattern that matches anywhere in a text, letters of either case.
    ///
    /// # Errors
    /// [`PatternError`]
    pub(crate) fn anywhere(pattern: &str) -> Result<Self, PatternError> {
        build(&rewrite(&format!("(?i){pattern}"))).map(Self)
    }

    /// Whether it matches the whole text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// What its groups hold of a text, if it matches.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.0.captures(text)
    }
}

fn build(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).nest_limit(NESTING_MAX).build().map_err(|error| {
        match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            // The last line says what is wrong; those before it draw the pattern.
            error => {
                PatternError::Syntax(error.to_string().lines().last().unwrap_or_default().trim().replace("error: ", ""))
            }
        }
    })
}

fn rewrite(pattern: &str) -> String {
    let mut rewriter =
        Rewriter { input: pattern, at: 0, out: String::with_capacity(pattern.len() + 8), fold: vec![false] };
    while let Some(c) = rewriter.next() {
        rewriter.step(c);
    }
    rewriter.out
}

struct Rewriter<'a> {
    input: &'a str,
    at: usize,
    out: String,
    /// For each open group, whether letters match in both cases.
    fold: Vec<bool>,
}

impl Rewriter<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn rest(&self) -> &str {
        &self.input[self.at..]
    }

    fn folds(&self) -> bool {
        self.fold.last().copied().unwrap_or_default()
    }

    fn step(&mut self, c: char) {
        match c {
            '\\' => self.escape(false),
            '[' => self.class(),
            '(' => self.group(),
            ')' => {
                if self.fold.len() > 1 {
                    self.fold.pop();
                }
                self.out.push(')');
            }
            '{' if !is_repetition(self.rest()) => self.out.push_str("\\{"),
            c if c.is_ascii_alphabetic() && self.folds() => {
                self.out.push('[');
                self.out.push(c.to_ascii_lowercase());
                self.out.push(c.to_ascii_uppercase());
                self.out.push(']');
            }
            c => self.out.push(c),
        }
    }

    fn escape(&mut self, in_class: bool) {
        let Some(c) = self.next() else { return self.out.push('\\') };
        let class = match c {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            's' => "\\t\\n\\x0C\\r ",
            'D' | 'W' | 'S' => return self.negated(c),
            'b' | 'B' if !in_class => return self.out.push_str(&format!("(?-u:\\{c})")),
            'Q' if !in_class => return self.quoted(),
            c => {
                self.out.push('\\');
                return self.out.push(c);
            }
        };
        if in_class {
            self.out.push_str(class);
        } else {
            self.out.push_str(&format!("[{class}]"));
        }
    }

    /// A nested class works in and out of a class.
    fn negated(&mut self, c: char) {
        self.out.push_str(match c {
            'D' => "[^0-9]",
            'W' => "[^0-9A-Za-z_]",
            _ => "[^\\t\\n\\x0C\\r ]",
        });
    }

    fn quoted(&mut self) {
        let text = self.rest();
        let (literal, skipped) = text.find("\\E").map_or((text, text.len()), |end| (&text[..end], end + 2));
        let escaped = regex::escape(literal);
        self.out.push_str(&escaped);
        self.at += skipped;
    }

    fn class(&mut self) {
        self.out.push('[');
        if self.rest().starts_with('^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        while let Some(c) = self.next() {
            match c {
                ']' if !first => return self.out.push(']'),
                ']' => self.out.push_str("\\]"),
                '[' if self.rest().starts_with(':') => self.posix(),
                '\\' => self.escape(true),
                // Set operations, which RE2 does not have.
                '[' | '&' | '~' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                c => self.class_item(c),
            }
            first = false;
        }
    }

    fn posix(&mut self) {
        let end = self.rest().find(":]").map_or(0, |end| end + 2);
        let class = self.rest()[..end].to_owned();
        self.out.push('[');
        self.out.push_str(&class);
        self.at += end;
    }

    fn class_item(&mut self, from: char) {
        let mut rest = self.rest().chars();
        let to = match (rest.next(), rest.next()) {
            (Some('-'), Some(to)) if !matches!(to, ']' | '\\' | '[') => {
                self.at += 1 + to.len_utf8();
                to
            }
            _ => from,
        };
        self.range(from, to);
        if self.folds() && from.is_ascii_alphabetic() && to.is_ascii_alphabetic() {
            let other = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            self.range(other(from), other(to));
        }
    }

    fn range(&mut self, from: char, to: char) {
        let escaped = |out: &mut String, c: char| {
            if matches!(c, '-' | '^' | '&' | '~' | '[') {
                out.push('\\');
            }
            out.push(c);
        };
        escaped(&mut self.out, from);
        if to != from {
            self.out.push('-');
            escaped(&mut self.out, to);
        }
    }

    /// Takes the flag `i` out of a group's flags, and remembers it.
    fn group(&mut self) {
        let folds = self.folds();
        self.out.push('(');
        let flags = self.rest().strip_prefix('?').filter(|rest| !rest.starts_with(['P', '<', ':'])).and_then(|rest| {
            let end = rest.find([':', ')'])?;
            Some((rest[..end].to_owned(), rest[end..].starts_with(':')))
        });
        let Some((flags, scoped)) = flags else { return self.fold.push(folds) };
        self.at += 1 + flags.len() + 1;
        let (on, off) = flags.split_once('-').unwrap_or((&flags, ""));
        let fold = (folds || on.contains('i')) && !off.contains('i');
        let (on, off) = (on.replace('i', ""), off.replace('i', ""));
        let minus = if off.is_empty() { "" } else { "-" };
        if scoped {
            self.out.push_str(&format!("?{on}{minus}{off}:"));
            self.fold.push(fold);
        } else {
            // An empty flag group is an error to the crate, and an empty group is not.
            let empty = on.is_empty() && off.is_empty();
            self.out.push_str(&if empty { "?:)".into() } else { format!("?{on}{minus}{off})") });
            if let Some(last) = self.fold.last_mut() {
                *last = fold;
            }
        }
    }
}

/// Whether what follows a brace makes it a repetition: RE2 takes any other brace for itself.
fn is_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        Some((from, to)) => !from.is_empty() && digits(from) && digits(to),
        None => !inside.is_empty() && digits(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_prometheus() {
        for (pattern, text, expected) in [
            ("a|b", "a", true),
            ("a|b", "ab", false),
            ("a.c", "a\nc", true),
            ("", "", true),
            (".+", "", false),
            (r"\d+", "42", true),
            (r"\d", "٣", false),
            (r"[\d.]+", "1.2", true),
            (r"\D", "x", true),
            (r"[\W]", "é", true),
            ("gr.ße", "grüße", true),
            ("(?i)ETH0", "eth0", true),
            ("(?i:e)th", "Eth", true),
            ("(?i:e)th", "ETH", false),
            ("(?i)[a-c]x", "BX", true),
            ("a(?i)b", "aB", true),
            ("a(?i)b", "AB", false),
            ("a{", "a{", true),
            ("a{2}", "aa", true),
            ("a{,2}", "a{,2}", true),
            ("[a&&b]+", "&", true),
            ("[[a]", "[", true),
            ("[]a]", "]", true),
            ("[[:alpha:]]+", "ab", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            ("(?P<x>a)b", "ab", true),
            ("[^a-c]", "d", true),
            (r"a\.b", "a.b", true),
            (r"a\bb", "ab", false),
            ("[+--]", "-", true),
        ] {
            assert_eq!(TextPattern::new(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_wrong_or_huge_pattern_is_rejected_in_words() {
        assert_eq!(TextPattern::new("a(").unwrap_err().to_string(), "unclosed group");
        assert!(TextPattern::new("a)(b").is_err());
        assert_eq!(TextPattern::new("(a{1000}){1000}").unwrap_err(), PatternError::TooLarge);
        assert!(TextPattern::new(&"(".repeat(5000)).is_err());
        assert!(TextPattern::new(r"\p{Greek}").is_err());
    }
}
