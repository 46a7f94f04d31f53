//! Programs that are compared with, what `/proc` says of them, and questions to them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// Nobody takes longer to begin or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ended with this value, at the latest.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(program: &str, arguments: &[String], dir: &Path) -> Result<Self> {
        Self::spawn(program, arguments, dir, false)
    }

    /// One that is told what to do, line by line.
    pub(crate) fn start_told(program: &str, arguments: &[String], dir: &Path) -> Result<(Self, Told)> {
        let mut process = Self::spawn(program, arguments, dir, true)?;
        let (input, output) = (process.0.stdin.take(), process.0.stdout.take());
        let (input, output) = (input.ok_or("no standard input")?, output.ok_or("no standard output")?);
        Ok((process, Told { input, output: BufReader::new(output) }))
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark starts the programs that it compares")]
    fn spawn(program: &str, arguments: &[String], dir: &Path, told: bool) -> Result<Self> {
        let log = std::fs::File::create(dir.join("log"))?;
        let pipe = || if told { Stdio::piped() } else { Stdio::null() };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .stdin(pipe())
            .stdout(pipe())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{program}: {error}; as root on Debian: sh tests/install.sh stores"))?;
        Ok(Self(child))
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> Result<()> {
        match self.0.wait()?.success() {
            true => Ok(()),
            false => Err("a program has failed".into()),
        }
    }

    /// Its processor time: of all its threads, in user and system mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // Fields 14 and 15, counted from behind the name, which may hold anything.
        let fields = stat.rsplit_once(')').ok_or("no name in stat")?.1;
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    pub(crate) fn written(&self) -> Result<Written> {
        Written::of(&self.0.id().to_string())
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The standard streams of a process.
pub(crate) struct Told {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Told {
    /// Says a line, and waits for one in return that begins with a word.
    pub(crate) fn tell(&mut self, line: &str, until: &str) -> Result<()> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        while !answer.starts_with(until) {
            answer.clear();
            if self.output.read_line(&mut answer)? == 0 || answer.starts_with("ERROR") {
                return Err(format!("{line}: {answer}").into());
            }
        }
        Ok(())
    }
}

/// What a process has had written: bytes of pages that it made dirty.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
}

impl Written {
    /// Of a process, or of `self`.
    pub(crate) fn of(process: &str) -> Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{process}/io"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).ok_or("no write_bytes in io")?;
        Ok(Self { bytes: line.trim().parse()? })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { bytes: self.bytes - before.bytes }
    }
}

/// An address of this machine that nobody listens at.
pub(crate) fn nobody() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A connection to a server.
pub(crate) struct Client {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects when the server answers there.
    pub(crate) fn when_ready(address: &str, path: &str) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(stream) = TcpStream::connect(address) {
                stream.set_nodelay(true)?;
                let mut client = Self { address: address.into(), stream: BufReader::new(stream) };
                if client.get(path).is_ok() {
                    return Ok(client);
                }
            }
            if Instant::now() > end {
                return Err(format!("{address} does not answer").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<String> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address), "")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<String> {
        let length = body.len();
        self.ask(&format!("POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n\r\n", self.address), body)
    }

    fn ask(&mut self, head: &str, body: &str) -> Result<String> {
        let out = self.stream.get_mut();
        out.write_all(head.as_bytes())?;
        out.write_all(body.as_bytes())?;
        let (mut status, mut length, mut chunked, mut line) = (String::new(), 0, false, String::new());
        self.stream.read_line(&mut status)?;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            chunked |= lower.starts_with("transfer-encoding:") && lower.ends_with("chunked");
        }
        let mut answer = Vec::new();
        loop {
            if chunked {
                line.clear();
                self.stream.read_line(&mut line)?;
                length = usize::from_str_radix(line.trim(), 16)?;
            }
            let start = answer.len();
            answer.resize(start + length, 0);
            self.stream.read_exact(&mut answer[start..])?;
            if !chunked {
                break;
            }
            line.clear();
            self.stream.read_line(&mut line)?;
            if length == 0 {
                break;
            }
        }
        let answer = String::from_utf8(answer)?;
        match status.split(' ').nth(1) {
            Some(code) if code.starts_with('2') => Ok(answer),
            _ => Err(format!("{status}{answer}").into()),
        }
    }
}

/// What of a text a URL holds as it is; the rest is escaped.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// The bytes of all files at or below a path.
pub(crate) fn weigh(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { weigh(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
