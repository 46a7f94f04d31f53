//! What Kafka's error codes mean for a batch. <https://kafka.apache.org/protocol#protocol_error_codes>

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Another broker leads the partition by now: ask again who, and send the batch there.
    Moved,
    /// The batch is too large for the topic: cut it.
    TooLarge,
    /// Some of its records will never be taken.
    Rejected,
    /// The broker cannot do it now, or the operator has to mend something: the points wait.
    Wait,
}

/// Sorts an error by its code.
pub(crate) fn meaning(code: i16) -> Meaning {
    match code {
        3 | 5 | 6 | 8 | 9 | 13 | 56 | 74 | 75 => Meaning::Moved,
        10 | 18 => Meaning::TooLarge,
        32 | 87 => Meaning::Rejected,
        _ => Meaning::Wait,
    }
}

/// The name of an error, and what helps.
pub(crate) fn message(code: i16) -> String {
    let (name, cure) = match code {
        2 => ("CORRUPT_MESSAGE", ""),
        3 => (
            "UNKNOWN_TOPIC_OR_PARTITION",
            "create the topic, or set create_topic = true where brokers do it themselves",
        ),
        5 => ("LEADER_NOT_AVAILABLE", ""),
        6 => ("NOT_LEADER_OR_FOLLOWER", ""),
        7 => ("REQUEST_TIMED_OUT", "its replicas were too slow"),
        8 => ("BROKER_NOT_AVAILABLE", ""),
        9 => ("REPLICA_NOT_AVAILABLE", ""),
        10 => ("MESSAGE_TOO_LARGE", "raise the topic's max.message.bytes"),
        13 => ("NETWORK_EXCEPTION", ""),
        17 => ("INVALID_TOPIC_EXCEPTION", "no topic can have this name"),
        18 => ("RECORD_LIST_TOO_LARGE", "lower max_batch_bytes"),
        19 => ("NOT_ENOUGH_REPLICAS", "fewer are in sync than the topic's min.insync.replicas"),
        20 => ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "fewer are in sync than the topic's min.insync.replicas"),
        29 => ("TOPIC_AUTHORIZATION_FAILED", "the user needs WRITE and DESCRIBE on the topic"),
        31 => ("CLUSTER_AUTHORIZATION_FAILED", ""),
        32 => {
            ("INVALID_TIMESTAMP", "farther from now than the topic's message.timestamp.before.max.ms and after.max.ms")
        }
        33 => ("UNSUPPORTED_SASL_MECHANISM", ""),
        35 => ("UNSUPPORTED_VERSION", ""),
        44 => ("POLICY_VIOLATION", ""),
        56 => ("KAFKA_STORAGE_ERROR", ""),
        58 => ("SASL_AUTHENTICATION_FAILED", ""),
        74 => ("FENCED_LEADER_EPOCH", ""),
        75 => ("UNKNOWN_LEADER_EPOCH", ""),
        76 => ("UNSUPPORTED_COMPRESSION_TYPE", "choose another compression"),
        87 => ("INVALID_RECORD", ""),
        _ => return format!("error {code}"),
    };
    if cure.is_empty() { name.to_owned() } else { format!("{name} ({cure})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_where_a_batch_goes() {
        for (codes, expected) in [
            (&[3, 5, 6, 56, 74, 75][..], Meaning::Moved),
            (&[10, 18], Meaning::TooLarge),
            (&[32, 87], Meaning::Rejected),
            (&[-1, 2, 7, 17, 19, 20, 29, 31, 76, 999], Meaning::Wait),
        ] {
            for &code in codes {
                assert_eq!(meaning(code), expected, "{code}");
            }
        }
        assert_eq!(message(6), "NOT_LEADER_OR_FOLLOWER");
        assert_eq!(message(10), "MESSAGE_TOO_LARGE (raise the topic's max.message.bytes)");
        assert_eq!(message(999), "error 999");
    }
}
