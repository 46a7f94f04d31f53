//! One HTTP connection that is kept open.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long to wait before the next attempt, if the server says it, in seconds.
    pub retry_after_s: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

/// A client of one server. After an error, make a new one.
pub struct Client {
    address: String,
    token: Option<String>,
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { address: address.to_owned(), token: None, reader: BufReader::with_capacity(1 << 16, stream) })
    }

    /// The same with a token that each request carries.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    /// No answer takes longer from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        self.reader.get_ref().set_read_timeout(Some(patience))?;
        self.reader.get_ref().set_write_timeout(Some(patience))
    }

    /// Asks for something.
    ///
    /// # Errors
    /// If the connection breaks off or the answer cannot be read.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[])
    }

    /// Sends a body.
    ///
    /// # Errors
    /// If the connection breaks off or the answer cannot be read.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        self.send("POST", path, body)
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let head = self.head(method, path, body.len());
        let mut stream = self.reader.get_ref();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        self.answer()
    }

    fn head(&self, method: &str, path: &str, length: usize) -> String {
        let token = self.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        let (address, token) = (&self.address, token.unwrap_or_default());
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n{token}content-length: {length}\r\n\r\n")
    }

    /// Sends a body in two parts, with a pause between; without the second if it is not to come.
    ///
    /// # Errors
    /// If the connection breaks off or the answer cannot be read, and where the second part does not come.
    pub fn post_slowly(&mut self, path: &str, body: &[u8], pause: Duration, whole: bool) -> Result<Answer> {
        let head = self.head("POST", path, body.len());
        let (first, second) = body.split_at(body.len() / 2);
        let mut stream = self.reader.get_ref();
        stream.write_all(head.as_bytes())?;
        stream.write_all(first)?;
        std::thread::sleep(pause);
        if !whole {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        stream.write_all(second)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let broken = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.ok_or_else(|| broken("no status"))?, ..Answer::default() };
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => length = value.parse().map_err(|_| broken("no length"))?,
                Some(("transfer-encoding", "chunked")) => chunked = true,
                Some(("retry-after", value)) => answer.retry_after_s = value.parse().ok(),
                Some(_) => {}
                None => break,
            }
        }
        loop {
            if chunked {
                length = usize::from_str_radix(&self.line()?, 16).map_err(|_| broken("no length of a chunk"))?;
            }
            let start = answer.body.len();
            answer.body.resize(start + length, 0);
            self.reader.read_exact(&mut answer.body[start..])?;
            if chunked {
                self.line()?;
            }
            if !chunked || length == 0 {
                return Ok(answer);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}
