// SPDX-License-Identifier: MIT OR Apache-2.0
//! The publishing half of PGM.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use ferromq_os::datagram::{Datagram, Inbound, MOST_AT_ONCE, Outbound};
use ferromq_pgm::rate::Limit;
use ferromq_pgm::source::{Heard, KEPT_BYTES};
use ferromq_pgm::{Destination, Source, SourceConfig, packet};
use ferromq_pipe::{Drain, SLICES};
use ferromq_vocabulary::{Code, SocketOptions};
use ferromq_zmtp::apdu::Packer;

use super::carrier::{Carrier, Inlet, Visit, Waiting};
use super::code;
use super::group::{Encapsulation, Place, window_bytes};
use crate::multicast::{MulticastStatistics, random_tsi};
use crate::tuning::DATAGRAM_VISIT;

#[derive(Debug)]
pub(super) struct Publisher {
    source: Source,
    packer: Packer,
    place: Place,
    /// Hears what is sent to this host.
    socket: Datagram,
    /// Sends; where there is none, the other one does.
    sender: Option<Datagram>,
    /// Hears what is sent to the group: requests for our path.
    group: Datagram,
    /// What reaches us in the place of another publisher of this host goes on to it.
    local: Option<Datagram>,
    inbound: Inbound,
    outbound: Outbound,
    /// Datagrams that the kernel would not send.
    refused: u64,
}

impl Publisher {
    pub(super) fn open(place: Place, options: &SocketOptions) -> Result<Self, Code> {
        let group = place.group_socket(place.send, options)?;
        if options.multicast_loop != Some(true) {
            place.do_not_hear_oneself(&group);
        }
        let socket = place.sending_socket(true, options.multicast_hops, options)?;
        let sender = match place.encapsulation() {
            // Its port is taken.
            Encapsulation::Udp => None,
            Encapsulation::Ip => Some(place.group_sender(options)?),
        };
        // Without it publishers that share an address and a port hear each other's NAKs, and not their own.
        let local = match place.encapsulation() {
            Encapsulation::Udp => place.local_socket().ok(),
            // Every raw socket hears everything.
            Encapsulation::Ip => None,
        };
        let tsi = random_tsi().map_err(|error| code(&error))?;
        let config = configure(&place, options, tsi);
        let source = Source::new(config, Instant::now());
        Ok(Self {
            packer: Packer::new(source.max_payload()),
            source,
            socket,
            sender,
            group,
            local,
            inbound: Inbound::new(MOST_AT_ONCE, SHORT),
            outbound: Outbound::new(),
            refused: 0,
            place,
        })
    }

    /// Reads what receivers want.
    fn receive(&mut self, now: Instant) {
        for _ in 0..ROUNDS {
            let came = self.inbound.receive(&self.socket).unwrap_or(0);
            for (_, bytes) in self.inbound.iter() {
                // What is malformed has been counted.
                if let Ok(Heard::Foreign(group)) = self.source.handle_input(now, bytes)
                    && let Some(local) = &self.local
                {
                    let group = group.filter(|group| self.place.can_send_to(*group));
                    let group = group.unwrap_or(self.place.send);
                    local.send_to(bytes, self.place.at(group)).ok();
                }
            }
            if came < self.inbound.room() {
                break;
            }
        }
        for _ in 0..ROUNDS {
            let came = self.inbound.receive(&self.group).unwrap_or(0);
            for (_, bytes) in self.inbound.iter() {
                // Most of it is data, ours or others'.
                if packet::is_upstream(bytes) {
                    self.source.handle_input(now, bytes).ok();
                }
            }
            if came < self.inbound.room() {
                break;
            }
        }
    }

    /// Takes from the queue what the source takes; whether there was anything.
    fn pack(&mut self, now: Instant, drain: &mut Drain) -> bool {
        let mut any = false;
        while self.source.has_room() {
            drain.want_emptied(self.wanted_memory());
            let mut pieces = [IoSlice::new(&[]); SLICES];
            let (count, bytes) = drain.slices(&mut pieces, usize::MAX);
            let mut taken = 0;
            'pieces: for piece in &pieces[..count] {
                let mut rest: &[u8] = piece;
                while !rest.is_empty() {
                    let fed = self.packer.feed(rest);
                    taken += fed;
                    rest = &rest[fed..];
                    if self.packer.is_full() {
                        any |= send(&mut self.source, &mut self.packer, now);
                        if !self.source.has_room() {
                            break 'pieces;
                        }
                    }
                }
            }
            drain.accept(taken);
            // The application has paid for its pages.
            while let Some(memory) = drain.take_emptied() {
                self.source.lend(Box::new(memory));
            }
            if taken == bytes {
                // That was all: nothing waits for company.
                loop {
                    self.packer.feed(&[]);
                    if self.packer.is_empty() || !self.source.has_room() {
                        break;
                    }
                    any |= send(&mut self.source, &mut self.packer, now);
                }
                if taken == 0 {
                    break;
                }
            }
        }
        any
    }

    /// How many chunks that have been drained the source can use. Over UDP, where many packets go through the kernel as one, it finds
    /// its own: what that costs is most of what keeps a publisher at a rate at which subscribers can follow.
    fn wanted_memory(&self) -> usize {
        match self.place.encapsulation() {
            Encapsulation::Ip => self.source.wants_memory(),
            Encapsulation::Udp => 0,
        }
    }

    /// Hands packets to the kernel; whether it took them all.
    fn transmit(&mut self, now: Instant) -> bool {
        loop {
            while self.outbound.len() < MOST_AT_ONCE {
                let Some(transmit) = self.source.poll_transmit(now, self.outbound.buffer()) else {
                    break;
                };
                let (Destination::Group(ip) | Destination::GroupNearby(ip) | Destination::Host(ip)) =
                    transmit.destination;
                self.outbound.push(transmit.range, self.place.at(ip));
            }
            if self.outbound.is_empty() {
                return true;
            }
            match self
                .outbound
                .send(self.sender.as_ref().unwrap_or(&self.socket))
            {
                Ok(true) => {}
                Ok(false) => return false,
                // As if it had been lost on the way.
                Err(_) => self.refused += 1,
            }
        }
    }
}

/// Gives the source what has been packed.
fn send(source: &mut Source, packer: &mut Packer, now: Instant) -> bool {
    // There is room, and it fits; what fails for want of memory is lost.
    let sent = source.send(now, packer.apdu()).is_ok();
    packer.clear();
    sent
}

impl Carrier for Publisher {
    fn sockets(&self) -> Vec<Waiting<'_>> {
        let sender = self.sender.as_ref();
        let waiting = |socket, reads, writes| Waiting {
            socket,
            reads,
            writes,
        };
        [
            waiting(&self.socket, true, sender.is_none()),
            waiting(&self.group, true, false),
        ]
        .into_iter()
        .chain(sender.map(|sender| waiting(sender, false, true)))
        .collect()
    }

    fn visit(&mut self, now: Instant, drain: &mut Drain, _: &mut Inlet<'_>) -> Visit {
        self.receive(now);
        self.source.handle_timeout(now);
        let before = self.source.statistics().packets;
        let mut visit = Visit::default();
        loop {
            let now = Instant::now();
            if !self.transmit(now) {
                visit.wants_room = true;
                break;
            }
            if !self.pack(now, drain) {
                break;
            }
            if self.source.statistics().packets - before >= DATAGRAM_VISIT {
                visit.more = true;
                break;
            }
        }
        // Then the packer may have the end of what the queue held, and the queue be empty.
        visit.full = visit.wants_room || !self.source.has_room();
        visit
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.outbound.is_empty() {
            self.source.poll_timeout()
        } else {
            // The kernel tells when it takes more; what the rate would let out by now is no reason to come.
            self.source.next_timer()
        }
    }

    fn close(&mut self, now: Instant, deadline: Option<Instant>) {
        self.source.close(now, deadline);
    }

    fn is_closed(&self) -> bool {
        self.source.is_closed() && self.outbound.is_empty()
    }

    fn statistics(&self) -> Option<MulticastStatistics> {
        Some(MulticastStatistics {
            source: Some(self.source.statistics()),
            ..MulticastStatistics::default()
        })
    }
}

fn configure(place: &Place, options: &SocketOptions, tsi: ferromq_pgm::Tsi) -> SourceConfig {
    let kilobits = u64::try_from(options.rate).unwrap_or(1);
    let milliseconds = u64::try_from(options.recovery_ivl).unwrap_or(0);
    let mut config = SourceConfig::new(tsi, place.port, place.address, place.send);
    config.max_packet = place.max_tpdu - place.overhead;
    config.overhead = place.overhead;
    config.limit = (options.rate < i32::MAX).then(|| Limit::new(kilobits * 1000, place.max_tpdu));
    config.recovery = Duration::from_millis(milliseconds);
    config.window_bytes = window_bytes(options, KEPT_BYTES);
    config
}

/// Receivers have little to say.
const SHORT: usize = 1500;
/// Reads in one visit.
const ROUNDS: usize = 4;
