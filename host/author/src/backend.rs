//! The cases of backends.
//!
//! A backend needs a destination. Where its settings name an address, that is a server of the kit's own, in whatever of
//! three ways of saying "taken" the backend understands. One that wants to be spoken to in its own protocol is tested
//! against a real server that the user gives; the cases in which the server is away or silent need none.

use saker_model::{Point, Series};
use saker_sandbox::{CallError, Grants, InstanceSpec, Kill, WriteError};

use crate::report::{CaseFailure, CaseResult, ConformanceReport, failed, skipped};
use crate::samples;
use crate::subject::{TargetServer, TestSubject};
use crate::test_server::{Act, Channel, HttpDialect, TestServer};

mod data;
mod faults;
mod session;

pub(crate) use session::KitSession;

/// Where the cases that need a destination write to.
pub(crate) enum TestPeer {
    /// A server of the kit's, which the backend has understood in this dialect, and reached in this way.
    Kit(HttpDialect, Channel),
    /// The real one that the settings name.
    Given,
    /// None: the settings name no address, so nothing that the kit can see goes anywhere.
    Nowhere,
    /// One that speaks a protocol that the kit does not: why it is thought so.
    Stranger(String),
}

/// What the cases share.
pub(crate) struct CaseBench<'a> {
    pub(crate) subject: &'a TestSubject<'a>,
    pub(crate) peer: TestPeer,
}

const TAKEN: &str = "a point is written and counted";

pub(crate) async fn run(subject: &TestSubject<'_>, report: &mut ConformanceReport) {
    let bench = match CaseBench::find(subject).await {
        Ok(bench) => bench,
        Err(miss) => {
            report.add(TAKEN, Err(miss));
            report.skip(&data::NAMES, "it does not write, see above");
            return report.skip(&faults::NAMES, "it does not write, see above");
        }
    };
    report.add(TAKEN, bench.describe_peer());
    data::run(&bench, report).await;
    faults::run(&bench, report).await;
}

/// Finds out how the backend can be talked to, by writing one point.
async fn find_peer(subject: &TestSubject<'_>) -> Result<TestPeer, CaseFailure> {
    if subject.options.server == TargetServer::Given {
        let bench = CaseBench { subject, peer: TestPeer::Given };
        bench.write_one(None).await?;
        return Ok(TestPeer::Given);
    }
    let probe = TestServer::closed().map_err(no_server)?;
    if subject.settings_to(probe.address).is_none() {
        let bench = CaseBench { subject, peer: TestPeer::Nowhere };
        bench.write_one(None).await?;
        return Ok(TestPeer::Nowhere);
    }
    let mut last = String::new();
    for dialect in HttpDialect::ALL {
        let destination = TestServer::start(&[Act::Take(dialect)]).await.map_err(no_server)?;
        let bench = CaseBench { subject, peer: TestPeer::Stranger(String::new()) };
        let mut session = bench.open(Some(&destination)).await?;
        let definitions = samples::numbered(0, vec![samples::series("kit.first", &[])]);
        let points = samples::points(&definitions, session::clock_ms());
        match session.write(Vec::new(), &definitions, &points).await {
            Ok(written) => {
                session.counts(written, points.len())?;
                session.close().await?;
                let patience = std::time::Duration::from_secs(2);
                destination.until(patience, |seen| seen.channel.is_some()).await;
                return match destination.seen().channel {
                    Some(channel) => Ok(TestPeer::Kit(dialect, channel)),
                    None => Err(failed(
                        format!("it said that a point was written, and nothing came to {}", destination.address),
                        "count a point as written when the destination has it",
                    )),
                };
            }
            // It was there and did not like what it heard, or heard nothing: another dialect, or another protocol.
            Err(
                WriteError::Retry { message, .. } | WriteError::Reject { message, .. } | WriteError::Broken(message),
            ) if destination.seen().connections > 0 => {
                last = message;
            }
            Err(WriteError::Call(error @ CallError::Killed(Kill::Deadline { .. })))
                if destination.seen().connections > 0 =>
            {
                last = error.to_string();
            }
            Err(error) => return Err(session.miss(&error)),
        }
        // The dialects are HTTP's: whoever speaks anything else has heard all that the kit can say.
        if destination.seen().channel != Some(Channel::Http) {
            break;
        }
    }
    Ok(TestPeer::Stranger(last))
}

fn no_server(error: std::io::Error) -> CaseFailure {
    skipped(format!("the kit cannot start a server on the loopback: {error}"))
}

impl<'a> CaseBench<'a> {
    /// Finds out how the backend can be talked to.
    pub(crate) async fn find(subject: &'a TestSubject<'a>) -> Result<Self, CaseFailure> {
        Ok(Self { subject, peer: find_peer(subject).await? })
    }

    fn describe_peer(&self) -> CaseResult {
        match &self.peer {
            TestPeer::Kit(_, Channel::Http) => Ok("by HTTP, to the kit's server".into()),
            TestPeer::Kit(_, Channel::Tcp) => Ok("by TCP, to the kit's server".into()),
            TestPeer::Kit(_, Channel::Udp) => Ok("by UDP, to the kit's server".into()),
            TestPeer::Given => Ok("to the server that the settings name".into()),
            TestPeer::Nowhere => Ok("to no address: its settings have none".into()),
            TestPeer::Stranger(why) => Err(self.needs_server(why)),
        }
    }

    fn needs_server(&self, why: &str) -> CaseFailure {
        skipped(format!(
            "the kit's server does not speak its protocol ({why}); give a real one: --server given --settings … --grant …"
        ))
    }

    /// A destination that takes everything, where the kit provides one; skips the case where nothing can take anything.
    pub(crate) async fn taking(&self) -> Result<Option<TestServer>, CaseFailure> {
        match &self.peer {
            TestPeer::Kit(dialect, _) => TestServer::start(&[Act::Take(*dialect)]).await.map(Some).map_err(no_server),
            TestPeer::Given | TestPeer::Nowhere => Ok(None),
            TestPeer::Stranger(why) => Err(self.needs_server(why)),
        }
    }

    /// How the kit's server takes things for this backend.
    pub(crate) fn dialect(&self) -> Result<HttpDialect, CaseFailure> {
        match &self.peer {
            TestPeer::Kit(dialect, _) => Ok(*dialect),
            TestPeer::Given => Err(skipped("the server is a real one, and the kit cannot make it fail")),
            TestPeer::Nowhere => Err(skipped("it sends nothing to an address")),
            TestPeer::Stranger(why) => Err(self.needs_server(why)),
        }
    }

    /// What an instance that writes to a destination is: the kit's, or the one in the settings.
    pub(crate) fn spec(&self, destination: Option<&TestServer>) -> Result<InstanceSpec, CaseFailure> {
        let Some(destination) = destination else { return Ok(self.subject.spec(&self.subject.settings())) };
        let settings = self.subject.settings_to(destination.address);
        let settings = settings.ok_or_else(|| {
            skipped("none of its settings is an address that the kit knows; write {kit} where it stands in --settings")
        })?;
        let mut spec = self.subject.spec(&settings);
        let address = destination.address.to_string();
        spec.grants.connect.push(address.parse().map_err(|error| skipped(format!("{address}: {error}")))?);
        Ok(spec)
    }

    /// An instance that may do nothing.
    pub(crate) fn spec_without_grants(&self, destination: Option<&TestServer>) -> Result<InstanceSpec, CaseFailure> {
        Ok(InstanceSpec { grants: Grants::default(), ..self.spec(destination)? })
    }

    pub(crate) async fn open(&self, destination: Option<&TestServer>) -> Result<KitSession<'a>, CaseFailure> {
        KitSession::open(self.subject, self.spec(destination)?).await
    }

    async fn write_one(&self, destination: Option<&TestServer>) -> Result<(), CaseFailure> {
        let mut session = self.open(destination).await?;
        session.define_and_write(0, vec![samples::series("kit.first", &[])]).await?;
        session.close().await
    }
}

/// Points for one series, a second apart and the last of them now.
pub(crate) fn run_of(series: &[Series], first: u32, count: usize, now_ms: i64) -> Vec<Point> {
    let definitions = samples::numbered(first, series.to_vec());
    (0..count)
        .map(|number| {
            let (series, _) = definitions[number % definitions.len()];
            let back = i64::try_from((count - 1 - number) / definitions.len()).unwrap_or(0);
            Point { series, timestamp_ms: now_ms - back * 1000, value: number as f64 }
        })
        .collect()
}
