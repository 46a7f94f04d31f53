//! A backend that breaks one rule of the contract, the one that its settings choose. The conformance kit has to find it.

use std::collections::BTreeMap;

use saker_sdk::http::Target;
use saker_sdk::prelude::*;
use saker_test_guests::leak;

saker_sdk::settings! {
    /// Which rule is broken.
    pub enum Wrong {
        /// None.
        Nothing = "nothing",
        /// It counts one point less than it has written.
        Count = "count",
        /// It counts points as written that it never sends.
        Lie = "lie",
        /// It asks the network about no points.
        Empty = "empty",
        /// It forgets a series once it has written it.
        Forgetful = "forgetful",
        /// A handle stands for ever for what it stood for first.
        Stale = "stale",
        /// A handle that was forgotten never works again.
        Used = "used",
        /// It rejects large batches.
        Small = "small",
        /// A panic over what is not ASCII.
        Ascii = "ascii",
        /// A panic over times before 1970.
        Times = "times",
        /// It is broken by numbers that are large.
        Large = "large",
        /// A panic over what is no number.
        Number = "number",
        /// A panic over the state of the instance before.
        State = "state",
        /// Memory that is never given back.
        Leak = "leak",
        /// It connects when it is opened.
        Early = "early",
        /// It gives points up when nobody answers.
        Giving = "giving",
        /// It waits for ever when nobody answers.
        Waiting = "waiting",
        /// It does not say when the server wants to be asked again.
        Hasty = "hasty",
        /// It gives points up when the server is ill.
        Harsh = "harsh",
        /// It offers malformed points again and again.
        Stubborn = "stubborn",
        /// It never comes back after a failure.
        Sulking = "sulking",
        /// A panic over an answer that breaks off.
        Answer = "answer",
        /// It wants to hear something that only its own server says.
        Stranger = "stranger",
    }
}

saker_sdk::settings! {
    /// Settings of `wrong-backend`.
    pub struct WrongSettings {
        /// Where points are posted.
        pub url: String,
        /// Which rule is broken.
        pub wrong: Wrong = Wrong::Nothing,
    }
}

/// The guest, with the names that its handles stand for.
pub struct WrongBackend {
    wrong: Wrong,
    target: Target,
    names: BTreeMap<SeriesId, String>,
    used: Vec<SeriesId>,
    sulks: bool,
}

impl Backend for WrongBackend {
    type Settings = WrongSettings;

    fn describe() -> Description {
        Description::new("wrong-backend", "1.0.0", "Breaks one rule")
            .requests(connect("127.0.0.1:*"), "points go there")
    }

    fn open(settings: WrongSettings) -> Result<Self, OpenError> {
        let (wrong, target) = (settings.wrong, Target::parse(&settings.url)?);
        if wrong == Wrong::Early {
            target.post(&[], b"").map_err(|error| OpenError::Other(format!("{error:?}")))?;
        }
        if wrong == Wrong::State {
            assert!(host::load_state().is_none(), "a state there is");
        }
        Ok(Self { wrong, target, names: BTreeMap::new(), used: Vec::new(), sulks: false })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for Definition { id, series } in definitions {
            if self.wrong == Wrong::Ascii {
                assert!(series.metric.is_ascii(), "told to panic");
            }
            if self.wrong == Wrong::Stale && self.names.contains_key(&id) {
                continue;
            }
            self.names.insert(id, series.metric);
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() && self.wrong != Wrong::Empty {
            return Ok(0);
        }
        self.look_at(&points)?;
        let mut body = String::new();
        for point in &points {
            if self.used.contains(&point.series) {
                return Err(WriteError::Broken(format!("{} was forgotten", point.series)));
            }
            let Some(name) = self.names.get(&point.series) else {
                return Err(WriteError::Broken(format!("{} is not defined", point.series)));
            };
            if point.value.is_finite() {
                body.push_str(&format!("{name} {} {}\n", point.timestamp_ms, point.value));
            }
        }
        if self.wrong == Wrong::Forgetful {
            self.names.clear();
        }
        if self.wrong != Wrong::Lie {
            self.post(body.as_bytes())?;
        }
        Ok(points.len() - usize::from(self.wrong == Wrong::Count))
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        for id in ids {
            self.names.remove(&id);
            if self.wrong == Wrong::Used {
                self.used.push(id);
            }
        }
    }

    fn close(self) {
        if self.wrong == Wrong::State {
            let _ = host::save_state(b"something");
        }
    }
}

saker_sdk::export_backend!(WrongBackend);

impl WrongBackend {
    /// What is broken by the points themselves.
    fn look_at(&self, points: &[Point]) -> Result<(), WriteError> {
        match self.wrong {
            Wrong::Small if points.len() > 50_000 => Err(WriteError::reject("too many")),
            Wrong::Times => {
                assert!(points.iter().all(|point| point.timestamp_ms >= 0), "told to panic");
                Ok(())
            }
            Wrong::Large if points.iter().any(|point| point.value.abs() > 1e100 && point.value.is_finite()) => {
                Err(WriteError::Broken("told to be broken".into()))
            }
            Wrong::Number => {
                assert!(points.iter().all(|point| point.value.is_finite()), "told to panic");
                Ok(())
            }
            Wrong::Leak => {
                leak(4096);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What is broken by the answer.
    fn post(&mut self, body: &[u8]) -> Result<(), WriteError> {
        if self.sulks {
            return Err(WriteError::retry("told to sulk", None));
        }
        let response = match self.target.post(&[("content-type", "text/plain")], body) {
            Ok(response) => response,
            Err(error) => {
                self.sulks = self.wrong == Wrong::Sulking;
                return Err(match self.wrong {
                    Wrong::Giving => WriteError::reject("told to give up"),
                    Wrong::Waiting => loop {
                        std::hint::spin_loop();
                    },
                    Wrong::Answer if format!("{error:?}").contains("the answer broke off") => panic!("told to panic"),
                    _ => error.into(),
                });
            }
        };
        match (self.wrong, response.status) {
            (Wrong::Hasty, 429) => Err(WriteError::retry("told to be hasty", None)),
            (Wrong::Harsh, 500) => Err(WriteError::reject("told to be harsh")),
            (Wrong::Stranger, _) => Err(WriteError::retry("it does not say HELLO", None)),
            (Wrong::Stubborn, 400) => Err(WriteError::retry("told to be stubborn", None)),
            _ => response.written(),
        }
    }
}
