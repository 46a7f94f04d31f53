//! Sockets inside the sandbox: WASI 0.2's. The agent checks every address, and answers "access denied" to what is not
//! granted; a name can be looked up only if some name is granted.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::{self, Pollable};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, OutgoingDatagramStream, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

use super::{Deadline, Failure};

/// How much is read at once, in bytes.
const READ_MAX: u64 = 64 << 10;

/// A connection. The streams belong to the socket and have to go before it: fields are dropped in their order.
pub(super) struct Stream {
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
}

impl Stream {
    pub(super) fn connect(address: SocketAddr, deadline: Deadline) -> Result<Self, Failure> {
        let socket = create_tcp_socket(family(address))?;
        socket.start_connect(&instance_network(), to_wasi(address))?;
        let ready = socket.subscribe();
        loop {
            match socket.finish_connect() {
                Err(ErrorCode::WouldBlock) => wait(&ready, deadline)?,
                Err(code) => return Err(code.into()),
                Ok((input, output)) => return Ok(Self { input, output, _socket: socket }),
            }
        }
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), Failure> {
        let ready = self.output.subscribe();
        while !bytes.is_empty() {
            let room = self.room(&ready, deadline)?;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.output.write(now)?;
            bytes = later;
        }
        self.output.flush()?;
        // There is room again when the kernel has everything.
        self.room(&ready, deadline).map(drop)
    }

    fn room(&self, ready: &Pollable, deadline: Deadline) -> Result<usize, Failure> {
        loop {
            let room = self.output.check_write()?;
            if room > 0 {
                return Ok(usize::try_from(room).unwrap_or(usize::MAX));
            }
            wait(ready, deadline)?;
        }
    }

    /// Waits until something has come, and appends it.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Failure> {
        let before = into.len();
        let ready = self.input.subscribe();
        loop {
            self.receive_now(into)?;
            if into.len() > before {
                return Ok(());
            }
            wait(&ready, deadline)?;
        }
    }

    /// Appends what is there already; an error if the other side has closed.
    pub(super) fn receive_now(&mut self, into: &mut Vec<u8>) -> Result<(), Failure> {
        into.extend_from_slice(&self.input.read(READ_MAX)?);
        Ok(())
    }
}

/// A socket to one destination; the stream goes before the socket, as above.
pub(super) struct Socket {
    outgoing: OutgoingDatagramStream,
    _socket: UdpSocket,
}

impl Socket {
    pub(super) fn connect(address: SocketAddr, deadline: Deadline) -> Result<Self, Failure> {
        let socket = create_udp_socket(family(address))?;
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        socket.start_bind(&instance_network(), to_wasi(any))?;
        let ready = socket.subscribe();
        loop {
            match socket.finish_bind() {
                Err(ErrorCode::WouldBlock) => wait(&ready, deadline)?,
                bound => break bound?,
            }
        }
        drop(ready);
        // Connected, so that the grant is checked here and a rejection does not get lost with the datagram.
        let (incoming, outgoing) = socket.stream(Some(to_wasi(address)))?;
        drop(incoming);
        Ok(Self { outgoing, _socket: socket })
    }

    pub(super) fn send(&mut self, datagram: &[u8], deadline: Deadline) -> Result<(), Failure> {
        loop {
            if self.outgoing.check_send()? == 0 {
                wait(&self.outgoing.subscribe(), deadline)?;
                continue;
            }
            let datagram = OutgoingDatagram { data: datagram.to_vec(), remote_address: None };
            if self.outgoing.send(&[datagram])? == 1 {
                return Ok(());
            }
            deadline.left()?;
        }
    }
}

pub(super) fn resolve(host: &str, deadline: Deadline) -> Result<Vec<IpAddr>, Failure> {
    let found = resolve_addresses(&instance_network(), host)?;
    let ready = found.subscribe();
    let mut addresses = Vec::new();
    loop {
        match found.resolve_next_address() {
            Err(ErrorCode::WouldBlock) => wait(&ready, deadline)?,
            Err(code) => return Err(code.into()),
            Ok(Some(address)) => addresses.push(from_wasi(address)),
            Ok(None) => return Ok(addresses),
        }
    }
}

fn wait(ready: &Pollable, deadline: Deadline) -> Result<(), Failure> {
    if ready.ready() {
        return Ok(());
    }
    let left = u64::try_from(deadline.left()?.as_nanos()).unwrap_or(u64::MAX);
    let timer = monotonic_clock::subscribe_duration(left);
    if poll::poll(&[ready, &timer]).contains(&0) { Ok(()) } else { Err(Failure::Late) }
}

fn family(address: SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn to_wasi(address: SocketAddr) -> IpSocketAddress {
    let port = address.port();
    match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (a, b, c, d) })
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            let address = (a, b, c, d, e, f, g, h);
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info: 0, address, scope_id: 0 })
        }
    }
}

fn from_wasi(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        match code {
            // The agent answers so when no name is granted: a name that is not known is "name-unresolvable".
            ErrorCode::AccessDenied | ErrorCode::PermanentResolverFailure => Self::Denied,
            other => Self::Other(other.name().replace('-', " ")),
        }
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::Other("the connection was closed".into()),
            StreamError::LastOperationFailed(error) => Self::Other(error.to_debug_string()),
        }
    }
}
