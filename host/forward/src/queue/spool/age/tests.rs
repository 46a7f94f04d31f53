use saker_journal::Position;

use super::*;
use crate::clock::by_hand::{Machine, START_MS};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A queue with its segments, each of ten records.
struct Queue {
    machine: Arc<Machine>,
    age: Age,
    segments: Vec<SegmentInfo>,
    saved: Option<Vec<u8>>,
}

impl Queue {
    fn new(machine: &Arc<Machine>) -> Self {
        let age = Age::resume(machine.clone(), None, &[], 0);
        Self { machine: machine.clone(), age, segments: Vec::new(), saved: None }
    }

    fn segment(&mut self) {
        let at = |seq| Position { seq, items: seq };
        let first = self.segments.len() as u64 * 10;
        let created_ms = self.age.now_ms();
        self.segments.push(SegmentInfo { first: at(first), end: at(first + 10), bytes: 1, created_ms, damaged: false });
        self.look();
    }

    fn look(&mut self) -> bool {
        let settled = self.age.settle();
        let oldest = self.segments.first().map_or(0, |oldest| oldest.first.seq);
        self.saved = self.age.take_due(oldest).or(self.saved.take());
        settled
    }

    fn run(&mut self, ms: u64) {
        self.machine.run(ms);
        self.look();
    }

    fn restart(&mut self) {
        let end = self.segments.len() as u64 * 10;
        self.age = Age::resume(self.machine.clone(), self.saved.as_deref(), &self.segments, end);
        self.look();
    }

    fn ages(&self) -> Vec<u64> {
        self.segments.iter().map(|segment| millis(self.age.of(segment))).collect()
    }
}

/// A queue that was used long enough for its machine's clock to be believed.
fn used(machine: &Arc<Machine>) -> Queue {
    let mut queue = Queue::new(machine);
    queue.run(2 * HOUR_MS);
    queue
}

#[test]
fn within_a_boot_a_clock_that_is_set_ages_nothing() {
    let machine = Machine::new();
    let mut queue = used(&machine);
    queue.segment();
    for wall_ms in [START_MS + 8 * DAY_MS, START_MS - 30 * DAY_MS, 0, u64::MAX] {
        machine.set(wall_ms);
        queue.run(MINUTE_MS);
        queue.restart();
    }
    assert_eq!((queue.ages(), queue.age.doubt_ms()), (vec![4 * MINUTE_MS], None));
}

#[test]
fn what_a_restart_of_the_machine_takes_is_believed_at_once() {
    let machine = Machine::new();
    let mut queue = used(&machine);
    queue.segment();
    machine.boot(machine.wall_ms() + 5 * MINUTE_MS);
    queue.restart();
    queue.segment();
    queue.run(MINUTE_MS);
    assert_eq!((queue.ages(), queue.age.doubt_ms()), (vec![6 * MINUTE_MS, MINUTE_MS], None));
}

#[test]
fn days_between_boots_count_once_the_clock_has_held_for_an_hour() {
    let machine = Machine::new();
    let mut queue = used(&machine);
    queue.segment();
    machine.boot(machine.wall_ms() + 8 * DAY_MS);
    queue.restart();
    assert_eq!(queue.age.doubt_ms(), Some(8 * DAY_MS as i64));
    queue.segment();
    queue.run(59 * MINUTE_MS);
    assert!(queue.age.doubt_ms().is_some());
    queue.run(MINUTE_MS);
    assert_eq!(queue.age.doubt_ms(), None);
    assert_eq!(queue.ages(), [8 * DAY_MS + HOUR_MS, HOUR_MS]);
    queue.restart();
    assert_eq!(queue.ages(), [8 * DAY_MS + HOUR_MS, HOUR_MS], "it is written down");
}

#[test]
fn a_boot_with_a_wrong_clock_ages_nothing() {
    for wrong in [-30 * DAY_MS as i64, 8 * DAY_MS as i64] {
        let machine = Machine::new();
        let mut queue = used(&machine);
        queue.segment();
        let right = machine.wall_ms();
        machine.boot(right.saturating_add_signed(wrong));
        queue.restart();
        assert_eq!(queue.age.doubt_ms(), Some(wrong));
        queue.segment();
        queue.run(10 * MINUTE_MS);
        machine.boot(right + 12 * MINUTE_MS);
        queue.restart();
        queue.run(2 * HOUR_MS);
        let [first, second] = queue.ages()[..] else { panic!() };
        assert!((2 * HOUR_MS..3 * HOUR_MS).contains(&first) && (2 * HOUR_MS..3 * HOUR_MS).contains(&second), "{wrong}");
    }
}

#[test]
fn a_clock_that_is_put_right_within_the_hour_begins_it_anew() {
    let machine = Machine::new();
    let mut queue = used(&machine);
    queue.segment();
    let right = machine.wall_ms();
    machine.boot(right + 8 * DAY_MS);
    queue.restart();
    queue.run(50 * MINUTE_MS);
    machine.set(right + 52 * MINUTE_MS);
    queue.look();
    queue.run(50 * MINUTE_MS);
    assert!(queue.age.doubt_ms().is_some());
    queue.run(20 * MINUTE_MS);
    assert_eq!((queue.age.doubt_ms(), queue.ages()), (None, vec![122 * MINUTE_MS]));
}

#[test]
fn a_queue_filled_without_a_clock_is_not_old_when_there_is_one() {
    for first in [0, START_MS - 30 * DAY_MS] {
        let machine = Machine::new();
        machine.boot(first);
        let mut queue = Queue::new(&machine);
        queue.segment();
        queue.run(if first == 0 { 5 * HOUR_MS } else { 10 * MINUTE_MS });
        machine.boot(START_MS);
        queue.restart();
        queue.run(3 * HOUR_MS);
        assert_eq!(queue.age.doubt_ms(), None);
        assert!(queue.ages()[0] < 9 * HOUR_MS, "{:?}", queue.ages());
    }
}

#[test]
fn restarts_of_the_agent_do_not_forget_that_the_clock_is_doubted() {
    let machine = Machine::new();
    let mut queue = used(&machine);
    queue.segment();
    machine.boot(machine.wall_ms() + 8 * DAY_MS);
    for _ in 0..3 {
        queue.restart();
        queue.run(20 * MINUTE_MS);
        assert!(queue.age.doubt_ms().is_some());
    }
    queue.run(HOUR_MS);
    assert_eq!(queue.ages(), [8 * DAY_MS + 2 * HOUR_MS]);
}

#[test]
fn many_boots_take_bounded_room_and_age_nothing_too_much() {
    let machine = Machine::new();
    let mut queue = used(&machine);
    queue.segment();
    for _ in 0..100 {
        machine.boot(machine.wall_ms() + 10 * MINUTE_MS);
        queue.restart();
        queue.segment();
        queue.run(2 * MINUTE_MS);
    }
    assert!(queue.saved.as_ref().is_some_and(|saved| saved.len() < 1000), "a mark takes 4 KiB");
    let ages = queue.ages();
    assert_eq!(ages[0], 100 * 12 * MINUTE_MS);
    assert!(ages.iter().rev().enumerate().all(|(boots, &age)| age <= (boots as u64 + 1) * 12 * MINUTE_MS), "{ages:?}");
}

#[test]
fn what_is_written_down_is_read_back_and_nothing_else_is() {
    let gaps = vec![Gap { before: 3, ms: 4 }, Gap { before: 5, ms: 6 }];
    let saved =
        SavedAge { boot: 1 << 100, running_ms: 1, time_ms: 2, passed_ms: 10, doubt: Some(7), established: true, gaps };
    let bytes = saved.encode();
    let read = SavedAge::decode(&bytes).unwrap();
    assert_eq!((read.boot, read.doubt, read.established, read.gaps), (1 << 100, Some(7), true, saved.gaps));
    for length in 0..bytes.len() {
        // Without its last gaps it is whole as well.
        assert_eq!(SavedAge::decode(&bytes[..length]).is_some(), [57, 73].contains(&length), "{length}");
    }
    assert!(SavedAge::decode(&[2; 57]).is_none());
}
