//! The document at `/`: a frame for the script, with what it shows first.

use std::io::Write;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use saker_http::RequestInfo;

use crate::assets::{self, BUILT, Built};
use crate::json;
use crate::live::past;
use crate::router::Shared;

/// A document is not held up for its data any longer: the page asks for them itself then.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// For `/`: a browser gets the document, everybody else what is behind this.
pub(crate) async fn front(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET || !wants_html(request.headers()) {
        return next.run(request).await;
    }
    // The document itself has no secrets: what is shown on it wants the token.
    let may_see = request
        .extensions()
        .get::<RequestInfo>()
        .is_none_or(|visit| visit.settings.token.as_ref().is_none_or(|token| token.is_in(request.headers())));
    let headers = request.headers().clone();
    let text = match &BUILT {
        Some(built) => document(&shared, built, may_see).await,
        None => include_str!("plain.html").replace("VERSION", shared.version),
    };
    let mut packer = GzEncoder::new(Vec::with_capacity(text.len() / 3), Compression::new(6));
    let mut response = match packer.write_all(text.as_bytes()).and_then(|()| packer.finish()) {
        Ok(bytes) => assets::packed(bytes, &headers),
        Err(_) => text.into_response(),
    };
    let own = response.headers_mut();
    assets::harden(own);
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/html")
}

async fn document(shared: &Shared, built: &Built, may_see: bool) -> String {
    let data = if may_see {
        let waited = tokio::time::timeout(WAIT_MAX, past(shared, None)).await;
        waited.ok().and_then(Result::ok).unwrap_or_else(|| "null".into())
    } else {
        "null".into()
    };
    let mut about = String::from("{\"version\":");
    json::text(&mut about, shared.version);
    if may_see {
        about.push_str(",\"endpoint\":");
        json::text(&mut about, &shared.feed.endpoint());
    }
    format!(
        concat!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>saker</title>",
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">",
            "<meta name=\"color-scheme\" content=\"light dark\">",
            "<link rel=\"icon\" href=\"/page/icon.svg\"><link rel=\"stylesheet\" href=\"/page/{style}\">",
            "<script type=\"module\" src=\"/page/{script}\"></script></head>",
            "<body><div id=\"page\"></div>",
            "<noscript>This page needs JavaScript. <a href=\"/metrics/host\">/metrics/host</a> has the newest values.</noscript>",
            "<script type=\"application/json\" id=\"first\">{about},\"needsToken\":{needs},\"past\":{data}}}</script>",
            "</body></html>"
        ),
        style = built.style.name,
        script = built.script.name,
        about = about,
        needs = !may_see,
        data = data,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_wants_html_and_a_program_does_not() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("text/html;q=0.9", true),
            ("*/*", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_html(&headers), expected, "{accept}");
        }
    }
}
