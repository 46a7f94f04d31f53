//! Says seven megabytes wherever a collector can say something, another text each time, with what a terminal acts on.

use saker_sdk::host::Level;
use saker_sdk::prelude::*;
use saker_test_guests::speech;

saker_sdk::settings! {
    /// Where it speaks.
    pub enum Place {
        /// In `open`, of its settings.
        Settings = "settings",
        /// In `open`, of a permission.
        OpenDenied = "open-denied",
        /// In `open`, of something else.
        OpenOther = "open-other",
        /// Of something that is not there.
        Unavailable = "unavailable",
        /// Of something that makes no sense.
        Malformed = "malformed",
        /// Of a permission.
        Denied = "denied",
        /// Of anything else.
        Other = "other",
        /// In a line of the log.
        Log = "log",
        /// On standard output.
        Stdout = "stdout",
        /// In a metric of its own.
        Figure = "figure",
        /// In the name of a metric.
        Metric = "metric",
        /// In a tag.
        Tag = "tag",
        /// In the endpoint.
        Endpoint = "endpoint",
        /// In a panic.
        Panic = "panic",
        /// In a path that it opens.
        Path = "path",
        /// In a path whose fill it asks for.
        Usage = "usage",
        /// In a host that it connects to.
        Host = "host",
    }
}

saker_sdk::settings! {
    /// Settings of `mouthy`.
    pub struct HugeTextsSettings {
        /// Where it speaks.
        pub place: Place = Place::Other,
        /// How much it says, in bytes.
        pub bytes: u32 = 7_000_000,
    }
}

/// The guest.
pub struct HugeTexts {
    settings: HugeTextsSettings,
    said: u32,
}

impl Collector for HugeTexts {
    type Settings = HugeTextsSettings;

    fn describe() -> Description {
        Description::new("huge-texts", "1.0.0", "Says too much")
    }

    fn open(settings: HugeTextsSettings) -> Result<Self, OpenError> {
        let text = || speech(0, settings.bytes);
        match settings.place {
            Place::Settings => Err(OpenError::Settings(text())),
            Place::OpenDenied => Err(OpenError::Denied(read(&text()))),
            Place::OpenOther => Err(OpenError::Other(text())),
            _ => Ok(Self { settings, said: 0 }),
        }
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        self.said += 1;
        let text = speech(self.said, self.settings.bytes);
        match self.settings.place {
            Place::Settings | Place::OpenDenied | Place::OpenOther | Place::Other => Err(CollectError::Other(text)),
            Place::Unavailable => Err(CollectError::Unavailable(text)),
            Place::Malformed => Err(CollectError::Malformed(text)),
            Place::Denied => Err(CollectError::Denied(connect(&text))),
            Place::Log => {
                host::log(Level::Info, &text);
                Ok(Vec::new())
            }
            Place::Stdout => {
                println!("{text}");
                Ok(Vec::new())
            }
            Place::Figure => {
                host::counter_add(&text, 1.0);
                host::gauge_set(&text[..90], f64::INFINITY);
                host::gauge_set(&text[..90], 1.0);
                Ok(Vec::new())
            }
            Place::Metric => Ok(vec![Sample::gauge(&text, 1.0)]),
            Place::Tag => Ok(vec![Sample::gauge("a", 1.0).tag("t", &text)]),
            Place::Endpoint => Ok(vec![Sample { endpoint: Some(text), ..Sample::gauge("a", 1.0) }]),
            Place::Panic => panic!("{text}"),
            Place::Path => Err(match std::fs::read(format!("/{text}")) {
                Ok(_) => CollectError::Other("it is there".into()),
                Err(error) => CollectError::Unavailable(error.to_string()),
            }),
            Place::Usage => {
                let usage = host::filesystem_usage(&format!("/{text}"));
                Err(CollectError::Unavailable(if usage.is_ok() { "it is there" } else { "it is not there" }.into()))
            }
            Place::Host => {
                let target = saker_sdk::http::Target {
                    socket: None,
                    tls: false,
                    authority: format!("{}.example:80", "x".repeat(self.settings.bytes as usize)),
                    path: "/".into(),
                };
                let answer = target.post(&[], b"x");
                Err(CollectError::Unavailable(if answer.is_ok() { "it answers" } else { "it does not answer" }.into()))
            }
        }
    }
}

saker_sdk::export_collector!(HugeTexts);
