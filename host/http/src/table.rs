//! How many there are at the same time, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::HttpLimits;
use crate::network::peer_of;
use crate::stats::Turned;

/// Connections, or requests that proxies pass on, by where they come from.
#[derive(Debug, Default)]
pub struct ConnectionTable(Mutex<ConnectionTableInner>);

#[derive(Debug, Default)]
struct ConnectionTableInner {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A place in the table, given back when it is dropped.
#[derive(Debug)]
pub struct ConnectionSeat {
    table: Arc<ConnectionTable>,
    peer: Option<IpAddr>,
}

impl ConnectionTable {
    /// A seat for an address, if there is one. Those of proxies count only in all.
    ///
    /// # Errors
    /// [`Turned::Full`] or [`Turned::Address`].
    pub fn seat(self: &Arc<Self>, from: IpAddr, is_proxy: bool, limits: &HttpLimits) -> Result<ConnectionSeat, Turned> {
        let peer = peer_of(from);
        let most =
            if peer.is_loopback() { limits.max_loopback_connections } else { limits.max_connections_per_address };
        let mut inner = self.0.lock();
        if inner.all >= limits.max_connections {
            return Err(Turned::Full);
        }
        if !is_proxy {
            if inner.by_peer.get(&peer).is_some_and(|&seats| seats >= most) {
                return Err(Turned::Address);
            }
            *inner.by_peer.entry(peer).or_default() += 1;
        }
        inner.all += 1;
        Ok(ConnectionSeat { table: self.clone(), peer: (!is_proxy).then_some(peer) })
    }
}

impl Drop for ConnectionSeat {
    fn drop(&mut self) {
        let mut inner = self.table.0.lock();
        inner.all -= 1;
        if let Some(peer) = self.peer
            && let Some(seats) = inner.by_peer.get_mut(&peer)
        {
            *seats -= 1;
            if *seats == 0 {
                inner.by_peer.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_and_all_together_have_theirs() {
        let limits = HttpLimits {
            max_connections: 5,
            max_connections_per_address: 2,
            max_loopback_connections: 3,
            ..HttpLimits::default()
        };
        let table = Arc::new(ConnectionTable::default());
        let seat = |address: &str, proxy| table.seat(address.parse().unwrap(), proxy, &limits);
        let one = [seat("10.0.0.1", false), seat("::ffff:10.0.0.1", false)];
        assert!(one.iter().all(Result::is_ok));
        assert_eq!(seat("10.0.0.1", false).unwrap_err(), Turned::Address);
        let local = [seat("127.0.0.1", false), seat("127.0.0.1", false), seat("127.0.0.1", false)];
        assert!(local.iter().all(Result::is_ok), "more from this machine");
        assert_eq!(seat("10.0.0.2", true).unwrap_err(), Turned::Full);
        drop(one);
        assert!(seat("10.0.0.1", false).is_ok(), "a seat that was left is free");
        let proxied = [seat("10.0.0.2", true), seat("10.0.0.2", true)];
        assert!(proxied.iter().all(Result::is_ok));
        drop((local, proxied));
        let inner = table.0.lock();
        assert_eq!((inner.all, inner.by_peer.len()), (0, 0), "nobody is remembered who has gone");
    }
}
