//! A guest's own look-ups: granted names only, by the look-ups that all share, in place of WASI's.
//!
//! WASI's begins a thread for each, which works on when the guest has let go of its handle.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::sockets::WasiSocketsView;

use crate::ctx::Ctx;
use crate::grants::Permission;
use crate::lookups::{Lookup, LookupError};

const INTERFACE: &str = "wasi:sockets/ip-name-lookup@0.2.12";
/// The part of a call's remaining time that a guest has after a look-up has timed out: a tenth.
const TIME_TO_SAY_SO: u32 = 10;

/// The addresses of a name, one after the other.
pub(super) struct Addresses {
    /// The name that was asked for; none if it was an address.
    name: Option<Arc<str>>,
    lookup: Lookup,
    told: usize,
}

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        self.lookup.ready().await;
    }
}

/// Puts these look-ups in the place of WASI's.
pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    let stream = ResourceType::host::<Addresses>();
    interface.resource("resolve-address-stream", stream, |mut store, rep| {
        store.data_mut().sockets().table.delete(Resource::<Addresses>::new_own(rep))?;
        Ok(())
    })?;
    interface.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, Ctx>, (network, name): (Resource<Network>, String)| {
            Ok((store.data_mut().resolve(&network, &name)?,))
        },
    )?;
    interface.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: StoreContextMut<'_, Ctx>, (stream,): (Resource<Addresses>,)| {
            Ok((store.data_mut().next_address(&stream)?,))
        },
    )?;
    interface.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, Ctx>, (stream,): (Resource<Addresses>,)| {
            Ok((subscribe(store.data_mut().sockets().table, stream)?,)) as wasmtime::Result<(Resource<DynPollable>,)>
        },
    )
}

impl Ctx {
    fn resolve(
        &mut self,
        network: &Resource<Network>,
        name: &str,
    ) -> wasmtime::Result<Result<Resource<Addresses>, ErrorCode>> {
        self.sockets().table.get(network)?;
        let (name, lookup) = match address(name) {
            // What is no name is not looked up; the address is checked when it is used.
            Some(address) => (None, Lookup::Done(Ok([address].into()))),
            None if !self.grants.knows_name(name) => {
                self.denials.note(Permission::Connect(format!("{name}:*")));
                return Ok(Err(ErrorCode::AccessDenied));
            }
            None => {
                let left = self.time_left();
                // A guest that learns of a silent resolver in time can say so; one that is killed with its call cannot.
                (Some(name.into()), self.resolver.begin(name, left - left / TIME_TO_SAY_SO))
            }
        };
        if let Lookup::Done(Err(error)) = &lookup {
            return Ok(Err(code(error)));
        }
        Ok(Ok(self.sockets().table.push(Addresses { name, lookup, told: 0 })?))
    }

    fn next_address(&mut self, stream: &Resource<Addresses>) -> wasmtime::Result<Result<Option<IpAddress>, ErrorCode>> {
        let stream = self.sockets().table.get_mut(stream)?;
        let next = match stream.lookup.answer() {
            None => return Ok(Err(ErrorCode::WouldBlock)),
            Some(Err(error)) => return Ok(Err(code(&error))),
            Some(Ok(addresses)) => addresses.get(stream.told).copied(),
        };
        let Some(next) = next else { return Ok(Ok(None)) };
        stream.told += 1;
        if let Some(name) = stream.name.clone() {
            self.names.led.remember(&name, next);
        }
        Ok(Ok(Some(next.into())))
    }
}

/// The address that a guest has given in place of a name.
fn address(name: &str) -> Option<IpAddr> {
    let address = name.parse().ok().or_else(|| name.trim_matches(['[', ']']).parse::<Ipv6Addr>().ok().map(IpAddr::V6));
    address.map(|address| address.to_canonical())
}

fn code(error: &LookupError) -> ErrorCode {
    match error {
        LookupError::Failed(_) => ErrorCode::NameUnresolvable,
        LookupError::Timeout(_) | LookupError::Busy => ErrorCode::TemporaryResolverFailure,
        LookupError::TooLong => ErrorCode::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_an_address_is_one() {
        assert_eq!(address("192.0.2.7"), Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(address("::1"), address("[::1]"));
        assert_eq!(address("::ffff:192.0.2.7"), Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(address("db.example"), None);
    }
}
