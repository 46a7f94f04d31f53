//! Which new series are being asked about: each by one asker, whose answer everybody else who needs it waits for.
//!
//! The lock is held only to look and to note, never while somebody is asked. So a processor that takes long delays the
//! series that it is asked about, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use saker_model::{RelabelMemo, SeriesId, SeriesTable};
use tokio::sync::watch;

use crate::pipeline::Disposition;

/// What was said, by series; none as long as nothing was.
type Answers = Option<Arc<HashMap<SeriesId, Disposition>>>;

/// The series that are being asked about.
#[derive(Default)]
pub(crate) struct Asking(Mutex<Now>);

#[derive(Default)]
struct Now {
    asked: HashMap<SeriesId, watch::Receiver<Answers>>,
    /// Grows when everything is to be asked anew: what was asked before is not remembered.
    round: u64,
}

/// Series that one asker asks about. Dropped without an answer, it leaves them to those who wait.
pub(crate) struct PendingRelabel<'a> {
    asking: &'a Asking,
    /// Which.
    pub(crate) ids: Vec<SeriesId>,
    round: u64,
    answers: watch::Sender<Answers>,
}

/// A series that somebody else asks about.
pub(crate) struct Wait {
    /// Which.
    pub(crate) id: SeriesId,
    answers: watch::Receiver<Answers>,
}

impl Wait {
    /// What was said of it; none if whoever asked has given up.
    pub(crate) async fn answer(mut self) -> Option<Disposition> {
        let answers = self.answers.wait_for(Option::is_some).await.ok()?;
        answers.as_ref()?.get(&self.id).copied()
    }
}

impl Asking {
    /// Divides series into those that nobody asks about now, which the caller is to ask about, and those that others do.
    /// Of those that were answered since the caller looked, `judged` is told.
    pub(crate) fn divide(
        &self,
        table: &SeriesTable,
        ids: Vec<SeriesId>,
        mut judged: impl FnMut(SeriesId, Disposition),
    ) -> (PendingRelabel<'_>, Vec<Wait>) {
        let mut now = self.0.lock();
        let (answers, answered) = watch::channel(None);
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for id in ids {
            match (now.asked.get(&id), table.mapped(id)) {
                (Some(answers), _) => others.push(Wait { id, answers: answers.clone() }),
                (None, RelabelMemo::To(target)) => judged(id, Disposition::To(target)),
                (None, RelabelMemo::Dropped) => judged(id, Disposition::Dropped),
                (None, RelabelMemo::Unasked) => {
                    now.asked.insert(id, answered.clone());
                    own.push(id);
                }
            }
        }
        (PendingRelabel { asking: self, ids: own, round: now.round, answers }, others)
    }

    /// Everything is to be asked anew.
    pub(crate) fn again(&self, table: &SeriesTable) {
        let mut now = self.0.lock();
        now.round += 1;
        table.forget_mapped();
    }
}

impl PendingRelabel<'_> {
    /// Tells everybody who waits, and has the table remember what lasts.
    pub(crate) fn answer(self, table: &SeriesTable, judged: HashMap<SeriesId, Disposition>) {
        {
            let now = self.asking.0.lock();
            if now.round == self.round {
                for (&id, judged) in &judged {
                    match *judged {
                        Disposition::To(target) => table.set_mapped(id, RelabelMemo::To(target)),
                        Disposition::Dropped => table.set_mapped(id, RelabelMemo::Dropped),
                        // Not remembered: the next value asks again.
                        Disposition::Rejected(_) | Disposition::Failed => {}
                    }
                }
            }
        }
        self.answers.send_replace(Some(Arc::new(judged)));
    }
}

impl Drop for PendingRelabel<'_> {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut now = self.asking.0.lock();
        self.ids.iter().for_each(|id| _ = now.asked.remove(id));
    }
}
