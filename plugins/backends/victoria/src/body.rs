//! One request: lines, compressed, and what the answer means.

use saker_sdk::bodies::{BodyOutcome, Filled, Request, not_compressed};
use saker_sdk::compress;
use saker_sdk::host::{self, Level};
use saker_sdk::http::{Response, Target};
use saker_sdk::{OpenError, Point, WriteError};

use crate::BodyCompression;
use crate::merge::Merging;

/// The levels that are used where none is set: what is smallest for about the time that it takes to make the lines.
const GZIP_LEVEL: u8 = 2;
const ZSTD_LEVEL: u8 = 1;

/// A comment line. As text it says nothing and is taken; as a compressed body it is broken and rejected.
const QUESTION: &[u8] = b"# a server that reads this as zstd cannot, and says so\n";

/// How bodies are sent.
pub(crate) struct BodyOptions {
    target: Target,
    authorization: Option<String>,
    compression: BodyCompression,
    level: u8,
    /// Whether the server reads zstd, once it was asked. It is asked again after each failure: it may be another one.
    reads_zstd: Option<bool>,
    body: Vec<u8>,
}

/// The body of one call's points.
pub(crate) struct Body<'a> {
    pub(crate) merging: &'a mut Merging,
    pub(crate) sending: &'a mut BodyOptions,
}

impl Request for Body<'_> {
    fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        self.merging.arrange(points, places);
    }

    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        let body = &mut self.sending.body;
        body.clear();
        Filled { points: self.merging.push_lines(points, places, most, body), bytes: body.len() }
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        self.sending.send()
    }
}

impl BodyOptions {
    pub(crate) fn new(
        target: Target,
        authorization: Option<String>,
        compression: BodyCompression,
        level: Option<u32>,
    ) -> Result<Self, OpenError> {
        let usual = if compression == BodyCompression::Zstd { ZSTD_LEVEL } else { GZIP_LEVEL };
        let level = match level {
            None => usual,
            Some(_) if compression == BodyCompression::None => {
                return Err(OpenError::Settings(
                    "level: there is nothing to compress with compression = \"none\"".into(),
                ));
            }
            Some(level) => u8::try_from(level)
                .ok()
                .filter(|level| (1..=9).contains(level))
                .ok_or_else(|| OpenError::Settings(format!("level: expected 1 to 9, found {level}")))?,
        };
        Ok(Self { target, authorization, compression, level, reads_zstd: None, body: Vec::new() })
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        let (compression, level) = if self.compression == BodyCompression::Zstd && !self.ask_for_zstd()? {
            (BodyCompression::Gzip, GZIP_LEVEL)
        } else {
            (self.compression, self.level)
        };
        let answer = self.send_as(compression, level);
        if !matches!(answer, Ok(BodyOutcome::All | BodyOutcome::TooLarge(_))) {
            self.reads_zstd = None;
        }
        answer
    }

    fn send_as(&self, compression: BodyCompression, level: u8) -> Result<BodyOutcome, WriteError> {
        let compressed = match compression {
            BodyCompression::None => return self.post(None, &self.body),
            BodyCompression::Gzip => compress::gzip(&self.body, level),
            BodyCompression::Zstd => compress::zstd(&self.body, level),
        };
        match compressed {
            Ok(body) => self.post(Some(if compression == BodyCompression::Gzip { "gzip" } else { "zstd" }), &body),
            Err(error) => not_compressed(&error),
        }
    }

    /// Whether the server reads zstd. One that does not would take a body for lines, skip them all, and answer 204.
    fn ask_for_zstd(&mut self) -> Result<bool, WriteError> {
        if let Some(known) = self.reads_zstd {
            return Ok(known);
        }
        let response = self.target.post(&self.headers(Some("zstd")), QUESTION)?;
        let reads = match response.status {
            400 | 415 if !is_wrong_path(&response) => response.status == 400,
            _ => {
                // A wrong password and the like say nothing.
                verdict(&response)?;
                false
            }
        };
        if !reads {
            let address = self.target.address();
            let line =
                format!("compression: {address} reads no zstd (asked, it answered {}): sending gzip", response.status);
            host::log(Level::Warn, &line);
        }
        self.reads_zstd = Some(reads);
        Ok(reads)
    }

    fn post(&self, encoding: Option<&str>, body: &[u8]) -> Result<BodyOutcome, WriteError> {
        verdict(&self.target.post(&self.headers(encoding), body)?)
    }

    fn headers<'a>(&'a self, encoding: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
        let mut headers = vec![
            ("content-type", "text/plain; charset=utf-8"),
            ("user-agent", concat!("saker/", env!("CARGO_PKG_VERSION"))),
        ];
        headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        headers
    }
}

fn verdict(response: &Response) -> Result<BodyOutcome, WriteError> {
    if is_wrong_path(response) {
        let cure = "see to the path of url, or give the tenant of a cluster";
        return Err(WriteError::retry(format!("400 {}; {cure}", response.body.trim()), None));
    }
    response.taken()
}

/// Whether there is no such path: a mistake of the operator's, which costs no points. VictoriaMetrics answers 400.
fn is_wrong_path(response: &Response) -> bool {
    response.status == 400 && response.body.contains("unsupported path requested")
}
