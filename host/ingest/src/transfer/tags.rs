//! Transfer's tags: blanks are deleted, pieces end at commas, names at the first equals sign; of a name that stands twice
//! the last holds, and a piece without an equals sign is dropped.

/// Tags that are looked at: more than any series may have, so that one with more is rejected for having too many.
const TAGS_MAX: usize = 257;

/// The tags of a text, and how many pieces were dropped: also those without a name, which no series can have here.
pub(super) fn read(text: &str) -> (Vec<(String, String)>, u64) {
    let (mut tags, mut dropped): (Vec<(String, String)>, _) = (Vec::new(), 0);
    let text = text.replace(' ', "");
    for piece in text.split(',').filter(|_| !text.is_empty()) {
        match piece.split_once('=').filter(|(name, _)| !name.is_empty()) {
            Some((name, value)) => match tags.iter().position(|(known, _)| known == name) {
                Some(place) => value.clone_into(&mut tags[place].1),
                None if tags.len() < TAGS_MAX => tags.push((name.to_owned(), value.to_owned())),
                None => {}
            },
            None => dropped += 1,
        }
    }
    (tags, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_transfer_does() {
        for (text, expected, dropped) in [
            ("", &[][..], 0),
            ("a=b", &[("a", "b")], 0),
            ("0,1=1,2=2", &[("1", "1"), ("2", "2")], 1),
            ("0=,1=1", &[("0", ""), ("1", "1")], 0),
            ("=0", &[], 1),
            ("0=0, 1 = 1", &[("0", "0"), ("1", "1")], 0),
            ("a=1,b=2,a=3=4", &[("a", "3=4"), ("b", "2")], 0),
            (",,", &[], 3),
        ] {
            let (tags, lost) = read(text);
            let tags: Vec<_> = tags.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert_eq!((&*tags, lost), (expected, dropped), "{text}");
        }
    }
}
