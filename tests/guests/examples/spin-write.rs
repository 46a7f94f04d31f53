//! A backend that computes for ever: when it gets series, when it gets points, or when it takes handles back.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// The call that never returns.
    pub enum In {
        /// `define`.
        Define = "define",
        /// `write`.
        Write = "write",
        /// `forget`.
        Forget = "forget",
    }
}

saker_sdk::settings! {
    /// Settings of `spin-write`.
    pub struct SpinWriteSettings {
        /// The call that never returns.
        pub at: In = In::Write,
    }
}

/// The guest.
pub struct SpinWrite(In);

impl Backend for SpinWrite {
    type Settings = SpinWriteSettings;

    fn describe() -> Description {
        Description::new("spin-write", "1.0.0", "Computes for ever")
    }

    fn open(settings: SpinWriteSettings) -> Result<Self, OpenError> {
        Ok(Self(settings.at))
    }

    fn define(&mut self, _definitions: Vec<Definition>) {
        self.spin_in(In::Define);
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        self.spin_in(In::Write);
        Ok(points.len())
    }

    fn forget(&mut self, _ids: Vec<saker_sdk::SeriesId>) {
        self.spin_in(In::Forget);
    }
}

saker_sdk::export_backend!(SpinWrite);

impl SpinWrite {
    fn spin_in(&self, at: In) {
        if self.0 == at {
            loop {
                std::hint::spin_loop();
            }
        }
    }
}
