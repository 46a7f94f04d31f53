//! What Redis' errors mean for the points that they are about.
//!
//! An error begins with a code in capitals. Only one of them is about a key and not about the server as a whole.

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The server cannot do it now, or the operator has to mend something: the points wait. With it, what helps.
    Wait(&'static str),
    /// As before, and the connection is of no more use.
    Leave(&'static str),
    /// This key cannot take points, others can.
    WrongKey,
}

/// Sorts an error by its code.
pub(crate) fn meaning(error: &str) -> Meaning {
    match error.split(' ').next().unwrap_or_default() {
        "WRONGTYPE" => Meaning::WrongKey,
        "OOM" => Meaning::Wait("the server's maxmemory is reached; raise it, or lower max_length"),
        "MISCONF" => Meaning::Wait("the server cannot save to its disk, and takes nothing until it can"),
        "NOREPLICAS" => Meaning::Wait("too few replicas follow the server"),
        "READONLY" => Meaning::Leave("the server is a replica; give the address of its primary"),
        "MASTERDOWN" => Meaning::Leave("the server is a replica; give the address of its primary"),
        "NOAUTH" => Meaning::Leave("give username and password"),
        "WRONGPASS" => Meaning::Leave("username or password is wrong"),
        "NOPERM" => Meaning::Leave("the user needs the commands XADD, RPUSH, LPUSH and LTRIM, and access to the key"),
        "MOVED" | "ASK" => {
            Meaning::Leave("a cluster keeps this key on another of its servers; give that one's address")
        }
        // What a server with a password says to a command of many words, before it has looked at the first.
        _ if error.starts_with("ERR Protocol error: unauthenticated") => Meaning::Leave("give username and password"),
        _ => Meaning::Wait(""),
    }
}

/// The server's words and what helps.
pub(crate) fn message(error: &str) -> String {
    match meaning(error) {
        Meaning::Wait("") | Meaning::WrongKey => error.to_owned(),
        Meaning::Wait(cure) | Meaning::Leave(cure) => format!("{error} ({cure})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_type_is_about_a_key() {
        assert_eq!(meaning("WRONGTYPE Operation against a key holding the wrong kind of value"), Meaning::WrongKey);
        for error in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script.",
            "MISCONF Redis is configured to save RDB snapshots",
            "CLUSTERDOWN The cluster is down",
            "ERR unknown command 'XADD'",
            "",
        ] {
            assert!(matches!(meaning(error), Meaning::Wait(_)), "{error}");
        }
        for error in [
            "READONLY You can't write against a read only replica.",
            "NOAUTH Authentication required.",
            "ERR Protocol error: unauthenticated multibulk length",
            "MOVED 1 h:1",
        ] {
            assert!(matches!(meaning(error), Meaning::Leave(_)), "{error}");
        }
    }

    #[test]
    fn the_servers_words_come_first_and_then_what_helps() {
        assert_eq!(message("LOADING Redis is loading"), "LOADING Redis is loading");
        assert_eq!(
            message("NOAUTH Authentication required."),
            "NOAUTH Authentication required. (give username and password)"
        );
    }
}
