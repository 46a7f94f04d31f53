//! An answer that is none: a status and why, as JSON.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use serde_json::json;

/// A status, and a message for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
    why: Option<RejectCode>,
}

/// A word for why a request was rejected, for who counts answers: an extension of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectCode(pub &'static str);

impl ApiError {
    /// A status and why. The message may repeat what was asked: it is cut and cleaned.
    pub fn new(status: StatusCode, message: impl AsRef<str>) -> Self {
        Self { status, message: clean(message.as_ref(), MESSAGE_BYTES_MAX), retry_after: None, why: None }
    }

    /// The same, and when to come again.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// The same, under this word where answers are counted.
    #[must_use]
    pub fn because(mut self, why: &'static str) -> Self {
        self.why = Some(RejectCode(why));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.message}))).into_response();
        if let Some(why) = self.why {
            response.extensions_mut().insert(why);
        }
        let headers = response.headers_mut();
        if let Some(pause) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
