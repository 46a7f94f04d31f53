//! Open-Falcon's `POST /v1/push`: a JSON array of samples.
//!
//! Keys, types and defaults are Open-Falcon's, and so is the forgiving reading of them: any case of a key, numbers as
//! text. Unlike there, the answer tells what was not taken, one bad value spoils no other, and a fraction in a timestamp
//! is cut off. A body is read some thousand values at a time, and its points are taken at once: of a body that there is
//! no room for nothing is kept.

mod item;
mod items;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use saker_http::body::{BodyMeter, MemoryShortage};
use saker_http::{ApiError, RequestInfo};
use saker_model::{Point, RejectCounts, RejectReason, Resolution};
use saker_pipeline::{Attempt, IngestSession, Overload, OverloadPolicy, RejectedPoints, now_ms};
use serde_json::json;

use self::items::{FoundItem, Items};
use crate::admission::{self, BodyMemory, IngestAdmission};
use crate::{IngestContext, ListenerStats, ProtocolListenError, ProtocolListener};

/// How many rejections are told one by one.
const EXAMPLES_MAX: usize = 10;
/// Values of one step: enough that what is done once for each step costs nothing, and some hundred kilobytes.
const STEP_VALUES: usize = 1000;
/// After so many items that cannot be read, the rest is not looked at: whoever has sent them has sent something else.
const MALFORMED_MAX: u64 = 1000;

/// The paths that bring values.
const PATHS: &[&str] = &["/v1/push"];

/// Open-Falcon's push.
pub struct FalconListener {
    listener: Arc<ListenerStats>,
    admission: Arc<IngestAdmission>,
    endpoint: ArcSwap<Arc<str>>,
}

impl ProtocolListener for FalconListener {
    type Config = ();

    fn build(context: &IngestContext, (): &(), endpoint: &Arc<str>) -> Self {
        let listener = context.listeners.open("push", PATHS);
        Self { listener, admission: context.admission.clone(), endpoint: ArcSwap::from_pointee(endpoint.clone()) }
    }

    fn router(self: &Arc<Self>) -> Router {
        let admit = middleware::from_fn_with_state(self.admission.clone(), admission::admit);
        Router::new().route(PATHS[0], post(push)).layer(admit).with_state(self.clone())
    }

    async fn apply(&self, (): &(), endpoint: &Arc<str>) -> Result<(), ProtocolListenError> {
        self.endpoint.store(Arc::new(endpoint.clone()));
        Ok(())
    }
}

async fn push(
    State(push): State<Arc<FalconListener>>,
    Extension(visit): Extension<RequestInfo>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(answer) = push.admission.too_early() {
        return Err(answer);
    }
    let memory = push.admission.memory(&visit)?;
    let (body, memory) = saker_http::body::read(&visit, &headers, body, memory).await?;
    let (bytes, work) = (body.len(), take(push.clone(), visit, body, memory));
    push.admission.parse(bytes, work).await?
}

/// Takes the values of a body.
async fn take(
    push: Arc<FalconListener>,
    visit: RequestInfo,
    body: Bytes,
    mut memory: BodyMemory,
) -> Result<Response, ApiError> {
    let mut charged = 0;
    let session = push.listener.session();
    for attempt in session.attempts() {
        let endpoint = push.endpoint.load_full();
        let mut taken = PushOutcome::default();
        if let Err(unread) = read(&attempt, &endpoint, &body, &mut memory, &mut charged, &mut taken).await {
            taken.nothing(session, &unread);
            return Err(unread.into_answer(&visit));
        }
        if !attempt.holds() {
            continue;
        }
        let (received, points) = (taken.items as usize, &taken.points);
        let accepted = attempt.take(received, points, &taken.rejected, OverloadPolicy::Points).await;
        let left = accepted.map_err(|overload| push.admission.rejected(&overload))?;
        return Ok(taken.into_answer(&left));
    }
    Err(admission::try_again("the names of series change too fast; try again"))
}

/// What a body came to.
#[derive(Default)]
struct PushOutcome {
    items: u64,
    points: Vec<Point>,
    /// Where points are not one item behind the other: the place of a point, and of its item.
    jumps: Vec<(usize, u64)>,
    rejected: RejectCounts,
    examples: Vec<(u64, String)>,
    /// Whether the rest was not looked at.
    is_cut: bool,
}

/// Why nothing of a body is taken.
enum UnreadableBody {
    NoList(String),
    NoMemory(MemoryShortage),
}

/// Reads a body and names its series. `charged` is what its points have been charged. What fails leaves in `taken` what
/// was read before.
async fn read(
    attempt: &Attempt<'_>,
    endpoint: &Arc<str>,
    body: &[u8],
    memory: &mut BodyMemory,
    charged: &mut usize,
    taken: &mut PushOutcome,
) -> Result<(), UnreadableBody> {
    let now_ms = now_ms();
    let mut items = Items::new(body);
    loop {
        let mut step = Vec::new();
        while step.len() < STEP_VALUES && !taken.is_cut {
            let Some(item) = items.next_item().map_err(UnreadableBody::NoList)? else { break };
            let value = match item {
                FoundItem::Item(item) => item.into_value(endpoint, now_ms),
                FoundItem::Null => Err("it is null".to_owned()),
                FoundItem::TooLong(what) => Err(what),
            };
            match value {
                Ok(value) => step.push((taken.items, value)),
                Err(what) => taken.malformed(what),
            }
            taken.items += 1;
            taken.is_cut = taken.rejected.malformed_count() >= MALFORMED_MAX;
        }
        if step.is_empty() {
            return Ok(());
        }
        let (places, values): (Vec<_>, Vec<_>) = step.into_iter().unzip();
        let now = (taken.points.len() + values.len()) * size_of::<Point>();
        memory.grow(now.saturating_sub(*charged)).map_err(UnreadableBody::NoMemory)?;
        *charged = now.max(*charged);
        taken.points.reserve(values.len());
        let stamps: Vec<_> = values.iter().map(|value| (value.timestamp_ms, value.value)).collect();
        let names = attempt.name(values).await;
        for ((place, (timestamp_ms, value)), Resolution { target, .. }) in places.into_iter().zip(stamps).zip(names) {
            match target {
                Ok(series) => taken.take(place, Point { series, timestamp_ms, value }),
                Err(reason) => taken.reject(place, reason),
            }
        }
        // A long body is no reason for others to wait.
        tokio::task::yield_now().await;
    }
}

impl PushOutcome {
    fn take(&mut self, place: u64, point: Point) {
        let at = self.points.len();
        let expected = self.jumps.last().map_or(at as u64, |&(point, item)| item + (at - point) as u64);
        if expected != place {
            self.jumps.push((at, place));
        }
        self.points.push(point);
    }

    /// The item that a point was read from.
    fn item_of(&self, point: usize) -> u64 {
        let jumps = self.jumps.partition_point(|&(at, _)| at <= point);
        let (at, item) = jumps.checked_sub(1).map_or((0, 0), |jump| self.jumps[jump]);
        item + (point - at) as u64
    }

    /// Counts the items of a body of which nothing is taken: those that were read, and the one that ends it.
    fn nothing(&self, session: &IngestSession, unread: &UnreadableBody) {
        let mut rejected = self.rejected.clone();
        let rest = (self.items - rejected.total().min(self.items)) as usize;
        let received = match unread {
            UnreadableBody::NoMemory(_) => {
                rejected.add(RejectReason::NoRoom, rest as u64);
                self.items as usize
            }
            UnreadableBody::NoList(_) => {
                (0..=rest).for_each(|_| rejected.add_malformed());
                self.items as usize + 1
            }
        };
        session.reject(received, &rejected);
    }

    /// The items of points that a destination has no room for: from one to another, both included.
    fn full(&self, left: &[RejectedPoints]) -> Vec<serde_json::Value> {
        let full = left.iter().map(|left| {
            let mut items: Vec<[u64; 2]> = Vec::new();
            for item in left.points.iter().cloned().flatten().map(|point| self.item_of(point)) {
                match items.last_mut().filter(|[_, last]| *last + 1 == item) {
                    Some([_, last]) => *last = item,
                    None => items.push([item, item]),
                }
            }
            let Overload { destination, reason, .. } = &left.overload;
            json!({"destination": destination, "reason": reason, "count": left.count(), "items": items})
        });
        full.collect()
    }

    fn malformed(&mut self, what: String) {
        self.rejected.add_malformed();
        self.example(self.items, || what);
    }

    fn reject(&mut self, place: u64, reason: RejectReason) {
        self.rejected.add(reason, 1);
        self.example(place, || reason.to_string());
    }

    /// Keeps the first ones in the order of the body; what is rejected in reading comes before what is rejected in
    /// naming.
    fn example(&mut self, place: u64, what: impl FnOnce() -> String) {
        let at = self.examples.partition_point(|&(before, _)| before < place);
        if at < EXAMPLES_MAX {
            self.examples.truncate(EXAMPLES_MAX - 1);
            self.examples.insert(at, (place, what()));
        }
    }

    fn into_answer(self, left: &[RejectedPoints]) -> Response {
        let no_room: usize = left.iter().map(RejectedPoints::count).sum();
        let (accepted, rejected) = (self.points.len() - no_room, self.rejected.total() + no_room as u64);
        // The status says whether anything was taken at all, so that a client which looks no further learns of it.
        let bad = self.is_cut || (accepted == 0 && rejected > 0);
        let status = if bad { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let message = match rejected {
            _ if self.is_cut => "too many items are no samples; the rest was not read",
            0 => "success",
            _ if no_room > 0 => "some values were rejected; send those of the full destinations again",
            _ => "some values were rejected",
        };
        let full = self.full(left);
        let examples: Vec<_> =
            self.examples.into_iter().map(|(place, reason)| json!({"item": place, "reason": reason})).collect();
        let mut data = json!({"total": self.items, "accepted": accepted, "invalid": rejected, "rejected": examples});
        if full.is_empty() {
            return (status, Json(json!({"msg": message, "data": data}))).into_response();
        }
        data["full"] = full.into();
        let pause = left.iter().map(|left| left.overload.retry_after.as_secs()).max().unwrap_or(0).max(1);
        let again = [(header::RETRY_AFTER, pause.to_string())];
        (status, again, Json(json!({"msg": message, "data": data}))).into_response()
    }
}

impl UnreadableBody {
    fn into_answer(self, visit: &RequestInfo) -> ApiError {
        match self {
            Self::NoMemory(short) => visit.no_memory(short),
            Self::NoList(what) => {
                let message = format!("expected a JSON array of samples: {what}");
                ApiError::new(StatusCode::BAD_REQUEST, message)
            }
        }
    }
}
