//! A table whose keys are the handles of series.

use std::collections::HashMap;

use crate::bindings::types::SeriesId;

/// Handles below this have a place in a vector. The agent gives dense handles, so this is every one of them; the bound
/// keeps one stray handle from growing the vector to gigabytes.
const DENSE: usize = 4 << 20;

/// What a backend keeps for each series. Looking one up costs an index, not a hash.
#[derive(Debug)]
pub struct Slots<T> {
    dense: Vec<Option<T>>,
    stray: HashMap<SeriesId, T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { dense: Vec::new(), stray: HashMap::new() }
    }
}

impl<T> Slots<T> {
    /// Puts a value in the place of whatever the handle stood for.
    pub fn insert(&mut self, id: SeriesId, value: T) {
        let place = id as usize;
        if place >= DENSE {
            self.stray.insert(id, value);
            return;
        }
        if place >= self.dense.len() {
            self.dense.resize_with(place + 1, || None);
        }
        self.dense[place] = Some(value);
    }

    /// What the handle stands for.
    #[must_use]
    pub fn get(&self, id: SeriesId) -> Option<&T> {
        match self.dense.get(id as usize) {
            Some(slot) => slot.as_ref(),
            None => self.stray.get(&id),
        }
    }

    /// What the handle stands for, to change it.
    pub fn get_mut(&mut self, id: SeriesId) -> Option<&mut T> {
        match self.dense.get_mut(id as usize) {
            Some(slot) => slot.as_mut(),
            None => self.stray.get_mut(&id),
        }
    }

    /// Empties the handle's place.
    pub fn remove(&mut self, id: SeriesId) {
        match self.dense.get_mut(id as usize) {
            Some(slot) => *slot = None,
            None => drop(self.stray.remove(&id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_stands_for_what_was_put_last_until_it_is_taken_back() {
        let mut slots = Slots::default();
        for id in [0, 5, u32::MAX] {
            slots.insert(id, "old");
            slots.insert(id, "new");
            assert_eq!(slots.get(id), Some(&"new"));
            assert_eq!(slots.get_mut(id), Some(&mut "new"));
            slots.remove(id);
            assert_eq!(slots.get(id), None);
        }
        slots.remove(9);
        assert!(slots.get(3).is_none() && slots.get_mut(9).is_none());
    }

    #[test]
    fn a_huge_handle_does_not_make_a_huge_vector() {
        let mut slots = Slots::default();
        slots.insert(u32::MAX, ());
        slots.insert(DENSE as u32, ());
        assert_eq!((slots.dense.len(), slots.stray.len()), (0, 2));
        slots.insert(DENSE as u32 - 1, ());
        assert_eq!((slots.dense.len(), slots.stray.len()), (DENSE, 2));
        assert!(slots.get(DENSE as u32).is_some() && slots.get(DENSE as u32 - 2).is_none());
    }
}
