//! The statements that this backend sends.

use saker_sdk::OpenError;

use crate::PostgresSettings;
use crate::rows::COLUMNS;

/// What a point is known by: no two have the same.
const KEY: &str = "metric, endpoint, tags, time";

/// The statements for one table.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Writes a batch: gives the transaction's number, then waits for rows.
    pub(crate) copy: String,
    /// Makes the table as it has to be.
    pub(crate) create: String,
}

impl Statements {
    pub(crate) fn new(settings: &PostgresSettings) -> Result<Self, OpenError> {
        let parts: Vec<&str> = settings.table.split('.').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty() || part.contains('\0')) {
            return Err(OpenError::Settings("table: must be a table's name, or schema.table".into()));
        }
        let table = parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".");
        let bare = parts[parts.len() - 1];
        let copy = if settings.deduplicate {
            deduplicated(&table, bare)
        } else {
            format!("COPY {table} ({COLUMNS}) FROM STDIN (FORMAT binary);")
        };
        // The number comes before the rows, so that it is known if the answer to them is lost.
        let copy = format!("BEGIN; SELECT txid_current(); {copy} COMMIT");
        let create = format!("{} {}", create_table(&table), create_index(&table, bare, settings.deduplicate));
        Ok(Self { copy, create })
    }

    /// Asks what became of a transaction.
    pub(crate) fn status(transaction: &str) -> String {
        format!("SELECT txid_status({transaction})")
    }
}

/// Rows go into a table of the session's own first, because `COPY` itself stops at the first one that is there already.
/// Its constraints find bad rows while their lines are known.
fn deduplicated(table: &str, bare: &str) -> String {
    let staging = quoted(&format!("{bare}_saker_new"));
    format!(
        "CREATE TEMPORARY TABLE IF NOT EXISTS pg_temp.{staging} (LIKE {table} INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS; \
         COPY pg_temp.{staging} ({COLUMNS}) FROM STDIN (FORMAT binary); \
         INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM pg_temp.{staging} ON CONFLICT ({KEY}) DO NOTHING;"
    )
}

fn create_table(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (time timestamptz NOT NULL, endpoint text NOT NULL, metric text NOT NULL, \
         tags jsonb NOT NULL, value double precision NOT NULL);"
    )
}

fn create_index(table: &str, bare: &str, deduplicate: bool) -> String {
    let name = quoted(&format!("{bare}_by_series"));
    if deduplicate {
        format!("CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table} ({KEY});")
    } else {
        format!("CREATE INDEX IF NOT EXISTS {name} ON {table} (metric, endpoint, time);")
    }
}

/// A name as it is, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(table: &str, deduplicate: bool) -> Statements {
        let settings =
            format!(r#"{{"address": "h:1", "username": "u", "table": {table:?}, "deduplicate": {deduplicate}}}"#);
        Statements::new(&saker_sdk::settings::parse(&settings).unwrap()).unwrap()
    }

    #[test]
    fn a_batch_is_one_transaction_whose_number_comes_first() {
        assert_eq!(
            statements("metrics", false).copy,
            "BEGIN; SELECT txid_current(); \
             COPY \"metrics\" (endpoint, metric, tags, time, value) FROM STDIN (FORMAT binary); COMMIT"
        );
        let copy = statements("metrics", true).copy;
        assert!(copy.starts_with(
            "BEGIN; SELECT txid_current(); CREATE TEMPORARY TABLE IF NOT EXISTS pg_temp.\"metrics_saker_new\""
        ));
        assert!(copy.ends_with("ON CONFLICT (metric, endpoint, tags, time) DO NOTHING; COMMIT"), "{copy}");
    }

    #[test]
    fn names_are_quoted_whatever_they_hold() {
        let copy = statements("a b.M\"x; DROP TABLE y", false).copy;
        assert!(copy.contains("COPY \"a b\".\"M\"\"x; DROP TABLE y\" ("), "{copy}");
    }

    #[test]
    fn no_name_of_a_table_is_rejected() {
        for table in ["", "a.", ".a", "a.b.c"] {
            let settings = format!(r#"{{"address": "h:1", "username": "u", "table": "{table}"}}"#);
            let error = Statements::new(&saker_sdk::settings::parse(&settings).unwrap()).unwrap_err();
            assert!(matches!(error, OpenError::Settings(text) if text.starts_with("table: must be")));
        }
    }
}
