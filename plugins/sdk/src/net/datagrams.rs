//! Datagrams: a socket to one destination, and lines packed into as few of them as hold them.

use super::{Deadline, NetError, Target, raw};

/// A socket that sends to one destination.
pub struct UdpSocket {
    raw: raw::Socket,
    target: Target,
}

impl UdpSocket {
    /// Makes a socket to the first of the host's addresses that can be had. Nothing is sent.
    ///
    /// # Errors
    /// [`NetError`]: not granted, or the name is not known.
    pub fn connect(target: &Target, deadline: Deadline) -> Result<Self, NetError> {
        let raw = target.reach(deadline, raw::Socket::connect)?;
        Ok(Self { raw, target: target.clone() })
    }

    /// Sends datagrams, each as it is: then this machine's kernel has them, and nobody knows more.
    ///
    /// # Errors
    /// [`NetError::Unavailable`] if one cannot be sent, or if the destination's machine has answered an earlier one
    /// that nobody listens there. Those before it may have arrived.
    pub fn send<'a>(
        &mut self,
        datagrams: impl IntoIterator<Item = &'a [u8]>,
        deadline: Deadline,
    ) -> Result<(), NetError> {
        for datagram in datagrams {
            self.raw.send(datagram, deadline).map_err(|failure| self.target.failed(failure))?;
        }
        Ok(())
    }
}

/// Cuts text at ends of lines into pieces of at most `most` bytes, for one datagram each. The last line's end is left
/// out; a line that is longer is a piece of its own.
pub fn datagrams(text: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = text.strip_suffix(b"\n").unwrap_or(text);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // The end of the line that would not fit may stand just behind what does.
        let end = match rest.len() {
            all if all <= most => all,
            _ => match rest[..=most].iter().rposition(|&byte| byte == b'\n') {
                Some(end) => end,
                None => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            },
        };
        let (piece, later) = rest.split_at(end);
        rest = later.strip_prefix(b"\n").unwrap_or(later);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::net;
    use std::time::Duration;

    use super::*;
    use crate::net::{Protocol, TIMEOUT_MS};

    fn pieces(text: &str, most: usize) -> Vec<String> {
        datagrams(text.as_bytes(), most).map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
    }

    #[test]
    fn lines_are_packed_and_never_cut() {
        assert_eq!(pieces("aa\nbb\ncc\n", 5), ["aa\nbb", "cc"]);
        assert_eq!(pieces("aa\nbb\ncc\n", 8), ["aa\nbb\ncc"]);
        assert_eq!(pieces("aa\nbb\ncc\n", 7), ["aa\nbb", "cc"]);
        assert_eq!(pieces("aa\nbb\ncc\n", 2), ["aa", "bb", "cc"]);
        assert_eq!(pieces("long line\nb\nc", 3), ["long line", "b\nc"]);
        assert_eq!(pieces("b\nlong line\nc\n", 3), ["b", "long line", "c"]);
        assert!(pieces("", 9).is_empty() && pieces("\n", 9).is_empty());
    }

    #[test]
    fn datagrams_arrive_each_as_it_is() {
        let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let target = Target::parse("a", &socket.local_addr().unwrap().to_string(), Protocol::Udp).unwrap();
        let deadline = Deadline::after_ms(TIMEOUT_MS);
        let mut sender = UdpSocket::connect(&target, deadline).unwrap();
        sender.send([&b"one"[..], b"two"], deadline).unwrap();
        let mut got = [0; 9];
        for word in [b"one", b"two"] {
            let length = socket.recv(&mut got).unwrap();
            assert_eq!(&got[..length], word);
        }
    }

    #[test]
    fn an_address_that_is_refused_is_denied() {
        // A socket has to be allowed to broadcast, and nobody has allowed it.
        let target = Target::parse("a", "255.255.255.255:9", Protocol::Udp).unwrap();
        let error = UdpSocket::connect(&target, Deadline::after_ms(TIMEOUT_MS)).err();
        assert_eq!(error, Some(NetError::Denied("255.255.255.255:9".into())));
    }

    #[test]
    fn a_datagram_that_is_too_long_is_not_sent() {
        let target = Target::parse("a", "127.0.0.1:9", Protocol::Udp).unwrap();
        let deadline = Deadline::after_ms(TIMEOUT_MS);
        let mut sender = UdpSocket::connect(&target, deadline).unwrap();
        let error = sender.send([&vec![b'x'; 70_000][..]], deadline).unwrap_err();
        assert!(matches!(error, NetError::Unavailable(text) if text.starts_with("127.0.0.1:9: ")));
    }
}
