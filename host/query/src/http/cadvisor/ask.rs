//! A question to the containers that are kept, and its answer: JSON, or an error with the status that it deserves.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use saker_http::ApiError;
use saker_pipeline::reader::{ReadBudget, SeriesReader, TimeRange};

use crate::cadvisor::CadvisorError;
use crate::engine::RunError;
use crate::eval::QueryError;
use crate::http::form::FormError;
use crate::http::{JSON, Shared, text};
use crate::log::LoggedQuery;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Asked(String),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Cadvisor(#[from] CadvisorError),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Asked(_) | Self::Form(_) | Self::Cadvisor(CadvisorError::Endpoints(_)) => StatusCode::BAD_REQUEST,
            Self::Cadvisor(CadvisorError::Unknown(_) | CadvisorError::NoMachine) => StatusCode::NOT_FOUND,
            Self::Run(RunError::Died) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Run(RunError::Query(QueryError::SeriesLimit { .. }))
            | Self::Cadvisor(CadvisorError::Query(QueryError::SeriesLimit { .. })) => StatusCode::BAD_REQUEST,
            Self::Run(_) | Self::Cadvisor(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        ApiError::new(status, self.to_string()).into_response()
    }
}

/// What a question is answered from.
pub(super) struct Source<'a> {
    pub(super) reader: &'a dyn SeriesReader,
    pub(super) series_max: usize,
    pub(super) budget: &'a ReadBudget,
}

/// Runs work on a query thread.
pub(super) async fn ask<T: Send + 'static>(
    shared: &Shared,
    query: String,
    range: TimeRange,
    is_recent: bool,
    work: impl FnOnce(Source<'_>) -> Result<T, CadvisorError> + Send + 'static,
) -> Result<T, Failure> {
    let reader = if is_recent { shared.recent.clone() } else { shared.engine.reader().clone() };
    let series_max = shared.engine.config().series;
    let question = LoggedQuery { query, start_ms: range.start_ms, end_ms: range.end_ms, step_ms: 0 };
    let work = move |budget: &ReadBudget| {
        match work(Source { reader: &*reader, series_max, budget }) {
            // What went wrong while reading is told where queries are listed.
            Err(CadvisorError::Query(error)) => Err(error),
            answer => Ok(answer),
        }
    };
    Ok(shared.engine.run(question, None, work).await??)
}

/// The answer.
pub(super) fn respond(shared: &Shared, answer: Result<String, Failure>) -> Response {
    let answer = answer.and_then(|json| Ok(text(&shared.engine, StatusCode::OK, JSON, json)?));
    answer.unwrap_or_else(IntoResponse::into_response)
}
