//! Calls: JSON objects one behind the other, `{"method":…,"params":[…],"id":…}`, and their answers.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use super::{go, record};
use crate::batch::{Batch, Decoder};
use crate::json::{self, Behind, Fields, List};
use crate::reading::Report;
use crate::{Framer, Reply};

const UPDATE: &str = "Transfer.Update";
const PING: &str = "Transfer.Ping";
/// What is sent back as it came is no longer: clients count their calls.
const ID_BYTES_MAX: usize = 1024;
/// Nor is the name of a method.
const METHOD_BYTES_MAX: usize = 255;

/// Reads calls, one at a time.
pub struct Calls;

/// Finds the ends of calls.
#[derive(Default)]
pub(super) struct Frames {
    /// How far it has looked.
    at: usize,
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Framer for Frames {
    fn whole(&mut self, received: &[u8]) -> Result<usize, &'static str> {
        while let Some(&byte) = received.get(self.at) {
            self.at += 1;
            if self.in_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' => self.depth += 1,
                b' ' | b'\n' | b'\r' | b'\t' => {}
                _ if self.depth == 0 => return Err("a call must be a JSON object"),
                b'"' => self.in_text = true,
                b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            if byte == b'}' && self.depth == 0 {
                return Ok(std::mem::take(self).at);
            }
        }
        Ok(0)
    }
}

/// A call as it lies in a message.
struct Call {
    method: String,
    params: Option<Range<usize>>,
    id: Option<Range<usize>>,
}

impl Call {
    /// None if it is none, so that the connection ends.
    fn read(message: &[u8]) -> Option<Self> {
        let begin = json::skip_blanks(message, 0);
        let text = &message[begin..];
        let (mut method, mut params, mut id) = (None, None, None);
        for (name, at) in Fields::of(text)? {
            let (value, at) = (&text[at.clone()], at.start + begin..at.end + begin);
            match name {
                name if name.eq_ignore_ascii_case(b"method") => method = Some(value),
                name if name.eq_ignore_ascii_case(b"params") => params = Some(at),
                name if name.eq_ignore_ascii_case(b"id") => id = Some(at),
                _ => {}
            }
        }
        let method = match method.filter(|method| method.len() <= METHOD_BYTES_MAX) {
            Some(method) if method != b"null" => serde_json::from_slice(method).ok()?,
            _ => String::new(),
        };
        let id = id.filter(|id| id.len() <= ID_BYTES_MAX);
        Some(Self { method, params: params.filter(|at| &message[at.clone()] != b"null"), id })
    }

    /// What stands in the first place of the parameters, if it can be what the method wants.
    fn records(&self, message: &[u8]) -> Result<Option<Range<usize>>, String> {
        let at = self.params.clone().ok_or("jsonrpc: request body missing params")?;
        let params = &message[at.clone()];
        let mut list = List::of(params).ok_or_else(|| {
            format!("json: cannot unmarshal {} into Go value of type [1]interface {{}}", go::kind(params))
        })?;
        let Some(first) = list.next() else { return Ok(None) };
        go::check(first)?;
        let begin = at.start + 1 + json::skip_blanks(&params[1..], 0);
        Ok((first != b"null").then(|| begin..begin + first.len()))
    }
}

impl Decoder for Calls {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        if out.base > 0 {
            return json::read_items(input, 0, false, Behind::Anything, out, record::read);
        }
        let records = Call::read(input).filter(|call| call.method == UPDATE).map(|call| call.records(input));
        match records {
            Some(Ok(Some(at))) => json::read_items(input, at.start + 1, true, Behind::Anything, out, record::read),
            Some(Ok(None)) | None => input.len(),
            Some(Err(what)) => {
                out.begin(0);
                out.malformed(|| what);
                input.len()
            }
        }
    }
}

/// The answer to a call.
pub(super) fn reply(message: &[u8], report: &Report, took: Duration) -> Reply {
    let Some(call) = Call::read(message) else { return Reply { is_last: true, ..Reply::default() } };
    let id = call.id.clone().map_or_else(|| b"null".to_vec(), |at| without_blanks(&message[at]));
    let (result, error) = match answer(&call, message, report, took) {
        Ok(result) => (result, "null".to_owned()),
        Err(error) => ("null".to_owned(), in_go_quotes(&error)),
    };
    let text =
        [&b"{\"id\":"[..], &id, b",\"result\":", result.as_bytes(), b",\"error\":", error.as_bytes(), b"}\n"].concat();
    Reply { text, is_last: false }
}

fn answer(call: &Call, message: &[u8], report: &Report, took: Duration) -> Result<String, String> {
    match &*call.method {
        UPDATE => {
            // Whether the call was rejected as a whole is only asked where something was.
            if report.faulty > 0 {
                call.records(message)?;
            } else if call.params.is_none() {
                return Err("jsonrpc: request body missing params".to_owned());
            }
            Ok(figures(report, took))
        }
        PING => match call.params {
            Some(_) => Ok("{\"code\":0}".to_owned()),
            None => Err("jsonrpc: request body missing params".to_owned()),
        },
        method => Err(match method.rsplit_once('.') {
            None => format!("rpc: service/method request ill-formed: {method}"),
            Some(("Transfer", _)) => format!("rpc: can't find method {method}"),
            Some(_) => format!("rpc: can't find service {method}"),
        }),
    }
}

/// What transfer says of records, with its capital letters.
pub(super) fn figures(report: &Report, took: Duration) -> String {
    let total = report.taken + report.skipped + report.faulty;
    let (invalid, latency) = (report.faulty, took.as_millis());
    format!("{{\"Message\":\"ok\",\"Total\":{total},\"Invalid\":{invalid},\"Latency\":{latency}}}")
}

/// The records of a list that were not taken, as far as they are told.
pub(super) fn errors(body: &[u8], report: &Report) -> Vec<Value> {
    let item_of = |at: usize| {
        let items = List::of(&body[json::skip_blanks(body, 0)..]).into_iter().flatten();
        items.take_while(|item| (item.as_ptr() as usize) < body.as_ptr() as usize + at).count()
    };
    report.faults.iter().map(|fault| json!({"Item": item_of(fault.at), "Error": fault.what})).collect()
}

/// JSON without the blanks between its parts, as Go sends it back.
fn without_blanks(text: &[u8]) -> Vec<u8> {
    let (mut in_text, mut is_escaped) = (false, false);
    let is_kept = |byte: &&u8| {
        let is_blank = matches!(**byte, b' ' | b'\n' | b'\r' | b'\t');
        if !in_text {
            in_text = **byte == b'"';
            return !is_blank;
        }
        (in_text, is_escaped) = match **byte {
            _ if is_escaped => (true, false),
            b'\\' => (true, true),
            byte => (byte != b'"', false),
        };
        true
    };
    text.iter().filter(is_kept).copied().collect()
}

/// A text as Go writes it: what a page could take for its own is escaped.
fn in_go_quotes(text: &str) -> String {
    let text = Value::from(text).to_string();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
