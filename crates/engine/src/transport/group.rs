// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where groups are: the interface, and sockets on it.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use ferromq_os::datagram::{Datagram, Kind, source_for};
use ferromq_os::interface::{self, InterfaceAddress};
use ferromq_vocabulary::{Code, GroupAddress, Interface, SocketOptions};

use super::{code, device};
use crate::tuning::DATAGRAM_RECEIVE_BUFFER;

/// How PGM travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encapsulation {
    /// As protocol 113 of IP.
    Ip,
    /// In UDP.
    Udp,
}

/// "IPPROTO_PGM".
const PROTOCOL: u8 = 113;
/// Expedited forwarding, as OpenPGM asks for in libzmq.
const TYPE_OF_SERVICE: i32 = 0x2e << 2;

/// An interface, and the address by which it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    encapsulation: Encapsulation,
    name: String,
    index: u32,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) groups: Vec<IpAddr>,
    pub(crate) send: IpAddr,
    /// Bytes of a packet below PGM, and most bytes of it in all.
    pub(crate) overhead: usize,
    pub(crate) max_tpdu: usize,
}

impl Place {
    /// Finds the interface. No name server is asked.
    pub(crate) fn find(
        address: &GroupAddress,
        encapsulation: Encapsulation,
        options: &SocketOptions,
    ) -> Result<Self, Code> {
        let v6 = address.send.is_ipv6();
        let found = match &address.interface {
            Some(named) => look_up(named, v6)?,
            None => by_route(address.send).ok_or(Code::NoDevice)?,
        };
        let ip_header = if v6 { 40 } else { 20 };
        let udp_header = match encapsulation {
            Encapsulation::Ip => 0,
            Encapsulation::Udp => 8,
        };
        let max_tpdu = usize::try_from(options.multicast_maxtpdu).unwrap_or(0);
        let overhead = ip_header + udp_header;
        // Headers and an offset, and a byte of a message: less is no use.
        if max_tpdu < overhead + LEAST_PACKET || max_tpdu > MOST_PACKET {
            return Err(Code::Invalid);
        }
        Ok(Self {
            encapsulation,
            name: found.name,
            index: found.index,
            address: found.address,
            port: address.port,
            groups: address.groups.clone(),
            send: address.send,
            overhead,
            max_tpdu,
        })
    }

    /// An address of this interface, as sockets want it.
    pub(crate) fn at(&self, ip: IpAddr) -> SocketAddr {
        self.with_port(ip, self.port)
    }

    fn with_port(&self, ip: IpAddr, port: u16) -> SocketAddr {
        match ip {
            IpAddr::V6(v6) if needs_scope(ip) => SocketAddrV6::new(v6, port, 0, self.index).into(),
            _ => SocketAddr::new(ip, port),
        }
    }

    fn socket(&self) -> Result<Datagram, Code> {
        let kind = match self.encapsulation {
            Encapsulation::Ip => Kind::Raw(PROTOCOL),
            Encapsulation::Udp => Kind::Udp,
        };
        Datagram::new(kind, self.address.is_ipv6()).map_err(|error| code(&error))
    }

    /// A socket that hears one group and nothing else.
    pub(crate) fn group_socket(
        &self,
        group: IpAddr,
        options: &SocketOptions,
    ) -> Result<Datagram, Code> {
        let socket = self.socket()?;
        let set_up = || {
            if self.encapsulation == Encapsulation::Udp {
                socket.share_address()?;
            }
            // A kernel without this hears more, which is then found out by what it is.
            socket.own_groups_only().ok();
            tune_receiving(&socket, options)?;
            socket.bind(self.at(group))?;
            socket.join(group, self.index)
        };
        set_up().map_err(|error| code(&error))?;
        Ok(socket)
    }

    /// For a publisher over IPv4 whose packets do not come back to this host anyway: as long as the host would hear them, the
    /// kernel makes a new route for each of them, which is a tenth of what it costs to send one. Over UDP it has to: what a
    /// publisher of this host passes on to another one comes from the same address.
    pub(super) fn do_not_hear_oneself(&self, socket: &Datagram) {
        if self.encapsulation == Encapsulation::Ip
            && let (IpAddr::V4(group), IpAddr::V4(address)) = (self.send, self.address)
        {
            // Without it all is well, only slower.
            socket.block(group, address, self.index).ok();
        }
    }

    /// A socket that sends to the group and, if it has the port, hears what is sent to this host.
    pub(crate) fn sending_socket(
        &self,
        has_port: bool,
        hops: i32,
        options: &SocketOptions,
    ) -> Result<Datagram, Code> {
        let socket = self.socket()?;
        let set_up = || {
            if self.encapsulation == Encapsulation::Udp && has_port {
                socket.share_address()?;
            }
            let port = if has_port { self.port } else { 0 };
            socket.bind(self.with_port(self.address, port))?;
            socket.multicast_interface(self.index)?;
            socket.multicast_hops(hops)?;
            // Off unless asked for, as libzmq's PGM has it.
            socket.multicast_loop(options.multicast_loop.unwrap_or(false))?;
            if has_port {
                tune_receiving(&socket, options)?;
            } else {
                // Nobody reads what comes here.
                socket.receive_buffer(0)?;
                tie(&socket, options)?;
            }
            if options.sndbuf >= 0 {
                socket.send_buffer(options.sndbuf)?;
            }
            let tos = if options.tos > 0 {
                options.tos
            } else {
                TYPE_OF_SERVICE
            };
            // "failure ignored"
            socket.type_of_service(tos).ok();
            if options.priority > 0 {
                socket.priority(options.priority)?;
            }
            let mtu = socket.mtu_of(&self.name)?;
            if u32::try_from(self.max_tpdu).is_ok_and(|tpdu| tpdu <= mtu) {
                socket.dont_fragment().ok();
            }
            Ok(())
        };
        set_up().map_err(|error: io::Error| code(&error))?;
        Ok(socket)
    }

    /// A socket that sends to the group and does nothing else: nobody waits for what comes there, which the kernel would look
    /// after with each packet that goes, and the group need not be named with each.
    pub(crate) fn group_sender(&self, options: &SocketOptions) -> Result<Datagram, Code> {
        let mut socket = self.sending_socket(false, options.multicast_hops, options)?;
        // Without it all is well, only slower.
        socket.connect(self.at(self.send)).ok();
        Ok(socket)
    }

    /// A socket for what is to reach other sockets of this host and nobody else.
    pub(crate) fn local_socket(&self) -> io::Result<Datagram> {
        let socket = Datagram::new(Kind::Udp, self.address.is_ipv6())?;
        socket.bind(self.with_port(self.address, 0))?;
        socket.multicast_interface(self.index)?;
        socket.multicast_hops(0)?;
        socket.multicast_loop(true)?;
        Ok(socket)
    }

    /// Whether this is a group, and of our family.
    pub(crate) fn can_send_to(&self, group: IpAddr) -> bool {
        group.is_multicast() && group.is_ipv6() == self.address.is_ipv6()
    }

    pub(crate) fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }
}

/// Bytes that are sent, or come, in the recovery interval at the rate, but so many at least.
pub(super) fn window_bytes(options: &SocketOptions, least: usize) -> usize {
    let kilobits = u64::try_from(options.rate).unwrap_or(1);
    let milliseconds = u64::try_from(options.recovery_ivl).unwrap_or(0);
    // A kilobit a second for a millisecond is a bit.
    let bytes = kilobits.saturating_mul(milliseconds) / 8;
    usize::try_from(bytes)
        .unwrap_or(MOST_KEPT)
        .clamp(least, MOST_KEPT)
}

pub(super) fn tune_receiving(socket: &Datagram, options: &SocketOptions) -> io::Result<()> {
    if options.rcvbuf >= 0 {
        socket.receive_buffer(options.rcvbuf)?;
    } else {
        socket.large_receive_buffer(DATAGRAM_RECEIVE_BUFFER).ok();
    }
    tie(socket, options)
}

/// `ZMQ_BINDTODEVICE`.
fn tie(socket: &Datagram, options: &SocketOptions) -> io::Result<()> {
    device(options).map_or(Ok(()), |device| socket.bind_to_device(device))
}

/// Whether an address means something only together with an interface.
pub(super) fn needs_scope(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        // Interface-local and link-local groups, and link-local hosts.
        IpAddr::V6(v6) => {
            let narrow = matches!(v6.segments()[0] & 0x000f, 1 | 2);
            v6.is_multicast() && narrow || v6.is_unicast_link_local()
        }
    }
}

/// Interface names come first, then addresses; nothing is looked up elsewhere.
fn look_up(wanted: &Interface, v6: bool) -> Result<InterfaceAddress, Code> {
    let all = interface::all();
    let mut fitting = all.into_iter().filter(|each| each.address.is_ipv6() == v6);
    match wanted {
        Interface::Ip(ip) if ip.is_ipv6() != v6 => Err(Code::Invalid),
        Interface::Ip(ip) => fitting
            .find(|each| each.address == *ip)
            .ok_or(Code::NoDevice),
        Interface::Network(network) => fitting
            .find(|each| network.contains(each.address))
            .ok_or(Code::NoDevice),
        Interface::Name(name) => {
            let mut of_it: Vec<_> = fitting.filter(|each| each.name == *name).collect();
            // One that is valid beyond the link is better.
            of_it.sort_by_key(|each| needs_scope(each.address));
            of_it.into_iter().next().ok_or(Code::NoDevice)
        }
    }
}

/// The interface that packets to a group go out on; without a route the first that can send to groups.
fn by_route(group: IpAddr) -> Option<InterfaceAddress> {
    let all: Vec<_> = interface::all()
        .into_iter()
        .filter(|each| each.address.is_ipv6() == group.is_ipv6() && each.up)
        .collect();
    let routed = source_for(group).and_then(|ip| all.iter().find(|each| each.address == ip));
    let able = || all.iter().find(|each| each.multicast && !each.loopback);
    let own = || all.iter().find(|each| each.loopback);
    routed.or_else(able).or_else(own).cloned()
}

/// Headers of PGM, an offset, and something of a message.
const LEAST_PACKET: usize = 64;
/// What IP can carry.
const MOST_PACKET: usize = 65_535;
/// However fast and however long: more is not kept for repairs.
const MOST_KEPT: usize = 1 << 30;
