// SPDX-License-Identifier: MIT OR Apache-2.0
//! The transports, by name:
//!
//! 1. [`tcp`], addressed as `tcp://host:port`
//! 2. [`ipc`], as `ipc://path` or `ipc://@name`
//! 3. [`inproc`], as `inproc://name` within a context
//! 4. [`pgm`], [`epgm`], as `pgm://interface;group:port`
//! 5. [`udp`], as `udp://host:port`
//!
//! The last three are transports of datagrams: [`carrier`] says what that means. What pgm and epgm share is in
//! [`group`], [`publisher`] and [`subscriber`].
//! [`socks`] is a way around a corner for tcp. A stream transport knows how to listen ([`bind`]) and how to connect ([`Target`]); what flows
//! over the connection is not its business. Nothing outside this folder knows a scheme.

pub(crate) mod carrier;
mod epgm;
mod group;
pub(crate) mod inproc;
mod ipc;
mod pace;
mod pgm;
mod publisher;
pub(crate) mod socks;
mod subscriber;
mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;

use ferromq_os::address::{Address, UnixAddress};
use ferromq_os::connect::Progress;
use ferromq_os::listener::Listener;
use ferromq_os::stream::{Stream, StreamTuning};
use ferromq_vocabulary::{Code, Endpoint, Mechanism, SocketOptions, SocketType};

use carrier::Carrier;

/// A listener and what it is called.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    /// The endpoint with wildcards resolved.
    pub(crate) endpoint: String,
    /// To be removed when the listener closes.
    #[expect(dead_code, reason = "its drop is what it is for")]
    pub(crate) cleanup: Option<ipc::Cleanup>,
}

/// Where to connect to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The endpoint as it was given.
    pub(crate) endpoint: String,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Tcp(tcp::Remote),
    Ipc(UnixAddress),
}

/// How an attempt to connect began.
pub(crate) enum Attempt {
    /// A name must be looked up first, elsewhere.
    Resolve {
        host: String,
        port: u16,
        family: ferromq_os::resolve::Family,
    },
    /// The connection stands, or is being made.
    Begun(Stream, Progress),
}

/// Listens at a stream endpoint.
pub(crate) fn bind(endpoint: &Endpoint, options: &SocketOptions) -> Result<Bound, Code> {
    match endpoint {
        Endpoint::Tcp(address) => tcp::bind(address, options),
        Endpoint::Ipc(path) => ipc::bind(path, options),
        Endpoint::Inproc(_) | Endpoint::Pgm(_) | Endpoint::Epgm(_) | Endpoint::Udp(_) => {
            Err(Code::ProtocolNotSupported)
        }
    }
}

/// A transport of datagrams, and what its endpoint is called if the system has chosen a part of that.
pub(crate) type Opened = (Box<dyn Carrier>, Option<String>);

/// Opens a transport of datagrams; `None` for other endpoints.
pub(crate) fn carrier(
    endpoint: &Endpoint,
    socket_type: SocketType,
    options: &SocketOptions,
) -> Option<Result<Opened, Code>> {
    // There is no handshake in which a peer could prove who it is: better nothing than in the clear.
    let refused = options.mechanism != Mechanism::Null;
    let opened = match endpoint {
        Endpoint::Tcp(_) | Endpoint::Ipc(_) | Endpoint::Inproc(_) => return None,
        _ if refused => Err(Code::IncompatibleProtocol),
        Endpoint::Pgm(address) => pgm::open(address, socket_type, options).map(|it| (it, None)),
        Endpoint::Epgm(address) => epgm::open(address, socket_type, options).map(|it| (it, None)),
        Endpoint::Udp(address) => udp::open(address, socket_type, options),
    };
    Some(opened)
}

/// Checks and prepares a stream endpoint to connect to.
pub(crate) fn target(endpoint: &Endpoint, options: &SocketOptions) -> Result<Target, Code> {
    let place = match endpoint {
        Endpoint::Tcp(address) => Place::Tcp(tcp::remote(address, options)?),
        Endpoint::Ipc(path) => Place::Ipc(ipc::address(path)?),
        Endpoint::Inproc(_) | Endpoint::Pgm(_) | Endpoint::Epgm(_) | Endpoint::Udp(_) => {
            return Err(Code::ProtocolNotSupported);
        }
    };
    Ok(Target {
        endpoint: endpoint.to_string(),
        place,
    })
}

impl Target {
    /// Where a proxy, which the connection goes to, is to go on to.
    pub(crate) fn behind_proxy(&self) -> Option<&socks::Destination> {
        match &self.place {
            Place::Tcp(remote) => remote.behind_proxy(),
            Place::Ipc(_) => None,
        }
    }

    /// Begins to connect. `addresses` are those a name was found to have, of which the first is
    /// tried.
    pub(crate) fn connect(
        &self,
        addresses: Option<&[SocketAddr]>,
        options: &SocketOptions,
    ) -> io::Result<Attempt> {
        match &self.place {
            Place::Tcp(remote) => tcp::connect(remote, addresses, options),
            Place::Ipc(address) => ipc::connect(address),
        }
    }
}

/// The address of the peer of a new connection, as `Peer-Address` tells it.
pub(crate) fn peer_address(stream: &Stream) -> String {
    stream.peer_ip().map_or_else(
        || {
            stream
                .peer_credentials()
                .map_or_else(String::new, |(uid, gid, pid)| format!(":{uid}:{gid}:{pid}"))
        },
        |ip| ip.to_string(),
    )
}

/// Between two ends on one machine there is no network to sound out: an algorithm that paces what is
/// sent, and BBR does, costs a timer per segment and takes half of what memory can move.
pub(crate) fn spare_pacing(stream: &Stream) {
    let paces = || {
        stream
            .congestion_control()
            .is_ok_and(|name| name.starts_with("bbr"))
    };
    if stream.is_local() && paces() {
        // Always there. Where the system does not allow it all works as before.
        stream.set_congestion_control("reno").ok();
    }
}

/// The name of one end of a connection as an endpoint; empty if it has none.
pub(crate) fn endpoint_of(name: Option<&Address>) -> String {
    match name {
        Some(name @ Address::Ip(_)) => format!("tcp://{name}"),
        Some(name @ Address::Unix(_)) => format!("ipc://{name}"),
        Some(Address::Unnamed) => "ipc://".to_owned(),
        None => String::new(),
    }
}

/// The options of a connection.
pub(crate) fn stream_tuning(options: &SocketOptions) -> StreamTuning {
    StreamTuning {
        keepalive: options.tcp_keepalive,
        keepalive_count: options.tcp_keepalive_cnt,
        keepalive_idle: options.tcp_keepalive_idle,
        keepalive_interval: options.tcp_keepalive_intvl,
        user_timeout_ms: options.tcp_maxrt,
        tos: options.tos,
        priority: options.priority,
        sndbuf: options.sndbuf,
        rcvbuf: options.rcvbuf,
        busy_poll: options.busy_poll,
    }
}

/// The device a socket is to be tied to.
fn device(options: &SocketOptions) -> Option<&str> {
    std::str::from_utf8(&options.bindtodevice)
        .ok()
        .map(|name| name.trim_end_matches('\0'))
        .filter(|name| !name.is_empty())
}

/// The code of a system error.
pub(crate) fn code(error: &io::Error) -> Code {
    error.raw_os_error().map_or(Code::Invalid, Code::from_errno)
}
