//! Bringing the points of a batch together that belong together, in one pass over the batch and without sorting it.

/// The end of a list, and the place of no point.
const NONE: u32 = u32::MAX;

/// Lists of places, one for each group. The buffers are the same for every batch.
#[derive(Debug, Default)]
pub struct Groups {
    last: Vec<Last>,
    /// For each place, the next one of the same group.
    next: Vec<u32>,
    firsts: Vec<u32>,
    /// Counts batches: what was noted in another one is void.
    batch: u32,
}

/// The last place so far of a group, in the batch of that number.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    batch: u32,
    place: u32,
}

impl Groups {
    /// Puts the places of each group side by side, in the order in which they came; the groups follow each other as their
    /// first places did. `of` tells a place's group, which is a number below `groups`; `finish` sees each group when it
    /// is together, and may change its order.
    pub fn arrange(
        &mut self,
        places: &mut Vec<u32>,
        groups: usize,
        of: impl Fn(u32) -> u32,
        mut finish: impl FnMut(&mut [u32]),
    ) {
        self.begin(groups, places.iter().max().map_or(0, |place| *place as usize + 1));
        for &place in places.iter() {
            let last = &mut self.last[of(place) as usize];
            self.next[place as usize] = NONE;
            if last.batch == self.batch {
                self.next[last.place as usize] = place;
            } else {
                self.firsts.push(place);
            }
            *last = Last { batch: self.batch, place };
        }
        places.clear();
        for &first in &self.firsts {
            let from = places.len();
            let mut place = first;
            while place != NONE {
                places.push(place);
                place = self.next[place as usize];
            }
            finish(&mut places[from..]);
        }
    }

    fn begin(&mut self, groups: usize, places: usize) {
        self.batch = self.batch.wrapping_add(1);
        if self.batch == 0 {
            // After four thousand million batches, what was noted in an old one could pass for this one's.
            self.last.clear();
            self.batch = 1;
        }
        self.last.resize(groups.max(self.last.len()), Last::default());
        self.next.resize(places.max(self.next.len()), NONE);
        self.firsts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(groups: &mut Groups, mut places: Vec<u32>, of: &[u32]) -> Vec<u32> {
        groups.arrange(&mut places, 9, |place| of[place as usize], |_| ());
        places
    }

    #[test]
    fn places_of_a_group_stand_together_and_keep_their_order() {
        let mut groups = Groups::default();
        let of = [5, 0, 5, 8, 0, 5];
        for _ in 0..2 {
            assert_eq!(arranged(&mut groups, vec![0, 1, 2, 3, 4, 5], &of), [0, 2, 5, 1, 4, 3]);
            assert_eq!(arranged(&mut groups, vec![4, 5, 2], &of), [4, 5, 2]);
            assert!(arranged(&mut groups, vec![], &of).is_empty());
        }
    }

    #[test]
    fn a_group_may_be_put_in_another_order() {
        let mut places = vec![0, 1, 2, 3];
        Groups::default().arrange(&mut places, 2, |place| place % 2, |group| group.reverse());
        assert_eq!(places, [2, 0, 3, 1]);
    }

    #[test]
    fn batches_are_told_apart_when_their_number_begins_anew() {
        let mut groups = Groups { batch: u32::MAX - 1, ..Groups::default() };
        for _ in 0..4 {
            assert_eq!(arranged(&mut groups, vec![0, 1, 2], &[1, 0, 1]), [0, 2, 1]);
        }
    }
}
