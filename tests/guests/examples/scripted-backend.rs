//! A backend that answers as its settings say, and tells in the log what it got.

use saker_sdk::encode::Lines;
use saker_sdk::encode::json::Json;
use saker_sdk::host::Level;
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// What becomes of points.
    pub enum Answer {
        /// They are taken: posted, if there is an address.
        Take = "take",
        /// The destination is away, for 1.5 s.
        Retry = "retry",
        /// Every second one is rejected.
        RejectSome = "reject-some",
        /// All are rejected.
        RejectAll = "reject-all",
        /// The instance is of no more use.
        Broken = "broken",
        /// A permission is missing.
        Denied = "denied",
        /// The call panics.
        Trap = "trap",
        /// The call never ends.
        Spin = "spin",
    }
}

saker_sdk::settings! {
    /// Settings of `sink`.
    pub struct ScriptedBackendSettings {
        /// What becomes of points.
        pub answer: Answer = Answer::Take,
        /// Where they are posted, as lines of JSON.
        pub url: Option<String> = None,
        /// Whether every call is told in the log.
        pub log: bool = false,
    }
}

/// The guest.
pub struct ScriptedBackend {
    answer: Answer,
    target: Option<Target>,
    log: bool,
    lines: Lines,
}

impl Backend for ScriptedBackend {
    type Settings = ScriptedBackendSettings;

    fn describe() -> Description {
        Description::new("scripted-backend", "1.0.0", "Answers as its settings say")
            .requests(connect("127.0.0.1:*"), "points may go there")
    }

    fn open(settings: ScriptedBackendSettings) -> Result<Self, OpenError> {
        let target = settings.url.as_deref().map(Target::parse).transpose()?;
        Ok(Self { answer: settings.answer, target, log: settings.log, lines: Lines::new(Json) })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            self.tell(&format!("define {} {}", definition.id, definition.series.metric));
        }
        self.lines.define(&definitions);
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        for point in &points {
            self.tell(&format!("write {} {} {}", point.series, point.timestamp_ms, point.value));
        }
        match self.answer {
            Answer::Take => self.take(&points),
            Answer::Retry => Err(WriteError::retry("told to retry", Some(1500))),
            Answer::RejectSome => {
                let points = (0..).zip(&points).map(|(place, _)| place).filter(|place| place % 2 == 1).collect();
                Err(WriteError::Reject(Reject { points, message: "told to reject some".into() }))
            }
            Answer::RejectAll => Err(WriteError::reject("told to reject all")),
            Answer::Broken => Err(WriteError::Broken("told to be broken".into())),
            Answer::Denied => Err(WriteError::denied("10.0.0.1:8086")),
            Answer::Trap => panic!("told to panic"),
            Answer::Spin => loop {
                std::hint::spin_loop();
            },
        }
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        for id in &ids {
            self.tell(&format!("forget {id}"));
        }
        self.lines.forget(&ids);
    }
}

saker_sdk::export_backend!(ScriptedBackend);

impl ScriptedBackend {
    fn take(&mut self, points: &[Point]) -> Result<usize, WriteError> {
        let lines = self.lines.encode(points)?;
        if let Some(target) = &self.target
            && !points.is_empty()
        {
            target.post(&[("content-type", "application/x-ndjson")], lines)?.written()?;
        }
        Ok(points.len())
    }

    fn tell(&self, what: &str) {
        if self.log {
            host::log(Level::Info, what);
        }
    }
}
