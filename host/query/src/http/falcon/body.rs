//! Bodies that come, and errors that go, in the shapes of both dialects.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::engine::RunError;
use crate::eval::QueryError;
use crate::http::Shared;
use crate::http::form::FormError;

/// Bytes of a body: some ten thousand counters.
const BODY_BYTES_MAX: usize = 2 << 20;
/// As Open-Falcon's modules say it.
const JSON_UTF8: &str = "application/json; charset=utf-8";

/// A counter of an endpoint, as it is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pair {
    pub(super) endpoint: String,
    pub(super) counter: String,
}

/// Which dialect an error is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorDialect {
    /// `{"msg":…}`
    Service,
    /// `{"error":…}`
    Api,
}

/// A status and a message.
#[derive(Clone, Debug)]
pub(super) struct FalconRejection {
    dialect: ErrorDialect,
    status: StatusCode,
    message: String,
}

impl ErrorDialect {
    pub(super) fn bad(self, message: impl Into<String>) -> FalconRejection {
        FalconRejection { dialect: self, status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn with(self, status: StatusCode, message: impl Into<String>) -> FalconRejection {
        FalconRejection { dialect: self, status, message: message.into() }
    }

    pub(super) fn failed(self, error: &RunError) -> FalconRejection {
        let status = match error {
            RunError::Busy(_) | RunError::Unread | RunError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            RunError::Died => StatusCode::INTERNAL_SERVER_ERROR,
            RunError::Query(QueryError::Read(_)) => StatusCode::SERVICE_UNAVAILABLE,
            RunError::Query(_) => StatusCode::BAD_REQUEST,
        };
        self.with(status, error.to_string())
    }

    pub(super) fn form(self, error: &FormError) -> FalconRejection {
        self.bad(error.to_string())
    }

    /// Reads a body as JSON, whatever its type says, as they do.
    pub(super) async fn json<T: DeserializeOwned>(self, request: Request) -> Result<T, FalconRejection> {
        let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await;
        let body = body.map_err(|_| {
            let message = format!("the body cannot be read, or has more than {BODY_BYTES_MAX} bytes");
            self.with(StatusCode::PAYLOAD_TOO_LARGE, message)
        })?;
        serde_json::from_slice(&body).map_err(|error| self.bad(error.to_string()))
    }
}

impl IntoResponse for FalconRejection {
    fn into_response(self) -> Response {
        let message = serde_json::Value::from(clean(&self.message, MESSAGE_BYTES_MAX));
        let body = match self.dialect {
            ErrorDialect::Service => format!("{{\"msg\":{message}}}"),
            ErrorDialect::Api => format!("{{\"error\":{message}}}"),
        };
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON_UTF8));
        response
    }
}

/// The answer, whatever it is.
pub(super) fn respond(shared: &Shared, dialect: ErrorDialect, answer: Result<String, FalconRejection>) -> Response {
    let answer = answer.and_then(|json| {
        crate::http::text(&shared.engine, StatusCode::OK, JSON_UTF8, json).map_err(|error| dialect.failed(&error))
    });
    answer.unwrap_or_else(IntoResponse::into_response)
}
