//! Sends a request by hand, any that WASI can say, and looks for a text in all that comes back: status, headers, body,
//! trailers, errors. What it could read is told in the log.

use saker_sdk::host::Level;
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `reflect`.
    pub struct SecretReflectionSettings {
        /// The method, in any letters.
        pub method: String = "GET".into(),
        /// `host:port`, or what would like to be taken for it.
        pub authority: String,
        /// The path.
        pub path: String = "/".into(),
        /// More headers: `name: value`.
        pub headers: Vec<String> = Vec::new(),
        /// What is looked for.
        pub needle: String = "sesame".into(),
    }
}

/// The guest.
pub struct SecretReflection(SecretReflectionSettings);

impl Collector for SecretReflection {
    type Settings = SecretReflectionSettings;

    fn describe() -> Description {
        Description::new("secret-reflection", "1.0.0", "Looks for a secret in an answer")
            .requests(connect("127.0.0.1:*"), "to ask")
    }

    fn open(settings: SecretReflectionSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let (status, seen) = send(&self.0).map_err(CollectError::Unavailable)?;
        host::log(Level::Info, &seen);
        let small = seen.to_ascii_lowercase();
        let found = small.matches(&self.0.needle.to_ascii_lowercase()).count();
        Ok(vec![
            Sample::gauge("secret-reflection.status", f64::from(status)),
            Sample::gauge("secret-reflection.found", found as f64),
            Sample::gauge("secret-reflection.bytes", seen.len() as f64),
        ])
    }
}

saker_sdk::export_collector!(SecretReflection);

#[cfg(not(target_arch = "wasm32"))]
fn send(_settings: &SecretReflectionSettings) -> Result<(u16, String), String> {
    Err("only a guest can ask".into())
}

#[cfg(target_arch = "wasm32")]
fn send(settings: &SecretReflectionSettings) -> Result<(u16, String), String> {
    use wasip2::http::outgoing_handler;
    use wasip2::http::types::{Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme};

    let fields = Fields::new();
    for header in &settings.headers {
        let (name, value) = header.split_once(": ").ok_or("a header is name: value")?;
        fields.append(name, value.as_bytes()).map_err(|error| format!("{name}: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let method = match settings.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "TRACE" => Method::Trace,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.into()),
    };
    request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&Scheme::Http)))
        .and_then(|()| request.set_authority(Some(&settings.authority)))
        .and_then(|()| request.set_path_with_query(Some(&settings.path)))
        .map_err(|()| "the request cannot be said")?;
    let outgoing = request.body().map_err(|()| "the request has no body")?;
    let answer = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    OutgoingBody::finish(outgoing, None).map_err(|code| format!("{code:?}"))?;
    answer.subscribe().block();
    let response = match answer.get() {
        Some(Ok(Ok(response))) => response,
        other => return Err(format!("{other:?}")),
    };
    let mut seen = Vec::new();
    let headers = |seen: &mut Vec<u8>, fields: &Fields| {
        for (name, value) in fields.entries() {
            seen.extend([name.as_bytes(), b": ", &value, b"; "].concat());
        }
    };
    headers(&mut seen, &response.headers());
    let incoming = response.consume().map_err(|()| "there is no body")?;
    {
        let stream = incoming.stream().map_err(|()| "the body has no stream")?;
        while let Ok(chunk) = stream.blocking_read(64 << 10) {
            seen.extend(chunk);
        }
    }
    let trailers = IncomingBody::finish(incoming);
    trailers.subscribe().block();
    if let Some(Ok(Ok(Some(trailers)))) = trailers.get() {
        headers(&mut seen, &trailers);
    }
    Ok((response.status(), String::from_utf8_lossy(&seen).into_owned()))
}
