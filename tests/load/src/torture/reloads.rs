//! What saker's configuration is now, and how it can be changed: destinations come, go and get other names, are written
//! through to the disk or not, and the token is another.

use super::subject::Destination;
use crate::random::Random;

/// A destination, which has two names; a queue is found again under the name that it had.
struct Place {
    receiver: String,
    /// Which of its names it goes by.
    renamed: bool,
    is_there: bool,
    durability: &'static str,
}

pub(crate) struct Configured {
    places: Vec<Place>,
    pub(crate) token: String,
    tokens: u64,
    /// No destination's points are written to the disk, for a while.
    pub(crate) in_memory: bool,
    /// Destinations with routes of their own, in place of all others.
    pub(crate) fixed: Option<Vec<Destination>>,
    /// Destinations have come, gone or changed their names.
    is_changed: bool,
    /// All destinations under both names.
    all: bool,
}

/// A change of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A destination comes or goes.
    Destination,
    /// A destination is called otherwise.
    Name,
    /// A destination's points are written through, or not.
    Durability,
    /// There is another token.
    Token,
    /// Nothing.
    Nothing,
}

pub(crate) const CHANGES: [Change; 5] =
    [Change::Destination, Change::Name, Change::Durability, Change::Token, Change::Nothing];

const DURABILITIES: [&str; 2] = ["process", "disk"];
const NAMES: [&str; 2] = ["", "-renamed"];

impl Configured {
    pub(crate) fn new(receivers: &[String]) -> Self {
        let place = |receiver: &String| Place {
            receiver: receiver.clone(),
            renamed: false,
            is_there: true,
            durability: DURABILITIES[0],
        };
        let mut configured = Self {
            places: receivers.iter().map(place).collect(),
            token: String::new(),
            tokens: 0,
            in_memory: false,
            fixed: None,
            is_changed: false,
            all: false,
        };
        configured.change_token();
        configured
    }

    pub(crate) fn destinations(&self) -> Vec<Destination> {
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let mut destinations = Vec::new();
        for (number, place) in self.places.iter().enumerate() {
            for (which, name) in NAMES.iter().enumerate() {
                if self.all || (place.is_there && place.renamed == (which == 1)) {
                    let (name, receiver) = (format!("n{number}{name}"), place.receiver.clone());
                    let durability = if self.in_memory { "memory" } else { place.durability };
                    destinations.push(Destination { name, receiver, durability, only: None });
                }
            }
        }
        destinations
    }

    /// All destinations come back under all names that they ever had. Answers whether that is a change.
    pub(crate) fn restore_all(&mut self) -> bool {
        let had = self.destinations().len();
        self.all = self.is_changed;
        self.destinations().len() != had
    }

    /// Changes something.
    pub(crate) fn change(&mut self, change: Change, random: &mut Random) {
        self.all = false;
        self.is_changed |= matches!(change, Change::Destination | Change::Name);
        let at = random.below(self.places.len() as u64) as usize;
        match change {
            Change::Destination => {
                self.places[at].is_there = !self.places[at].is_there;
                // Without any there is no route, and nothing would be kept.
                if self.places.iter().all(|place| !place.is_there) {
                    self.places[at].is_there = true;
                }
            }
            Change::Name => self.places[at].renamed = !self.places[at].renamed,
            Change::Durability => {
                let now = self.places[at].durability;
                self.places[at].durability = DURABILITIES[usize::from(now == DURABILITIES[0])];
            }
            Change::Token => self.change_token(),
            Change::Nothing => {}
        }
    }

    fn change_token(&mut self) {
        self.tokens += 1;
        self.token = format!("the-token-of-number-{}", self.tokens);
    }

    #[cfg(test)]
    fn there(&self) -> usize {
        self.places.iter().filter(|place| place.is_there).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_destination_and_all_come_back_under_all_their_names() {
        let mut configured = Configured::new(&["a".to_owned(), "b".to_owned()]);
        let mut random = Random::new(1);
        for _ in 0..200 {
            let change = random.pick(&CHANGES);
            configured.change(change, &mut random);
            assert!(configured.there() > 0 && configured.destinations().len() == configured.there());
        }
        assert!(configured.restore_all());
        assert!(!configured.restore_all());
        let names: Vec<_> = configured.destinations().into_iter().map(|destination| destination.name).collect();
        assert_eq!(names, ["n0", "n0-renamed", "n1", "n1-renamed"]);
    }
}
