//! What is left out, and why: counted each time, said once.

use std::collections::BTreeSet;

use saker_sdk::gaps::COUNTER;
use saker_sdk::host::{self, Level};

use crate::files::Fault;

/// What was said is remembered for so many things; what comes beyond is counted only.
const TOLD_MAX: usize = 100;
/// Letters of a path or of what was found, in a message.
const SHOWN_CHARS: usize = 120;

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    told: BTreeSet<String>,
}

impl Notes {
    /// Something is left out. `what` decides whether it was said before, `place` is where it was met first.
    pub(crate) fn left_out(&mut self, what: &str, place: &str, why: &str) {
        host::counter_add(COUNTER, 1.0);
        self.say(what, &format!("{what} is left out, first met at {}: {}", shown(place), shown(why)));
    }

    /// A file cannot be read. One that is not there, or not any more, is no news.
    pub(crate) fn fault(&mut self, file: &str, place: &str, fault: &Fault) {
        match fault {
            Fault::Absent | Fault::Gone => {}
            Fault::Denied => {
                let why = format!("no permission; to allow it, add it to grant.read: {place:?}");
                self.left_out(file, place, &why);
            }
            Fault::Unreadable(why) => self.left_out(file, place, why),
        }
    }

    /// Says something once.
    pub(crate) fn say(&mut self, key: &str, message: &str) {
        if self.told.len() < TOLD_MAX && !self.told.contains(key) {
            self.told.insert(key.to_owned());
            host::log(Level::Warn, message);
        }
    }
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_CHARS).map(|char| if char.is_control() { '_' } else { char }).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_said_once_and_counted_each_time_and_messages_are_bounded() {
        let mut notes = Notes::default();
        for _ in 0..3 {
            notes.fault("io.stat", "/a", &Fault::Unreadable("x".repeat(5000)));
            notes.fault("io.stat", "/b", &Fault::Gone);
        }
        let logged = saker_sdk::testing::logged();
        assert_eq!((logged.len(), saker_sdk::testing::custom_metric(COUNTER)), (1, Some(3.0)));
        assert!(logged[0].1.len() < 300, "{}", logged[0].1);
        (0..1000).for_each(|number| notes.left_out(&number.to_string(), "\n", ""));
        assert_eq!(saker_sdk::testing::logged().len(), TOLD_MAX);
    }
}
