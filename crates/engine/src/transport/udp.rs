// SPDX-License-Identifier: MIT OR Apache-2.0
//! `udp://`: RADIO sends to hosts and groups, DISH hears them, DGRAM talks to anybody (contract 2.4).
//!
//! ```text
//! RADIO, DISH   length of the group's name 1, name, body        a message a datagram, 8192 bytes at most
//! DGRAM         body                                             its address travels in front of it, here only
//! ```

use std::io::{IoSlice, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Instant;

use ferromq_message::frame;
use ferromq_os::datagram::{Datagram, Inbound, Kind, Outbound};
use ferromq_os::interface;
use ferromq_os::resolve::{self, Family};
use ferromq_pipe::{Drain, SLICES};
use ferromq_vocabulary::{Code, Host, Port, SocketOptions, SocketType, UdpAddress};
use ferromq_zmtp::decoder::{Decoder, Frame};

use super::carrier::{Carrier, Inlet, Visit, Waiting};
use super::code;
use super::group::{needs_scope, tune_receiving};
use crate::multicast::MulticastStatistics;
use crate::tuning::DATAGRAM_VISIT;

/// A socket for plain datagrams, and what its endpoint is called if its port was chosen by the system.
pub(super) fn open(
    address: &UdpAddress,
    socket_type: SocketType,
    options: &SocketOptions,
) -> Result<(Box<dyn Carrier>, Option<String>), Code> {
    let place = Place::find(address, socket_type, options)?;
    let socket = match socket_type {
        SocketType::Radio => place.sending_socket(options)?,
        SocketType::Dish | SocketType::Dgram => place.receiving_socket(options)?,
        _ => return Err(Code::IncompatibleProtocol),
    };
    let chosen = match (address.port, socket.local_address()) {
        (Port::Wildcard, Ok(local)) => local.socket_addr().map(|local| {
            let chosen = UdpAddress {
                port: Port::Number(local.port()),
                ..address.clone()
            };
            format!("udp://{chosen}")
        }),
        _ => None,
    };
    let speech = match socket_type {
        SocketType::Radio => Speech::Radio(place.target),
        SocketType::Dish => Speech::Dish,
        _ => Speech::Dgram,
    };
    let receives = speech != Speech::Radio(place.target);
    let udp = Udp {
        speech,
        socket,
        decoder: Decoder::new(-1),
        head: None,
        // RADIOs have nothing to read, DISHes and DGRAMs a batch at a time.
        inbound: receives.then(|| Inbound::new(BATCH_IN, MOST)),
        outbound: Outbound::new(),
        text: Vec::new(),
        overflowed: 0,
        closed: false,
    };
    Ok((Box::new(udp), chosen))
}

/// Where to.
#[derive(Debug)]
struct Place {
    target: SocketAddr,
    /// Of a group: the interface; 0 leaves it to the system.
    interface: u32,
}

impl Place {
    fn find(
        address: &UdpAddress,
        socket_type: SocketType,
        options: &SocketOptions,
    ) -> Result<Self, Code> {
        let port = address.port.number();
        let interface = match &address.interface {
            None | Some(Host::Any) => 0,
            Some(Host::Name(name)) => interface::index_of(name).ok_or(Code::NoDevice)?,
            Some(Host::Ip(ip, _)) => interface::all()
                .into_iter()
                .find(|each| each.address == *ip)
                .map(|each| each.index)
                .ok_or(Code::NoDevice)?,
        };
        let ip = match &address.host {
            Host::Any if options.ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Host::Ip(IpAddr::V6(_), _) if !options.ipv6 => {
                return Err(if socket_type == SocketType::Radio {
                    Code::Invalid
                } else {
                    Code::NoDevice
                });
            }
            Host::Ip(ip, None) => *ip,
            Host::Ip(ip, Some(zone)) => {
                let target = resolve::numeric(&format!("{ip}%{zone}"), port, Family::V6);
                let target = target.ok_or(Code::NoDevice)?;
                return Ok(Self { target, interface });
            }
            Host::Name(name) => look_up(name, socket_type, options)?,
        };
        let v6 = match ip {
            IpAddr::V6(v6) if needs_scope(ip) => v6,
            _ => {
                let target = SocketAddr::new(ip, port);
                return Ok(Self { target, interface });
            }
        };
        // One interface for all of it: the system might join the group at another one.
        let interface = if interface == 0 {
            any_interface()
        } else {
            interface
        };
        let target = SocketAddrV6::new(v6, port, 0, interface).into();
        Ok(Self { target, interface })
    }

    fn is_group(&self) -> bool {
        self.target.ip().is_multicast()
    }

    fn sending_socket(&self, options: &SocketOptions) -> Result<Datagram, Code> {
        let socket =
            Datagram::new(Kind::Udp, self.target.is_ipv6()).map_err(|error| code(&error))?;
        tune(&socket, options)?;
        let set_up = || {
            if self.is_group() {
                socket.multicast_hops(options.multicast_hops)?;
                socket.multicast_loop(options.multicast_loop.unwrap_or(true))?;
                if self.interface > 0 {
                    socket.multicast_interface(self.interface)?;
                }
            }
            Ok(())
        };
        set_up().map_err(|error: std::io::Error| code(&error))?;
        Ok(socket)
    }

    fn receiving_socket(&self, options: &SocketOptions) -> Result<Datagram, Code> {
        let socket =
            Datagram::new(Kind::Udp, self.target.is_ipv6()).map_err(|error| code(&error))?;
        tune(&socket, options)?;
        let set_up = || {
            if self.target.is_ipv6() {
                socket.v6only(false)?;
            }
            if self.is_group() {
                socket.share_address()?;
                socket.own_groups_only().ok();
                socket.bind(self.target)?;
                socket.join(self.target.ip(), self.interface)?;
            } else {
                socket.reuse_address()?;
                socket.bind(self.target)?;
            }
            // Where the kernel cannot, they come one by one.
            socket.receive_merged().ok();
            // A DGRAM may send to groups, too.
            socket.multicast_hops(options.multicast_hops)?;
            socket.multicast_loop(options.multicast_loop.unwrap_or(true))
        };
        set_up().map_err(|error: std::io::Error| code(&error))?;
        Ok(socket)
    }
}

fn tune(socket: &Datagram, options: &SocketOptions) -> Result<(), Code> {
    let set_up = || {
        tune_receiving(socket, options)?;
        if options.sndbuf >= 0 {
            socket.send_buffer(options.sndbuf)?;
        }
        if options.tos > 0 {
            socket.type_of_service(options.tos)?;
        }
        if options.priority > 0 {
            socket.priority(options.priority)?;
        }
        Ok(())
    };
    set_up().map_err(|error: std::io::Error| code(&error))
}

/// To be bound to: an interface. To be sent to: also a host, which is looked up here and now, as libzmq does.
fn look_up(name: &str, socket_type: SocketType, options: &SocketOptions) -> Result<IpAddr, Code> {
    if socket_type != SocketType::Radio {
        return interface::address_of(name, options.ipv6).ok_or(Code::NoDevice);
    }
    let family = if options.ipv6 { Family::V6 } else { Family::V4 };
    let found = resolve::lookup(name, 1, family, false).map_err(|_unknown| Code::Invalid)?;
    let first = found.first().ok_or(Code::Invalid)?;
    Ok(first.ip().to_canonical())
}

/// A group that exists on every network needs one to be heard on: the first that can.
fn any_interface() -> u32 {
    let all = interface::all();
    let able = all
        .iter()
        .find(|each| each.multicast && !each.loopback && each.up);
    let own = || all.iter().find(|each| each.loopback);
    able.or_else(own).map_or(0, |each| each.index)
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Radio(SocketAddr),
    Dish,
    Dgram,
}

#[derive(Debug)]
struct Udp {
    speech: Speech,
    socket: Datagram,
    decoder: Decoder,
    /// The first part of a message: a group, or an address.
    head: Option<Vec<u8>>,
    inbound: Option<Inbound>,
    outbound: Outbound,
    /// An address as text.
    text: Vec<u8>,
    /// What came while the kernel's buffer was full.
    overflowed: u64,
    closed: bool,
}

impl Udp {
    /// Takes messages from the queue until a batch is together; whether there was anything.
    fn pack(&mut self, drain: &mut Drain) -> bool {
        let mut pieces = [IoSlice::new(&[]); SLICES];
        let (count, bytes) = drain.slices(&mut pieces, usize::MAX);
        let mut taken = 0;
        for piece in &pieces[..count] {
            let mut rest: &[u8] = piece;
            while !rest.is_empty() && self.outbound.len() < BATCH {
                let before = rest.len();
                // Our own frames: they have no limit, and memory was found for them before.
                let frame = self.decoder.decode(&mut rest);
                taken += before - rest.len();
                if let Ok(Some(frame)) = frame {
                    self.take(frame);
                }
            }
        }
        drain.accept(taken);
        bytes > 0
    }

    /// The next part of a message.
    fn take(&mut self, part: Frame) {
        if part.is_command() {
            return;
        }
        if part.flags & frame::MORE != 0 {
            self.head = Some(part.body);
            return;
        }
        let Some(head) = self.head.take() else { return };
        let begin = self.outbound.buffer().len();
        let to = match self.speech {
            Speech::Radio(to) => {
                let Ok(len) = u8::try_from(head.len()) else {
                    return;
                };
                // contract 2.4: "total must be <= 8192 bytes else silently dropped"
                if 1 + head.len() + part.body.len() > MOST_OF_RADIO {
                    return;
                }
                self.outbound.buffer().push(len);
                self.outbound.buffer().extend_from_slice(&head);
                Some(to)
            }
            Speech::Dgram => parse_address(&head).filter(|_to| part.body.len() <= MOST),
            Speech::Dish => None,
        };
        if let Some(to) = to {
            self.outbound.buffer().extend_from_slice(&part.body);
            let end = self.outbound.buffer().len();
            self.outbound.push(begin..end, to);
        }
    }

    /// Sends what the queue holds.
    fn send(&mut self, drain: &mut Drain) -> Visit {
        let mut visit = Visit::default();
        let mut sent = 0;
        loop {
            // What the kernel refuses for good is lost, as it may be later on.
            if let Ok(false) = self.outbound.send(&self.socket) {
                visit.wants_room = true;
                return visit;
            }
            if !self.outbound.is_empty() {
                continue;
            }
            if sent >= DATAGRAM_VISIT {
                visit.more = true;
                return visit;
            }
            if !self.pack(drain) {
                return visit;
            }
            sent += self.outbound.len() as u64;
        }
    }

    /// Receives as far as there is room.
    fn receive(&mut self, inlet: &mut Inlet<'_>, visit: &mut Visit) {
        let Some(inbound) = &mut self.inbound else {
            return;
        };
        let mut moved = 0;
        loop {
            if inlet.is_full() {
                visit.stalled = true;
                visit.held = true;
                return;
            }
            let came = inbound.receive(&self.socket).unwrap_or(0);
            for (from, bytes) in inbound.iter() {
                let out = inlet.frames();
                match self.speech {
                    Speech::Dish => {
                        let Some((group, body)) = split_group(bytes) else {
                            continue;
                        };
                        append(group, true, out);
                        append(body, false, out);
                    }
                    Speech::Dgram => {
                        // contract 2.4: "received address frame carries a trailing NUL"
                        self.text.clear();
                        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                        write!(self.text, "{from}\0").ok();
                        append(&self.text, true, out);
                        append(bytes, false, out);
                    }
                    Speech::Radio(_) => continue,
                }
                inlet.handed().ok();
            }
            inlet.flush().ok();
            moved += inbound.len() as u64;
            if came < inbound.room() {
                return;
            }
            // Only then can there have been more than the kernel could keep.
            self.overflowed = self.socket.dropped().unwrap_or(self.overflowed);
            if moved >= DATAGRAM_VISIT {
                visit.more = true;
                return;
            }
        }
    }
}

impl Carrier for Udp {
    fn sockets(&self) -> Vec<Waiting<'_>> {
        vec![Waiting {
            socket: &self.socket,
            reads: true,
            writes: true,
        }]
    }

    fn visit(&mut self, _: Instant, drain: &mut Drain, inlet: &mut Inlet<'_>) -> Visit {
        let mut visit = self.send(drain);
        self.receive(inlet, &mut visit);
        visit
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn close(&mut self, _: Instant, _: Option<Instant>) {
        self.closed = true;
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn statistics(&self) -> Option<MulticastStatistics> {
        Some(MulticastStatistics {
            overflowed: self.overflowed,
            ..MulticastStatistics::default()
        })
    }
}

fn append(body: &[u8], more: bool, out: &mut Vec<u8>) {
    let flags = if more { frame::MORE } else { 0 };
    let (header, len) = frame::encode(flags, body.len());
    out.extend_from_slice(&header[..len]);
    out.extend_from_slice(body);
}

/// contract 2.4: "datagrams with group length > remaining are ignored"
fn split_group(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

/// `1.2.3.4:5` or `[::1]:5`, with or without a NUL behind it.
fn parse_address(text: &[u8]) -> Option<SocketAddr> {
    let text = text.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Datagrams sent in one system call.
const BATCH: usize = 64;
/// And received, each of which may be many that came together.
const BATCH_IN: usize = 16;
/// What fits into a datagram of UDP.
const MOST: usize = 65_507;
/// What libzmq's DISH can take.
const MOST_OF_RADIO: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_addresses_are_split_off() {
        assert_eq!(split_group(b"\x02TVbody"), Some((&b"TV"[..], &b"body"[..])));
        assert_eq!(split_group(b"\0"), Some((&b""[..], &b""[..])));
        assert_eq!(split_group(b"\x03TV"), None);
        assert_eq!(split_group(b""), None);
        let v4 = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(parse_address(b"127.0.0.1:80\0"), Some(v4));
        assert_eq!(parse_address(b"127.0.0.1:80"), Some(v4));
        assert_eq!(parse_address(b"[::1]:80").map(|a| a.port()), Some(80));
        for bad in [&b""[..], b"x", b"127.0.0.1", b"\xff", b"localhost:1"] {
            assert_eq!(parse_address(bad), None);
        }
    }
}
