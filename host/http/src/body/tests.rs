use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};

use super::*;
use crate::connection::ConnectionState;
use crate::stats::BodyEnd;
use crate::{HttpLimits, ServerSettings, Stats};

/// Pieces with pauses before them, and silence after the last one.
struct Script {
    pieces: VecDeque<(Duration, usize)>,
    ends: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some((pause, bytes)) = self.pieces.front().copied() else {
            return if self.ends { Poll::Ready(None) } else { Poll::Pending };
        };
        let timer = self.pause.get_or_insert_with(|| Box::pin(sleep(pause)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        self.pieces.pop_front();
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; bytes].into()))))
    }
}

struct Purse(usize);

impl BodyMeter for Purse {
    fn grow(&mut self, bytes: usize) -> Result<(), MemoryShortage> {
        self.0 = self.0.checked_sub(bytes).ok_or(MemoryShortage::Now)?;
        Ok(())
    }
}

/// Reads a body that comes in such pieces; answers how many bytes came or the status, how long it took, and how often
/// bodies have ended in this way.
async fn read_script(pieces: Vec<(u64, usize)>, ends: bool, end: BodyEnd) -> (Result<usize, u16>, u64, u64) {
    let settings = ServerSettings {
        limits: HttpLimits { max_body_bytes: 100_000, ..HttpLimits::default() },
        ..ServerSettings::default()
    };
    let stats = Arc::<Stats>::default();
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let visit = RequestInfo { settings: settings.into(), client, stats: stats.clone() };
    let pieces = pieces.into_iter().map(|(pause, bytes)| (Duration::from_secs(pause), bytes)).collect();
    let script = Script { pieces, ends, pause: None };
    let limits = visit.settings.limits.clone();
    let body = Body::new(IncomingBody::new(script, Arc::<ConnectionState>::default(), stats.clone(), limits));
    let start = Instant::now();
    let read = read(&visit, &HeaderMap::new(), body, Purse(80_000)).await;
    let read = read.map(|(bytes, _)| bytes.len()).map_err(|error| error.status().as_u16());
    (read, start.elapsed().as_secs(), stats.bodies.get(end))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_falls_silent_is_ended() {
    assert_eq!(read_script(vec![(0, 10)], false, BodyEnd::Stalled).await, (Err(408), 30, 1));
    assert_eq!(read_script(vec![], false, BodyEnd::Stalled).await, (Err(408), 30, 1));
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_is_no_progress() {
    assert_eq!(read_script(vec![(29, 1); 100], true, BodyEnd::Stalled).await, (Err(408), 30, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_may_be_slow_but_not_for_ever() {
    assert_eq!(read_script(vec![(29, 2000); 10], true, BodyEnd::Whole).await, (Ok(20_000), 290, 1));
    assert_eq!(read_script(vec![(29, 2000); 11], true, BodyEnd::Late).await, (Err(408), 300, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_its_limit_or_its_memory_is_read_no_further() {
    assert_eq!(read_script(vec![(0, 50_000), (1, 30_001), (1, 1)], false, BodyEnd::Unread).await, (Err(429), 1, 1));
    let beyond = read_script(vec![(0, 100_001)], false, BodyEnd::TooLarge).await;
    assert_eq!(beyond, (Err(413), 0, 1));
    assert_eq!(read_script(vec![(0, 50_000), (0, 30_000)], true, BodyEnd::Whole).await, (Ok(80_000), 0, 1));
}

#[test]
fn what_breaks_a_body_off_is_told_from_what_is_too_slow() {
    let broken = axum::Error::new(io::Error::from(io::ErrorKind::ConnectionReset));
    assert_eq!(in_words(broken).status(), StatusCode::BAD_REQUEST);
}
