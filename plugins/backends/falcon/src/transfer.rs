//! One transfer: its connection, and the calls over it, one after the other.
//!
//! The bytes are those of Go's `net/rpc/jsonrpc`: values of JSON, each with an end of line behind it, no frames. Several
//! calls at a time would be allowed, but transfer works on them in any order, and graph keeps no point that is older than
//! the newest that it has.

use saker_sdk::Progress;
use saker_sdk::encode::Lines;
use saker_sdk::net::{Connection, Deadline, NetError, Protocol, SocketTarget, TcpStream};
use saker_sdk::prelude::*;
use saker_sdk::settings::serde_json::{self, Value};

/// The longest answer, in bytes: the usual one has a hundred.
const ANSWER_MAX: usize = 64 << 10;
/// What Go's decoder says of a record that is not what transfer expects: it never will be.
const MISFIT: &str = "cannot unmarshal";

pub(crate) struct Transfer {
    connection: Connection,
    next_id: u64,
}

/// The points of a call, and how far they are.
pub(crate) struct Update<'a> {
    left: &'a [(usize, Point)],
    call_points: usize,
    /// How many transfer took for invalid.
    pub(crate) invalid: usize,
    /// Places of points that will never be taken, and why the first was not.
    pub(crate) rejected: Vec<u32>,
    pub(crate) why: String,
}

impl<'a> Update<'a> {
    pub(crate) fn new(left: &'a [(usize, Point)], call_points: usize) -> Self {
        Self { left, call_points, invalid: 0, rejected: Vec::new(), why: String::new() }
    }
}

impl Transfer {
    pub(crate) fn new(address: &str) -> Result<Self, OpenError> {
        let target = SocketTarget::parse("addresses", address, Protocol::Tcp)?;
        if target.protocol != Protocol::Tcp {
            return Err(OpenError::Settings("addresses: transfer is reached by TCP; write host:port".into()));
        }
        Ok(Self { connection: Connection::new(target), next_id: 0 })
    }

    /// Calls until nothing is left. What was answered for is noted, also if the rest fails.
    pub(crate) fn send(
        &mut self,
        lines: &Lines,
        update: &mut Update<'_>,
        progress: &mut Progress,
        deadline: Deadline,
    ) -> Result<(), WriteError> {
        let Self { connection, next_id } = self;
        let address = connection.target().address();
        connection.with(deadline, |stream| {
            while !update.left.is_empty() {
                if deadline.is_over() {
                    return Err(
                        NetError::Unavailable(format!("{address}: not all points could be sent in time")).into()
                    );
                }
                let (points, later) = update.left.split_at(update.left.len().min(update.call_points));
                let id = *next_id;
                *next_id += 1;
                let answer = call(stream, &request(lines, points, id)?)?;
                let places = points.iter().map(|(place, _)| *place);
                match read(&answer, id, points.len()) {
                    Ok(TransferReply::Taken { invalid }) => {
                        update.invalid += invalid.min(points.len());
                        places.for_each(|place| progress.take(place));
                    }
                    Ok(TransferReply::Misfit(why)) => {
                        update.rejected.extend(places.map(|place| u32::try_from(place).unwrap_or(u32::MAX)));
                        if update.why.is_empty() {
                            update.why = format!("{address}: {why}");
                        }
                    }
                    Err(what) => return Err(NetError::Unavailable(format!("{address}: {what}")).into()),
                }
                update.left = later;
            }
            Ok(())
        })
    }
}

fn call(stream: &mut TcpStream, request: &[u8]) -> Result<Vec<u8>, NetError> {
    stream.write_all(request)?;
    stream.read_until(b'\n', ANSWER_MAX)
}

fn request(lines: &Lines, points: &[(usize, Point)], id: u64) -> Result<Vec<u8>, WriteError> {
    let mut text = Vec::with_capacity(64 + 192 * points.len());
    text.extend_from_slice(br#"{"method":"Transfer.Update","params":[["#);
    for (index, (_, point)) in points.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        // All were checked before the first was sent.
        lines.push(point, &mut text)?;
        // Its end of line.
        text.pop();
    }
    text.extend_from_slice(format!("]],\"id\":{id}}}\n").as_bytes());
    Ok(text)
}

#[derive(Debug, PartialEq)]
enum TransferReply {
    /// Transfer has the points, except so many.
    Taken { invalid: usize },
    /// Transfer cannot read a record of them.
    Misfit(String),
}

/// Reads an answer about so many points; an error says what is wrong with this transfer.
fn read(answer: &[u8], id: u64, points: usize) -> Result<TransferReply, String> {
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|_| format!("no answer of a transfer: {}", String::from_utf8_lossy(answer).trim()))?;
    if answer["id"] != id {
        return Err(format!("an answer to call {}, not to {id}", answer["id"]));
    }
    if let Some(error) = answer["error"].as_str() {
        return if error.contains(MISFIT) { Ok(TransferReply::Misfit(error.into())) } else { Err(error.into()) };
    }
    if !answer["error"].is_null() {
        return Err(answer["error"].to_string());
    }
    let result = &answer["result"];
    let invalid = result["Invalid"].as_u64().ok_or_else(|| format!("no result of Transfer.Update: {answer}"))?;
    // Other transfers than Falcon's own may leave these out.
    if result["Total"].as_u64().is_some_and(|total| total < points as u64) {
        return Err(format!("{} of {points} points have come", result["Total"]));
    }
    if let Some(message) = result["Message"].as_str().filter(|message| !matches!(*message, "ok" | "")) {
        return Err(message.into());
    }
    Ok(TransferReply::Taken { invalid: usize::try_from(invalid).unwrap_or(usize::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_says_in_its_result_what_it_has_not_taken() {
        let result = r#"{"Message":"ok","Total":3,"Invalid":1,"Latency":0}"#;
        let answer = |result: &str, error: &str| format!(r#"{{"id":7,"result":{result},"error":{error}}}"#);
        assert_eq!(read(answer(result, "null").as_bytes(), 7, 3), Ok(TransferReply::Taken { invalid: 1 }));
        let misfit = "json: cannot unmarshal string into Go value of type int64";
        assert_eq!(
            read(answer("null", &format!("{misfit:?}")).as_bytes(), 7, 3),
            Ok(TransferReply::Misfit(misfit.into()))
        );
        for (answer, id, what) in [
            (answer("null", "\"rpc: can't find service Transfer.Update\""), 7, "rpc: can't find service"),
            (answer(result, "null"), 8, "an answer to call 7, not to 8"),
            (answer("null", "null"), 7, "no result of Transfer.Update"),
            ("HTTP/1.1 400 Bad Request".into(), 7, "no answer of a transfer: HTTP/1.1 400"),
            (answer(result, "{\"code\":1}"), 7, "{\"code\":1}"),
            (answer(r#"{"Message":"ok","Total":2,"Invalid":0}"#, "null"), 7, "2 of 3 points have come"),
            (answer(r#"{"Message":"queue is full","Total":3,"Invalid":0}"#, "null"), 7, "queue is full"),
        ] {
            let error = read(answer.as_bytes(), id, 3).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
