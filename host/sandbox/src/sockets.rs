//! The check of every name and address that a guest's own sockets touch.
//!
//! A look-up carries data out by itself, so only granted names are looked up. WASI's sockets see addresses, not names;
//! which names have led to an address in this instance is remembered here, and an address that none has led to needs a
//! grant of its own.

mod names;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::{tcp, tcp_create_socket, udp, udp_create_socket};
use wasmtime_wasi::p2::{SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView};

use crate::ctx::{Ctx, Denials};
use crate::grants::{Grants, Permission};

/// Addresses that names have led to and that are remembered; the oldest go first.
const LED_MAX: usize = 256;

/// Whether it may.
pub(crate) type AllowFuture = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;

/// Where names have led.
#[derive(Clone, Default)]
pub(crate) struct DnsRecords(Arc<Mutex<VecDeque<DnsRecord>>>);

/// An address, and a name that led to it.
type DnsRecord = (IpAddr, Arc<str>);

impl DnsRecords {
    fn remember(&self, name: &Arc<str>, ip: IpAddr) {
        let mut led = self.0.lock();
        if led.iter().any(|(known, by)| *known == ip && by == name) {
            return;
        }
        if led.len() == LED_MAX {
            led.pop_front();
        }
        led.push_back((ip, name.clone()));
    }

    fn names(&self, ip: IpAddr) -> Vec<Arc<str>> {
        self.0.lock().iter().filter(|(known, _)| *known == ip).map(|(_, name)| name.clone()).collect()
    }
}

/// Lets connections and datagrams to granted addresses pass, and nothing listen. A rejection is noted for the call's
/// error.
pub(crate) fn check(
    grants: Arc<Grants>,
    denials: Denials,
    led: DnsRecords,
) -> impl Fn(SocketAddr, SocketAddrUse) -> AllowFuture {
    move |address, what| {
        let allowed = match what {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
                let checked = check_address(&grants, &led, address);
                checked.map_err(|missing| denials.note(missing)).is_ok()
            }
            // What the system does on its own before a connection or a datagram: the wildcard, and no port.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
            SocketAddrUse::UdpReceive => check_address(&grants, &led, address).is_ok(),
            // No grant allows it, so there is none to suggest.
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        };
        Box::pin(std::future::ready(allowed))
    }
}

fn check_address(grants: &Grants, led: &DnsRecords, address: SocketAddr) -> Result<(), Permission> {
    let mut missing = grants.check_connect(None, address);
    for name in led.names(address.ip().to_canonical()) {
        if missing.is_ok() {
            break;
        }
        missing = grants.check_connect(Some(&name), address);
    }
    missing
}

/// Puts these checks in the place of WASI's own functions.
pub(crate) fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    names::add_to_linker(linker)?;
    tcp_create_socket::add_to_linker::<_, HasSelf<_>>(linker, |ctx| ctx)?;
    udp_create_socket::add_to_linker::<_, HasSelf<_>>(linker, |ctx| ctx)?;
    // Of these two interfaces only what happens when a guest lets go of a socket is ours.
    let tcp_socket = ResourceType::host::<TcpSocket>();
    linker.instance(TCP)?.resource("tcp-socket", tcp_socket, |mut store, rep| {
        let ctx = store.data_mut();
        ctx.names.sockets = ctx.names.sockets.saturating_sub(1);
        tcp::HostTcpSocket::drop(&mut ctx.sockets(), Resource::new_own(rep))
    })?;
    let udp_socket = ResourceType::host::<UdpSocket>();
    linker.instance(UDP)?.resource("udp-socket", udp_socket, |mut store, rep| {
        let ctx = store.data_mut();
        ctx.names.sockets = ctx.names.sockets.saturating_sub(1);
        udp::HostUdpSocket::drop(&mut ctx.sockets(), Resource::new_own(rep))
    })
}

const TCP: &str = "wasi:sockets/tcp@0.2.12";
const UDP: &str = "wasi:sockets/udp@0.2.12";

/// Where a guest's look-ups have led, and how many sockets it holds.
#[derive(Default)]
pub(crate) struct SocketNames {
    pub(crate) led: DnsRecords,
    sockets: usize,
}

impl Ctx {
    fn one_more_socket(&mut self) -> SocketResult<()> {
        if self.names.sockets >= self.limits.max_connections {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        self.names.sockets += 1;
        Ok(())
    }

    fn no_more_socket<T>(&mut self, made: SocketResult<T>) -> SocketResult<T> {
        if made.is_err() {
            self.names.sockets -= 1;
        }
        made
    }
}

impl network::Host for Ctx {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.sockets().convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.sockets().network_error_code(error)
    }
}

impl network::HostNetwork for Ctx {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets(), network)
    }
}

impl tcp_create_socket::Host for Ctx {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.one_more_socket()?;
        let made = self.sockets().create_tcp_socket(family);
        self.no_more_socket(made)
    }
}

impl udp_create_socket::Host for Ctx {
    async fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.one_more_socket()?;
        let made = self.sockets().create_udp_socket(family).await;
        self.no_more_socket(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_have_led_to_is_remembered_within_a_bound() {
        let (led, name): (DnsRecords, Arc<str>) = (DnsRecords::default(), "db.example".into());
        let ip = |n: usize| IpAddr::from([10, 0, (n >> 8) as u8, n as u8]);
        for n in 0..LED_MAX {
            led.remember(&name, ip(n));
            led.remember(&name, ip(n));
        }
        assert_eq!(led.names(ip(0)), std::slice::from_ref(&name));
        led.remember(&name, ip(LED_MAX));
        assert!(led.names(ip(0)).is_empty() && !led.names(ip(1)).is_empty());
    }

    #[test]
    fn an_address_is_reached_by_the_name_that_led_to_it_and_by_no_other() {
        let grants = Grants { connect: vec!["db.example:80".parse().unwrap()], ..Grants::default() };
        let (led, address) = (DnsRecords::default(), "198.51.100.7:80".parse().unwrap());
        assert_eq!(check_address(&grants, &led, address), Err(Permission::Connect("198.51.100.7:80".into())));
        led.remember(&"other.example".into(), address.ip());
        assert_eq!(check_address(&grants, &led, address), Err(Permission::Connect("other.example:80".into())));
        led.remember(&"db.example".into(), address.ip());
        assert_eq!(check_address(&grants, &led, address), Ok(()));
    }
}
