//! A connection to a NATS server: messages go out in a row, and each is answered, in whatever order.

use saker_sdk::Progress;
use saker_sdk::net::{Deadline, NetError, SocketTarget, TcpStream};
use saker_sdk::prelude::*;
use saker_sdk::settings::serde_json::{Map, Value, from_slice, json};

use crate::NatsSettings;
use crate::answer::{MessageOutcome, answer, complaint, error};
use crate::message::{Messages, ReplySubject};
use crate::protocol::{Incoming, Operation};

/// How much is sent at once, in bytes.
const CHUNK: usize = 64 << 10;
/// How many messages may be on their way without an answer. NATS' own clients allow 4000; the server keeps them in
/// memory until its disk has them.
const UNANSWERED_MAX: usize = 4000;
/// Random bytes in the subject that answers go to, so that no other client has the same.
const INBOX_BYTES: usize = 12;

/// A connection that can publish.
pub(crate) struct Session {
    stream: TcpStream,
    incoming: Incoming,
    out: Vec<u8>,
    /// The subject that answers go to, without the number at its end.
    inbox: String,
    /// The number of the next question.
    next: u64,
    /// The longest message that the server takes, in bytes.
    max_payload: usize,
}

/// What the server did not take of a call.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    rejected: Vec<u32>,
    rejected_message: String,
    /// What kept it from taking others; nothing was sent after that.
    waits: Option<String>,
    /// Whether no stream takes the subjects.
    nobody: bool,
}

impl Session {
    /// Connects and logs in.
    pub(crate) fn open(target: &SocketTarget, settings: &NatsSettings, deadline: Deadline) -> Result<Self, WriteError> {
        let random = host::random(INBOX_BYTES);
        let inbox: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut session = Self {
            stream: TcpStream::connect(target, deadline)?,
            incoming: Incoming::default(),
            out: Vec::new(),
            inbox: format!("_INBOX.{inbox}"),
            next: 0,
            max_payload: usize::MAX,
        };
        let info = loop {
            if let Operation::Info(info) = session.receive()? {
                break info;
            }
        };
        session.check(&info, settings)?;
        let hello = format!("CONNECT {}\r\nSUB {}.* 1\r\n", hello(settings), session.inbox);
        session.stream.write_all(hello.as_bytes())?;
        session.flush()?;
        Ok(session)
    }

    /// Whether the server can do what is needed.
    fn check(&mut self, info: &Map<String, Value>, settings: &NatsSettings) -> Result<(), WriteError> {
        let is = |key: &str| info.get(key).and_then(Value::as_bool).unwrap_or(false);
        let wait = |what: &str| Err(WriteError::retry(what, None));
        if is("tls_required") {
            return wait("the server wants TLS, which this backend does not speak; give it a listener without");
        }
        if settings.jetstream && !is("headers") {
            return wait("the server knows no headers; NATS 2.2 or later does");
        }
        if let Some(most) = info.get("max_payload").and_then(Value::as_u64) {
            self.max_payload = usize::try_from(most).unwrap_or(usize::MAX);
        }
        Ok(())
    }

    /// The same for another call, unless the server has closed it or said good-bye.
    pub(crate) fn go_on(mut self, deadline: Deadline) -> Option<Self> {
        self.stream.set_deadline(deadline);
        let received = self.stream.take_received();
        self.incoming.buffer().extend_from_slice(&received);
        while let Some(operation) = self.incoming.next().ok()? {
            self.react(operation).ok()?;
        }
        self.stream.is_open().then_some(self)
    }

    /// Publishes the points that are left. An error is one of the connection, which is then of no more use.
    pub(crate) fn write(&mut self, messages: &mut Messages, progress: &mut Progress) -> Result<Failures, WriteError> {
        let places: Vec<usize> = progress.left().map(|(place, _)| place).collect();
        let mut failed = Failures::default();
        let first = self.next;
        let (mut sent, mut unanswered) = (0, 0);
        loop {
            self.out.clear();
            while sent < places.len() && unanswered < UNANSWERED_MAX && self.out.len() < CHUNK && failed.may_go_on() {
                unanswered += self.push(messages, progress, places[sent], &mut failed);
                sent += 1;
            }
            self.stream.write_all(&self.out)?;
            let is_last = sent == places.len() || !failed.may_go_on();
            let Some(stream) = messages.stream() else {
                if is_last {
                    return self.write_blind(&places, failed, progress);
                }
                unanswered = 0;
                continue;
            };
            while unanswered > if is_last { 0 } else { UNANSWERED_MAX / 2 } {
                let (number, status, payload) = self.answer()?;
                let place = usize::try_from(number.wrapping_sub(first)).ok().and_then(|place| places.get(place));
                // What is no answer to this call's messages cannot be: every call waits for all of its own.
                let Some(&place) = place else { continue };
                unanswered -= 1;
                match answer(status, &payload, stream) {
                    MessageOutcome::Stored => progress.take(place),
                    MessageOutcome::Rejected(message) => failed.reject(place, message),
                    MessageOutcome::Nobody => failed.nobody = true,
                    MessageOutcome::Wait(message) => failed.wait(message),
                }
            }
            if is_last {
                return Ok(failed);
            }
        }
    }

    /// Appends one message; answers how many answers will come to it.
    fn push(&mut self, messages: &mut Messages, progress: &Progress, place: usize, failed: &mut Failures) -> usize {
        let before = self.out.len();
        let reply = ReplySubject { inbox: &self.inbox, number: self.next };
        self.next += 1;
        let reply = messages.stream().is_some().then_some(reply);
        let length = messages.push(&progress.points()[place], reply, &mut self.out);
        if length > self.max_payload {
            // The server would close the connection.
            self.out.truncate(before);
            failed.reject(place, format!("a message longer than the server's max_payload, {} bytes", self.max_payload));
            return 0;
        }
        1
    }

    /// Without a stream nobody acknowledges: the server has read everything before it answers the ping.
    fn write_blind(
        &mut self,
        places: &[usize],
        failed: Failures,
        progress: &mut Progress,
    ) -> Result<Failures, WriteError> {
        self.flush()?;
        // Rejected in the order of their places.
        let is_sent =
            |place: usize| u32::try_from(place).is_ok_and(|place| failed.rejected.binary_search(&place).is_err());
        places.iter().filter(|&&place| is_sent(place)).for_each(|&place| progress.take(place));
        Ok(failed)
    }

    /// Makes the stream, for what is published here.
    pub(crate) fn create(&mut self, name: &str, subjects: &str) -> Result<(), WriteError> {
        let config =
            json!({ "name": name, "subjects": [subjects], "retention": "limits", "storage": "file" }).to_string();
        let question =
            format!("PUB $JS.API.STREAM.CREATE.{name} {}.{} {}\r\n{config}\r\n", self.inbox, self.next, config.len());
        self.next += 1;
        self.stream.write_all(question.as_bytes())?;
        let (_, status, payload) = self.answer()?;
        let wrong = |what: &str| Err(WriteError::retry(format!("cannot create stream {name}: {what}"), None));
        if status.is_some() {
            return wrong("JetStream is not enabled on the server");
        }
        match from_slice::<Value>(&payload) {
            Ok(value) => match error(&value) {
                None => Ok(()),
                Some((_, text)) => wrong(&text),
            },
            Err(_) => wrong("its answer makes no sense"),
        }
    }

    /// Waits until the server has read everything that was sent.
    fn flush(&mut self) -> Result<(), WriteError> {
        self.stream.write_all(b"PING\r\n")?;
        while self.receive()? != Operation::Pong {}
        Ok(())
    }

    /// The next answer to a message or a question: its number, its status, what it holds.
    fn answer(&mut self) -> Result<(u64, Option<u16>, Vec<u8>), WriteError> {
        loop {
            if let Operation::Message { number, status, payload } = self.receive()? {
                return Ok((number.unwrap_or(u64::MAX), status, payload));
            }
        }
    }

    fn receive(&mut self) -> Result<Operation, WriteError> {
        loop {
            match self.incoming.next() {
                Ok(Some(operation)) => return self.react(operation),
                Ok(None) => self.stream.receive_into(self.incoming.buffer())?,
                Err(what) => return Err(NetError::Unavailable(what).into()),
            }
        }
    }

    /// Does what an operation wants at once.
    fn react(&mut self, operation: Operation) -> Result<Operation, WriteError> {
        match operation {
            Operation::Ping => self.stream.write_all(b"PONG\r\n")?,
            // Some are about one message, which is lost. Which one, nobody says.
            Operation::Error(text) => return Err(WriteError::retry(complaint(&text), None)),
            _ => {}
        }
        Ok(operation)
    }
}

impl Failures {
    /// Whether the reason for a failure is that nobody listens.
    pub(crate) fn nobody(&self) -> bool {
        self.nobody
    }

    fn may_go_on(&self) -> bool {
        self.waits.is_none() && !self.nobody
    }

    fn reject(&mut self, place: usize, message: String) {
        if self.rejected.is_empty() {
            self.rejected_message = message;
        }
        self.rejected.push(u32::try_from(place).unwrap_or(u32::MAX));
    }

    fn wait(&mut self, message: String) {
        self.waits.get_or_insert(message);
    }

    /// What the call comes to.
    pub(crate) fn verdict(mut self, messages: &Messages) -> Result<(), WriteError> {
        if let Some(message) = self.waits {
            return Err(WriteError::retry(message, None));
        }
        if self.nobody {
            let (subjects, stream) = (messages.subjects(), messages.stream().unwrap_or_default());
            let cure = format!("nats stream add {stream} --subjects '{subjects}' --defaults");
            let message = format!("no stream takes {subjects}; create one ({cure}), or set create_stream = true");
            return Err(WriteError::retry(message, None));
        }
        if self.rejected.is_empty() {
            return Ok(());
        }
        self.rejected.sort_unstable();
        Err(WriteError::Reject(Reject { points: self.rejected, message: self.rejected_message }))
    }
}

/// What is said to a server first.
fn hello(settings: &NatsSettings) -> Value {
    let mut hello = json!({
        "verbose": false, "pedantic": false, "tls_required": false, "headers": true, "no_responders": true,
        "name": "saker", "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "protocol": 0,
    });
    for (key, value) in [("user", &settings.username), ("pass", &settings.password), ("auth_token", &settings.token)] {
        if let Some(value) = value {
            hello[key] = value.as_str().into();
        }
    }
    hello
}
