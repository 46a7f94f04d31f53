//! A connection to one broker, logged in, with the versions that both sides speak.

use std::collections::VecDeque;

use saker_sdk::net::{Deadline, NetError, SocketTarget, TcpStream};
use saker_sdk::prelude::*;
use saker_sdk::scram::{Exchange, ScramHash};

use crate::requests::{Api, Versions, request, sasl_answer, sasl_handshake, sasl_message, sasl_offered};
use crate::{KafkaSettings, Sasl};

/// The longest answer, in bytes: what there is to know of a topic with a hundred thousand partitions.
const ANSWER_MAX: usize = 8 << 20;

/// A connection that can take requests.
pub(crate) struct BrokerLink {
    stream: TcpStream,
    address: String,
    client_id: String,
    correlation: i32,
    /// The requests whose answers are still to come, in their order.
    open: VecDeque<i32>,
    /// The newest version of each that both sides speak.
    pub(crate) metadata: i16,
    pub(crate) produce: i16,
}

impl BrokerLink {
    /// Connects, asks what the broker understands, and logs in.
    pub(crate) fn open(
        target: &SocketTarget,
        settings: &KafkaSettings,
        deadline: Deadline,
    ) -> Result<Self, WriteError> {
        let mut link = Self {
            stream: TcpStream::connect(target, deadline)?,
            address: target.address(),
            client_id: settings.client_id.clone(),
            correlation: 0,
            open: VecDeque::new(),
            metadata: 0,
            produce: 0,
        };
        let answer = link.ask(Api::ApiVersions, 0, &[])?;
        let versions = Versions::parse(&answer).ok_or_else(|| link.senseless())?;
        let common = |api: Api| {
            versions.common(api).ok_or_else(|| {
                let (first, last) = api.versions().into_inner();
                let what = format!("{}: speaks no version {first} to {last} of {api:?}", target.address());
                WriteError::retry(format!("{what}; Kafka 0.11 and later do"), None)
            })
        };
        (link.metadata, link.produce) = (common(Api::Metadata)?, common(Api::Produce)?);
        if let Some(sasl) = settings.sasl {
            common(Api::SaslHandshake)?;
            common(Api::SaslAuthenticate)?;
            link.log_in(sasl, settings)?;
        }
        Ok(link)
    }

    /// The same for another call, unless the broker has closed it, or owes answers that nobody waits for.
    pub(crate) fn go_on(mut self, deadline: Deadline) -> Option<Self> {
        self.stream.set_deadline(deadline);
        (self.open.is_empty() && self.stream.is_open()).then_some(self)
    }

    /// Sends a request; its answer comes in its turn.
    pub(crate) fn send(&mut self, api: Api, version: i16, body: &[u8]) -> Result<(), WriteError> {
        self.correlation = self.correlation.wrapping_add(1);
        self.stream.write_all(&request(api, version, self.correlation, &self.client_id, body))?;
        self.open.push_back(self.correlation);
        Ok(())
    }

    /// The answer to the oldest request, without its head.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, WriteError> {
        let expected = self.open.pop_front();
        let length = u32::from_be_bytes(self.number()?) as usize;
        if !(4..=ANSWER_MAX).contains(&length) {
            return Err(self.senseless());
        }
        if Some(i32::from_be_bytes(self.number()?)) != expected {
            return Err(self.senseless());
        }
        Ok(self.stream.read_exact(length - 4)?)
    }

    fn number(&mut self) -> Result<[u8; 4], WriteError> {
        let bytes = self.stream.read_exact(4)?;
        Ok(bytes.try_into().expect("four bytes were asked for"))
    }

    pub(crate) fn ask(&mut self, api: Api, version: i16, body: &[u8]) -> Result<Vec<u8>, WriteError> {
        self.send(api, version, body)?;
        self.receive()
    }

    /// What to say of an answer that cannot be read.
    pub(crate) fn senseless(&self) -> WriteError {
        let what = "an answer that makes no sense; is another server listening there, or does it want TLS?";
        NetError::Unavailable(format!("{}: {what}", self.address)).into()
    }

    fn log_in(&mut self, sasl: Sasl, settings: &KafkaSettings) -> Result<(), WriteError> {
        let (mechanism, hash) = match sasl {
            Sasl::Plain => ("PLAIN", None),
            Sasl::Sha256 => ("SCRAM-SHA-256", Some(ScramHash::Sha256)),
            Sasl::Sha512 => ("SCRAM-SHA-512", Some(ScramHash::Sha512)),
        };
        let (user, password) = (settings.username.as_deref(), settings.password.as_deref());
        let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
        let answer = self.ask(Api::SaslHandshake, 1, &sasl_handshake(mechanism))?;
        let (error, offered) = sasl_offered(&answer).ok_or_else(|| self.senseless())?;
        if error != 0 {
            return Err(self.not_in(&format!("the broker offers {}, and not {mechanism}", offered.join(", "))));
        }
        let Some(hash) = hash else {
            return self.say(format!("\0{user}\0{password}").as_bytes()).map(drop);
        };
        let mut exchange = Exchange::new(hash, user, password);
        let first = self.say(exchange.first().as_bytes())?;
        let second = exchange.second(&first).map_err(|what| self.not_in(&what))?;
        let last = self.say(second.as_bytes())?;
        exchange.verify(&last).map_err(|what| self.not_in(&what))
    }

    /// One message of a login; answers with the broker's.
    fn say(&mut self, message: &[u8]) -> Result<String, WriteError> {
        let answer = self.ask(Api::SaslAuthenticate, 0, &sasl_message(message))?;
        let answer = sasl_answer(&answer).ok_or_else(|| self.senseless())?;
        let bytes = answer.map_err(|what| self.not_in(&what))?;
        String::from_utf8(bytes).map_err(|_| self.senseless())
    }

    fn not_in(&self, what: &str) -> WriteError {
        WriteError::retry(format!("{}: cannot log in: {what}", self.address), None)
    }
}
