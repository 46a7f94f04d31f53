//! Tags as one text: `k=v,k2=v2`, sorted by key. It is the end of a series' canonical key, Open-Falcon's `tags`, and what
//! people write in queries and on the command line.
//!
//! A backslash stands before a `,` or `=` that belongs to a key or value, and before a backslash that would otherwise be
//! taken for such a mark: one in front of `,`, `=`, a space or another backslash, or at the end. Any other backslash stands
//! for itself, so that `path=C:\temp` is read as it always was. Every list of tags is read back as it was written.

use std::borrow::Cow;

/// What becomes of spaces that no backslash stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spaces {
    /// They belong to the text.
    Keep,
    /// They are left out, as Open-Falcon does it: `a=b, c=d`.
    LeaveOut,
}

/// Appends `k=v,k2=v2`.
pub fn push_tags<'a>(out: &mut String, tags: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (place, (key, value)) in tags.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_escaped(out, key);
        out.push('=');
        push_escaped(out, value);
    }
}

/// `k=v,k2=v2`.
#[must_use]
pub fn tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    push_tags(&mut text, tags);
    text
}

/// Appends a key or a value.
pub fn push_escaped(out: &mut String, text: &str) {
    if !text.bytes().any(|byte| matches!(byte, b',' | b'=' | b'\\')) {
        return out.push_str(text);
    }
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let is_marked = match next {
            ',' | '=' => true,
            '\\' => rest.peek().is_none_or(|&follower| is_special(follower)),
            _ => false,
        };
        if is_marked {
            out.push('\\');
        }
        out.push(next);
    }
}

/// The tags of a text, in its order; what lies between two commas and has no `=` is an error, and nothing is skipped.
pub fn parse(text: &str, spaces: Spaces) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), &str>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        loop {
            let now = rest?;
            let (tag, behind) = match find_bare(now, b',') {
                Some(at) => (&now[..at], Some(&now[at + 1..])),
                None => (now, None),
            };
            rest = behind;
            let is_empty = match spaces {
                Spaces::Keep => tag.is_empty(),
                Spaces::LeaveOut => tag.bytes().all(|byte| byte == b' '),
            };
            if !is_empty {
                return Some(match find_bare(tag, b'=') {
                    Some(at) => Ok((unescaped(&tag[..at], spaces), unescaped(&tag[at + 1..], spaces))),
                    None => Err(tag),
                });
            }
        }
    })
}

/// What a backslash may stand before.
fn is_special(letter: char) -> bool {
    matches!(letter, ',' | '=' | ' ' | '\\')
}

/// The place of the first such byte that no backslash stands before.
fn find_bare(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && bytes.get(at + 1).is_some_and(|&next| is_special(next.into())) {
            at += 1;
        } else if byte == wanted {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn unescaped(text: &str, spaces: Spaces) -> Cow<'_, str> {
    let leaves_out = spaces == Spaces::LeaveOut;
    if !text.bytes().any(|byte| byte == b'\\' || (leaves_out && byte == b' ')) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\\' => plain.push(rest.next_if(|&follower| is_special(follower)).unwrap_or('\\')),
            ' ' if leaves_out => {}
            next => plain.push(next),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, spaces: Spaces) -> Vec<(String, String)> {
        let tags = parse(text, spaces).collect::<Result<Vec<_>, _>>().unwrap();
        tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn written(tags: &[(String, String)]) -> String {
        super::tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Texts in which marks, backslashes and spaces meet more often than by chance.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![r"[a,=\\ ]{1,8}", r"[^\x00-\x1f\x7f]{1,12}", "[a-z.]{1,8}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_tags_are_read_back_as_they_were_written(tags in prop::collection::vec((any_text(), any_text()), 0..5)) {
            prop_assert_eq!(read(&written(&tags), Spaces::Keep), tags);
        }

        #[test]
        fn tags_without_spaces_are_read_back_where_spaces_are_left_out(
            tags in prop::collection::vec((r"[a,=\\é]{1,8}", r"[a,=\\é]{1,8}"), 0..5)
        ) {
            prop_assert_eq!(read(&written(&tags), Spaces::LeaveOut), tags);
        }

        #[test]
        fn other_tags_have_another_text(
            one in prop::collection::vec((any_text(), any_text()), 0..4),
            other in prop::collection::vec((any_text(), any_text()), 0..4),
        ) {
            prop_assert_eq!(written(&one) == written(&other), one == other);
        }

        #[test]
        fn a_text_of_any_kind_does_no_harm(text in any::<String>()) {
            for spaces in [Spaces::Keep, Spaces::LeaveOut] {
                parse(&text, spaces).for_each(drop);
            }
        }
    }

    #[test]
    fn what_needs_no_mark_is_written_as_it_is() {
        for (value, text) in [
            ("/var/lib", "k=/var/lib"),
            (r"C:\temp\x", r"k=C:\temp\x"),
            ("a b", "k=a b"),
            ("a,b=c", r"k=a\,b\=c"),
            (r"\", r"k=\\"),
            (r"a\,b", r"k=a\\\,b"),
            (r"a\\b", r"k=a\\\b"),
            (r"a\ b", r"k=a\\ b"),
        ] {
            assert_eq!(tags([("k", value)]), text);
            assert_eq!(read(text, Spaces::Keep), [("k".to_owned(), value.to_owned())]);
        }
    }

    #[test]
    fn open_falcons_flat_form_is_read_as_its_transfer_does() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        assert_eq!(read("a=b, c = d d,", Spaces::LeaveOut), pairs(&[("a", "b"), ("c", "dd")]));
        assert_eq!(read(r"a=b\ c", Spaces::LeaveOut), pairs(&[("a", "b c")]));
        assert_eq!(read("a=b=c,", Spaces::LeaveOut), pairs(&[("a", "b=c")]));
        assert_eq!(read(" , ,", Spaces::LeaveOut), []);
        assert_eq!(parse("a=b,c", Spaces::LeaveOut).nth(1), Some(Err("c")));
        assert_eq!(parse(r"a\=b", Spaces::Keep).next(), Some(Err(r"a\=b")));
    }
}
