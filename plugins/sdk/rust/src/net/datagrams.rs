//! Datagrams: a socket to one destination, and lines packed into as few of them as hold them.

use super::{Deadline, NetError, SocketTarget, raw};
use crate::bindings::types::OpenError;

/// How many bytes of a datagram travel in one piece over Ethernet, whatever headers stand before them.
pub const DATAGRAM_BYTES: u32 = 1432;
/// What IPv4 can carry at most.
const DATAGRAM_BYTES_MAX: u32 = 65_507;

/// Sends datagrams to one destination. It is looked up when it is first needed, and again after an error.
pub struct UdpSocket {
    target: SocketTarget,
    raw: Option<raw::Socket>,
}

impl UdpSocket {
    /// Looks nothing up yet.
    #[must_use]
    pub fn new(target: SocketTarget) -> Self {
        Self { target, raw: None }
    }

    /// Sends a datagram: then this machine's kernel has it, and nobody knows more.
    ///
    /// # Errors
    /// [`NetError`]: not granted, the name is not known, it is too long, or the destination's machine has answered an
    /// earlier one that nobody listens there.
    pub fn send(&mut self, datagram: &[u8], deadline: Deadline) -> Result<(), NetError> {
        let mut raw = match self.raw.take() {
            Some(raw) => raw,
            None => self.target.reach(deadline, raw::Socket::connect)?,
        };
        raw.send(datagram, deadline).map_err(|failure| self.target.failed(failure))?;
        self.raw = Some(raw);
        Ok(())
    }
}

/// Checks a setting that says how many bytes a datagram may have.
///
/// # Errors
/// [`OpenError::Settings`], naming the setting.
pub fn datagram_size(setting: &str, bytes: u32) -> Result<usize, OpenError> {
    if !(1..=DATAGRAM_BYTES_MAX).contains(&bytes) {
        return Err(OpenError::Settings(format!("{setting}: must be 1 to {DATAGRAM_BYTES_MAX}, found {bytes}")));
    }
    Ok(bytes as usize)
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

    fn sender(address: &str) -> UdpSocket {
        UdpSocket::new(SocketTarget::parse("a", address, Protocol::Udp).unwrap())
    }

    fn soon() -> Deadline {
        Deadline::after_ms(TIMEOUT_MS)
    }

    #[test]
    fn datagrams_arrive_each_as_it_is() {
        let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut sender = sender(&socket.local_addr().unwrap().to_string());
        sender.send(b"one", soon()).unwrap();
        sender.send(b"two", soon()).unwrap();
        let mut got = [0; 9];
        for word in [b"one", b"two"] {
            let length = socket.recv(&mut got).unwrap();
            assert_eq!(&got[..length], word);
        }
    }

    #[test]
    fn an_address_that_is_rejected_is_denied() {
        // A socket has to be allowed to broadcast, and nobody has allowed it.
        let error = sender("255.255.255.255:9").send(b"x", soon());
        assert_eq!(error, Err(NetError::Denied("255.255.255.255:9".into())));
    }

    #[test]
    fn a_datagram_that_is_too_long_is_not_sent() {
        let error = sender("127.0.0.1:9").send(&[b'x'; 70_000], soon()).unwrap_err();
        assert!(matches!(error, NetError::Unavailable(text) if text.starts_with("127.0.0.1:9: ")));
        assert_eq!(datagram_size("size", 65_507), Ok(65_507));
        for bytes in [0, 65_508] {
            let Err(OpenError::Settings(message)) = datagram_size("size", bytes) else { panic!("{bytes}") };
            assert_eq!(message, format!("size: must be 1 to 65507, found {bytes}"));
        }
    }
}
