//! The requests of this backend and their answers: pure, bytes in, values out.
//! <https://kafka.apache.org/protocol#protocol_messages>
//!
//! Only versions before the "flexible" ones are spoken: every broker since 0.11 understands some of them, and Kafka 4
//! still does.

use std::ops::RangeInclusive;

use crate::wire::{WireReader, push_bytes, push_string};

/// A request that this backend makes, by its number in the protocol.
#[expect(clippy::enum_variant_names, reason = "the protocol's own names")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Produce = 0,
    Metadata = 3,
    SaslHandshake = 17,
    ApiVersions = 18,
    SaslAuthenticate = 36,
}

impl Api {
    /// The versions that this backend speaks.
    pub(crate) fn versions(self) -> RangeInclusive<i16> {
        match self {
            // From 3 on batches have the form that `batch` writes.
            Self::Produce => 3..=8,
            // From 1 on a broker says which topic it does not know.
            Self::Metadata => 1..=4,
            Self::SaslHandshake => 1..=1,
            Self::ApiVersions | Self::SaslAuthenticate => 0..=0,
        }
    }
}

/// A whole request: its length, its head, and what it says.
pub(crate) fn request(api: Api, version: i16, correlation: i32, client_id: &str, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&(api as i16).to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&correlation.to_be_bytes());
    push_string(&mut out, client_id);
    out.extend_from_slice(body);
    let length = (out.len() - 4) as i32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// The versions of requests that a broker understands.
#[derive(Debug)]
pub(crate) struct Versions(Vec<(i16, i16, i16)>);

impl Versions {
    /// Reads the answer to `ApiVersions`.
    pub(crate) fn parse(answer: &[u8]) -> Option<Self> {
        let mut reader = WireReader::new(answer);
        let error = reader.i16()?;
        let all = reader.array(|reader| Some((reader.i16()?, reader.i16()?, reader.i16()?)))?;
        (error == 0).then_some(Self(all))
    }

    /// The newest version of a request that both sides speak.
    pub(crate) fn common(&self, api: Api) -> Option<i16> {
        let (_, first, last) = self.0.iter().find(|(key, ..)| *key == api as i16)?;
        let version = *last.min(api.versions().end());
        (version >= *first.max(api.versions().start())).then_some(version)
    }
}

/// Asks about one topic. `may_create` is only heard from version 4 on; before, the broker decides.
pub(crate) fn metadata(version: i16, topic: &str, may_create: bool) -> Vec<u8> {
    let mut body = 1_i32.to_be_bytes().to_vec();
    push_string(&mut body, topic);
    if version >= 4 {
        body.push(may_create.into());
    }
    body
}

/// What a broker knows of a topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Number, host and port of every broker.
    pub(crate) brokers: Vec<(i32, String, i32)>,
    /// Why the topic cannot be written to; 0 if it can.
    pub(crate) error: i16,
    /// The number of every partition, and of the broker that leads it, if one does.
    pub(crate) leaders: Vec<(i32, Option<i32>)>,
}

impl Metadata {
    pub(crate) fn parse(version: i16, answer: &[u8]) -> Option<Self> {
        let mut reader = WireReader::new(answer);
        if version >= 3 {
            let _throttle_ms = reader.i32()?;
        }
        let brokers = reader.array(|reader| {
            let broker = (reader.i32()?, reader.string()??.to_owned(), reader.i32()?);
            let _rack = reader.string()?;
            Some(broker)
        })?;
        if version >= 2 {
            let _cluster = reader.string()?;
        }
        let _controller = reader.i32()?;
        let topics = reader.array(|reader| {
            let error = reader.i16()?;
            let _name = reader.string()?;
            let _is_internal = reader.i8()?;
            let leaders = reader.array(|reader| {
                // That a replica is missing is no matter: the leader alone says what it can take.
                let _error = reader.i16()?;
                let (partition, leader) = (reader.i32()?, reader.i32()?);
                let (_replicas, _in_sync) = (reader.array(WireReader::i32)?, reader.array(WireReader::i32)?);
                Some((partition, (leader >= 0).then_some(leader)))
            })?;
            Some((error, leaders))
        })?;
        let (error, leaders) = topics.into_iter().next()?;
        Some(Self { brokers, error, leaders })
    }
}

/// Asks a leader to append batches to its partitions.
pub(crate) fn produce(acks: i16, timeout_ms: u32, topic: &str, batches: &[(i32, &[u8])]) -> Vec<u8> {
    let length: usize = batches.iter().map(|(_, batch)| batch.len() + 8).sum();
    let mut body = Vec::with_capacity(length + topic.len() + 32);
    // No transaction.
    body.extend_from_slice(&(-1_i16).to_be_bytes());
    body.extend_from_slice(&acks.to_be_bytes());
    body.extend_from_slice(&(timeout_ms.min(i32::MAX as u32) as i32).to_be_bytes());
    body.extend_from_slice(&1_i32.to_be_bytes());
    push_string(&mut body, topic);
    body.extend_from_slice(&(batches.len() as i32).to_be_bytes());
    for (partition, batch) in batches {
        body.extend_from_slice(&partition.to_be_bytes());
        push_bytes(&mut body, batch);
    }
    body
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Produced {
    pub(crate) partition: i32,
    /// 0 if it was appended.
    pub(crate) error: i16,
    /// The records that are to blame, by their places in the batch; empty where the broker does not say.
    pub(crate) rejected: Vec<i32>,
    /// The broker's words, if it has any.
    pub(crate) message: String,
}

/// Reads the answer to a request to append.
pub(crate) fn produced(version: i16, answer: &[u8]) -> Option<Vec<Produced>> {
    let topics = WireReader::new(answer).array(|reader| {
        let _name = reader.string()?;
        reader.array(|reader| {
            let (partition, error) = (reader.i32()?, reader.i16()?);
            let (_offset, _append_time) = (reader.i64()?, reader.i64()?);
            if version >= 5 {
                let _log_start = reader.i64()?;
            }
            let mut produced = Produced { partition, error, ..Produced::default() };
            if version >= 8 {
                let records = reader.array(|reader| Some((reader.i32()?, reader.string()?)))?;
                let first = records.iter().find_map(|(_, message)| *message);
                produced.message = reader.string()?.or(first).unwrap_or_default().to_owned();
                produced.rejected = records.iter().map(|(place, _)| *place).collect();
            }
            Some(produced)
        })
    })?;
    Some(topics.into_iter().flatten().collect())
}

/// Asks for a login by a mechanism.
pub(crate) fn sasl_handshake(mechanism: &str) -> Vec<u8> {
    let mut body = Vec::new();
    push_string(&mut body, mechanism);
    body
}

/// The mechanisms that a broker offers, and whether the one that was asked for is among them.
pub(crate) fn sasl_offered(answer: &[u8]) -> Option<(i16, Vec<String>)> {
    let mut reader = WireReader::new(answer);
    let error = reader.i16()?;
    let offered = reader.array(|reader| reader.string().map(|name| name.unwrap_or_default().to_owned()))?;
    Some((error, offered))
}

/// One message of a login.
pub(crate) fn sasl_message(bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    push_bytes(&mut body, bytes);
    body
}

/// The broker's message in a login, or why it has ended it.
pub(crate) fn sasl_answer(answer: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let mut reader = WireReader::new(answer);
    let (error, message, bytes) = (reader.i16()?, reader.string()?, reader.bytes()?);
    Some(if error == 0 { Ok(bytes.to_vec()) } else { Err(message.unwrap_or("login failed").to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_begins_with_its_length_and_its_head() {
        assert_eq!(request(Api::ApiVersions, 0, 7, "me", b"x"), b"\0\0\0\x0d\0\x12\0\0\0\0\0\x07\0\x02mex");
    }

    #[test]
    fn the_newest_version_that_both_speak_is_taken() {
        let answer = b"\0\0\0\0\0\x03\0\0\0\0\0\x0d\0\x03\0\0\0\x02\0\x11\0\x02\0\x03";
        let versions = Versions::parse(answer).unwrap();
        assert_eq!(versions.common(Api::Produce), Some(8));
        assert_eq!(versions.common(Api::Metadata), Some(2));
        assert_eq!(versions.common(Api::SaslHandshake), None, "it speaks only newer ones");
        assert_eq!(versions.common(Api::SaslAuthenticate), None);
        assert!(Versions::parse(b"\0\x23\0\0\0\0").is_none());
    }

    #[test]
    fn metadata_is_read_in_every_version() {
        let brokers = b"\0\0\0\x01\0\0\0\x05\0\x01h\0\0\x23\x84\xff\xff";
        let partition = |number: u8, leader: &[u8]| {
            [b"\0\0\0\0\0", &[number][..], leader, b"\0\0\0\x01\0\0\0\x05\0\0\0\x01\0\0\0\x05"].concat()
        };
        let topics = [
            &b"\0\0\0\x05\0\0\0\x01\0\0\0\x01t\0\0\0\0\x02"[..],
            &partition(0, b"\0\0\0\x05"),
            &partition(1, b"\xff\xff\xff\xff"),
        ]
        .concat();
        let expected =
            Metadata { brokers: vec![(5, "h".into(), 9092)], error: 0, leaders: vec![(0, Some(5)), (1, None)] };
        for (version, head, cluster) in
            [(1, &b""[..], &b""[..]), (2, b"", b"\0\x01c"), (3, b"\0\0\0\0", b"\0\x01c"), (4, b"\0\0\0\0", b"\xff\xff")]
        {
            let answer = [head, brokers, cluster, &topics].concat();
            assert_eq!(Metadata::parse(version, &answer).as_ref(), Some(&expected), "{version}");
            for length in 0..answer.len() {
                assert_eq!(Metadata::parse(version, &answer[..length]), None, "{version}, {length} bytes");
            }
        }
        assert_eq!(metadata(3, "t", true), b"\0\0\0\x01\0\x01t");
        assert_eq!(metadata(4, "t", true), b"\0\0\0\x01\0\x01t\x01");
    }

    #[test]
    fn an_append_names_partitions_and_its_answer_tells_of_each() {
        let body = produce(-1, 500, "t", &[(3, b"ab"), (9, b"")]);
        let expected =
            b"\xff\xff\xff\xff\0\0\x01\xf4\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x03\0\0\0\x02ab\0\0\0\x09\0\0\0\0";
        assert_eq!(body, expected);
        let head = b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03\0\x20\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
        let old = [&head[..], b"\0\0\0\0"].concat();
        let failed = Produced { partition: 3, error: 32, ..Produced::default() };
        assert_eq!(produced(3, &old), Some(vec![failed.clone()]));
        let new = [&head[..], b"\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x02\0\x03bad\xff\xff\0\0\0\0"].concat();
        let failed = Produced { rejected: vec![2], message: "bad".into(), ..failed };
        assert_eq!(produced(8, &new), Some(vec![failed]));
        assert_eq!(produced(8, &new[..new.len() - 8]), None);
    }

    #[test]
    fn a_logins_messages_are_packed_and_unpacked() {
        assert_eq!(sasl_handshake("PLAIN"), b"\0\x05PLAIN");
        assert_eq!(sasl_offered(b"\0\x21\0\0\0\x01\0\x05PLAIN"), Some((33, vec!["PLAIN".into()])));
        assert_eq!(sasl_message(b"ab"), b"\0\0\0\x02ab");
        assert_eq!(sasl_answer(b"\0\0\xff\xff\0\0\0\x01x"), Some(Ok(b"x".to_vec())));
        assert_eq!(sasl_answer(b"\0\x3a\0\x02no\0\0\0\0"), Some(Err("no".into())));
    }
}
