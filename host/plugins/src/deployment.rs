//! What runs in the place of an instance: a plugin with its settings, grants and limits.

use saker_sandbox::{InstanceSpec, Plugin};

use crate::schedule::Schedule;

/// A plugin file, and how it is run. Two are equal if there is no reason to put one in the place of the other.
#[derive(Clone)]
pub struct Deployment {
    /// The file's name.
    pub file: String,
    /// What it holds.
    pub plugin: Plugin,
    /// Settings, grants, limits, and what the instance keeps from one deployment to the next.
    pub spec: InstanceSpec,
    /// When it is called, if it is a collector.
    pub schedule: Option<Schedule>,
}

impl PartialEq for Deployment {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
            && self.plugin.hash() == other.plugin.hash()
            && self.spec.settings == other.spec.settings
            && self.spec.grants == other.spec.grants
            && self.spec.limits == other.spec.limits
            && self.schedule == other.schedule
    }
}
