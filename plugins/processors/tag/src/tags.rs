//! The tags of a series: a list that is sorted by key and holds each key once.

/// The place of a key among sorted tags, or where it would have to stand.
pub(crate) fn find(tags: &[(String, String)], key: &str) -> Result<usize, usize> {
    tags.binary_search_by(|(other, _)| other.as_str().cmp(key))
}

/// Sets a tag, whatever it was.
pub(crate) fn put(tags: &mut Vec<(String, String)>, key: &str, value: String) {
    match find(tags, key) {
        Ok(place) => tags[place].1 = value,
        Err(place) => tags.insert(place, (key.into(), value)),
    }
}

/// Takes a tag away, and answers what it was.
pub(crate) fn take(tags: &mut Vec<(String, String)>, key: &str) -> Option<String> {
    find(tags, key).ok().map(|place| tags.remove(place).1)
}

/// Whether a tag may have this key; if not, why.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("a tag's key must not be empty".into());
    }
    if is_safe(key) { Ok(()) } else { Err(format!("the key {key:?} holds `,`, `=` or a control character")) }
}

/// Whether a key or a value holds nothing that would end it.
pub(crate) fn is_safe(text: &str) -> bool {
    !text.contains(|char: char| char == ',' || char == '=' || char.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stay_sorted_and_unique() {
        let mut tags = Vec::new();
        for (key, value) in [("b", "1"), ("a", "2"), ("c", "3"), ("b", "4")] {
            put(&mut tags, key, value.into());
        }
        assert_eq!(take(&mut tags, "a").as_deref(), Some("2"));
        assert_eq!(take(&mut tags, "a"), None);
        assert_eq!(tags, [("b", "4"), ("c", "3")].map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
