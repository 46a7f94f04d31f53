//! Where it is found what a container is called: each source is asked once for a container, and a question that fails is
//! asked again a few times, with pauses.

use saker_sdk::http::{HttpError, Target};

use super::{Identity, documents};
use crate::files::{Fault, open};
use crate::names::{Container, Runtime};
use crate::notes::Notes;

/// Bytes of a document. A container with a thousand mounts and labels has 200 KiB.
const DOCUMENT_MAX: usize = 256 << 10;
/// Questions to a runtime in one run: each may take milliseconds, and everything waits for them.
const QUESTIONS_MAX: u32 = 25;
/// Pauses after a runtime did not answer, in milliseconds: a question may take as long as a call.
const PAUSE_MS: i64 = 10_000;
const PAUSE_MAX_MS: i64 = 300_000;

/// Where names come from.
#[derive(Debug)]
pub(crate) struct Sources {
    docker: Option<Runner>,
    podman: Option<Runner>,
    containerd: String,
    crio: Vec<String>,
    questions: u32,
}

/// A runtime that answers over a socket.
#[derive(Debug)]
struct Runner {
    socket: String,
    /// Not asked before.
    pause_until_ms: i64,
    pause_ms: i64,
}

/// What came of looking for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All is known that there is to know.
    Known,
    /// It is to be asked later.
    Later,
    /// It failed. It may be asked again.
    Failed,
}

impl Sources {
    pub(crate) fn new(docker: Option<String>, podman: Option<String>, containerd: String, crio: Vec<String>) -> Self {
        let runner = |socket| Runner { socket, pause_until_ms: 0, pause_ms: PAUSE_MS };
        Self { docker: docker.map(runner), podman: podman.map(runner), containerd, crio, questions: 0 }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self) {
        self.questions = QUESTIONS_MAX;
    }

    /// Looks for what a container is called.
    pub(crate) fn find(
        &mut self,
        container: &Container<'_>,
        now_ms: i64,
        identity: &mut Identity,
        notes: &mut Notes,
    ) -> Answer {
        let runner = match container.runtime {
            Runtime::Docker => &mut self.docker,
            Runtime::Podman => &mut self.podman,
            Runtime::Containerd => {
                let space = container.space.unwrap_or("k8s.io");
                let bundle = format!("io.containerd.runtime.v2.task/{space}/{}/config.json", container.id);
                return read_bundle(&[format!("{}/{bundle}", self.containerd)], identity, notes);
            }
            Runtime::Crio => {
                let bundle = format!("overlay-containers/{}/userdata/config.json", container.id);
                let paths: Vec<_> = self.crio.iter().map(|root| format!("{root}/{bundle}")).collect();
                return read_bundle(&paths, identity, notes);
            }
            Runtime::Lxc | Runtime::Machine => return Answer::Known,
        };
        let Some(runner) = runner else { return Answer::Known };
        if self.questions == 0 || now_ms < runner.pause_until_ms {
            return Answer::Later;
        }
        self.questions -= 1;
        runner.ask(now_ms, identity, notes)
    }
}

impl Runner {
    fn ask(&mut self, now_ms: i64, identity: &mut Identity, notes: &mut Notes) -> Answer {
        let target = Target::unix(&self.socket, &format!("/containers/{}/json", identity.id));
        let what = "the name of a container";
        match target.get(&[], DOCUMENT_MAX) {
            Ok((answer, rest)) if answer.status == 200 && documents::add_inspected(identity, rest.bytes()) => {
                self.pause_ms = PAUSE_MS;
                return Answer::Known;
            }
            // It has gone, or is another runtime's.
            Ok((answer, _)) if answer.status == 404 => return Answer::Failed,
            Ok((answer, _)) => notes.left_out(what, &self.socket, &format!("the runtime answered {}", answer.status)),
            Err(HttpError::Denied(_)) => {
                let grant = format!(
                    "no permission; to allow it: grant.unix = [{{ path = {:?}, methods = [\"GET\"], paths = \
                     [\"/containers/\"] }}]",
                    self.socket
                );
                notes.left_out(what, &self.socket, &grant);
            }
            Err(HttpError::Unavailable(why)) => notes.left_out(what, &self.socket, &why),
        }
        self.pause_until_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms = (2 * self.pause_ms).min(PAUSE_MAX_MS);
        Answer::Failed
    }
}

/// Reads the first of the bundles that is there.
fn read_bundle(paths: &[String], identity: &mut Identity, notes: &mut Notes) -> Answer {
    for path in paths {
        match open(path).and_then(|file| document(&file)) {
            Ok(text) if documents::add_bundle(identity, &text) => return Answer::Known,
            Ok(_) => notes.left_out("the name of a container", path, "it is no bundle's config.json"),
            Err(fault @ (Fault::Denied | Fault::Unreadable(_))) => {
                notes.fault("the name of a container", path, &fault);
                return Answer::Known;
            }
            Err(Fault::Absent | Fault::Gone) => {}
        }
    }
    Answer::Failed
}

fn document(file: &crate::files::File) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    loop {
        let more = file.read(64 << 10, text.len() as u64)?;
        if more.is_empty() || text.len() + more.len() > DOCUMENT_MAX {
            return Ok(text);
        }
        text.extend_from_slice(&more);
    }
}
