// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tcp://`: wildcards, interface names, addresses and host names; source addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ferromq_os::connect::connect_tcp;
use ferromq_os::interface;
use ferromq_os::listener::{ListenTuning, Listener};
use ferromq_os::resolve::{self, Family};
use ferromq_vocabulary::{Code, Host, SocketOptions, TcpAddress};

use super::socks::{Destination, DestinationHost};
use super::{Attempt, Bound, code, device, stream_tuning};

/// A peer, and where to connect from.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    peer: Peer,
    source: Option<SocketAddr>,
    /// If the peer is a proxy: where it is to connect to.
    behind: Option<Destination>,
}

impl Remote {
    pub(super) fn behind_proxy(&self) -> Option<&Destination> {
        self.behind.as_ref()
    }
}

#[derive(Debug, Clone)]
enum Peer {
    Address(SocketAddr),
    Name(String, u16),
}

pub(super) fn bind(address: &TcpAddress, options: &SocketOptions) -> Result<Bound, Code> {
    if options.use_fd >= 0 {
        return bound(Listener::adopt(options.use_fd).map_err(|error| code(&error))?);
    }
    let place = local(&address.host, address.port.number(), options, true)?;
    let tuning = ListenTuning {
        backlog: options.backlog,
        sndbuf: options.sndbuf,
        rcvbuf: options.rcvbuf,
        tos: options.tos,
        priority: options.priority,
        bind_to_device: device(options).map(str::to_owned),
        v6only: false,
        busy_poll: options.busy_poll,
    };
    let any_v6 = address.host == Host::Any && place.is_ipv6();
    let listener = match Listener::bind_tcp(place, &tuning) {
        // A machine without IPv6 listens on what it has.
        Err(error) if any_v6 && is_family_missing(&error) => {
            let place = SocketAddr::from((Ipv4Addr::UNSPECIFIED, place.port()));
            Listener::bind_tcp(place, &tuning)
        }
        other => other,
    }
    .map_err(|error| code(&error))?;
    bound(listener)
}

fn bound(listener: Listener) -> Result<Bound, Code> {
    let local = listener.local_address().map_err(|error| code(&error))?;
    let endpoint = match local.socket_addr() {
        Some(bound) => format!("tcp://{bound}"),
        None => return Err(Code::Invalid),
    };
    Ok(Bound {
        listener,
        endpoint,
        cleanup: None,
    })
}

fn is_family_missing(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// An address of this machine: wildcard, interface name, address, or (where allowed) a host name.
fn local(host: &Host, port: u16, options: &SocketOptions, names: bool) -> Result<SocketAddr, Code> {
    let ip = match host {
        Host::Any if options.ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Host::Ip(IpAddr::V6(_), _) if !options.ipv6 => return Err(Code::NoDevice),
        Host::Ip(ip, None) => *ip,
        Host::Ip(ip, Some(zone)) => {
            return resolve::numeric(&format!("{ip}%{zone}"), port, Family::V6)
                .ok_or(Code::NoDevice);
        }
        Host::Name(name) => match interface::address_of(name, options.ipv6) {
            Some(ip) => ip,
            None if names => {
                return resolve::lookup(name, port, family(options), true)
                    .ok()
                    .and_then(|found| found.first().copied())
                    .ok_or(Code::NoDevice);
            }
            None => return Err(Code::NoDevice),
        },
    };
    Ok(SocketAddr::new(ip, port))
}

fn family(options: &SocketOptions) -> Family {
    if options.ipv6 { Family::V6 } else { Family::V4 }
}

pub(super) fn remote(address: &TcpAddress, options: &SocketOptions) -> Result<Remote, Code> {
    let source = match &address.source {
        Some((host, port)) => {
            Some(local(host, port.number(), options, true).map_err(|_no_device| Code::Invalid)?)
        }
        None => None,
    };
    let port = address.port.number();
    let peer = match &address.host {
        Host::Any => return Err(Code::Invalid),
        Host::Ip(ip, None) => Peer::Address(SocketAddr::new(*ip, port)),
        Host::Ip(ip, Some(zone)) => Peer::Address(
            resolve::numeric(&format!("{ip}%{zone}"), port, Family::V6).ok_or(Code::Invalid)?,
        ),
        Host::Name(name) => Peer::Name(name.clone(), port),
    };
    if options.socks_proxy.is_empty() {
        return Ok(Remote {
            peer,
            source,
            behind: None,
        });
    }
    let host = match &peer {
        Peer::Address(address) => DestinationHost::Address(address.ip()),
        Peer::Name(name, _) => DestinationHost::Name(name.clone()),
    };
    Ok(Remote {
        peer: proxy(std::str::from_utf8(&options.socks_proxy).map_err(|_binary| Code::Invalid)?)?,
        source,
        behind: Some(Destination { host, port }),
    })
}

/// `host:port` of a proxy.
fn proxy(text: &str) -> Result<Peer, Code> {
    let address = TcpAddress::parse_connect(text).map_err(|_malformed| Code::Invalid)?;
    let port = address.port.number();
    match address.host {
        Host::Any => Err(Code::Invalid),
        Host::Ip(ip, _zone) => Ok(Peer::Address(SocketAddr::new(ip, port))),
        Host::Name(name) => Ok(Peer::Name(name, port)),
    }
}

pub(super) fn connect(
    remote: &Remote,
    addresses: Option<&[SocketAddr]>,
    options: &SocketOptions,
) -> io::Result<Attempt> {
    let address = match (&remote.peer, addresses.and_then(<[_]>::first)) {
        (Peer::Address(address), _) | (Peer::Name(..), Some(address)) => *address,
        (Peer::Name(host, port), None) => {
            let (host, port) = (host.clone(), *port);
            return Ok(Attempt::Resolve {
                host,
                port,
                family: family(options),
            });
        }
    };
    let tuning = stream_tuning(options);
    let (stream, progress) = connect_tcp(address, remote.source, device(options), &tuning)?;
    Ok(Attempt::Begun(stream, progress))
}
