// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses of datagram transports: `[interface;]group[,group...][;group]:port` of pgm and epgm,
//! `[interface;]host:port` of udp.

use std::fmt;
use std::net::IpAddr;

use crate::endpoint::{EndpointError, Host, Port, parse_number};
use crate::network::Network;

/// Groups to receive from, the group to send to, and on which interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupAddress {
    /// The interface; without one the system's routes decide.
    pub interface: Option<Interface>,
    /// The groups to receive from, at least one; all of one family.
    pub groups: Vec<IpAddr>,
    /// The group to send to: the first of those, unless another was named.
    pub send: IpAddr,
    /// The port, above zero.
    pub port: u16,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Interface {
    /// That with this address.
    Ip(IpAddr),
    /// That with this name.
    Name(String),
    /// The first with an address of this network.
    Network(Network),
}

impl GroupAddress {
    /// Parses `[interface;]group[,group...][;send group]:port`. Addresses of IPv6 may stand in brackets.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let invalid = EndpointError::Invalid;
        let (network, port) = text.rsplit_once(':').ok_or(invalid)?;
        let port = parse_number(port)?;
        let parts: Vec<&str> = network.split(';').collect();
        let (interface, groups, send) = match parts.as_slice() {
            [groups] => ("", *groups, None),
            [interface, groups] => (*interface, *groups, None),
            [interface, groups, send] => (*interface, *groups, Some(*send)),
            _ => return Err(invalid),
        };
        let interface = if interface.is_empty() {
            None
        } else {
            Some(Interface::parse(interface)?)
        };
        let groups = groups
            .split(',')
            .map(group)
            .collect::<Result<Vec<_>, _>>()?;
        let first = *groups.first().ok_or(invalid)?;
        let send = send.map_or(Ok(first), group)?;
        let mixed = groups
            .iter()
            .chain([&send])
            .any(|group| group.is_ipv4() != first.is_ipv4());
        if port == 0 || mixed {
            return Err(invalid);
        }
        Ok(Self {
            interface,
            groups,
            send,
            port,
        })
    }
}

impl Interface {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        let bare = unbracketed(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        if bare.contains('/') {
            let network = bare.parse().map_err(|_bad| EndpointError::Invalid)?;
            return Ok(Self::Network(network));
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || "[],/*%".contains(c);
        if bare.contains(odd) {
            return Err(EndpointError::Invalid);
        }
        Ok(Self::Name(bare.to_owned()))
    }
}

/// A group's address.
fn group(text: &str) -> Result<IpAddr, EndpointError> {
    unbracketed(text)
        .parse()
        .ok()
        .filter(IpAddr::is_multicast)
        .ok_or(EndpointError::Invalid)
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text)
}

impl fmt::Display for GroupAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{interface};")?,
            // The send group is the third of three.
            None if self.groups.first() != Some(&self.send) => f.write_str(";")?,
            None => {}
        }
        let mut between = "";
        for group in &self.groups {
            write!(f, "{between}{}", Bracketed(*group))?;
            between = ",";
        }
        if self.groups.first() != Some(&self.send) {
            write!(f, ";{}", Bracketed(self.send))?;
        }
        write!(f, ":{}", self.port)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => Bracketed(*ip).fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Network(network) => network.fmt(f),
        }
    }
}

struct Bracketed(IpAddr);

impl fmt::Display for Bracketed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// Where to receive or to send plain datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UdpAddress {
    /// The interface, for groups only.
    pub interface: Option<Host>,
    /// An address of this host, a group, or the peer.
    pub host: Host,
    /// The port.
    pub port: Port,
}

impl UdpAddress {
    /// Parses `[interface;]host:port` to bind to: `*` is any address, and any port.
    pub fn parse_bind(text: &str) -> Result<Self, EndpointError> {
        let address = Self::parse(text)?;
        let wildcard = address.port == Port::Number(0);
        Ok(Self {
            port: if wildcard {
                Port::Wildcard
            } else {
                address.port
            },
            ..address
        })
    }

    /// Parses `[interface;]host:port` to send to.
    pub fn parse_connect(text: &str) -> Result<Self, EndpointError> {
        let address = Self::parse(text)?;
        if address.host == Host::Any || address.port.number() == 0 {
            return Err(EndpointError::Invalid);
        }
        Ok(address)
    }

    fn parse(text: &str) -> Result<Self, EndpointError> {
        let (place, port) = text.rsplit_once(':').ok_or(EndpointError::Invalid)?;
        let port = match port {
            "*" => Port::Wildcard,
            digits => Port::Number(parse_number(digits)?),
        };
        let (interface, host) = match place.rsplit_once(';') {
            Some((interface, host)) => (Some(Host::parse(interface)?), host),
            None => (None, place),
        };
        let host = Host::parse(host)?;
        // An interface goes with a group: whatever else is sent to has a route of its own.
        let is_group = matches!(host, Host::Ip(ip, _) if ip.is_multicast());
        if interface.is_some() && !is_group {
            return Err(EndpointError::Invalid);
        }
        Ok(Self {
            interface,
            host,
            port,
        })
    }
}

impl fmt::Display for UdpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = &self.interface {
            write!(f, "{interface};")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_a_grammar_of_their_own() {
        let table = [
            ("239.192.0.1:5555", "239.192.0.1:5555"),
            (";239.192.0.1:5555", "239.192.0.1:5555"),
            ("eth0;239.192.0.1:1", "eth0;239.192.0.1:1"),
            ("10.0.0.1;239.192.0.1:1", "10.0.0.1;239.192.0.1:1"),
            ("10.0.0.0/8;239.192.0.1:1", "10.0.0.0/8;239.192.0.1:1"),
            (
                "lo;239.0.0.1,239.0.0.2;239.0.0.3:65535",
                "lo;239.0.0.1,239.0.0.2;239.0.0.3:65535",
            ),
            ("eth0;ff08::1:5555", "eth0;[ff08::1]:5555"),
            ("[fe80::1];[ff08::1]:5555", "[fe80::1];[ff08::1]:5555"),
        ];
        for (text, canonical) in table {
            let address = GroupAddress::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(address.to_string(), canonical);
        }
        let address = GroupAddress::parse("lo;239.0.0.1,239.0.0.2;239.0.0.3:1").unwrap();
        assert_eq!(address.groups.len(), 2);
        assert_eq!(address.send, IpAddr::from([239, 0, 0, 3]));
        for text in [
            "",
            "239.192.0.1",
            "239.192.0.1:",
            "239.192.0.1:0",
            "239.192.0.1:65536",
            "239.192.0.1:*",
            "10.0.0.1:5555",
            "eth0:5555",
            "eth0;:5555",
            "eth0;10.0.0.1:5555",
            "eth0;239.0.0.1,ff08::1:5555",
            "eth0;239.0.0.1;ff08::1:5555",
            "eth0;239.0.0.1;239.0.0.2;239.0.0.3:5555",
            "eth 0;239.0.0.1:5555",
            "10.0.0.0/99;239.0.0.1:5555",
            "*;239.0.0.1:5555",
        ] {
            assert_eq!(
                GroupAddress::parse(text),
                Err(EndpointError::Invalid),
                "{text}"
            );
        }
    }

    #[test]
    fn plain_datagrams_go_to_hosts_and_groups() {
        for (text, canonical) in [
            ("*:5556", "*:5556"),
            ("127.0.0.1:0", "127.0.0.1:*"),
            ("*:*", "*:*"),
            ("[::1]:5556", "[::1]:5556"),
            ("226.8.5.5:5555", "226.8.5.5:5555"),
            ("eth0;226.8.5.5:5555", "eth0;226.8.5.5:5555"),
            ("*;226.8.5.5:5555", "*;226.8.5.5:5555"),
        ] {
            let address = UdpAddress::parse_bind(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(address.to_string(), canonical);
        }
        assert!(UdpAddress::parse_connect("example.org:5555").is_ok());
        for text in [
            "*:5556",
            "127.0.0.1:0",
            "127.0.0.1:*",
            "eth0;10.0.0.1:1",
            "x",
            "x:y",
        ] {
            let parsed = UdpAddress::parse_connect(text);
            assert_eq!(parsed, Err(EndpointError::Invalid), "{text}");
        }
        assert!(UdpAddress::parse_bind("eth0;10.0.0.1:1").is_err());
    }
}
