//! The one road that values take: validated, named, judged, kept, forwarded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use saker_model::{
    Point, RejectCounts, RejectReason, RelabelMemo, Resolution, Sample, Series, SeriesId, SeriesLimits, SeriesTable,
};

use crate::asking::Asking;
use crate::quota::SeriesAllowance;
use crate::{
    Breach, CollectorRun, DurableSink, IngestSession, Law, MemoryBudget, Overload, OverloadPolicy, RejectedPoints,
    Relabel, RelabelOutcome, SeriesBudget, SeriesQuota, SeriesShares, Sink, SourceCounters, SourceName, now_ms,
};

/// So many series that are forgotten at once leave memory behind that is worth giving back: some three MiB.
pub const FLOOD: usize = 10_000;
/// Who waits for another's question, which is given up or answered for another's room only, asks at last by itself; after
/// so many others nothing is said of the series.
const ASKERS_MAX: usize = 8;
/// Room for series is given back if it is this many times what is needed.
const SPARE: usize = 8;

/// What became of the values of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Values that were handed in.
    pub received: usize,
    /// Of these, those that were taken.
    pub accepted: usize,
    /// Places in the list that was handed in, and why they were rejected.
    pub rejected: Vec<(usize, RejectReason)>,
    /// Beside those, how many no destination had room for.
    pub no_room: usize,
}

/// What became of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Its values belong to this series.
    To(SeriesId),
    /// Its values are dropped.
    Dropped,
    /// It was made into something that is no series.
    Rejected(RejectReason),
    /// Nothing could be said of it; it is asked about again.
    Failed,
}

/// Where points go.
pub struct Sinks {
    /// Whose word an acknowledgement is.
    pub durable: Arc<dyn DurableSink>,
    /// What keeps everything that was acknowledged.
    pub others: Vec<Arc<dyn Sink>>,
}

/// The road: what is known of series and sources, and where points go.
pub struct Pipeline {
    table: Arc<SeriesTable>,
    memory: Arc<MemoryBudget>,
    sinks: Sinks,
    relabel: Arc<dyn Relabel>,
    pass_on_failure: AtomicBool,
    limits: RwLock<SeriesLimits>,
    /// One at a time brings new series, so that quotas are what they say.
    bringing: Mutex<()>,
    asking: Asking,
    sources: RwLock<BTreeMap<SourceName, Arc<SourceCounters>>>,
    quota: RwLock<SeriesQuota>,
    /// Series that collectors were the first to bring.
    of_collectors: AtomicUsize,
    started: Instant,
}

impl Pipeline {
    /// A road to these sinks. `memory` is what points on their way may take.
    #[must_use]
    pub fn new(
        table: Arc<SeriesTable>,
        memory: Arc<MemoryBudget>,
        sinks: Sinks,
        relabel: Arc<dyn Relabel>,
        shares: SeriesShares,
    ) -> Self {
        let started = Instant::now();
        table.set_time(seconds_since(started));
        let quota = shares.of(table.limit());
        Self {
            table,
            memory,
            sinks,
            relabel,
            pass_on_failure: AtomicBool::new(true),
            limits: RwLock::default(),
            bringing: Mutex::default(),
            asking: Asking::default(),
            sources: RwLock::default(),
            quota: RwLock::new(quota),
            of_collectors: AtomicUsize::new(0),
            started,
        }
    }

    /// What a source of this name brings, held to this budget.
    #[must_use]
    pub fn session(self: &Arc<Self>, source: impl Into<SourceName>, budget: SeriesBudget) -> IngestSession {
        IngestSession::new(self.clone(), source.into(), budget)
    }

    /// The series that are known.
    #[must_use]
    pub fn table(&self) -> &Arc<SeriesTable> {
        &self.table
    }

    /// The bytes that points on their way may take.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    /// The sink that decides whether anything is taken.
    #[must_use]
    pub fn durable(&self) -> &dyn DurableSink {
        &*self.sinks.durable
    }

    /// Whether values pass as they are when a processor fails.
    pub fn set_pass_on_failure(&self, pass: bool) {
        self.pass_on_failure.store(pass, Ordering::Relaxed);
    }

    /// Bounds series in another way, and asks anew about all of them.
    pub fn set_limits(&self, limits: SeriesLimits) {
        if std::mem::replace(&mut *self.limits.write(), limits) != limits {
            // What was rejected for good may be taken now.
            self.judge_again();
        }
    }

    /// Shares the table out in another way; what is in it stays.
    pub fn set_shares(&self, shares: SeriesShares) {
        *self.quota.write() = shares.of(self.table.limit());
    }

    /// How the table is shared out.
    #[must_use]
    pub fn quota(&self) -> SeriesQuota {
        *self.quota.read()
    }

    /// Asks the processors anew about every series, because they have changed.
    pub fn judge_again(&self) {
        self.asking.again(&self.table);
    }

    /// The counters of all sources.
    #[must_use]
    pub fn sources(&self) -> Vec<(SourceName, Arc<SourceCounters>)> {
        self.sources.read().iter().map(|(name, counters)| (name.clone(), counters.clone())).collect()
    }

    /// Takes values from a source. When it returns, they are in the cache and in the queues of their destinations, as
    /// safe as these are durable, or rejected with a reason.
    ///
    /// # Errors
    /// If a queue has no room; then all are rejected, and the source may come again with them.
    pub(crate) async fn accept(
        &self,
        run: Option<CollectorRun<'_>>,
        counters: &SourceCounters,
        values: Vec<Sample>,
        budget: SeriesBudget,
    ) -> Result<Receipt, Overload> {
        let mut receipt = Receipt { received: values.len(), ..Receipt::default() };
        let (values, places) = validate(values, &mut receipt);
        let named = self.name_valid(&values, counters, budget).await;
        self.take(run, counters, receipt, &values, &places, &named).await
    }

    /// Takes the values whose series are known, at once, and answers those of new ones, which are to be settled later.
    pub(crate) async fn accept_known(
        self: &Arc<Self>,
        source: &SourceName,
        counters: &Arc<SourceCounters>,
        values: Vec<Sample>,
        budget: SeriesBudget,
    ) -> (Result<Receipt, Overload>, Option<Parked>) {
        let mut receipt = Receipt { received: values.len(), ..Receipt::default() };
        let (values, places) = validate(values, &mut receipt);
        let (named, new) = self.look_up(&values);
        if new.is_empty() {
            let run = run_of(source, budget, true);
            return (self.take(run, counters, receipt, &values, &places, &named).await, None);
        }
        let mut is_new = vec![false; values.len()];
        new.iter().for_each(|&(index, _)| is_new[index] = true);
        receipt.received -= new.len();
        let mut parked = Vec::with_capacity(new.len());
        let mut known = (Vec::new(), Vec::new(), Vec::new());
        for (((value, place), named), is_new) in values.into_iter().zip(places).zip(named).zip(is_new) {
            if is_new {
                parked.push(value);
            } else {
                known.0.push(value);
                known.1.push(place);
                known.2.push(named);
            }
        }
        let parked = Parked { pipeline: self.clone(), counters: counters.clone(), values: parked, budget };
        // The rest of it comes later, or is rejected.
        let run = run_of(source, budget, false);
        (self.take(run, counters, receipt, &known.0, &known.1, &known.2).await, Some(parked))
    }

    /// Takes valid values, each under its name.
    async fn take(
        &self,
        run: Option<CollectorRun<'_>>,
        counters: &SourceCounters,
        mut receipt: Receipt,
        values: &[Sample],
        places: &[usize],
        named: &[Resolution],
    ) -> Result<Receipt, Overload> {
        let mut points = Vec::with_capacity(values.len());
        for ((value, &place), named) in values.iter().zip(places).zip(named) {
            match named.target {
                Ok(series) => points.push(Point { series, timestamp_ms: value.timestamp_ms, value: value.value }),
                Err(reason) => receipt.rejected.push((place, reason)),
            }
        }
        receipt.rejected.sort_unstable_by_key(|&(place, _)| place);
        let mut rejected = RejectCounts::default();
        receipt.rejected.iter().for_each(|&(_, reason)| rejected.add(reason, 1));
        // Nobody would come again with them.
        // What processors drop was no series of the sink's before either.
        let whole = receipt.rejected.iter().all(|&(_, reason)| reason == RejectReason::Processor);
        let run = run.map(|run| CollectorRun { whole: run.whole && whole, ..run });
        let left = self.accept_of(run, counters, receipt.received, &points, &rejected, OverloadPolicy::Copies).await?;
        receipt.no_room = left.iter().map(RejectedPoints::count).sum();
        receipt.accepted = points.len() - receipt.no_room;
        Ok(receipt)
    }

    /// Takes points whose series are named already, from a source that keeps names, and counts what it rejected on the
    /// way; `received` is how many values it has read. The ids must be those of [`SeriesTable::touch`]'s last word.
    /// Answers which points were rejected for want of room.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub(crate) async fn accept_points(
        &self,
        counters: &SourceCounters,
        received: usize,
        points: &[Point],
        rejected: &RejectCounts,
        rejecting: OverloadPolicy,
    ) -> Result<Vec<RejectedPoints>, Overload> {
        self.accept_of(None, counters, received, points, rejected, rejecting).await
    }

    async fn accept_of(
        &self,
        run: Option<CollectorRun<'_>>,
        counters: &SourceCounters,
        received: usize,
        points: &[Point],
        rejected: &RejectCounts,
        rejecting: OverloadPolicy,
    ) -> Result<Vec<RejectedPoints>, Overload> {
        let left = match self.sinks.durable.accept(points, rejecting).await {
            Ok(left) => left,
            Err(overload) => {
                let mut rejected = rejected.clone();
                rejected.add(RejectReason::NoRoom, points.len() as u64);
                counters.count(received, 0, &rejected);
                return Err(overload);
            }
        };
        if left.is_empty() {
            counters.count(received, points.len(), rejected);
            self.keep(run, points);
            return Ok(left);
        }
        let taken = without(points, &left);
        let mut rejected = rejected.clone();
        rejected.add(RejectReason::NoRoom, (points.len() - taken.len()) as u64);
        counters.count(received, taken.len(), &rejected);
        self.keep(run.map(|run| CollectorRun { whole: false, ..run }), &taken);
        Ok(left)
    }

    /// Takes all of the points, or none and counts nothing.
    pub(crate) async fn offer_points(
        &self,
        counters: &SourceCounters,
        received: usize,
        points: &[Point],
        rejected: &RejectCounts,
    ) -> Result<(), Overload> {
        self.sinks.durable.accept(points, OverloadPolicy::All).await?;
        counters.count(received, points.len(), rejected);
        self.keep(None, points);
        Ok(())
    }

    /// What does not add up now.
    #[must_use]
    pub fn breaches(&self) -> Vec<Breach> {
        let (mut breaches, mut accepted) = (Vec::new(), 0);
        for (name, counters) in self.sources() {
            let counts = counters.counts();
            accepted += counts.accepted;
            if counts.received != counts.accepted + counts.rejected.total() {
                let (received, taken, rejected) = (counts.received, counts.accepted, counts.rejected.total());
                let numbers = format!("{received} points received, but {taken} accepted + {rejected} rejected");
                breaches.push(Breach { law: Law::Received, of: format!("source {name}"), numbers });
            }
        }
        // Read after the sources', which count a body when the forwarder has.
        let forwarded = self.sinks.durable.accepted();
        if accepted > forwarded {
            let numbers = format!("{accepted} points were accepted, and {forwarded} forwarded");
            breaches.push(Breach { law: Law::Accepted, of: "all sources".into(), numbers });
        }
        breaches.extend(self.sinks.durable.breaches());
        breaches
    }

    /// Names values without taking them: where each one's point belongs, or why it is rejected.
    pub(crate) async fn name(
        &self,
        counters: &SourceCounters,
        values: Vec<Sample>,
        budget: SeriesBudget,
    ) -> Vec<Resolution> {
        let mut receipt = Receipt { received: values.len(), ..Receipt::default() };
        let (values, places) = validate(values, &mut receipt);
        let mut named =
            vec![Resolution { source: None, target: Err(RejectReason::BadMetric), lasting: false }; receipt.received];
        for (place, answer) in places.into_iter().zip(self.name_valid(&values, counters, budget).await) {
            named[place] = answer;
        }
        for (place, reason) in receipt.rejected {
            named[place] = Resolution { source: None, target: Err(reason), lasting: reason.is_of_series() };
        }
        named
    }

    /// Forgets series that brought no value for so long; answers how many. With a million of them it takes a while, so it
    /// has no place among the agent's tasks.
    pub fn sweep(&self, idle: Duration) -> usize {
        self.table.set_time(self.now_s());
        let before = self.now_s().saturating_sub(u32::try_from(idle.as_secs()).unwrap_or(u32::MAX));
        let gone = self.table.sweep(before);
        if !gone.is_empty() {
            self.sinks.others.iter().for_each(|sink| sink.forget(&gone));
            self.sinks.durable.forget(&gone);
            let gone_set: HashSet<_> = gone.iter().copied().collect();
            for (_, counters) in self.sources() {
                let mut series = counters.series.lock();
                let before = series.len();
                series.retain(|id| !gone_set.contains(id));
                if series.capacity() / SPARE > series.len() {
                    series.shrink_to_fit();
                }
                if counters.collects.load(Ordering::Relaxed) {
                    self.of_collectors.fetch_sub(before - series.len(), Ordering::Relaxed);
                }
            }
            // Only now does nobody point at them any more.
            self.table.release(&gone);
            tracing::debug!(series = gone.len(), "forgot idle series");
        }
        if gone.len() >= FLOOD {
            self.table.shrink();
            self.sinks.others.iter().for_each(|sink| sink.shrink());
        }
        gone.len()
    }

    /// The series that each value's point belongs to.
    async fn name_valid(&self, values: &[Sample], source: &SourceCounters, budget: SeriesBudget) -> Vec<Resolution> {
        let (mut all, new) = self.look_up(values);
        if !new.is_empty() {
            self.name_new(values, &new, &mut all, source, budget).await;
        }
        all
    }

    /// The names of values whose series the processors have been asked about; and the places of the others, each with
    /// whether its series is in the table.
    fn look_up(&self, values: &[Sample]) -> (Vec<Resolution>, Vec<(usize, bool)>) {
        let unknown = Resolution { source: None, target: Err(RejectReason::Processor), lasting: false };
        let mut all = vec![unknown; values.len()];
        let mut new = Vec::new();
        self.table.find(values, self.now_s(), |index, source_id, mapped| match mapped {
            RelabelMemo::To(target) => all[index] = Resolution { source: source_id, target: Ok(target), lasting: true },
            RelabelMemo::Dropped => {
                all[index] = Resolution { source: source_id, target: Err(RejectReason::Processor), lasting: true }
            }
            RelabelMemo::Unasked => new.push((index, source_id.is_some())),
        });
        (all, new)
    }

    /// Brings the series that the table has not judged yet into it, and asks the processors about them.
    async fn name_new(
        &self,
        values: &[Sample],
        new: &[(usize, bool)],
        all: &mut [Resolution],
        source: &SourceCounters,
        budget: SeriesBudget,
    ) {
        let now_s = self.now_s();
        let (unasked, room) = self.bring(values, new, all, now_s, source, budget);
        let mut ids: Vec<_> = unasked.iter().map(|&(_, id)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        let judged = self.judge(ids, now_s, room).await;
        for (index, id) in unasked {
            let (target, lasting) = match judged.get(&id).copied().unwrap_or(Disposition::Failed) {
                Disposition::To(target) => (Ok(target), true),
                Disposition::Dropped => (Err(RejectReason::Processor), true),
                Disposition::Rejected(reason) => (Err(reason), false),
                Disposition::Failed if self.pass_on_failure.load(Ordering::Relaxed) => (Ok(id), false),
                Disposition::Failed => (Err(RejectReason::ProcessorFailed), false),
            };
            all[index] = Resolution { source: Some(id), target, lasting };
        }
    }

    /// Interns series within what their source may bring. Answers those that are in the table now, by place, and the room
    /// for what they are called instead.
    fn bring(
        &self,
        values: &[Sample],
        new: &[(usize, bool)],
        all: &mut [Resolution],
        now_s: u32,
        source: &SourceCounters,
        budget: SeriesBudget,
    ) -> (Vec<(usize, SeriesId)>, SeriesAllowance) {
        let _bringing = self.bringing.lock();
        let quota = self.quota();
        let mut room = quota.room(budget, self.of_collectors.load(Ordering::Relaxed));
        let limits = *self.limits.read();
        let mut unasked = Vec::new();
        let mut brought = 0;
        for &(index, known) in new {
            if let Err(error) = values[index].check_series(&limits).map_err(RejectReason::from) {
                all[index] = Resolution { source: None, target: Err(error), lasting: true };
                continue;
            }
            let over = if known { None } else { quota.over(budget, brought, source.series()) };
            if let Some(reason) = over.filter(|_| !self.is_known(&values[index])) {
                all[index].target = Err(reason);
                continue;
            }
            // Somebody else may have brought it since, or an earlier value of this very call.
            match self.table.intern_within(&values[index], now_s, room.limit) {
                Ok(id) => {
                    if !known && source.series.lock().insert(id) {
                        brought += 1;
                        room = quota.room(budget, self.brought_by(budget, source));
                    }
                    unasked.push((index, id));
                }
                Err(_) => all[index].target = Err(room.rejection),
            }
        }
        (unasked, room)
    }

    /// What becomes of series that are in the table. Each is asked about by one asker at a time; whoever comes to it
    /// meanwhile waits for that one's answer.
    async fn judge(&self, mut ids: Vec<SeriesId>, now_s: u32, room: SeriesAllowance) -> HashMap<SeriesId, Disposition> {
        let mut judged = HashMap::with_capacity(ids.len());
        for _ in 0..ASKERS_MAX {
            let (ask, others) =
                self.asking.divide(&self.table, std::mem::take(&mut ids), |id, known| _ = judged.insert(id, known));
            if !ask.ids.is_empty() {
                let answers = self.ask(&ask.ids, now_s, room).await;
                judged.extend(answers.iter().map(|(&id, &answer)| (id, answer)));
                ask.answer(&self.table, answers);
            }
            for other in others {
                let id = other.id;
                match other.answer().await {
                    // Whoever asked has given up, or had no room for what it is called instead.
                    None | Some(Disposition::Rejected(_)) => ids.push(id),
                    Some(answer) => _ = judged.insert(id, answer),
                }
            }
            if ids.is_empty() {
                break;
            }
        }
        judged
    }

    /// Asks about series that are in the table. What they are called instead has its place in the same room.
    async fn ask(&self, ids: &[SeriesId], now_s: u32, room: SeriesAllowance) -> HashMap<SeriesId, Disposition> {
        let known: Vec<_> = ids.iter().map(|&id| self.table.get(id)).collect();
        let asked: Vec<_> = known.iter().flatten().cloned().collect();
        let limits = *self.limits.read();
        let mut outcomes = self.relabel.relabel(&asked, &limits).await.into_iter();
        let mut judge = |id: SeriesId, original: &Option<Arc<Series>>| {
            let Some(original) = original else { return Disposition::To(id) };
            match outcomes.next().unwrap_or(RelabelOutcome::Failed) {
                RelabelOutcome::To(changed) if changed != **original => {
                    let interned = self.table.intern_series_within(changed, now_s, room.limit);
                    interned.map_or(Disposition::Rejected(room.rejection), Disposition::To)
                }
                RelabelOutcome::Keep | RelabelOutcome::To(_) => Disposition::To(id),
                RelabelOutcome::Dropped => Disposition::Dropped,
                RelabelOutcome::Rejected(reason) => Disposition::Rejected(reason),
                RelabelOutcome::Failed => Disposition::Failed,
            }
        };
        ids.iter().zip(&known).map(|(&id, original)| (id, judge(id, original))).collect()
    }

    fn keep(&self, run: Option<CollectorRun<'_>>, points: &[Point]) {
        self.sinks.others.iter().for_each(|sink| match run {
            Some(run) => sink.keep_run(run, points),
            None => sink.keep(points),
        });
    }

    /// Counts a series that a source was the first to bring; answers how many collectors have brought.
    fn brought_by(&self, budget: SeriesBudget, source: &SourceCounters) -> usize {
        if let SeriesBudget::Listener = budget {
            return self.of_collectors.load(Ordering::Relaxed);
        }
        source.collects.store(true, Ordering::Relaxed);
        self.of_collectors.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a value's series is known by now.
    fn is_known(&self, value: &Sample) -> bool {
        let mut known = false;
        self.table.find(std::slice::from_ref(value), self.now_s(), |_, id, _| known = id.is_some());
        known
    }

    pub(crate) fn counters(&self, source: &SourceName) -> Arc<SourceCounters> {
        let known = self.sources.read().get(source).cloned();
        known.unwrap_or_else(|| self.sources.write().entry(source.clone()).or_default().clone())
    }

    /// Seconds since the start, plus the longest idle time that can be set, so that "long ago" is a number.
    pub(crate) fn now_s(&self) -> u32 {
        seconds_since(self.started)
    }
}

/// Valid values of series that are new: it is not known yet what becomes of them.
pub struct Parked {
    pipeline: Arc<Pipeline>,
    counters: Arc<SourceCounters>,
    values: Vec<Sample>,
    budget: SeriesBudget,
}

impl Parked {
    /// Asks about their series, and takes them. Nothing of them is counted before that.
    ///
    /// # Errors
    /// As [`IngestSession::accept`].
    pub async fn settle(self) -> Result<Receipt, Overload> {
        self.pipeline.accept(None, &self.counters, self.values, self.budget).await
    }
}

/// What a source brings, as a run of a collector if it is one.
pub(crate) fn run_of(source: &SourceName, budget: SeriesBudget, whole: bool) -> Option<CollectorRun<'_>> {
    matches!(budget, SeriesBudget::Collector { .. }).then_some(CollectorRun { source, whole })
}

/// The points that were not left.
fn without(points: &[Point], left: &[RejectedPoints]) -> Vec<Point> {
    let mut is_left = vec![false; points.len()];
    left.iter().flat_map(|left| left.points.clone()).for_each(|range| is_left[range].fill(true));
    points.iter().zip(is_left).filter(|(_, is_left)| !is_left).map(|(point, _)| *point).collect()
}

/// Seconds since the start, plus the longest idle time that can be set.
fn seconds_since(started: Instant) -> u32 {
    (1 << 30) + u32::try_from(started.elapsed().as_secs()).unwrap_or(u32::MAX >> 1)
}

/// Puts values in order; answers those whose points are valid and their places in the list. Their series are checked
/// when they are new.
fn validate(mut values: Vec<Sample>, receipt: &mut Receipt) -> (Vec<Sample>, Vec<usize>) {
    let now_ms = now_ms();
    let mut places = Vec::with_capacity(values.len());
    let mut place = 0;
    values.retain_mut(|value| {
        value.arrange();
        let verdict = value.check_step().map_err(RejectReason::from).and_then(|()| Ok(value.check_point(now_ms)?));
        match verdict {
            Ok(()) => places.push(place),
            Err(reason) => receipt.rejected.push((place, reason)),
        }
        place += 1;
        verdict.is_ok()
    });
    (values, places)
}

#[cfg(test)]
mod tests {
    use futures_util::future::{BoxFuture, ready};
    use parking_lot::Mutex;
    use saker_model::MetricType;

    use super::*;

    mod slow;

    /// Keeps what it is given.
    #[derive(Default)]
    struct Window(Mutex<Vec<Point>>, Mutex<Vec<(String, bool)>>);

    impl Sink for Window {
        fn keep(&self, points: &[Point]) {
            self.0.lock().extend(points);
        }

        fn keep_run(&self, run: CollectorRun<'_>, points: &[Point]) {
            self.1.lock().push((run.source.to_owned(), run.whole));
            self.keep(points);
        }

        fn forget(&self, ids: &[SeriesId]) {
            self.0.lock().retain(|point| !ids.contains(&point.series));
        }
    }

    /// Has room for everything.
    #[derive(Default)]
    struct Boundless(AtomicUsize);

    impl DurableSink for Boundless {
        fn accept<'a>(
            &'a self,
            points: &'a [Point],
            _: OverloadPolicy,
        ) -> BoxFuture<'a, Result<Vec<RejectedPoints>, Overload>> {
            self.0.fetch_add(points.len(), Ordering::Relaxed);
            Box::pin(ready(Ok(Vec::new())))
        }

        fn accepted(&self) -> u64 {
            self.0.load(Ordering::Relaxed) as u64
        }

        fn rejection(&self) -> Option<Overload> {
            None
        }

        fn is_open(&self) -> bool {
            true
        }

        fn opened(&self) -> BoxFuture<'_, ()> {
            Box::pin(ready(()))
        }

        fn forget(&self, _: &[SeriesId]) {}

        fn breaches(&self) -> Vec<Breach> {
            Vec::new()
        }
    }

    /// Changes nothing.
    struct Unchanged;

    impl Relabel for Unchanged {
        fn relabel<'a>(&'a self, series: &'a [Arc<Series>], _: &'a SeriesLimits) -> BoxFuture<'a, Vec<RelabelOutcome>> {
            Box::pin(ready(vec![RelabelOutcome::Keep; series.len()]))
        }
    }

    struct Bench {
        pipeline: Arc<Pipeline>,
        window: Arc<Window>,
    }

    impl std::ops::Deref for Bench {
        type Target = Arc<Pipeline>;

        fn deref(&self) -> &Arc<Pipeline> {
            &self.pipeline
        }
    }

    impl Bench {
        async fn accept(&self, source: &str, values: Vec<Sample>, budget: SeriesBudget) -> Receipt {
            self.session(source, budget).accept(values).await.unwrap()
        }

        fn kept(&self) -> usize {
            self.window.0.lock().len()
        }
    }

    fn pipeline(max_series: usize) -> Bench {
        let table = Arc::new(SeriesTable::new(max_series));
        let window = Arc::<Window>::default();
        let sinks = Sinks { durable: Arc::new(Boundless::default()), others: vec![window.clone()] };
        let shares = SeriesShares { collectors: 0.1, listener: 0.5 };
        let pipeline = Pipeline::new(table, Arc::new(MemoryBudget::new(1 << 20)), sinks, Arc::new(Unchanged), shares);
        Bench { pipeline: Arc::new(pipeline), window }
    }

    fn value(metric: &str, number: f64) -> Sample {
        Sample {
            endpoint: "h".into(),
            metric: metric.into(),
            tags: vec![],
            metric_type: MetricType::Gauge,
            value: number,
            timestamp_ms: now_ms(),
            step_s: 10,
        }
    }

    #[tokio::test]
    async fn what_is_valid_is_kept_and_the_rest_rejected_by_place_and_reason() {
        let pipeline = pipeline(10);
        let values = vec![value("a", 1.0), value("", 1.0), value("b", f64::NAN), value("a", 2.0)];
        let receipt = pipeline.accept("test", values, SeriesBudget::Listener).await;
        assert_eq!((receipt.received, receipt.accepted), (4, 2));
        assert_eq!(receipt.rejected, [(1, RejectReason::BadMetric), (2, RejectReason::NotFinite)]);
        assert_eq!(pipeline.table.len(), 1);
        assert_eq!(pipeline.kept(), 2);
        let (_, counters) = pipeline.sources().remove(0);
        assert_eq!((counters.counts().received, counters.counts().accepted), (4, 2));
        assert_eq!(pipeline.breaches(), []);
        assert_eq!((counters.rejected(RejectReason::BadMetric), counters.rejected(RejectReason::NotFinite)), (1, 1));
    }

    #[tokio::test]
    async fn another_type_or_step_is_the_same_series() {
        let pipeline = pipeline(10);
        let changed = Sample { metric_type: MetricType::Counter, step_s: 60, ..value("a", 2.0) };
        for values in [vec![value("a", 1.0)], vec![changed], vec![value("a", 3.0)]] {
            let receipt = pipeline.accept("test", values, SeriesBudget::Listener).await;
            assert_eq!((receipt.accepted, receipt.rejected), (1, vec![]));
        }
        let id = pipeline.table.intern(&value("a", 1.0), pipeline.now_s()).unwrap();
        let series = pipeline.table.get(id).unwrap();
        assert_eq!((series.metric_type, series.step_s), (MetricType::Counter, 60), "a change holds for a while");
        assert_eq!((pipeline.table.len(), pipeline.kept(), pipeline.table.changes()), (1, 3, 1));
        let (_, counters) = pipeline.sources().remove(0);
        assert_eq!(counters.series(), 1);
    }

    #[tokio::test]
    async fn a_bad_step_is_rejected_of_a_known_series_too_and_changes_nothing() {
        let pipeline = pipeline(10);
        let bad = Sample { step_s: 0, ..value("a", 2.0) };
        let receipt = pipeline.accept("test", vec![value("a", 1.0), bad], SeriesBudget::Listener).await;
        assert_eq!(receipt.rejected, [(1, RejectReason::BadStep)]);
        assert_eq!(pipeline.table.changes(), 0);
    }

    #[tokio::test]
    async fn a_stale_marker_is_taken_and_another_nan_is_not() {
        let pipeline = pipeline(10);
        let values = vec![value("a", saker_model::STALE_MARKER), value("a", f64::NAN)];
        let receipt = pipeline.accept("test", values, SeriesBudget::Listener).await;
        assert_eq!((receipt.accepted, receipt.rejected), (1, vec![(1, RejectReason::NotFinite)]));
    }

    #[tokio::test]
    async fn the_number_of_tags_can_be_set() {
        let pipeline = pipeline(10);
        let tags = (0..41).map(|number| (number.to_string(), "a,b=c".to_owned())).collect();
        let many = Sample { tags, ..value("a", 1.0) };
        let take = async || pipeline.accept("test", vec![many.clone()], SeriesBudget::Listener).await.rejected;
        let epoch = pipeline.table.epoch();
        assert_eq!(take().await, [(0, RejectReason::TooManyTags)]);
        pipeline.set_limits(SeriesLimits { tags: 41 });
        assert_ne!(pipeline.table.epoch(), epoch, "who remembers the rejection forgets it");
        assert_eq!(take().await, []);
    }

    #[tokio::test]
    async fn names_that_hold_are_told_from_those_that_may_change() {
        let pipeline = pipeline(1);
        let session = pipeline.session("test", SeriesBudget::Listener);
        let attempt = session.attempts().next().unwrap();
        let named = attempt.name(vec![value("a", 1.0), value("", 1.0), value("b", 1.0), value("a", f64::NAN)]).await;
        let id = pipeline.table.intern(&value("a", 1.0), 0).unwrap();
        let expected = [
            Resolution { source: Some(id), target: Ok(id), lasting: true },
            Resolution { source: None, target: Err(RejectReason::BadMetric), lasting: true },
            Resolution { source: None, target: Err(RejectReason::SeriesLimit), lasting: false },
            Resolution { source: None, target: Err(RejectReason::NotFinite), lasting: false },
        ];
        assert_eq!(named, expected);
        assert_eq!(pipeline.kept(), 0, "nothing was taken");
    }

    #[tokio::test]
    async fn beyond_the_limit_of_series_only_known_ones_pass() {
        let pipeline = pipeline(1);
        let receipt = pipeline
            .accept("test", vec![value("a", 1.0), value("b", 1.0), value("a", 2.0)], SeriesBudget::Listener)
            .await;
        assert_eq!(receipt.accepted, 2);
        assert_eq!(receipt.rejected, [(1, RejectReason::SeriesLimit)]);
    }

    #[tokio::test]
    async fn sinks_are_told_which_points_are_a_run_and_whether_it_is_whole() {
        let pipeline = pipeline(100);
        let budget = SeriesBudget::Collector { new_series: 10, series: 10 };
        pipeline.accept("collector:a", vec![value("a", 1.0), value("b", 1.0)], budget).await;
        pipeline.accept("collector:a", vec![value("a", 1.0), value("b", f64::NAN)], budget).await;
        pipeline.accept("test", vec![value("a", 1.0)], SeriesBudget::Listener).await;
        let runs = pipeline.window.1.lock().clone();
        assert_eq!(runs, [("collector:a".to_owned(), true), ("collector:a".to_owned(), false)]);
        assert_eq!(pipeline.kept(), 4);
    }

    #[tokio::test]
    async fn a_source_brings_only_so_many_series_at_once_and_in_all() {
        let pipeline = pipeline(100);
        let (source, budget) = ("test", SeriesBudget::Collector { new_series: 2, series: 3 });
        let bring = async |names: &[&str]| {
            let values = names.iter().map(|name| value(name, 1.0)).collect();
            pipeline.accept(source, values, budget).await.rejected
        };
        assert_eq!(bring(&["a", "b", "c", "a"]).await, [(2, RejectReason::NewSeries)], "what is known is not new");
        assert_eq!(bring(&["a", "b", "c", "d"]).await, [(3, RejectReason::SourceSeries)]);
        // What another source has brought counts for that one.
        pipeline.accept("other", vec![value("e", 1.0)], SeriesBudget::Listener).await;
        assert_eq!(bring(&["e", "a", "b", "c"]).await, []);
        assert_eq!(bring(&["f"]).await, [(0, RejectReason::SourceSeries)]);
        let (_, counters) = pipeline.sources().into_iter().find(|(name, _)| **name == *"test").unwrap();
        assert_eq!((counters.rejected(RejectReason::NewSeries), counters.rejected(RejectReason::SourceSeries)), (1, 2));
        assert_eq!(counters.series(), 3);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        pipeline.sweep(Duration::ZERO);
        assert_eq!(bring(&["f"]).await, [], "a series that is forgotten makes room");
    }

    const COLLECTOR: SeriesBudget = SeriesBudget::Collector { new_series: 5000, series: 50_000 };

    async fn bring(pipeline: &Bench, source: &str, names: std::ops::Range<usize>, budget: SeriesBudget) -> Receipt {
        let values = names.map(|number| value(&format!("{source}.{number}"), 1.0)).collect();
        pipeline.accept(source, values, budget).await
    }

    #[tokio::test]
    async fn a_flood_of_series_leaves_room_for_other_sources() {
        let pipeline = pipeline(10_000);
        let flood = bring(&pipeline, "push", 0..20_000, SeriesBudget::Listener).await;
        assert_eq!(flood.accepted, 5000);
        assert_eq!(flood.rejected[0], (5000, RejectReason::ListenerSeries));
        let other = bring(&pipeline, "influx", 0..20_000, SeriesBudget::Listener).await;
        assert_eq!(other.accepted, 4000);
        assert_eq!(other.rejected[0], (4000, RejectReason::ReservedSeries));
        let collector = bring(&pipeline, "collector:cpu", 0..1000, COLLECTOR).await;
        assert_eq!((collector.accepted, collector.rejected), (1000, vec![]));
        // What is known goes on, and the table is full for everybody else.
        assert_eq!(bring(&pipeline, "push", 0..5000, SeriesBudget::Listener).await.accepted, 5000);
        let late = bring(&pipeline, "collector:late", 0..1, COLLECTOR).await;
        assert_eq!(late.rejected, [(0, RejectReason::SeriesLimit)]);
        let counted = |name: &str| {
            let (_, counters) = pipeline.sources().into_iter().find(|(source, _)| **source == *name).unwrap();
            (counters.rejected(RejectReason::ListenerSeries), counters.rejected(RejectReason::ReservedSeries))
        };
        assert_eq!((counted("push"), counted("influx")), ((15_000, 0), (0, 16_000)));
    }

    #[tokio::test]
    async fn series_from_disk_do_not_take_the_reserve() {
        let pipeline = pipeline(100);
        for number in 0..200 {
            let id = pipeline.table.intern_within(&value(&format!("old.{number}"), 1.0), 0, usize::MAX).unwrap();
            assert_eq!(id.index(), number);
        }
        let collector = bring(&pipeline, "collector:cpu", 0..20, COLLECTOR).await;
        assert_eq!(collector.accepted, 10, "a tenth of the hundred");
        assert_eq!(bring(&pipeline, "push", 0..1, SeriesBudget::Listener).await.accepted, 0);
        // The reserve is free again when its series are forgotten.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        pipeline.sweep(Duration::ZERO);
        assert_eq!(bring(&pipeline, "collector:cpu", 0..20, COLLECTOR).await.accepted, 20);
    }

    #[tokio::test]
    async fn an_idle_series_is_forgotten_everywhere() {
        let pipeline = pipeline(10);
        pipeline.accept("test", vec![value("a", 1.0)], SeriesBudget::Listener).await;
        pipeline.sweep(Duration::from_secs(3600));
        assert_eq!(pipeline.table.len(), 1);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        pipeline.sweep(Duration::ZERO);
        assert_eq!((pipeline.table.len(), pipeline.kept()), (0, 0));
    }
}
