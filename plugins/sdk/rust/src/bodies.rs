//! A call's points in requests of bounded size, for backends whose destination takes many points at once.
//!
//! A backend says how a body is made and what an answer means ([`Request`]); [`Bodies`] decides what is sent, in which
//! pieces, and what becomes of the call. It remembers what was taken of a call that failed half-way, so that offering
//! the same points again to the same instance stores none twice.

mod sender;

use crate::backend::{Reject, WriteError};
use crate::http::Response;
use crate::point::Point;
use crate::progress::Progress;

pub use sender::{Compression, HttpSender, not_compressed};

/// Single points that a destination may call too large in one call. More say that it takes nothing at all.
const TOO_LARGE_MAX: usize = 4;

/// How a backend makes and sends a request.
pub trait Request {
    /// Puts the places of points in the order in which they are to be sent.
    fn arrange(&mut self, _points: &[Point], _places: &mut Vec<u32>) {}

    /// Makes the body: of the points at `places`, in this order, as many as fit into `most` bytes, and at least one.
    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled;

    /// Sends the body that was made last.
    ///
    /// # Errors
    /// What became of all its points, if that is the same for all. A [`WriteError::Reject`] without places means those
    /// of this body.
    fn send(&mut self) -> Result<BodyOutcome, WriteError>;
}

/// A body that was made.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// How many points are in it.
    pub points: usize,
    /// How long it is, before it is compressed.
    pub bytes: usize,
}

impl Filled {
    /// Makes a body of points one after the other: `push` appends each.
    pub fn one_by_one(
        body: &mut Vec<u8>,
        points: &[Point],
        places: &[u32],
        most: usize,
        mut push: impl FnMut(&mut Vec<u8>, &Point),
    ) -> Self {
        body.clear();
        let mut count = 0;
        for &place in places {
            push(body, &points[place as usize]);
            count += 1;
            if body.len() >= most {
                break;
            }
        }
        Self { points: count, bytes: body.len() }
    }
}

/// What a destination has taken of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyOutcome {
    /// All of it.
    All,
    /// Nothing: it was too large, in these words. Less may do.
    TooLarge(String),
    /// Some of its points, in these words.
    Some {
        /// Which it will never take, counted from the body's first.
        rejected: Vec<u32>,
        /// Which are to be offered again.
        again: Vec<u32>,
        /// How many more it has not taken without saying which.
        lost: usize,
        /// Why.
        message: String,
    },
}

/// Sends the points of calls, and knows how large a body may be.
#[derive(Debug)]
pub struct Bodies {
    progress: Progress,
    places: Vec<u32>,
    most: usize,
}

/// What became of a call so far.
#[derive(Default)]
struct CallAccount {
    rejected: Vec<u32>,
    why: Option<String>,
    too_large: usize,
    lost: usize,
    again: Option<WriteError>,
}

impl Bodies {
    /// Bodies of about `most` bytes each, before they are compressed: less than what the destination and a proxy in
    /// front of it usually take. Halved for good where they do not.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { progress: Progress::default(), places: Vec::new(), most }
    }

    /// Forgets what was taken of the last call: handles stand for other series from now on.
    pub fn forget(&mut self) {
        self.progress.clear();
    }

    /// Sends all points, whose series are known and which the form can say. Answers how many the destination took.
    ///
    /// # Errors
    /// [`WriteError::Reject`] with the points that were rejected, or without any if that was all of them;
    /// [`WriteError::Retry`] and others as [`Request::send`] gave them, where the points that were taken before are not
    /// sent again if all are offered again.
    pub fn write(&mut self, points: Vec<Point>, request: &mut impl Request) -> Result<usize, WriteError> {
        let count = points.len();
        self.progress.begin(points);
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        // A call has fewer points than fit into 32 bits: it would be 100 GB.
        places.extend(self.progress.left().map(|(place, _)| place as u32));
        request.arrange(self.progress.points(), &mut places);
        let account = self.send(&places, request);
        self.places = places;
        let lost = account.lost;
        account.result(count)?;
        self.progress.clear();
        Ok(count - lost.min(count))
    }

    fn send(&mut self, places: &[u32], request: &mut impl Request) -> CallAccount {
        let mut account = CallAccount::default();
        let mut rest = places;
        while !rest.is_empty() {
            let filled = request.fill(self.progress.points(), rest, self.most);
            let (now, later) = rest.split_at(filled.points.clamp(1, rest.len()));
            match request.send() {
                Ok(BodyOutcome::TooLarge(message)) if now.len() == 1 => account.too_large(now, message),
                Ok(BodyOutcome::TooLarge(_)) => {
                    self.most = filled.bytes / 2;
                    continue;
                }
                Ok(taken) => self.note(now, taken, &mut account),
                Err(WriteError::Reject(reject)) => account.reject(now, reject),
                Err(error) => account.again = Some(error),
            }
            if account.ends() {
                break;
            }
            rest = later;
        }
        account
    }

    fn note(&mut self, now: &[u32], taken: BodyOutcome, account: &mut CallAccount) {
        let mut left = vec![false; now.len()];
        if let BodyOutcome::Some { rejected, again, lost, message } = taken {
            for &place in rejected.iter().chain(&again) {
                if let Some(mark) = left.get_mut(place as usize) {
                    *mark = true;
                }
            }
            account.lost += lost;
            if !again.is_empty() {
                account.again = Some(WriteError::retry(message.clone(), None));
            }
            if !rejected.is_empty() {
                account.reject(now, Reject { points: rejected, message });
            }
        }
        now.iter().zip(left).filter(|(_, left)| !left).for_each(|(place, _)| self.progress.take(*place as usize));
    }
}

impl CallAccount {
    /// Notes that points of a body were rejected: those at the places that are named, or all.
    fn reject(&mut self, now: &[u32], reject: Reject) {
        if reject.points.is_empty() {
            self.rejected.extend(now);
        } else {
            self.rejected.extend(reject.points.iter().filter_map(|place| now.get(*place as usize)));
        }
        self.why.get_or_insert(reject.message);
    }

    fn too_large(&mut self, now: &[u32], message: String) {
        self.too_large += 1;
        self.reject(now, Reject { points: Vec::new(), message });
    }

    /// Whether nothing more is to be sent in this call.
    fn ends(&self) -> bool {
        self.again.is_some() || self.too_large >= TOO_LARGE_MAX
    }

    /// Points that are rejected go first: without them, the same call is made again at once.
    fn result(self, count: usize) -> Result<(), WriteError> {
        match self.why {
            Some(message) if self.too_large >= TOO_LARGE_MAX => {
                Err(WriteError::retry(format!("not even a single point is small enough: {message}"), None))
            }
            Some(message) => {
                let points = if self.rejected.len() == count { Vec::new() } else { self.rejected };
                Err(WriteError::Reject(Reject { points, message }))
            }
            None => self.again.map_or(Ok(()), Err),
        }
    }
}

impl Response {
    /// What the answer means where a smaller body may be taken that a larger one was not: 413 is no rejection then.
    ///
    /// # Errors
    /// As [`Response::written`].
    pub fn taken(&self) -> Result<BodyOutcome, WriteError> {
        if self.status == 413 {
            return Ok(BodyOutcome::TooLarge(format!("413 {}", self.body.trim()).trim_end().into()));
        }
        self.written().map(|()| BodyOutcome::All)
    }

    /// As [`taken`](Response::taken); where it went well, `say` tells from what the answer says for how many points.
    ///
    /// # Errors
    /// As [`Response::written`], and those of `say`.
    pub fn taken_as(&self, say: impl FnOnce() -> Result<BodyOutcome, WriteError>) -> Result<BodyOutcome, WriteError> {
        match self.taken()? {
            BodyOutcome::All => say(),
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests;
