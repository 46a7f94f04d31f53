//! `POST /api/push`: a list of records.

use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use saker_http::ApiError;
use serde_json::{Value, json};

use super::{TransferProtocol, call, go, record};
use crate::LineDoor;
use crate::asked::{Asked, bad, nothing};
use crate::batch::{Batch, Decoder};
use crate::json::{self, Behind};

type Door = LineDoor<TransferProtocol>;

/// Its path.
pub(super) fn routes() -> Router<Door> {
    Router::new().route("/api/push", post(push))
}

/// Reads a list of records.
pub(super) struct Records;

impl Decoder for Records {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        if out.base > 0 {
            return json::read_items(input, 0, false, Behind::Nothing, out, record::read);
        }
        let begin = json::skip_blanks(input, 0);
        let list = &input[begin..];
        let checked = match json::value_end(list, 0) {
            Some(end) => go::check(&list[..end]),
            None => Err("unexpected end of JSON input".to_owned()),
        };
        match checked {
            Ok(()) if list.first() == Some(&b'[') => {
                json::read_items(input, begin + 1, true, Behind::Nothing, out, record::read)
            }
            Ok(()) => input.len(),
            Err(what) => {
                out.begin(begin);
                out.malformed(|| what);
                input.len()
            }
        }
    }
}

async fn push(State(listener): State<Door>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    let (began, intake) = (Instant::now(), listener.intake());
    let (report, body) = asked.take(&listener.way(&intake), Records, body, nothing).await?;
    if body.is_empty() {
        return Err(bad("blank body"));
    }
    let list = &body[json::skip_blanks(&body, 0)..];
    let end = json::value_end(list, 0).ok_or_else(|| bad("connot decode body: unexpected end of JSON input"))?;
    go::check(&list[..end]).map_err(|what| bad(format!("connot decode body: {what}")))?;
    let figures = call::figures(&report, began.elapsed());
    let mut data: Value = serde_json::from_str(&figures).unwrap_or_default();
    if report.faulty > 0 {
        data["Errors"] = call::errors(&body, &report).into();
    }
    Ok(Json(json!({"msg": "success", "data": data})).into_response())
}
