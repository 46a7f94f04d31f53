//! `Retry-After` as guests read it: in seconds.
//!
//! HTTP allows a date as well. It is turned into seconds here, once for the kits of all languages: by the server's own
//! `Date` where it says one, so that nobody's clock has to be right, and else by this host's clock.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// What is further away is as far away as this. Nobody pauses longer than an hour.
const LATEST: Duration = Duration::from_secs(86_400);

/// Puts seconds in place of a date. What is neither is left out: it would be read as no pause at all, and is.
pub(crate) fn in_seconds(headers: &mut HeaderMap, now: SystemTime) {
    let Some(asked) = headers.get(RETRY_AFTER) else { return };
    let text = asked.to_str().unwrap_or_default().trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let after = if is_number {
        // More digits than a number has are a long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let Ok(until) = httpdate::parse_http_date(text) else {
            headers.remove(RETRY_AFTER);
            return;
        };
        let said = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?.trim()).ok());
        until.duration_since(said.unwrap_or(now)).unwrap_or_default()
    };
    headers.insert(RETRY_AFTER, after.min(LATEST).as_secs().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(asked: &str, date: Option<&str>) -> Option<String> {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, asked.parse().expect("a header"));
        if let Some(date) = date {
            headers.insert(DATE, date.parse().expect("a header"));
        }
        in_seconds(&mut headers, now);
        headers.get(RETRY_AFTER).map(|value| value.to_str().expect("digits").to_owned())
    }

    #[test]
    fn a_date_becomes_seconds_by_the_servers_clock_or_else_by_ours() {
        for date in ["Sun, 06 Nov 1994 08:51:37 GMT", "Sunday, 06-Nov-94 08:51:37 GMT", "Sun Nov  6 08:51:37 1994"] {
            assert_eq!(seconds(date, None).as_deref(), Some("120"), "{date}");
        }
        let server = Some("Sun, 06 Nov 1994 10:00:00 GMT");
        assert_eq!(seconds("Sun, 06 Nov 1994 10:00:08 GMT", server).as_deref(), Some("8"));
        assert_eq!(seconds("Sun, 06 Nov 1994 09:00:00 GMT", server).as_deref(), Some("0"), "it is over");
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT", Some("soon")).as_deref(), Some("60"));
    }

    #[test]
    fn seconds_stay_and_what_is_neither_is_left_out() {
        assert_eq!(seconds("8", None).as_deref(), Some("8"));
        assert_eq!(seconds(" 0 ", None).as_deref(), Some("0"));
        for long in ["99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(seconds(long, None).as_deref(), Some("86400"), "{long}");
        }
        for neither in ["soon", "-5", "8.5", "Sun, 99 Nov 1994 08:49:37 GMT", "\u{7f}"] {
            if neither.parse::<http::HeaderValue>().is_ok() {
                assert_eq!(seconds(neither, None), None, "{neither}");
            }
        }
    }
}
