//! What was found, and how it is read: what is not there is not told.

use saker_sdk::{Sample, text};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) Vec<Sample>);

impl Facts {
    /// A figure with tags.
    pub(crate) fn add(&mut self, metric: &str, value: f64, tags: &[(&str, &str)]) {
        let mut fact = Sample::gauge(metric, value);
        fact.tags = tags.iter().map(|(key, value)| ((*key).to_owned(), text::tag_value(value))).collect();
        self.0.push(fact);
    }

    /// A figure, if it is known.
    pub(crate) fn add_known(&mut self, metric: &str, value: Option<f64>, tags: &[(&str, &str)]) {
        if let Some(value) = value {
            self.add(metric, value, tags);
        }
    }
}

/// The one line of a file.
pub(crate) fn line(path: &str) -> Option<String> {
    let text = text::read_if_there(path).ok().flatten()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The one number of a file.
pub(crate) fn number(path: &str) -> Option<f64> {
    line(path)?.parse::<u64>().ok().map(|number| number as f64)
}

/// Names in a folder, in order. Those of processors and the like are in the order of their numbers.
pub(crate) fn folders(path: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_by_key(|name| {
        let digits = name.find(|letter: char| letter.is_ascii_digit()).map(|at| &name[at..]);
        (digits.and_then(|digits| digits.parse::<u64>().ok()), name.clone())
    });
    names
}

/// The numbers of things called `start` and a number, in a folder.
pub(crate) fn numbered(path: &str, start: &str) -> Vec<u32> {
    folders(path).iter().filter_map(|name| name.strip_prefix(start)?.parse().ok()).collect()
}

/// `1024K`, `32768K`, `1M` in bytes.
pub(crate) fn bytes(text: &str) -> Option<f64> {
    let at = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let factor = match &text[at..] {
        "" => 1.0,
        "K" | "kB" => 1024.0,
        "M" => 1024.0 * 1024.0,
        "G" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    text[..at].parse::<u64>().ok().map(|number| number as f64 * factor)
}
