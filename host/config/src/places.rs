//! Where values are written.

use std::collections::BTreeMap;

use crate::{ConfigTable, Location};

/// Places by key. Where something is written is no part of what it says.
#[derive(Clone, Debug, Default)]
pub struct Locations(BTreeMap<String, Location>);

impl PartialEq for Locations {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Locations {
    /// Where everything in a table is written.
    #[must_use]
    pub fn of(table: &ConfigTable<'_>) -> Self {
        let mut places = BTreeMap::new();
        for group in table.names() {
            let below = table.places_below(&group).into_iter();
            places.extend(below.map(|(path, place)| {
                let key = if path.is_empty() { group.clone() } else { format!("{group}.{path}") };
                (key, place)
            }));
        }
        Self(places)
    }

    /// Where everything below one key of a table is written, by path below that key.
    #[must_use]
    pub fn below(table: &ConfigTable<'_>, key: &str) -> Self {
        Self(table.places_below(key))
    }

    /// Where a key's value is written, if it is.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Location> {
        self.0.get(key)
    }
}
