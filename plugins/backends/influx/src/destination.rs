//! The address that points are posted to, from the settings.
//!
//! A server answers 400 to a request without its database, and points are given up on that: so whatever can be known to
//! be missing is rejected here, when the backend is opened.

use saker_sdk::OpenError;
use saker_sdk::encode::influx::Precision;
use saker_sdk::http::Target;

use crate::{ApiVersion, Consistency, InfluxSettings};

/// The address with everything that the query has to say.
pub(crate) fn target(settings: &InfluxSettings) -> Result<Target, OpenError> {
    reject_other_version(settings)?;
    let mut target = Target::parse(&settings.url)?;
    let given = target.path.clone();
    if given == "/" || given.starts_with("/?") {
        let path = match settings.version {
            ApiVersion::V1 => "/write",
            ApiVersion::V2 => "/api/v2/write",
        };
        target.path = format!("{path}{}", &given[1..]);
        require(settings, &given)?;
    }
    for (setting, name, value) in query(settings) {
        if says(&given, name) {
            return Err(wrong(format!("url: {name}= stands in it; take it out, the setting {setting} says it")));
        }
        target = target.with_query(name, value);
    }
    Ok(target)
}

/// What the settings put into the query: the setting, the query's name, the value.
fn query(settings: &InfluxSettings) -> Vec<(&'static str, &'static str, &str)> {
    let optional = [
        ("database", "db", settings.database.as_deref()),
        ("retention_policy", "rp", settings.retention_policy.as_deref()),
        ("consistency", "consistency", settings.consistency.map(consistency)),
        ("organization", "org", settings.organization.as_deref()),
        ("bucket", "bucket", settings.bucket.as_deref()),
    ];
    let mut query: Vec<_> =
        optional.into_iter().filter_map(|(setting, name, value)| Some((setting, name, value?))).collect();
    // Never left to the server's guess: InfluxDB's is nanoseconds, VictoriaMetrics' goes by the number's size.
    query.push(("precision", "precision", precision(settings.precision, settings.version)));
    query
}

/// A path of the user's own may stand for everything. Without one, a server cannot do without these.
fn require(settings: &InfluxSettings, given: &str) -> Result<(), OpenError> {
    let needed: &[(&str, &str)] = match settings.version {
        ApiVersion::V1 => &[("database", "db")],
        ApiVersion::V2 => &[("organization", "org"), ("bucket", "bucket")],
    };
    let query = query(settings);
    for (setting, name) in needed {
        if !query.iter().any(|(_, there, value)| there == name && !value.is_empty()) && !says(given, name) {
            let instead = "or give url its path if the server needs none, such as http://127.0.0.1:8428/write";
            return Err(wrong(format!("{setting}: missing; give it, {instead}")));
        }
    }
    Ok(())
}

fn reject_other_version(settings: &InfluxSettings) -> Result<(), OpenError> {
    let belongs = [
        ("database", ApiVersion::V1, settings.database.is_some()),
        ("retention_policy", ApiVersion::V1, settings.retention_policy.is_some()),
        ("consistency", ApiVersion::V1, settings.consistency.is_some()),
        ("organization", ApiVersion::V2, settings.organization.is_some()),
        ("bucket", ApiVersion::V2, settings.bucket.is_some()),
    ];
    match belongs.into_iter().find(|(_, version, given)| *given && *version != settings.version) {
        Some((name, ApiVersion::V1, _)) => Err(wrong(format!("{name}: is for version = \"v1\""))),
        Some((name, ApiVersion::V2, _)) => Err(wrong(format!("{name}: is for version = \"v2\""))),
        None => Ok(()),
    }
}

/// Whether the query of a path says `name=…`.
fn says(path: &str, name: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|part| part.split('=').next() == Some(name))
}

fn precision(precision: Precision, version: ApiVersion) -> &'static str {
    match (precision, version) {
        (Precision::Seconds, _) => "s",
        (Precision::Milliseconds, _) => "ms",
        // InfluxDB 1 knows no "us" and would take the times for nanoseconds.
        (Precision::Microseconds, ApiVersion::V1) => "u",
        (Precision::Microseconds, ApiVersion::V2) => "us",
        (Precision::Nanoseconds, _) => "ns",
    }
}

fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Any => "any",
        Consistency::One => "one",
        Consistency::Quorum => "quorum",
        Consistency::All => "all",
    }
}

fn wrong(message: String) -> OpenError {
    OpenError::Settings(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(settings: &str) -> Result<Target, OpenError> {
        target(&saker_sdk::settings::parse(settings)?)
    }

    fn path(settings: &str) -> String {
        open(settings).unwrap().path
    }

    fn error(settings: &str) -> String {
        match open(settings) {
            Err(OpenError::Settings(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bare_address_gets_the_path_of_its_version() {
        assert_eq!(path(r#"{"url": "http://h:1", "database": "a b"}"#), "/write?db=a%20b&precision=ms");
        assert_eq!(path(r#"{"url": "http://h:1/?db=a"}"#), "/write?db=a&precision=ms");
        assert_eq!(
            path(r#"{"url": "http://h:1/", "database": "d", "retention_policy": "r", "consistency": "quorum"}"#),
            "/write?db=d&rp=r&consistency=quorum&precision=ms"
        );
        assert_eq!(
            path(r#"{"url": "https://h", "version": "v2", "organization": "o", "bucket": "b/c"}"#),
            "/api/v2/write?org=o&bucket=b%2Fc&precision=ms"
        );
    }

    #[test]
    fn a_path_is_used_as_it_is_and_needs_nothing_more() {
        assert_eq!(path(r#"{"url": "http://h:8428/write"}"#), "/write?precision=ms");
        assert_eq!(
            path(r#"{"url": "http://h:8480/insert/0/influx/write?extra_label=a=b", "database": "d"}"#),
            "/insert/0/influx/write?extra_label=a=b&db=d&precision=ms"
        );
    }

    #[test]
    fn microseconds_are_spelt_as_the_version_spells_them() {
        assert_eq!(path(r#"{"url": "http://h/w", "precision": "us"}"#), "/w?precision=u");
        assert_eq!(path(r#"{"url": "http://h/w", "precision": "us", "version": "v2"}"#), "/w?precision=us");
        assert_eq!(path(r#"{"url": "http://h/w", "precision": "ns"}"#), "/w?precision=ns");
        assert_eq!(path(r#"{"url": "http://h/w", "precision": "s"}"#), "/w?precision=s");
    }

    #[test]
    fn what_is_missing_is_named_before_points_are_lost_by_it() {
        assert!(error(r#"{"url": "http://h:1"}"#).starts_with("database: missing"));
        assert!(error(r#"{"url": "http://h:1", "database": ""}"#).starts_with("database: missing"));
        assert!(error(r#"{"url": "http://h:1", "version": "v2", "bucket": "b"}"#).starts_with("organization: missing"));
        assert!(error(r#"{"url": "http://h:1", "version": "v2", "organization": "o"}"#).starts_with("bucket: missing"));
    }

    #[test]
    fn what_contradicts_is_named() {
        assert!(error(r#"{"url": "http://h/w?precision=s"}"#).starts_with("url: precision= stands in it"));
        assert!(error(r#"{"url": "http://h/w?db=a", "database": "b"}"#).starts_with("url: db= stands in it"));
        assert_eq!(error(r#"{"url": "http://h/w", "bucket": "b"}"#), "bucket: is for version = \"v2\"");
        assert_eq!(
            error(r#"{"url": "http://h/w", "version": "v2", "consistency": "one"}"#),
            "consistency: is for version = \"v1\""
        );
        assert!(error(r#"{"url": "h:1/w"}"#).starts_with("url: neither http:// nor https://"));
    }
}
