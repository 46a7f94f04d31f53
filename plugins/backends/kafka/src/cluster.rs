//! The brokers that are known, who leads which partition, and a connection to each leader.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use saker_sdk::net::{Deadline, Protocol, SocketTarget};
use saker_sdk::prelude::*;

use crate::KafkaSettings;
use crate::answer::message;
use crate::link::BrokerLink;
use crate::requests::{Api, Metadata, Produced, metadata, produce, produced};

/// How long it counts who leads what, as in Kafka's own clients: so long may a new partition stay empty.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// When to ask again for a leader that is being chosen, in milliseconds.
const CHOOSING_MS: u32 = 250;

/// What is known of a cluster.
pub(crate) struct Cluster {
    /// The brokers of the settings: any of them knows the others.
    first: Vec<SocketTarget>,
    brokers: BTreeMap<i32, Broker>,
    /// Who leads each partition.
    leaders: Vec<Option<i32>>,
    known_since: Option<Instant>,
}

struct Broker {
    target: SocketTarget,
    link: Option<BrokerLink>,
}

/// A batch for a partition, as it is sent.
pub(crate) struct PartitionBatch {
    pub(crate) partition: usize,
    pub(crate) bytes: Vec<u8>,
}

/// What became of a batch.
pub(crate) enum DeliveryOutcome {
    /// The leader has answered.
    Answered(Produced),
    /// There is no leader, or none that answers, or none that may be asked.
    Lost(WriteError),
}

impl Cluster {
    pub(crate) fn new(settings: &KafkaSettings) -> Result<Self, OpenError> {
        let target = |text: &String| {
            let target = SocketTarget::parse("brokers", text, Protocol::Tcp)?;
            if target.protocol == Protocol::Tcp {
                return Ok(target);
            }
            Err(OpenError::Settings("brokers: Kafka is reached by TCP; write host:port".into()))
        };
        let first: Vec<SocketTarget> = settings.brokers.iter().map(target).collect::<Result<_, _>>()?;
        if first.is_empty() {
            return Err(OpenError::Settings("brokers: give at least one, as host:port".into()));
        }
        Ok(Self { first, brokers: BTreeMap::new(), leaders: Vec::new(), known_since: None })
    }

    /// How many partitions the topic has.
    pub(crate) fn partitions(&self) -> usize {
        self.leaders.len()
    }

    /// Lets what is known count no longer.
    pub(crate) fn doubt(&mut self) {
        self.known_since = None;
    }

    /// Begins a call: connections that were closed are forgotten, and what is known is asked for if it is too old.
    pub(crate) fn begin(&mut self, settings: &KafkaSettings, deadline: Deadline) -> Result<(), WriteError> {
        for broker in self.brokers.values_mut() {
            broker.link = broker.link.take().and_then(|link| link.go_on(deadline));
        }
        if self.known_since.is_some_and(|since| since.elapsed() < KNOWN_FOR) {
            return Ok(());
        }
        self.refresh(settings, deadline)
    }

    /// Asks who leads what.
    pub(crate) fn refresh(&mut self, settings: &KafkaSettings, deadline: Deadline) -> Result<(), WriteError> {
        let known = self.ask(settings, deadline)?;
        if known.error != 0 || known.leaders.is_empty() {
            let text = format!("topic {}: {}", settings.topic, message(known.error));
            return Err(WriteError::retry(text, Some(CHOOSING_MS)));
        }
        let mut old = std::mem::take(&mut self.brokers);
        for (number, host, port) in known.brokers {
            let Ok(port) = u16::try_from(port) else { continue };
            let target = SocketTarget { protocol: Protocol::Tcp, host, port };
            let link = old.remove(&number).filter(|broker| broker.target == target).and_then(|broker| broker.link);
            self.brokers.insert(number, Broker { target, link });
        }
        // Numbers from 0 on, in any order.
        self.leaders = vec![None; known.leaders.len()];
        for (partition, leader) in known.leaders {
            if let Some(place) = usize::try_from(partition).ok().and_then(|place| self.leaders.get_mut(place)) {
                *place = leader;
            }
        }
        self.known_since = Some(Instant::now());
        Ok(())
    }

    /// Asks whoever answers: a broker that is connected, or one of the settings'.
    fn ask(&mut self, settings: &KafkaSettings, deadline: Deadline) -> Result<Metadata, WriteError> {
        for broker in self.brokers.values_mut() {
            if let Some(mut link) = broker.link.take()
                && let Ok(known) = ask(&mut link, settings)
            {
                broker.link = Some(link);
                return Ok(known);
            }
        }
        let mut last = None;
        let targets = self.first.iter().chain(self.brokers.values().map(|broker| &broker.target));
        for target in targets {
            match BrokerLink::open(target, settings, deadline).and_then(|mut link| ask(&mut link, settings)) {
                Ok(known) => return Ok(known),
                // That a later one is away says less than what an earlier one has said.
                Err(error) => last = last.or(Some(error)),
            }
        }
        Err(last.unwrap_or_else(|| WriteError::retry("no broker is known", None)))
    }

    /// Sends batches to the leaders of their partitions, to all of them before the first answer is read. What became of
    /// each comes in their order.
    pub(crate) fn send(
        &mut self,
        batches: &[PartitionBatch],
        settings: &KafkaSettings,
        deadline: Deadline,
    ) -> Vec<DeliveryOutcome> {
        let mut by_leader: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (place, batch) in batches.iter().enumerate() {
            if let Some(leader) = self.leaders.get(batch.partition).copied().flatten() {
                by_leader.entry(leader).or_default().push(place);
            }
        }
        let lost = |text: &str| DeliveryOutcome::Lost(WriteError::retry(text, None));
        let mut sent: Vec<DeliveryOutcome> = batches.iter().map(|_| lost("a partition has no leader")).collect();
        let mut waiting = Vec::new();
        for (leader, places) in by_leader {
            let bodies: Vec<_> =
                places.iter().map(|&place| (batches[place].partition as i32, &*batches[place].bytes)).collect();
            let asked = self.link(leader, settings, deadline).and_then(|link| {
                // A broker has to give up before this call does, or nobody hears of it.
                let body = produce(settings.acks.number(), settings.timeout_ms / 2, &settings.topic, &bodies);
                link.send(Api::Produce, link.produce, &body)
            });
            match asked {
                Ok(()) => waiting.push((leader, places)),
                Err(error) => self.lose(leader, &error, &places, &mut sent),
            }
        }
        for (leader, places) in waiting {
            match self.answers(leader, settings, deadline) {
                Ok(answers) => {
                    for place in places {
                        let partition = batches[place].partition as i32;
                        // Of two answers about a partition the one that tells of an error.
                        let of_it = answers.iter().filter(|answer| answer.partition == partition);
                        sent[place] = match of_it.max_by_key(|answer| answer.error != 0) {
                            Some(answer) => DeliveryOutcome::Answered(answer.clone()),
                            None => lost("a broker's answer leaves out a partition"),
                        };
                    }
                }
                Err(error) => self.lose(leader, &error, &places, &mut sent),
            }
        }
        sent
    }

    fn answers(
        &mut self,
        leader: i32,
        settings: &KafkaSettings,
        deadline: Deadline,
    ) -> Result<Vec<Produced>, WriteError> {
        let link = self.link(leader, settings, deadline)?;
        let answer = link.receive()?;
        produced(link.produce, &answer).ok_or_else(|| link.senseless())
    }

    /// The connection to a broker, opened if there is none.
    fn link(
        &mut self,
        number: i32,
        settings: &KafkaSettings,
        deadline: Deadline,
    ) -> Result<&mut BrokerLink, WriteError> {
        let unknown = || WriteError::retry(format!("the leader, broker {number}, is not known"), None);
        let broker = self.brokers.get_mut(&number).ok_or_else(unknown)?;
        let link = match broker.link.take() {
            Some(link) => link,
            None => BrokerLink::open(&broker.target, settings, deadline)?,
        };
        Ok(broker.link.insert(link))
    }

    /// Notes that a broker does not take these batches, and lets its connection go.
    fn lose(&mut self, leader: i32, error: &WriteError, places: &[usize], sent: &mut [DeliveryOutcome]) {
        if let Some(broker) = self.brokers.get_mut(&leader) {
            broker.link = None;
        }
        places.iter().for_each(|&place| sent[place] = DeliveryOutcome::Lost(error.clone()));
    }
}

fn ask(link: &mut BrokerLink, settings: &KafkaSettings) -> Result<Metadata, WriteError> {
    let body = metadata(link.metadata, &settings.topic, settings.create_topic);
    let answer = link.ask(Api::Metadata, link.metadata, &body)?;
    Metadata::parse(link.metadata, &answer).ok_or_else(|| link.senseless())
}
