//! `saker query`: what is asked of an agent, and how its answer is shown. How the bytes travel is the caller's.

mod result;
mod sparkline;
mod table;

use std::time::Duration;

use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_pipeline::reader::{Cancel, ReadBudget, ReadLimits, SeriesReader};

use crate::eval::{EvalSettings, Query};
use crate::json::{self, AnswerExtras};
use crate::place::SyntaxError;

use result::Answered;

/// Steps of a range where none is asked for: about as many as a terminal has columns.
const STEPS: u32 = 60;

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShellFormat {
    /// A table for people, with sparklines in a terminal.
    #[default]
    Table,
    /// Comma-separated values: a line a value.
    Csv,
    /// The agent's answer as it is.
    Json,
}

impl ShellFormat {
    /// `table`, `csv` or `json`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// How many characters a line has.
    pub columns: usize,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryCommand {
    /// The expression.
    pub query: String,
    /// How far back, for a range; now, if there is none.
    pub range: Option<Duration>,
    /// The step of a range; chosen to fit if there is none.
    pub step: Option<Duration>,
    /// How the answer is shown.
    pub format: ShellFormat,
}

/// A request to an agent: a form that is posted to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRequest {
    /// The path.
    pub path: &'static str,
    /// The body, `application/x-www-form-urlencoded`.
    pub form: String,
}

/// Why nothing is shown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// The expression is wrong; the message draws where.
    #[error("{drawn}")]
    Syntax {
        /// The expression, a caret below the place, and what to write instead.
        drawn: String,
    },
    /// The agent rejected it.
    #[error("the agent answers {status}: {message}")]
    Rejected {
        /// The status.
        status: u16,
        /// Its reason.
        message: String,
    },
    /// The answer is none of a query.
    #[error("the answer is not that of an agent: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
    /// Without an agent: the query has no answer.
    #[error("{0}")]
    Query(String),
}

impl QueryCommand {
    /// The request that asks it, seen from a time. A mistake in the expression is found before anything is sent.
    ///
    /// # Errors
    /// [`CommandError::Syntax`]
    pub fn request(&self, now_ms: i64) -> Result<QueryRequest, CommandError> {
        crate::parse(&self.query).map_err(|error| syntax(&self.query, &error))?;
        let mut form = format!("query={}", escaped(&self.query));
        let Some((start_ms, step_ms)) = self.span(now_ms) else {
            form.push_str(&format!("&time={}", seconds(now_ms)));
            return Ok(QueryRequest { path: "/api/v1/query", form });
        };
        form.push_str(&format!("&start={}&end={}&step={}", seconds(start_ms), seconds(now_ms), seconds(step_ms)));
        Ok(QueryRequest { path: "/api/v1/query_range", form })
    }

    /// The start and the step of a range, on the step's grid so that asking again shows the same steps.
    fn span(&self, now_ms: i64) -> Option<(i64, i64)> {
        let range = self.range?;
        let step = self.step.unwrap_or_else(|| readable(range / STEPS));
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
        let step_ms = millis(step).max(1);
        let start_ms = now_ms.saturating_sub(millis(range));
        Some((start_ms + (-start_ms).rem_euclid(step_ms), step_ms))
    }

    /// Shows an answer: its status and its body. A screen is given if it goes to a terminal.
    ///
    /// # Errors
    /// [`CommandError`]
    pub fn show(&self, status: u16, body: &[u8], screen: Option<Screen>) -> Result<String, CommandError> {
        if self.format == ShellFormat::Json && status == 200 {
            let mut text = String::from_utf8_lossy(body).into_owned();
            text.push('\n');
            return Ok(text);
        }
        let answered = Answered::read(status, body)?;
        Ok(match self.format {
            ShellFormat::Csv => table::csv(&answered),
            _ => table::table(&answered, screen),
        })
    }

    /// Answers it from a reader, as an agent would: for when none runs.
    ///
    /// # Errors
    /// [`CommandError::Syntax`] and [`CommandError::Query`]
    pub fn answer(&self, reader: &dyn SeriesReader, now_ms: i64, limits: ReadLimits) -> Result<String, CommandError> {
        let expr = crate::parse(&self.query).map_err(|error| syntax(&self.query, &error))?;
        let query = Query { text: &self.query, expr: &expr };
        let (settings, budget) = (EvalSettings::default(), ReadBudget::new(limits, Cancel::default()));
        let answer = match self.span(now_ms) {
            None => crate::instant(reader, query, now_ms, &settings, &budget),
            Some((start_ms, step_ms)) => crate::range(reader, query, (start_ms, now_ms), step_ms, &settings, &budget),
        };
        let failed = |error: String| CommandError::Query(error);
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        json::success(&answer, AnswerExtras::default(), limits.memory_bytes).map_err(|error| failed(error.to_string()))
    }
}

/// The expression with a caret under what is wrong.
fn syntax(query: &str, error: &SyntaxError) -> CommandError {
    let place = error.place;
    let line = query.lines().nth(place.line - 1).unwrap_or_default();
    let (line, before) = window(line, place.column - 1);
    let written = query.get(error.span.start..error.span.end).unwrap_or_default();
    let width = written.lines().next().unwrap_or_default().chars().count().clamp(1, WINDOW_CHARS);
    let width = width.min(line.chars().count().saturating_sub(before).max(1));
    let drawn = format!(
        "{}; {}\n  {line}\n  {}{}",
        clean(&error.problem, MESSAGE_BYTES_MAX),
        clean(&error.cure, MESSAGE_BYTES_MAX),
        " ".repeat(before),
        "^".repeat(width)
    );
    CommandError::Syntax { drawn }
}

/// Characters of a line that are drawn around a mistake.
const WINDOW_CHARS: usize = 100;

/// A part of a line around a place, each character as wide as a blank or more, and how many of its characters stand
/// before the place.
fn window(line: &str, at: usize) -> (String, usize) {
    let shown = |c: char| if saker_model::text::is_clean(c.encode_utf8(&mut [0; 4])) { c } else { '?' };
    let skipped = at.saturating_sub(WINDOW_CHARS / 2);
    (line.chars().skip(skipped).take(WINDOW_CHARS).map(shown).collect(), at - skipped)
}

/// Seconds with a fraction of at most three digits.
fn seconds(millis: i64) -> String {
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    match millis % 1000 {
        0 => format!("{sign}{}", millis / 1000),
        fraction => format!("{sign}{}.{fraction:03}", millis / 1000),
    }
}

/// The next step that people would choose.
fn readable(step: Duration) -> Duration {
    const STEPS_S: [u64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200];
    let found = STEPS_S.into_iter().map(Duration::from_secs).find(|readable| *readable >= step);
    found.unwrap_or_else(|| Duration::from_secs(step.as_secs().div_ceil(86_400) * 86_400))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests;
