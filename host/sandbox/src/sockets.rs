//! The check of every address that a guest's own sockets touch.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use wasmtime_wasi::sockets::SocketAddrUse;

use crate::ctx::Denials;
use crate::grants::{Grants, Permission};

type Answer = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;

/// Lets connections and datagrams to granted addresses pass, and nothing listen. A refusal is noted for the call's
/// error.
pub(crate) fn check(grants: Arc<Grants>, denials: Denials) -> impl Fn(SocketAddr, SocketAddrUse) -> Answer {
    move |address, what| match what {
        SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
            if grants.allows_connect(None, address) {
                return ready(true);
            }
            // A datagram counts as sent while its check still waits, so that only a refusal at once reaches the guest.
            if grants.connect.iter().all(|granted| granted.plain_name().is_none()) {
                denials.note(Permission::Connect(address.to_string()));
                return ready(false);
            }
            let denials = denials.clone();
            let names = by_name(grants.clone(), address);
            Box::pin(async move {
                let allowed = names.await;
                if !allowed {
                    denials.note(Permission::Connect(address.to_string()));
                }
                allowed
            })
        }
        // What the system does on its own before a connection or a datagram: the wildcard, and no port.
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => ready(address.ip().is_unspecified() && address.port() == 0),
        // Whom datagrams may go to may also answer. No grant is suggested for one that comes unasked.
        SocketAddrUse::UdpReceive if grants.allows_connect(None, address) => ready(true),
        SocketAddrUse::UdpReceive => by_name(grants.clone(), address),
        // No grant allows it, so there is none to suggest.
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => ready(false),
    }
}

fn ready(allowed: bool) -> Answer {
    Box::pin(std::future::ready(allowed))
}

fn by_name(grants: Arc<Grants>, address: SocketAddr) -> Answer {
    let names = tokio::spawn(async move { is_granted_by_name(&grants, address).await });
    Box::pin(async move { names.await.unwrap_or(false) })
}

/// Sockets see addresses only, so a grant by name is looked up to see whether it leads there.
async fn is_granted_by_name(grants: &Grants, address: SocketAddr) -> bool {
    for (name, port) in grants.connect.iter().filter_map(|granted| granted.plain_name()) {
        if port.is_some_and(|port| port != address.port()) {
            continue;
        }
        let Ok(mut found) = tokio::net::lookup_host((name, address.port())).await else { continue };
        if found.any(|found| found == address) && grants.allows_connect(Some(name), address) {
            return true;
        }
    }
    false
}
