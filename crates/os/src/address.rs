// SPDX-License-Identifier: MIT OR Apache-2.0
//! Socket names, unix and internet.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The name of a unix socket.
///
/// A name that does not fit the kernel's 108 bytes (with the NUL that ends a path or begins an
/// abstract name) is refused with `ENAMETOOLONG` where it is used, an empty one with `EINVAL`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnixAddress {
    /// A file.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the NUL that begins it.
    Abstract(Vec<u8>),
}

/// A path as it is; an abstract name with `@` before it.
impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// The name of one end of a stream socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Ip(SocketAddr),
    /// A unix socket with a name.
    Unix(UnixAddress),
    /// A unix socket without one, as connecting sockets are.
    Unnamed,
}

impl Address {
    /// The internet address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// The internet address and port, if it is one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) | Self::Unnamed => None,
        }
    }
}

/// `127.0.0.1:5555`, `[::1]:5555`, `/path`, `@abstract`, or nothing for an unnamed socket.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
            Self::Unnamed => Ok(()),
        }
    }
}
