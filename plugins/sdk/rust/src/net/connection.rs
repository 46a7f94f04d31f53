//! A TCP connection that outlives calls, and that is opened again after it broke.

use super::{Deadline, NetError, SocketTarget, TcpStream};

/// A place for one connection. It connects when it is first needed.
pub struct Connection {
    target: SocketTarget,
    stream: Option<TcpStream>,
}

impl Connection {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(target: SocketTarget) -> Self {
        Self { target, stream: None }
    }

    /// Where it leads.
    #[must_use]
    pub fn target(&self) -> &SocketTarget {
        &self.target
    }

    /// Has one exchange over the connection, opened anew if there is none or if the other side has closed it.
    ///
    /// After an error the connection is gone: `talk` must say everything again in the next call, because nobody knows
    /// how much of it has arrived. So what is sent has to bear being sent twice.
    ///
    /// # Errors
    /// [`NetError`] of the connection or of `talk`.
    pub fn with<T, E: From<NetError>>(
        &mut self,
        deadline: Deadline,
        talk: impl FnOnce(&mut TcpStream) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut stream = match self.stream.take_if(|kept| kept.is_open()) {
            Some(kept) => kept,
            None => TcpStream::connect(&self.target, deadline)?,
        };
        stream.set_deadline(deadline);
        let said = talk(&mut stream)?;
        self.stream = Some(stream);
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::net::{Protocol, TIMEOUT_MS};

    fn to(listener: &TcpListener) -> Connection {
        let address = listener.local_addr().unwrap().to_string();
        Connection::new(SocketTarget::parse("a", &address, Protocol::Tcp).unwrap())
    }

    fn soon() -> Deadline {
        Deadline::after_ms(TIMEOUT_MS)
    }

    #[test]
    fn calls_share_a_connection_until_the_other_side_closes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = to(&listener);
        let mut say = |word: &[u8]| connection.with(soon(), |stream| stream.write_all(word));
        say(b"ab").unwrap();
        let (mut first, _) = listener.accept().unwrap();
        say(b"cd").unwrap();
        let mut got = [0; 4];
        first.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"abcd");
        drop(first);
        say(b"ef").unwrap();
        let (mut second, _) = listener.accept().unwrap();
        let mut got = [0; 2];
        second.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ef", "nothing was lost in the closed one");
    }

    #[test]
    fn after_an_error_the_next_call_starts_on_a_new_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = to(&listener);
        let lost: Result<(), _> = connection.with(soon(), |stream| {
            stream.write_all(b"half")?;
            Err(NetError::Unavailable("lost".into()))
        });
        assert_eq!(lost, Err(NetError::Unavailable("lost".into())));
        let (mut first, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        first.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"half", "and it was closed");
        let answerer = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"yes\n").unwrap());
        let answer = connection.with(soon(), |stream| stream.read_until(b'\n', 10)).unwrap();
        assert_eq!(answer, b"yes\n");
        answerer.join().unwrap();
    }
}
