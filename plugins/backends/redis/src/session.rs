//! A connection to a Redis server that has been logged in to: commands go out in a row, and their answers come back in
//! the same order.

use std::collections::VecDeque;

use saker_sdk::Progress;
use saker_sdk::net::{Deadline, NetError, SocketTarget, TcpStream};
use saker_sdk::prelude::*;

use crate::RedisSettings;
use crate::answer::{Meaning, meaning, message};
use crate::command::Commands;
use crate::resp::{Replies, Reply, push_command};

/// How much is sent at once, in bytes.
const CHUNK: usize = 64 << 10;
/// How many commands may be on their way without an answer. The server keeps the answers in memory until they are read.
const UNANSWERED_MAX: usize = 4096;

/// A connection that can take commands.
pub(crate) struct Session {
    stream: TcpStream,
    replies: Replies,
    out: Vec<u8>,
}

/// What the server could not take of a call.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The points that their key does not take.
    wrong_key: Vec<u32>,
    /// What it said about the first of them.
    wrong_key_message: String,
    /// What kept the server from taking others; nothing was sent after that.
    waits: Option<String>,
    /// Whether the connection is of no more use.
    pub(crate) leave: bool,
}

impl Session {
    /// Connects, logs in, and chooses the database.
    pub(crate) fn open(
        target: &SocketTarget,
        settings: &RedisSettings,
        deadline: Deadline,
    ) -> Result<Self, WriteError> {
        let stream = TcpStream::connect(target, deadline)?;
        let mut session = Self { stream, replies: Replies::default(), out: Vec::new() };
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(settings.username.as_deref().map(str::as_bytes));
        if let Some(password) = &settings.password {
            words.push(password.as_bytes());
            session.order("AUTH", &words)?;
        }
        if settings.database > 0 {
            session.order("SELECT", &[b"SELECT", settings.database.to_string().as_bytes()])?;
        }
        Ok(session)
    }

    /// The same for another call, unless the server has closed it.
    pub(crate) fn go_on(mut self, deadline: Deadline) -> Option<Self> {
        self.stream.set_deadline(deadline);
        self.stream.is_open().then_some(self)
    }

    /// One command, whose words may be secret.
    fn order(&mut self, name: &str, words: &[&[u8]]) -> Result<(), WriteError> {
        self.out.clear();
        push_command(&mut self.out, words);
        self.stream.write_all(&self.out)?;
        match self.reply()? {
            Reply::Done => Ok(()),
            Reply::Error(error) => Err(WriteError::retry(format!("{name}: {}", message(&error)), None)),
        }
    }

    /// Writes the points that are left. An error is one of the connection, which is then of no more use.
    pub(crate) fn write(&mut self, commands: &mut Commands, progress: &mut Progress) -> Result<Failures, WriteError> {
        // A call has fewer points than fit into 32 bits: it would be 100 GB.
        let mut places: Vec<u32> = progress.left().map(|(place, _)| place as u32).collect();
        commands.arrange(progress.points(), &mut places);
        let mut failed = Failures::default();
        let (mut unsent, mut unanswered) = (&places[..], &places[..]);
        // How many points each command writes that has no answer yet.
        let mut waiting = VecDeque::with_capacity(UNANSWERED_MAX);
        loop {
            if failed.waits.is_none() {
                self.out.clear();
                while !unsent.is_empty() && waiting.len() < UNANSWERED_MAX && self.out.len() < CHUNK {
                    let count = commands.push(progress.points(), unsent, &mut self.out);
                    waiting.push_back(count);
                    unsent = &unsent[count..];
                }
                self.stream.write_all(&self.out)?;
            }
            let is_last = unsent.is_empty() || failed.waits.is_some();
            let may_wait = if is_last { 0 } else { UNANSWERED_MAX / 2 };
            while waiting.len() > may_wait
                && let Some(count) = waiting.pop_front()
            {
                let (written, rest) = unanswered.split_at(count);
                unanswered = rest;
                match self.reply()? {
                    Reply::Done => written.iter().for_each(|place| progress.take(*place as usize)),
                    Reply::Error(error) => failed.note(written, &error),
                }
            }
            if is_last {
                return Ok(failed);
            }
        }
    }

    /// Cuts the lists that were written to. What cannot be cut is longer than it should be, and no point is the worse
    /// for it.
    pub(crate) fn trim(&mut self, commands: &Commands, points: &[Point]) -> Result<(), WriteError> {
        let (bytes, count) = commands.trims(points);
        self.stream.write_all(&bytes)?;
        for _ in 0..count {
            if let Reply::Error(error) = self.reply()? {
                host::log(host::Level::Warn, &format!("LTRIM: {}", message(&error)));
            }
        }
        Ok(())
    }

    fn reply(&mut self) -> Result<Reply, WriteError> {
        loop {
            match self.replies.next() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => self.stream.receive_into(self.replies.buffer())?,
                Err(what) => return Err(NetError::Unavailable(what).into()),
            }
        }
    }
}

impl Failures {
    fn note(&mut self, places: &[u32], error: &str) {
        match meaning(error) {
            Meaning::WrongKey => {
                if self.wrong_key.is_empty() {
                    error.clone_into(&mut self.wrong_key_message);
                }
                self.wrong_key.extend(places);
            }
            meaning => {
                self.leave |= matches!(meaning, Meaning::Leave(_));
                self.waits.get_or_insert_with(|| message(error));
            }
        }
    }

    /// What the call comes to.
    ///
    /// Where all series share a key, the points wait until the operator has made room for it. Where each has its own, a
    /// wrong one must not keep the others waiting.
    pub(crate) fn verdict(self, commands: &Commands, points: &[Point]) -> Result<(), WriteError> {
        if let Some(message) = self.waits {
            return Err(WriteError::retry(message, None));
        }
        let Some(&first) = self.wrong_key.first() else { return Ok(()) };
        let key = String::from_utf8_lossy(commands.key(points[first as usize].series)).into_owned();
        let message = format!("key {key}: {}", self.wrong_key_message);
        if commands.has_one_key() {
            return Err(WriteError::retry(format!("{message} (delete it, or choose another key)"), None));
        }
        Err(WriteError::Reject(Reject { points: self.wrong_key, message }))
    }
}
