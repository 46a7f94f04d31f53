//! Takes all points of what came together, or none.

use saker_http::body::{BodyMeter, MemoryShortage};
use saker_model::{Point, RejectCounts, RejectReason};
use saker_pipeline::{Attempt, IngestSession, Overload, OverloadPolicy, RejectedPoints, now_ms};

use crate::batch::Decoder;
use crate::keys::KeyCache;
use crate::reading::{BodyDecoder, FramedMessages, Report};

/// A point of a body of many batches, and its copy on the way to a queue.
pub(crate) const POINT_BYTES: usize = 2 * size_of::<Point>();
/// What a batch of a long body holds besides it: its points, and its new series until they have names. Of a short one no
/// more than the body.
pub(crate) const BATCH_BYTES: usize = 3 << 20;

/// Why nothing of a body was taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Untaken {
    /// There is no memory for its points.
    NoMemory(MemoryShortage),
    /// A queue has no room.
    Overload(Overload),
    /// Series were forgotten faster than the body could be read.
    Names,
}

/// Reads a body batch by batch, then takes all its points at once, or none; or, as `rejecting` says, those that there
/// is room for.
pub(crate) async fn take<D: Decoder>(
    session: &IngestSession,
    keys: &KeyCache,
    decoder: &D,
    body: FramedMessages<'_>,
    memory: &mut impl BodyMeter,
    rejecting: OverloadPolicy,
) -> Result<Report, Untaken> {
    take_from(session, keys, decoder, body, memory, Some(rejecting), false).await
}

/// The same, but a body that anything is wrong with is not taken at all.
pub(crate) async fn take_faultless<D: Decoder>(
    session: &IngestSession,
    keys: &KeyCache,
    decoder: &D,
    body: FramedMessages<'_>,
    memory: &mut impl BodyMeter,
) -> Result<Report, Untaken> {
    take_from(session, keys, decoder, body, memory, Some(OverloadPolicy::All), true).await
}

/// The same for who comes again with all of it until there is room: nothing is counted before.
pub(crate) async fn offer<D: Decoder>(
    session: &IngestSession,
    keys: &KeyCache,
    decoder: &D,
    body: FramedMessages<'_>,
    memory: &mut impl BodyMeter,
) -> Result<Report, Untaken> {
    take_from(session, keys, decoder, body, memory, None, false).await
}

async fn take_from<D: Decoder>(
    session: &IngestSession,
    keys: &KeyCache,
    decoder: &D,
    body: FramedMessages<'_>,
    memory: &mut impl BodyMeter,
    rejecting: Option<OverloadPolicy>,
    is_strict: bool,
) -> Result<Report, Untaken> {
    let mut charged = 0;
    for attempt in session.attempts() {
        let mut reading = BodyDecoder::new(body, decoder, keys, now_ms());
        let (mut points, mut rejected) = (Vec::new(), RejectCounts::default());
        while reading.has_more() && batch(&attempt, &mut reading).await {
            rejected.add_all(reading.rejected());
            if !reading.has_more() && points.is_empty() {
                break;
            }
            let now = (points.len() + reading.points().len()) * POINT_BYTES;
            if let Err(short) = memory.grow(now.saturating_sub(charged)) {
                rejected.add(RejectReason::NoRoom, (points.len() + reading.points().len()) as u64);
                session.reject(rejected.total() as usize, &rejected);
                return Err(Untaken::NoMemory(short));
            }
            charged = now.max(charged);
            points.extend_from_slice(reading.points());
            // A large body is no reason for others to wait.
            tokio::task::yield_now().await;
        }
        if reading.has_more() || !attempt.holds() {
            continue;
        }
        if is_strict && reading.faulty() > 0 {
            // Nothing is known of those that are right: their sender has them still.
            session.reject(rejected.total() as usize, &rejected);
            return Ok(Report { taken: 0, ..reading.finish() });
        }
        // Most bodies are of one batch, and need not be copied.
        let points = if points.is_empty() { reading.points() } else { &points };
        let received = points.len() + rejected.total() as usize;
        let left = match rejecting {
            Some(rejecting) => attempt.take(received, points, &rejected, rejecting).await,
            None => attempt.offer(received, points, &rejected).await.map(|()| Vec::new()),
        };
        let left = left.map_err(Untaken::Overload)?;
        let mut report = reading.finish();
        report.taken -= left.iter().map(RejectedPoints::count).sum::<usize>() as u64;
        return Ok(report);
    }
    Err(Untaken::Names)
}

/// Reads a batch and names its series; false if the names of before do not hold any more.
async fn batch<D: Decoder>(attempt: &Attempt<'_>, reading: &mut BodyDecoder<'_, D>) -> bool {
    let now_s = attempt.now_s();
    reading.read(attempt.names(), now_s);
    let new = reading.new_samples();
    if !new.is_empty() {
        reading.named(attempt.name(new).await);
    }
    let holds = attempt.touch(reading.seen().iter().copied(), now_s);
    if holds {
        reading.confirm();
    }
    holds
}
