// SPDX-License-Identifier: MIT OR Apache-2.0
//! The subscribing half of PGM.

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ferromq_os::datagram::{Datagram, Inbound, MOST_AT_ONCE, Outbound};
use ferromq_pgm::{Destination, Event, Receiver, ReceiverConfig, StreamId};
use ferromq_pipe::{Drain, SLICES};
use ferromq_vocabulary::{Code, SocketOptions};
use ferromq_zmtp::apdu::Unpacker;

use super::carrier::{Carrier, Inlet, Visit, Waiting};
use super::code;
use super::group::{Place, window_bytes};
use super::pace::Pace;
use crate::multicast::{MulticastStatistics, MulticastStream};
use crate::tuning::DATAGRAM_VISIT;

#[derive(Debug)]
pub(super) struct Subscriber {
    receiver: Receiver,
    /// What each publisher's stream is in the middle of.
    unpackers: HashMap<StreamId, Unpacker>,
    max_message: i64,
    place: Place,
    groups: Vec<(IpAddr, Datagram)>,
    /// Sends what we have to say to publishers.
    socket: Datagram,
    inbound: Inbound,
    outbound: Outbound,
    pace: Pace,
    broken: u64,
    /// What came while the kernel's buffers were full.
    overflowed: u64,
    closed: bool,
}

impl Subscriber {
    pub(super) fn open(place: Place, options: &SocketOptions) -> Result<Self, Code> {
        let mut groups = Vec::new();
        for group in &place.groups {
            groups.push((*group, place.group_socket(*group, options)?));
        }
        // What goes to the group from here is for the next publisher, not for the world.
        let socket = place.sending_socket(false, 1, options)?;
        let mut seed = [0; 8];
        ferromq_os::random::fill(&mut seed).map_err(|error| code(&error))?;
        let mut config = ReceiverConfig::new(place.port);
        let recovery = u64::try_from(options.recovery_ivl).unwrap_or(0);
        config.recovery = Duration::from_millis(recovery);
        // What the slowest repair holds up.
        config.max_bytes = window_bytes(options, config.max_bytes);
        let mut merged = true;
        for (_, socket) in &groups {
            merged &= socket.receive_merged().is_ok();
        }
        let inbound = if merged {
            Inbound::new(MERGED_AT_ONCE, MOST_MERGED)
        } else {
            Inbound::new(MOST_AT_ONCE, place.max_tpdu.max(LEAST_ROOM))
        };
        let buffers = groups.iter().map(|(_, socket)| socket.receive_room());
        let room = buffers.map(|room| room.unwrap_or(0)).min().unwrap_or(0);
        let now = Instant::now();
        Ok(Self {
            receiver: Receiver::new(config, u64::from_be_bytes(seed), now),
            pace: Pace::new(room, merged, now),
            unpackers: HashMap::new(),
            max_message: options.maxmsgsize,
            groups,
            socket,
            inbound,
            outbound: Outbound::new(),
            broken: 0,
            overflowed: 0,
            closed: false,
            place,
        })
    }

    /// Hands on what has come whole, as far as there is room.
    fn deliver(&mut self, inlet: &mut Inlet<'_>, visit: &mut Visit) {
        while !inlet.is_full() {
            let Some(event) = self.receiver.poll_event() else {
                visit.stalled = false;
                inlet.flush().ok();
                return;
            };
            match event {
                Event::StreamUp { stream, .. } => {
                    self.unpackers
                        .insert(stream, Unpacker::new(self.max_message));
                }
                Event::Data {
                    stream, payload, ..
                } => {
                    if let Some(unpacker) = self.unpackers.get_mut(&stream) {
                        // What is malformed is dropped, and the stream joined anew behind it.
                        unpacker.feed(payload, inlet.frames()).ok();
                        inlet.handed().ok();
                    }
                }
                Event::Lost {
                    stream, packets, ..
                } => {
                    visit.lost += u64::from(packets);
                    if let Some(unpacker) = self.unpackers.get_mut(&stream) {
                        self.broken += u64::from(unpacker.lose());
                    }
                }
                Event::StreamDown { stream, .. } => {
                    self.unpackers.remove(&stream);
                }
            }
        }
        visit.stalled = true;
        inlet.flush().ok();
    }

    /// Reads a batch from each socket; how many datagrams and bytes, and whether there may be more.
    fn receive(&mut self, now: Instant) -> (u64, u64, bool) {
        let (mut count, mut length, mut more) = (0, 0, false);
        for (group, socket) in &self.groups {
            let came = self.inbound.receive(socket).unwrap_or(0);
            for (from, bytes) in self.inbound.iter() {
                length += bytes.len() as u64;
                // What is malformed has been counted.
                self.receiver
                    .handle_input(now, from.ip(), *group, bytes)
                    .ok();
            }
            count += self.inbound.len() as u64;
            more |= came == self.inbound.room();
        }
        if more {
            // Only then can there have been more than the kernel could keep.
            let dropped = self.groups.iter().map(|(_, socket)| socket.dropped());
            self.overflowed = dropped.map(|dropped| dropped.unwrap_or(0)).sum();
        }
        (count, length, more)
    }

    /// Sends what we have to say; whether the kernel took it.
    fn transmit(&mut self, now: Instant) -> bool {
        loop {
            while self.outbound.len() < MOST_AT_ONCE {
                let Some(transmit) = self.receiver.poll_transmit(now, self.outbound.buffer())
                else {
                    break;
                };
                let (Destination::Group(ip) | Destination::GroupNearby(ip) | Destination::Host(ip)) =
                    transmit.destination;
                self.outbound.push(transmit.range, self.place.at(ip));
            }
            if self.outbound.is_empty() {
                return true;
            }
            // A NAK that does not get through is repeated.
            if let Ok(false) = self.outbound.send(&self.socket) {
                return false;
            }
        }
    }
}

impl Carrier for Subscriber {
    fn sockets(&self) -> Vec<Waiting<'_>> {
        let groups = self.groups.iter().map(|(_, socket)| (socket, true));
        groups
            .chain([(&self.socket, false)])
            .map(|(socket, reads)| Waiting {
                socket,
                reads,
                writes: !reads,
            })
            .collect()
    }

    fn visit(&mut self, now: Instant, drain: &mut Drain, inlet: &mut Inlet<'_>) -> Visit {
        discard(drain);
        let mut visit = Visit::default();
        let (mut moved, mut bytes) = (0, 0);
        self.receiver.handle_timeout(now);
        loop {
            self.deliver(inlet, &mut visit);
            // What is held back waits in the receiver, up to its bound, so that gaps are still asked for.
            if self.receiver.is_full() {
                self.pace.go_on(Instant::now(), moved);
                visit.held = true;
                break;
            }
            let (count, length, more) = self.receive(Instant::now());
            moved += count;
            bytes += length;
            if !more {
                if count > 0 {
                    self.deliver(inlet, &mut visit);
                }
                visit.rests = self.pace.rest(Instant::now(), moved, bytes);
                break;
            }
            if moved >= DATAGRAM_VISIT {
                self.pace.go_on(Instant::now(), moved);
                visit.more = true;
                break;
            }
        }
        visit.wants_room = !self.transmit(now);
        visit
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.receiver.poll_timeout(), self.pace.rests_until()];
        times.into_iter().flatten().min()
    }

    fn close(&mut self, _: Instant, _: Option<Instant>) {
        self.closed = true;
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn statistics(&self) -> Option<MulticastStatistics> {
        let streams = self.receiver.streams();
        Some(MulticastStatistics {
            receiver: Some(self.receiver.statistics()),
            streams: streams
                .map(|(_, tsi, from, counters)| MulticastStream::new(tsi, from, counters))
                .collect(),
            broken_messages: self.broken,
            overflowed: self.overflowed,
            ..MulticastStatistics::default()
        })
    }
}

/// What an XSUB sends has nowhere to go.
fn discard(drain: &mut Drain) {
    loop {
        let mut pieces = [IoSlice::new(&[]); SLICES];
        let (_, bytes) = drain.slices(&mut pieces, usize::MAX);
        if bytes == 0 {
            return;
        }
        drain.accept(bytes);
    }
}

/// With room for this much each may hold many packets, so there are fewer.
const MERGED_AT_ONCE: usize = 16;
const MOST_MERGED: usize = 65_535;
/// Publishers may send more at once than we would.
const LEAST_ROOM: usize = 2048;
