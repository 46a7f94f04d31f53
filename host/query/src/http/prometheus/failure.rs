//! Errors in Prometheus' shape and status codes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saker_pipeline::reader::ReadError;

use crate::engine::RunError;
use crate::eval::QueryError;
use crate::http::JSON;
use crate::http::form::FormError;
use crate::json;
use crate::place::SyntaxError;

/// What is wrong, by Prometheus' word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureKind {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
}

impl FailureKind {
    fn word(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // The client has gone; nginx' number for it, which has no name.
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(in crate::http) struct ApiFailure {
    kind: FailureKind,
    message: String,
}

impl ApiFailure {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::BadData, message: message.into() }
    }

    /// A parameter that cannot be used.
    pub(in crate::http) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad(format!("invalid parameter \"{name}\": {why}"))
    }

    pub(in crate::http) fn syntax(name: &str, error: &SyntaxError) -> Self {
        Self::parameter(name, error)
    }
}

impl From<FormError> for ApiFailure {
    fn from(error: FormError) -> Self {
        Self::bad(format!("error parsing form values: {error}"))
    }
}

impl From<RunError> for ApiFailure {
    fn from(error: RunError) -> Self {
        let kind = match &error {
            RunError::Busy(_) | RunError::Unread | RunError::Stopped => FailureKind::Unavailable,
            RunError::Died => FailureKind::Internal,
            RunError::Query(error) => match error {
                QueryError::Syntax(_) | QueryError::NotForRange { .. } => {
                    return Self::parameter("query", error);
                }
                QueryError::Pattern(_) | QueryError::Step | QueryError::EndBeforeStart | QueryError::Steps { .. } => {
                    FailureKind::BadData
                }
                QueryError::Read(ReadError::Cancelled) => FailureKind::Canceled,
                QueryError::Read(ReadError::Timeout { .. }) => FailureKind::Timeout,
                QueryError::Read(ReadError::Storage { .. }) => FailureKind::Internal,
                _ => FailureKind::Execution,
            },
        };
        Self { kind, message: error.to_string() }
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let body = json::failure(self.kind.word(), &self.message);
        let mut response = (self.kind.status(), body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if self.kind == FailureKind::Unavailable {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
