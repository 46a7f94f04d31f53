//! What a plugin's author needs beside the agent: [`conform`] holds a plugin to its contract, [`bench()`] measures it,
//! [`diff`] tells what a new version asks more than the old, and [`install`] brings plugin files from registries and there.
//!
//! The command line calls it. It runs plugins in a [`Sandbox`] as the agent does, with servers
//! of its own on the loopback in place of a storage system; it knows no configuration files and prints nothing.
#![warn(missing_docs)]

mod backend;
mod bench;
mod collector;
mod common;
mod diff;
pub mod install;
mod processor;
mod report;
mod samples;
mod schema;
mod subject;
mod test_server;

pub use bench::{BenchReport, Cost, bench};
pub use diff::{Difference, Severity, diff};
pub use report::{Case, CaseOutcome, ConformanceReport};
pub use subject::{Options, TargetServer};

use saker_sandbox::{Plugin, PluginKind, Sandbox};

use crate::subject::TestSubject;

/// Runs every case that fits the plugin's kind, and says how each ended. Takes some seconds, most of them because slow
/// and silent servers are among the cases.
pub async fn conform(sandbox: &Sandbox, plugin: &Plugin, options: &Options) -> ConformanceReport {
    let subject = TestSubject::new(sandbox, plugin, options);
    let mut report = ConformanceReport::on(options.only.as_deref());
    common::before(&subject, &mut report).await;
    match plugin.kind() {
        PluginKind::Collector => collector::run(&subject, &mut report).await,
        PluginKind::Processor => processor::run(&subject, &mut report).await,
        PluginKind::Backend => backend::run(&subject, &mut report).await,
    }
    common::after(&subject, &mut report);
    report
}
