//! Writing a call's points: in rounds, each with one batch for a partition, so that their order is kept.

use std::collections::VecDeque;

use saker_sdk::net::Deadline;
use saker_sdk::prelude::*;

use crate::Kafka;
use crate::answer::{Meaning, meaning, message};
use crate::batch::{OVERHEAD, RecordBatch};
use crate::cluster::{DeliveryOutcome, PartitionBatch};
use crate::requests::Produced;

/// How many bytes of batches are made and sent at once, for all partitions together: an instance has 64 MiB.
const ROUND_MAX: usize = 4 << 20;
/// How many points a call rejects before it answers: where brokers do not name them, each costs requests.
const REFUSED_MAX: usize = 100;
/// When to try again after leaders have changed twice in a call, in milliseconds.
const MOVING_MS: u32 = 250;

/// Points of one partition, by their places in the call; not more than become one batch, if it was cut before.
struct PartitionPiece {
    partition: usize,
    places: Vec<u32>,
}

/// What has not gone well.
#[derive(Default)]
struct Failures {
    rejected: Vec<u32>,
    rejected_message: String,
    /// Why leaders are asked for again.
    moved: Option<String>,
    /// What keeps the others from being written in this call.
    stops: Option<WriteError>,
}

impl Kafka {
    /// Writes the points that are left.
    pub(crate) fn write_left(&mut self, deadline: Deadline) -> Result<(), WriteError> {
        self.cluster.begin(&self.settings, deadline)?;
        let mut queue = self.pieces();
        let mut failed = Failures::default();
        let mut has_asked_again = false;
        while failed.stops.is_none() && failed.rejected.len() < REFUSED_MAX {
            let (pieces, batches) = self.round(&mut queue)?;
            if pieces.is_empty() {
                break;
            }
            let sent = self.cluster.send(&batches, &self.settings, deadline);
            // What comes back goes before what follows it in its partition.
            for (piece, sent) in pieces.into_iter().zip(sent).rev() {
                self.settle(piece, sent, &mut queue, &mut failed);
            }
            if let Some(why) = failed.moved.take().filter(|_| failed.stops.is_none()) {
                self.cluster.doubt();
                if has_asked_again {
                    return Err(WriteError::retry(why, Some(MOVING_MS)));
                }
                has_asked_again = true;
                self.cluster.refresh(&self.settings, deadline)?;
            }
        }
        failed.verdict()
    }

    /// The points that are left, by partition.
    fn pieces(&self) -> VecDeque<PartitionPiece> {
        let count = self.cluster.partitions();
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (place, point) in self.progress.left() {
            let place = u32::try_from(place).expect("a call has fewer points than numbers of series");
            places[self.records.partition(point.series, count)].push(place);
        }
        let pieces = places.into_iter().enumerate().map(|(partition, places)| PartitionPiece { partition, places });
        pieces.filter(|piece| !piece.places.is_empty()).collect()
    }

    /// The next batches: one for each partition, as long as there is room. What does not fit stays in the queue.
    fn round(
        &mut self,
        queue: &mut VecDeque<PartitionPiece>,
    ) -> Result<(Vec<PartitionPiece>, Vec<PartitionBatch>), WriteError> {
        let (mut pieces, mut batches, mut later) = (Vec::new(), Vec::new(), VecDeque::new());
        let mut is_used = vec![false; self.cluster.partitions()];
        let mut bytes = 0;
        while let Some(mut piece) = queue.pop_front() {
            let is_new = is_used.get_mut(piece.partition).is_none_or(|used| !std::mem::replace(used, true));
            if !is_new || bytes >= ROUND_MAX {
                later.push_back(piece);
                continue;
            }
            let batch = self.batch(&mut piece, &mut later);
            let mut finished = Vec::with_capacity(batch.len() + OVERHEAD);
            batch.finish(self.settings.compression, &mut finished)?;
            bytes += batch.len();
            batches.push(PartitionBatch { partition: piece.partition, bytes: finished });
            pieces.push(piece);
        }
        *queue = later;
        Ok((pieces, batches))
    }

    /// A batch of a piece; what does not fit into it is cut off.
    fn batch(&mut self, piece: &mut PartitionPiece, later: &mut VecDeque<PartitionPiece>) -> RecordBatch {
        let most = self.settings.max_batch_bytes as usize - OVERHEAD;
        let points = self.progress.points();
        let mut batch = RecordBatch::default();
        let mut taken = 0;
        let mut longest = 0;
        for &place in &piece.places {
            // No record before it is known how long it is: one as long as the longest so far has to fit.
            if taken > 0 && batch.len() + longest > most {
                break;
            }
            let before = batch.len();
            self.records.push(&points[place as usize], &mut batch);
            longest = longest.max(batch.len() - before);
            taken += 1;
        }
        let rest = piece.places.split_off(taken);
        if !rest.is_empty() {
            later.push_back(PartitionPiece { partition: piece.partition, places: rest });
        }
        batch
    }

    /// Does what the answer to a piece wants.
    fn settle(
        &mut self,
        piece: PartitionPiece,
        sent: DeliveryOutcome,
        queue: &mut VecDeque<PartitionPiece>,
        failed: &mut Failures,
    ) {
        let answer = match sent {
            DeliveryOutcome::Answered(answer) => answer,
            DeliveryOutcome::Lost(WriteError::Retry(retry)) => {
                failed.moved.get_or_insert(retry.message);
                return queue.push_front(piece);
            }
            DeliveryOutcome::Lost(error) => {
                failed.stops.get_or_insert(error);
                return;
            }
        };
        if answer.error == 0 {
            return piece.places.iter().for_each(|&place| self.progress.take(place as usize));
        }
        let words = words(&answer);
        match meaning(answer.error) {
            Meaning::Moved => {
                failed.moved.get_or_insert(words);
                queue.push_front(piece);
            }
            Meaning::TooLarge => failed.halve(piece, words, queue),
            Meaning::Rejected if answer.rejected.is_empty() => failed.halve(piece, words, queue),
            Meaning::Rejected => failed.reject(piece, &answer.rejected, words, queue),
            Meaning::Wait => failed.wait(words),
        }
    }
}

impl Failures {
    /// Cuts a piece in halves; a single point is rejected.
    fn halve(&mut self, mut piece: PartitionPiece, words: String, queue: &mut VecDeque<PartitionPiece>) {
        if piece.places.len() == 1 {
            return self.reject(piece, &[0], words, queue);
        }
        let second = piece.places.split_off(piece.places.len() / 2);
        queue.push_front(PartitionPiece { partition: piece.partition, places: second });
        queue.push_front(piece);
    }

    /// Rejects the named records of a piece. Nothing of it was written, so the others go again.
    fn reject(&mut self, piece: PartitionPiece, named: &[i32], words: String, queue: &mut VecDeque<PartitionPiece>) {
        let before = self.rejected.len();
        let mut others = Vec::new();
        for (number, place) in (0..).zip(piece.places) {
            if named.contains(&number) { self.rejected.push(place) } else { others.push(place) }
        }
        if self.rejected.len() == before {
            // Names that are none: it would go on for ever.
            return self.wait(words);
        }
        self.rejected_message = words;
        if !others.is_empty() {
            queue.push_front(PartitionPiece { partition: piece.partition, places: others });
        }
    }

    fn wait(&mut self, words: String) {
        self.stops.get_or_insert_with(|| WriteError::retry(words, None));
    }

    /// What the call comes to.
    fn verdict(mut self) -> Result<(), WriteError> {
        if let Some(error) = self.stops {
            return Err(error);
        }
        if self.rejected.is_empty() {
            return Ok(());
        }
        self.rejected.sort_unstable();
        Err(WriteError::Reject(Reject { points: self.rejected, message: self.rejected_message }))
    }
}

/// What a broker has said, in words.
fn words(answer: &Produced) -> String {
    let said = if answer.message.is_empty() { String::new() } else { format!(": {}", answer.message) };
    format!("partition {}: {}{said}", answer.partition, message(answer.error))
}
