//! Sockets of the standard library, for tests outside the sandbox. What is denied here, the system denies.

use core::net::{IpAddr, SocketAddr};
use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;

use super::{Deadline, Failure};

/// How much is read at once, in bytes.
const READ_MAX: usize = 64 << 10;

pub(super) struct Stream(std::net::TcpStream);

impl Stream {
    pub(super) fn connect(address: SocketAddr, deadline: Deadline) -> Result<Self, Failure> {
        Ok(Self(std::net::TcpStream::connect_timeout(&address, deadline.left()?)?))
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), Failure> {
        while !bytes.is_empty() {
            self.0.set_write_timeout(Some(deadline.left()?))?;
            let written = self.0.write(bytes)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Waits until something has come, and appends it.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Failure> {
        self.0.set_read_timeout(Some(deadline.left()?))?;
        self.read(into)
    }

    /// Appends what is there already; an error if the other side has closed.
    pub(super) fn receive_now(&mut self, into: &mut Vec<u8>) -> Result<(), Failure> {
        self.0.set_nonblocking(true)?;
        let read = self.read(into);
        self.0.set_nonblocking(false)?;
        match read {
            Err(Failure::Late) => Ok(()),
            read => read,
        }
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Result<(), Failure> {
        let before = into.len();
        into.resize(before + READ_MAX, 0);
        let read = self.0.read(&mut into[before..]);
        into.truncate(before + *read.as_ref().unwrap_or(&0));
        if read? == 0 { Err(Failure::Other("the connection was closed".into())) } else { Ok(()) }
    }
}

pub(super) struct Socket(std::net::UdpSocket);

impl Socket {
    pub(super) fn connect(address: SocketAddr, _: Deadline) -> Result<Self, Failure> {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(address)?;
        Ok(Self(socket))
    }

    pub(super) fn send(&mut self, datagram: &[u8], deadline: Deadline) -> Result<(), Failure> {
        self.0.set_write_timeout(Some(deadline.left()?))?;
        self.0.send(datagram)?;
        Ok(())
    }
}

pub(super) fn resolve(host: &str, _: Deadline) -> Result<Vec<IpAddr>, Failure> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip().to_canonical()).collect())
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Late,
            // As WASI says both.
            ErrorKind::PermissionDenied => Self::Denied,
            ErrorKind::ConnectionRefused => Self::Other("connection refused".into()),
            _ => Self::Other(error.to_string()),
        }
    }
}
