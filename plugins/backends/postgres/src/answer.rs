//! What PostgreSQL's errors mean. The first two characters of a code are its class:
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use crate::protocol::ServerError;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A row is to blame, and will always be.
    Row,
    /// The table is not there.
    NoTable,
    /// The server cannot do it now, or the operator has to mend something: the points wait.
    Wait,
    /// As before, and the connection is of no more use.
    Leave,
}

/// Sorts an error by its code.
pub(crate) fn meaning(failure: &ServerError) -> Meaning {
    match (failure.code.get(..2).unwrap_or_default(), failure.code.as_str()) {
        (_, "42P01") => Meaning::NoTable,
        // Bad data, broken constraints, views' conditions, and rows that are too large for a page or an index.
        ("22" | "23" | "44", _) | (_, "54000") => Meaning::Row,
        // Broken connections, logins, databases that are not there, servers that stop or only read, internal errors.
        ("08" | "28" | "3D" | "57" | "58" | "XX", _) | (_, "25006" | "53300") => Meaning::Leave,
        _ => Meaning::Wait,
    }
}

/// Which row of a `COPY` an error is about, counted from zero.
///
/// The context says `COPY metrics, line 3, column value` in the server's language: the first number behind the table's
/// name.
pub(crate) fn row(failure: &ServerError) -> Option<usize> {
    let line = failure.context.lines().find(|line| line.starts_with("COPY "))?;
    let (_, after) = line.split_once(", ")?;
    let number = after.trim_start_matches(|char: char| !char.is_ascii_digit());
    let end = number.find(|char: char| !char.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse::<usize>().ok()?.checked_sub(1)
}

/// The server's words, its code, and what helps.
pub(crate) fn message(failure: &ServerError) -> String {
    let ServerError { code, message, detail, .. } = failure;
    let cure = match code.as_str() {
        "28P01" => "; username or password is wrong",
        "28000" => "; pg_hba.conf does not let this user in from here without TLS, which this backend does not speak",
        "3D000" => "; create it, or name another in database",
        "3F000" => "; create it, or name another in table",
        "42501" => "; the user needs INSERT on the table, and with create_table CREATE on its schema",
        "42703" => "; the table has other columns than this backend's README names",
        "42P10" => "; deduplicate needs a unique index on the table",
        "25006" => "; the server is a replica, give the address of its primary",
        "53100" => "; the server's disk is full",
        "53300" => "; raise max_connections, or let fewer clients in",
        _ => "",
    };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    format!("{message}{detail} ({code}{cure})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str, context: &str) -> ServerError {
        ServerError { code: code.into(), message: "words".into(), detail: String::new(), context: context.into() }
    }

    #[test]
    fn codes_decide_who_waits_and_who_is_to_blame() {
        for (codes, expected) in [
            (&["22021", "22P05", "23502", "23505", "23514", "44000", "54000"][..], Meaning::Row),
            (&["42P01"], Meaning::NoTable),
            (&["42703", "42501", "53100", "53200", "40001", "40P01", "55P03", "25P02", "0A000", ""], Meaning::Wait),
            (&["57P01", "57P03", "08006", "28P01", "3D000", "25006", "53300", "XX000", "58030"], Meaning::Leave),
        ] {
            for code in codes {
                assert_eq!(meaning(&failure(code, "")), expected, "{code}");
            }
        }
    }

    #[test]
    fn the_row_stands_behind_the_tables_name_in_any_language() {
        for (context, expected) in [
            ("COPY metrics, line 3, column value: \"x\"", Some(2)),
            ("COPY metrics2024, Zeile 17", Some(16)),
            ("PL/pgSQL function f() line 9 at RAISE\nCOPY m, 5 行", Some(4)),
            ("SQL statement \"COPY x\"", None),
            ("COPY metrics, line 0", None),
            ("", None),
        ] {
            assert_eq!(row(&failure("22000", context)), expected, "{context}");
        }
    }

    #[test]
    fn a_message_ends_with_its_code_and_what_helps() {
        assert_eq!(message(&failure("40001", "")), "words (40001)");
        assert_eq!(message(&failure("28P01", "")), "words (28P01; username or password is wrong)");
        let with_detail = ServerError { detail: "Key (a)=(1)".into(), ..failure("23505", "") };
        assert_eq!(message(&with_detail), "words: Key (a)=(1) (23505)");
    }
}
