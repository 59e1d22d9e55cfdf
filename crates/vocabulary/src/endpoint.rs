// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoints: `tcp://host:port`, `ipc://path`, `inproc://name`, `udp://host:port`, and `pgm://` and `epgm://` with
//! `interface;group:port`.
//!
//! Only the syntax is judged here; names are resolved where they are used.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use crate::error::Code;
use crate::multicast::{GroupAddress, UdpAddress};
use crate::socket_type::SocketType;

/// Where to bind or to connect to.
///
/// ```
/// use ferromq_vocabulary::{Endpoint, EndpointError};
///
/// let endpoint = Endpoint::parse_bind("tcp://*:5555")?;
/// assert_eq!(endpoint.to_string(), "tcp://*:5555");
/// assert_eq!(Endpoint::parse_connect("tcp://*:5555"), Err(EndpointError::Invalid));
/// # Ok::<(), EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpAddress),
    /// A Unix domain socket.
    Ipc(IpcPath),
    /// A name within the context.
    Inproc(String),
    /// PGM over IP.
    Pgm(GroupAddress),
    /// PGM over UDP.
    Epgm(GroupAddress),
    /// Plain datagrams.
    Udp(UdpAddress),
}

impl Endpoint {
    /// Parses an endpoint to bind to: wildcards and interface names are fine.
    pub fn parse_bind(text: &str) -> Result<Self, EndpointError> {
        match split_scheme(text)? {
            (Scheme::Tcp, address) => Ok(Self::Tcp(TcpAddress::parse_bind(address)?)),
            (Scheme::Ipc, path) => Ok(Self::Ipc(IpcPath::parse(path)?)),
            (Scheme::Inproc, name) => Ok(Self::Inproc(name.to_owned())),
            (Scheme::Pgm, address) => Ok(Self::Pgm(GroupAddress::parse(address)?)),
            (Scheme::Epgm, address) => Ok(Self::Epgm(GroupAddress::parse(address)?)),
            (Scheme::Udp, address) => Ok(Self::Udp(UdpAddress::parse_bind(address)?)),
        }
    }

    /// Parses an endpoint to connect to: no wildcards, but perhaps a source address.
    pub fn parse_connect(text: &str) -> Result<Self, EndpointError> {
        match split_scheme(text)? {
            (Scheme::Tcp, address) => Ok(Self::Tcp(TcpAddress::parse_connect(address)?)),
            (Scheme::Ipc, path) => match IpcPath::parse(path)? {
                IpcPath::Wildcard => Err(EndpointError::Invalid),
                path => Ok(Self::Ipc(path)),
            },
            (Scheme::Inproc, name) => Ok(Self::Inproc(name.to_owned())),
            (Scheme::Pgm, address) => Ok(Self::Pgm(GroupAddress::parse(address)?)),
            (Scheme::Epgm, address) => Ok(Self::Epgm(GroupAddress::parse(address)?)),
            (Scheme::Udp, address) => Ok(Self::Udp(UdpAddress::parse_connect(address)?)),
        }
    }

    /// Whether a text has the form of an endpoint, and a scheme that sockets of this type have at all. What stands
    /// behind that is not judged.
    pub fn check_scheme(text: &str, socket_type: SocketType) -> Result<(), EndpointError> {
        use SocketType::{Dgram, Dish, Pub, Radio, Stream, Sub, Xpub, Xsub};
        let (scheme, _) = split_scheme(text)?;
        match (scheme, socket_type) {
            (Scheme::Pgm | Scheme::Epgm, Pub | Sub | Xpub | Xsub)
            | (Scheme::Udp, Radio | Dish | Dgram) => Ok(()),
            (Scheme::Pgm | Scheme::Epgm | Scheme::Udp, _)
            | (_, Dgram)
            | (Scheme::Inproc, Stream) => Err(EndpointError::Incompatible),
            _ => Ok(()),
        }
    }

    /// Whether sockets of this type bind to endpoints of such a scheme.
    pub fn check_bind(text: &str, socket_type: SocketType) -> Result<(), EndpointError> {
        Self::check_scheme(text, socket_type)?;
        match (split_scheme(text)?.0, socket_type) {
            (Scheme::Udp, SocketType::Radio) => Err(EndpointError::Incompatible),
            _ => Ok(()),
        }
    }

    /// Whether sockets of this type connect to endpoints of such a scheme.
    pub fn check_connect(text: &str, socket_type: SocketType) -> Result<(), EndpointError> {
        Self::check_scheme(text, socket_type)?;
        match (split_scheme(text)?.0, socket_type) {
            (Scheme::Udp, SocketType::Dish | SocketType::Dgram) => Err(EndpointError::Incompatible),
            _ => Ok(()),
        }
    }

    /// What stands before `://`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Ipc(_) => "ipc",
            Self::Inproc(_) => "inproc",
            Self::Pgm(_) => "pgm",
            Self::Epgm(_) => "epgm",
            Self::Udp(_) => "udp",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Ipc(path) => path.fmt(f),
            Self::Inproc(name) => f.write_str(name),
            Self::Pgm(address) | Self::Epgm(address) => address.fmt(f),
            Self::Udp(address) => address.fmt(f),
        }
    }
}

/// Host and port; when connecting perhaps also those to connect from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpAddress {
    /// The interface to bind to, or the peer.
    pub host: Host,
    /// The port to bind to, or the peer's.
    pub port: Port,
    /// Where to connect from: `source:port;host:port`.
    pub source: Option<(Host, Port)>,
}

impl TcpAddress {
    /// `interface:port`, where both may be `*` and the port also 0 for any.
    pub fn parse_bind(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = parse_local(text)?;
        Ok(Self {
            host,
            port,
            source: None,
        })
    }

    /// `host:port` or `source:port;host:port`. The source may be an interface and its port `*`.
    pub fn parse_connect(text: &str) -> Result<Self, EndpointError> {
        let first = text.chars().next().ok_or(EndpointError::Invalid)?;
        let first_ok = first.is_ascii_alphanumeric() || matches!(first, '[' | ':');
        let other_ok = |c: char| c.is_ascii_alphanumeric() || ".-:%;[]_*".contains(c);
        if !first_ok || !text.chars().all(other_ok) {
            return Err(EndpointError::Invalid);
        }
        let (source, target) = match text.rsplit_once(';') {
            Some((source, target)) => (Some(parse_local(source)?), target),
            None => (None, text),
        };
        let (host, port) = target.rsplit_once(':').ok_or(EndpointError::Invalid)?;
        let port = Port::Number(parse_number(port)?);
        let host = match Host::parse(host)? {
            Host::Any => return Err(EndpointError::Invalid),
            Host::Name(name) if name.contains([':', '*']) => return Err(EndpointError::Invalid),
            host => host,
        };
        Ok(Self { host, port, source })
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((host, port)) = &self.source {
            write!(f, "{host}:{port};")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// `*`: all interfaces.
    Any,
    /// An address; an IPv6 one perhaps with a zone, which is an interface name or number.
    Ip(IpAddr, Option<String>),
    /// An interface or a host name, not looked up yet.
    Name(String),
}

impl Host {
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let inner = bracketed.unwrap_or(text);
        if inner == "*" {
            return Ok(Self::Any);
        }
        if let Some((address, zone)) = inner.rsplit_once('%') {
            return match address.parse() {
                Ok(ip @ IpAddr::V6(_)) if is_name(zone) => Ok(Self::Ip(ip, Some(zone.to_owned()))),
                _ => Err(EndpointError::Invalid),
            };
        }
        if let Ok(ip) = inner.parse() {
            return Ok(Self::Ip(ip, None));
        }
        if bracketed.is_some() || !is_name(inner) {
            return Err(EndpointError::Invalid);
        }
        Ok(Self::Name(inner.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Ip(IpAddr::V4(ip), _) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip), None) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V6(ip), Some(zone)) => write!(f, "[{ip}%{zone}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The port part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// `*`, and 0 where it means the same: the system chooses.
    Wildcard,
    /// This one.
    Number(u16),
}

impl Port {
    /// The number for the system: 0 lets it choose.
    pub const fn number(self) -> u16 {
        match self {
            Self::Wildcard => 0,
            Self::Number(number) => number,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wildcard => f.write_str("*"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// What stands behind `ipc://`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IpcPath {
    /// A file.
    Path(String),
    /// `*`: a file of our choice.
    Wildcard,
    /// `@name`: a name in Linux' abstract namespace, without the `@`.
    Abstract(String),
}

impl IpcPath {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.len() >= SUN_PATH {
            return Err(EndpointError::NameTooLong);
        }
        if text.contains('\0') {
            return Err(EndpointError::Invalid);
        }
        match text.strip_prefix('@') {
            Some("") => Err(EndpointError::Invalid),
            Some(name) => Ok(Self::Abstract(name.to_owned())),
            None if text == "*" => Ok(Self::Wildcard),
            None => Ok(Self::Path(text.to_owned())),
        }
    }
}

impl fmt::Display for IpcPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Wildcard => f.write_str("*"),
            Self::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointError {
    /// This kind of socket does not use the transport. ENOCOMPATPROTO.
    Incompatible,
    /// The syntax is wrong. EINVAL.
    Invalid,
    /// The path does not fit into a socket address. ENAMETOOLONG.
    NameTooLong,
    /// No transport of that name here. EPROTONOSUPPORT.
    UnknownScheme,
}

impl EndpointError {
    /// The error code.
    pub const fn code(self) -> Code {
        match self {
            Self::Incompatible => Code::IncompatibleProtocol,
            Self::Invalid => Code::Invalid,
            Self::NameTooLong => Code::NameTooLong,
            Self::UnknownScheme => Code::ProtocolNotSupported,
        }
    }
}

impl From<EndpointError> for Code {
    fn from(error: EndpointError) -> Self {
        error.code()
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incompatible => "the transport does not carry this type of socket",
            Self::Invalid => "not an endpoint",
            Self::NameTooLong => "the path is too long for a socket address",
            Self::UnknownScheme => "no such transport",
        })
    }
}

impl Error for EndpointError {}

enum Scheme {
    Tcp,
    Ipc,
    Inproc,
    Pgm,
    Epgm,
    Udp,
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), EndpointError> {
    let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Invalid)?;
    if scheme.is_empty() || rest.is_empty() {
        return Err(EndpointError::Invalid);
    }
    match scheme {
        "tcp" => Ok((Scheme::Tcp, rest)),
        "ipc" => Ok((Scheme::Ipc, rest)),
        "inproc" => Ok((Scheme::Inproc, rest)),
        "pgm" => Ok((Scheme::Pgm, rest)),
        "epgm" => Ok((Scheme::Epgm, rest)),
        "udp" => Ok((Scheme::Udp, rest)),
        _ => Err(EndpointError::UnknownScheme),
    }
}

/// `host:port` on this machine.
fn parse_local(text: &str) -> Result<(Host, Port), EndpointError> {
    let (host, port) = text.rsplit_once(':').ok_or(EndpointError::Invalid)?;
    let port = match port {
        "*" | "0" => Port::Wildcard,
        _ => match parse_number(port)? {
            0 => return Err(EndpointError::Invalid),
            number => Port::Number(number),
        },
    };
    Ok((Host::parse(host)?, port))
}

/// Digits and nothing else, up to 65535.
pub(crate) fn parse_number(text: &str) -> Result<u16, EndpointError> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EndpointError::Invalid);
    }
    text.parse()
        .map_err(|_empty_or_too_large| EndpointError::Invalid)
}

/// What may be a host or interface name; aliases of interfaces have a colon.
fn is_name(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "[]%;/*".contains(c);
    !text.is_empty() && !text.contains(odd)
}

/// The size of `sun_path` on Linux; a path needs one byte less, for its NUL.
const SUN_PATH: usize = 108;

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
