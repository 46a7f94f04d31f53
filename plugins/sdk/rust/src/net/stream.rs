//! A TCP connection: whole writes, and reads of a known length or up to a byte.

use super::{Deadline, Failure, NetError, SocketTarget, raw};

/// A connection. Its reads and writes wait until they are done, or until the deadline of the call.
///
/// After an error nobody knows how much has travelled: drop it, and send everything again on a new one.
pub struct TcpStream {
    raw: raw::Stream,
    target: SocketTarget,
    deadline: Deadline,
    /// Bytes that have arrived and that nobody has asked for yet: never more than one read beyond what was.
    received: Vec<u8>,
}

impl TcpStream {
    /// Connects: to the first of the host's addresses that lets it.
    ///
    /// # Errors
    /// [`NetError`]: not granted, or away.
    pub fn connect(target: &SocketTarget, deadline: Deadline) -> Result<Self, NetError> {
        let raw = target.reach(deadline, raw::Stream::connect)?;
        Ok(Self { raw, target: target.clone(), deadline, received: Vec::new() })
    }

    /// When the next reads and writes are to end.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    /// Sends all of `bytes`: then this machine's kernel has them. What the other side has, only its answer tells.
    ///
    /// # Errors
    /// [`NetError::Unavailable`]; how much was sent is not known.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        self.raw.write_all(bytes, self.deadline).map_err(|failure| self.target.failed(failure))
    }

    /// Reads up to and including `end`, but no more than `most` bytes.
    ///
    /// # Errors
    /// [`NetError::Unavailable`] if the connection ends before, if nothing comes, or if it is longer than that.
    pub fn read_until(&mut self, end: u8, most: usize) -> Result<Vec<u8>, NetError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.received[searched..].iter().position(|&byte| byte == end) {
                return Ok(self.take(searched + at + 1));
            }
            searched = self.received.len();
            if searched >= most {
                return Err(self.target.failed(Failure::Other(format!("an answer longer than {most} bytes"))));
            }
            self.receive()?;
        }
    }

    /// Reads this many bytes. The caller bounds a length that the other side has named.
    ///
    /// # Errors
    /// [`NetError::Unavailable`] if the connection ends before, or if nothing comes.
    pub fn read_exact(&mut self, length: usize) -> Result<Vec<u8>, NetError> {
        while self.received.len() < length {
            self.receive()?;
        }
        Ok(self.take(length))
    }

    /// Appends what has arrived to `into`, and waits until something has: for protocols whose many small answers are cut
    /// out there.
    ///
    /// # Errors
    /// [`NetError::Unavailable`] if the connection has ended, or if nothing comes.
    pub fn receive_into(&mut self, into: &mut Vec<u8>) -> Result<(), NetError> {
        if self.received.is_empty() {
            return receive(&mut self.raw, into, self.deadline).map_err(|failure| self.target.failed(failure));
        }
        into.append(&mut self.received);
        Ok(())
    }

    /// Takes what has arrived, without waiting for more: for protocols that speak only when something is wrong.
    pub fn take_received(&mut self) -> Vec<u8> {
        if self.received.is_empty() {
            // An end of the connection shows at the next use.
            let _ = self.raw.receive_now(&mut self.received);
        }
        std::mem::take(&mut self.received)
    }

    /// Whether the other side has not closed the connection, as far as this machine has heard.
    pub fn is_open(&mut self) -> bool {
        !self.received.is_empty() || self.raw.receive_now(&mut self.received).is_ok()
    }

    fn receive(&mut self) -> Result<(), NetError> {
        receive(&mut self.raw, &mut self.received, self.deadline).map_err(|failure| self.target.failed(failure))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.received.split_off(length);
        std::mem::replace(&mut self.received, rest)
    }
}

/// The clock is looked at also where there is always something to read: a server that chatters without an end is waited
/// for no longer than a silent one.
fn receive(raw: &mut raw::Stream, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Failure> {
    deadline.left()?;
    raw.receive(into, deadline)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    use super::*;
    use crate::net::{Protocol, TIMEOUT_MS};

    fn target(listener: &TcpListener) -> SocketTarget {
        SocketTarget::parse("a", &listener.local_addr().unwrap().to_string(), Protocol::Tcp).unwrap()
    }

    fn connect(listener: &TcpListener) -> TcpStream {
        TcpStream::connect(&target(listener), Deadline::after_ms(TIMEOUT_MS)).unwrap()
    }

    fn listen() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    fn unavailable<T>(result: Result<T, NetError>) -> String {
        match result {
            Err(NetError::Unavailable(message)) => message,
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("no error"),
        }
    }

    #[test]
    fn what_is_written_arrives_whole_and_answers_are_cut_where_they_end() {
        let listener = listen();
        let mut stream = connect(&listener);
        let (mut other, _) = listener.accept().unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let reader = thread::spawn(move || {
            let mut got = vec![0; expected.len()];
            other.read_exact(&mut got).unwrap();
            assert!(got == expected);
            other.write_all(b"one\ntwo\n12345").unwrap();
            other
        });
        stream.write_all(&sent).unwrap();
        let mut other = reader.join().unwrap();
        assert_eq!(stream.read_until(b'\n', 100).unwrap(), b"one\n");
        assert_eq!(stream.read_until(b'\n', 100).unwrap(), b"two\n");
        assert_eq!(stream.read_exact(5).unwrap(), b"12345");
        other.write_all(b"rest\nmore").unwrap();
        assert_eq!(stream.read_until(b'\n', 100).unwrap(), b"rest\n");
        let mut more = b"and ".to_vec();
        while more.len() < 8 {
            stream.receive_into(&mut more).unwrap();
        }
        assert_eq!(more, b"and more");
        assert!(stream.is_open() && stream.take_received().is_empty());
    }

    #[test]
    fn an_answer_without_end_is_cut_off() {
        let listener = listen();
        let mut stream = connect(&listener);
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(&[b'x'; 1000]).unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        let message = unavailable(stream.read_until(b'\n', 500));
        assert_eq!(message, format!("{}: an answer longer than 500 bytes", stream.target.address()));
    }

    #[test]
    fn a_close_by_the_other_side_is_seen_before_anything_is_written() {
        let listener = listen();
        let mut stream = connect(&listener);
        let (mut other, _) = listener.accept().unwrap();
        assert!(stream.is_open());
        other.write_all(b"bye\n").unwrap();
        drop(other);
        assert_eq!(stream.read_until(b'\n', 100).unwrap(), b"bye\n");
        let message = unavailable(stream.read_exact(1));
        assert_eq!(message, format!("{}: the connection was closed", stream.target.address()));
        assert!(!stream.is_open());
    }

    #[test]
    fn a_silent_server_is_waited_for_no_longer_than_the_deadline() {
        let listener = listen();
        let mut stream = connect(&listener);
        stream.set_deadline(Deadline::after_ms(20));
        let message = unavailable(stream.read_exact(1));
        assert_eq!(message, format!("{}: no answer in time", stream.target.address()));
        // Nobody reads what is written: once the kernel's buffers are full, the write waits, and not for ever.
        stream.set_deadline(Deadline::after_ms(200));
        let message = unavailable(stream.write_all(&vec![0; 64 << 20]));
        assert!(message.ends_with("no answer in time"), "{message}");
    }

    #[test]
    fn a_server_that_chatters_without_an_end_is_left_at_the_deadline() {
        let listener = listen();
        let mut stream = connect(&listener);
        let (mut other, _) = listener.accept().unwrap();
        let chatter = thread::spawn(move || while other.write_all(&[b'x'; 4096]).is_ok() {});
        stream.set_deadline(Deadline::after_ms(50));
        let mut pieces = Vec::new();
        let message = loop {
            pieces.clear();
            if let Err(error) = stream.receive_into(&mut pieces) {
                break unavailable::<()>(Err(error));
            }
        };
        assert!(message.ends_with("no answer in time"), "{message}");
        drop(stream);
        chatter.join().unwrap();
    }

    #[test]
    fn nobody_who_listens_is_away() {
        let listener = listen();
        let target = target(&listener);
        drop(listener);
        let message = unavailable(TcpStream::connect(&target, Deadline::after_ms(TIMEOUT_MS)));
        assert_eq!(message, format!("{}: connection refused", target.address()));
    }
}
