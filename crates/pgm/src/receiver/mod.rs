// SPDX-License-Identifier: MIT OR Apache-2.0
//! The receiving side of a group (RFC 3208, sections 5 and 6): all streams that come there.
//!
//! ```text
//!  stream    Unheard (no SPM yet) ──SPM──► Heard ──FIN, and all delivered──► gone
//!  number    unknown ──► BackOff ──► WaitNcf ──NCF──► WaitData ──data──► delivered in order
//!                          ▲ └────────NCF of another's NAK──►│
//!                          └──────────── time ───────────────┘      lost: behind the trail, or time, or room
//! ```

mod backoff;
mod ready;
mod statistics;
mod stream;
mod timers;
mod window;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::clock::{Clock, MILLISECOND, Tick, ticks};
use crate::packet::{
    Body, Data, Fault, Header, Nak, NakKind, Options, Packet, Spm, write_nak, write_spmr,
};
use crate::rng::Rng;
use crate::tsi::Tsi;
use crate::{Destination, Transmit};
use ready::Ready;
use stream::{Stream, Work};
use timers::Timers;

pub use ready::{DownReason, Event};
pub use statistics::{ReceiverStatistics, StreamStatistics};

/// The number of a stream within its receiver; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u64);

/// What a receiver is to be like.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// The data-destination port; packets for others are passed over.
    pub port: u16,
    /// Longest wait before a NAK (50 ms); how long it is is drawn.
    pub back_off: Duration,
    /// From a NAK to its confirmation, before it is repeated (200 ms). Longer with each repetition.
    pub wait_ncf: Duration,
    /// From a confirmation to the data, before the NAK is repeated (200 ms).
    pub wait_data: Duration,
    /// How long a missing packet is asked for (10 s), before what came behind it is delivered without it.
    pub recovery: Duration,
    /// A stream that is silent for so long is forgotten (300 s).
    pub expiry: Duration,
    /// From the first data of a stream to a request for an SPM, if none has come (25 ms).
    pub spmr: Duration,
    /// Asks for everything the source still has when a stream is met, not only for what comes from then on.
    pub replay: bool,
    /// Most streams (1024); beyond that the one silent for longest is forgotten.
    pub max_streams: usize,
    /// Most numbers from the first missing to the last seen, per stream (2^18).
    pub max_packets: usize,
    /// Most bytes that wait for something missing, of all streams (64 MiB).
    pub max_bytes: usize,
    /// So many bytes to be taken by [`Receiver::poll_event`] and the receiver is full (1 MiB).
    pub max_ready: usize,
}

impl ReceiverConfig {
    /// With the defaults.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            port,
            back_off: Duration::from_millis(50),
            wait_ncf: Duration::from_millis(200),
            wait_data: Duration::from_millis(200),
            recovery: Duration::from_secs(10),
            expiry: Duration::from_secs(300),
            spmr: Duration::from_millis(25),
            replay: false,
            max_streams: 1024,
            max_packets: 1 << 18,
            max_bytes: 64 << 20,
            max_ready: 1 << 20,
        }
    }
}

/// The receiving side of a group.
#[derive(Debug)]
pub struct Receiver {
    clock: Clock,
    names: HashMap<(Tsi, IpAddr), StreamId>,
    streams: HashMap<StreamId, Stream>,
    next_id: u64,
    work: Work,
    /// Streams with NAKs to be sent.
    asking: Vec<StreamId>,
    /// Requests for SPMs to be sent.
    spmrs: Vec<(Header, Destination)>,
    statistics: ReceiverStatistics,
}

impl Receiver {
    /// A receiver that begins now. Receivers that share a seed share their chances, which is bad for
    /// everybody.
    #[must_use]
    pub fn new(config: ReceiverConfig, seed: u64, now: Instant) -> Self {
        Self {
            clock: Clock::new(now),
            names: HashMap::new(),
            streams: HashMap::new(),
            next_id: 0,
            work: Work {
                config,
                rng: Rng::new(seed),
                timers: Timers::default(),
                ready: Ready::default(),
                held: 0,
            },
            asking: Vec::new(),
            spmrs: Vec::new(),
            statistics: ReceiverStatistics::default(),
        }
    }

    /// A packet has come from `from`, sent to `group` (or as unicast, which is nothing for a receiver).
    ///
    /// # Errors
    /// It is none; it has been counted.
    pub fn handle_input(
        &mut self,
        now: Instant,
        from: IpAddr,
        group: IpAddr,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        self.statistics.packets += 1;
        let packet = Packet::parse(bytes).inspect_err(|fault| {
            self.statistics.malformed += 1;
            self.statistics.checksum += u64::from(*fault == Fault::Checksum);
        })?;
        let tick = self.clock.tick(now);
        let header = packet.header;
        if let Body::Spmr = packet.body {
            if header.source_port == self.work.config.port {
                self.others_spmr(tick, header.upstream());
            }
            return Ok(());
        }
        if header.destination_port != self.work.config.port {
            self.statistics.foreign += 1;
            return Ok(());
        }
        let name = (header.downstream(), from);
        match packet.body {
            Body::Data(data) if data.parity => self.statistics.unsupported += 1,
            Body::Data(data) => self.data(tick, name, group, &data),
            Body::Spm(spm, options) => self.spm(tick, name, group, &spm, options),
            Body::Nak(nak, options) if nak.kind == NakKind::Confirmation && nak.group == group => {
                self.confirmation(tick, name, &nak, options);
            }
            Body::Nak(..) | Body::Spmr => self.statistics.foreign += 1,
            Body::Other(_) => self.statistics.unsupported += 1,
        }
        Ok(())
    }

    fn data(&mut self, tick: Tick, name: (Tsi, IpAddr), group: IpAddr, data: &Data<'_>) {
        let id = match self.names.get(&name) {
            Some(id) => *id,
            // Somebody else's repair says nothing about where a stream stands.
            None if data.repair => {
                self.statistics.early += 1;
                return;
            }
            None => self.meet(tick, name, group),
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.over {
            self.statistics.after_end += 1;
            return;
        }
        stream.heard = tick;
        if !stream.window.is_begun() {
            let first = if self.work.config.replay {
                data.trail
            } else {
                data.sqn
            };
            stream.window.begin(first);
        }
        stream.data(tick, data, &mut self.work);
        self.settle(id);
    }

    fn spm(
        &mut self,
        tick: Tick,
        name: (Tsi, IpAddr),
        group: IpAddr,
        spm: &Spm,
        options: Options<'_>,
    ) {
        let id = match self.names.get(&name) {
            Some(id) => *id,
            // It ends before it began for us.
            None if options.fin || options.rst => return,
            None => self.meet(tick, name, group),
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.over {
            return;
        }
        stream.heard = tick;
        if stream.spm.is_some_and(|last| spm.sqn.precedes(last)) {
            stream.statistics.stale_spms += 1;
            return;
        }
        stream.statistics.spms += 1;
        stream.spm = Some(spm.sqn);
        stream.address = Some(spm.address);
        stream.spmr_at = None;
        if !stream.window.is_begun() {
            let first = if self.work.config.replay {
                spm.trail
            } else {
                spm.lead.plus(1)
            };
            stream.window.begin(first);
        }
        stream.path(tick, spm, options, &mut self.work);
        self.settle(id);
    }

    fn confirmation(&mut self, tick: Tick, name: (Tsi, IpAddr), nak: &Nak, options: Options<'_>) {
        let Some(id) = self.names.get(&name).copied() else {
            self.statistics.early += 1;
            return;
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.over {
            return;
        }
        stream.heard = tick;
        stream.statistics.ncfs += 1;
        let numbers = std::iter::once(nak.sqn).chain(options.nak_list.iter());
        stream.confirmed(tick, numbers, &mut self.work);
        self.settle(id);
    }

    /// Another receiver has asked for an SPM to the group: it will do for us, too.
    fn others_spmr(&mut self, tick: Tick, tsi: Tsi) {
        let back_off = ticks(self.work.config.spmr);
        for ((name, _), id) in &self.names {
            if *name == tsi
                && let Some(stream) = self.streams.get_mut(id)
                && let Some(at) = stream.spmr_at
            {
                let later = at.max(tick + back_off * 2);
                stream.spmr_at = Some(later);
                self.work.timers.wake(later, *id);
            }
        }
    }

    /// A stream is met for the first time.
    fn meet(&mut self, tick: Tick, name: (Tsi, IpAddr), group: IpAddr) -> StreamId {
        if self.streams.len() >= self.work.config.max_streams.max(1) {
            let silent = self.streams.iter().min_by_key(|(_, stream)| stream.heard);
            if let Some(id) = silent.map(|(id, _)| *id) {
                self.forget(id, DownReason::Crowded);
            }
        }
        let id = StreamId(self.next_id);
        self.next_id += 1;
        // Many receivers meet it at the same moment: not all ask at once.
        let spmr = ticks(self.work.config.spmr);
        let spmr_at = tick + spmr + (self.work.rng.next() % (spmr + 1));
        let expires = tick + ticks(self.work.config.expiry);
        let mut stream = Stream::new(id, name, group, tick, expires);
        stream.spmr_at = Some(spmr_at);
        self.work.timers.wake(spmr_at, id);
        self.work.timers.wake(expires, id);
        self.names.insert(name, id);
        self.streams.insert(id, stream);
        self.work.ready.up(id, name.0, name.1);
        id
    }

    fn forget(&mut self, id: StreamId, reason: DownReason) {
        let Some(mut stream) = self.streams.remove(&id) else {
            return;
        };
        stream.abandon(&mut self.work);
        self.names.remove(&(stream.tsi, stream.from));
        if !stream.over {
            self.work.ready.down(id, reason);
        }
        self.statistics.ended.add(&stream.statistics);
    }

    /// What a stream wants done after something has happened to it.
    fn settle(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.is_asking() && !stream.listed {
            stream.listed = true;
            self.asking.push(id);
        }
        if stream.rst {
            self.forget(id, DownReason::Reset);
        } else if stream.is_finished() {
            stream.over = true;
            stream.expiry_entry = stream.heard + ticks(self.work.config.recovery);
            self.work.timers.wake(stream.expiry_entry, id);
            self.work.ready.down(id, DownReason::Finished);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let tick = self.clock.tick(now);
        while let Some(timer) = self.work.timers.pop(tick) {
            let Some(stream) = self.streams.get_mut(&timer.stream) else {
                continue;
            };
            if timer.count == 0 {
                self.stream_timer(tick, timer.stream);
                continue;
            }
            stream.due(tick, &timer, &mut self.work);
            self.settle(timer.stream);
        }
    }

    /// A stream has been silent, or its source has not been heard.
    fn stream_timer(&mut self, tick: Tick, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let patience = if stream.over {
            self.work.config.recovery
        } else {
            self.work.config.expiry
        };
        let expires = stream.heard + ticks(patience);
        if tick >= expires {
            self.forget(id, DownReason::Expired);
            return;
        }
        if let Some(at) = stream.spmr_at.filter(|at| *at <= tick) {
            let header = Header {
                source_port: self.work.config.port,
                destination_port: stream.tsi.port,
                gsi: stream.tsi.gsi,
            };
            // First to the group, where others hear that it has been asked; then directly, too.
            let nearby = Destination::GroupNearby(stream.group);
            self.spmrs.push((header, nearby));
            if stream.spmr_tries > 0 {
                self.spmrs.push((header, Destination::Host(stream.from)));
            }
            let wait = ticks(self.work.config.spmr) << stream.spmr_tries.min(6);
            stream.spmr_tries += 1;
            stream.spmr_at = (stream.spmr_tries < SPMR_TRIES).then_some(at + wait);
            if let Some(at) = stream.spmr_at {
                self.work.timers.wake(at, id);
            }
        }
        // One entry at a time looks after the end.
        if stream.expiry_entry <= tick {
            stream.expiry_entry = expires;
            self.work.timers.wake(expires, id);
        }
    }

    /// The next packet to be sent, appended to the buffer.
    pub fn poll_transmit(&mut self, _now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let begin = out.len();
        if let Some((header, destination)) = self.spmrs.pop() {
            self.statistics.spmrs += 1;
            write_spmr(&header, out);
            return Some(Transmit {
                destination,
                range: begin..out.len(),
            });
        }
        loop {
            let id = *self.asking.last()?;
            let next = self.streams.get_mut(&id).and_then(|stream| {
                let numbers = stream.take_asked();
                let (first, more) = numbers.split_first()?;
                let source = stream.address?;
                stream.statistics.naks += 1;
                stream.statistics.asked += numbers.len() as u64;
                let nak = Nak {
                    kind: NakKind::Nak,
                    sqn: *first,
                    source,
                    group: stream.group,
                    parity: false,
                };
                let header = Header {
                    source_port: self.work.config.port,
                    destination_port: stream.tsi.port,
                    gsi: stream.tsi.gsi,
                };
                write_nak(&header, &nak, more, out);
                Some(Transmit {
                    destination: Destination::Host(source),
                    range: begin..out.len(),
                })
            });
            if next.is_some() {
                return next;
            }
            self.asking.pop();
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.listed = false;
            }
        }
    }

    /// The next thing to be known. Its bytes are good until the next call.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        self.work.ready.next()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.work.timers.next().map(|tick| self.clock.instant(tick))
    }

    /// So much waits to be taken by [`poll_event`](Self::poll_event) that no more should be read.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.work.ready.bytes() >= self.work.config.max_ready
    }

    /// What has happened so far, to all streams together.
    #[must_use]
    pub fn statistics(&self) -> ReceiverStatistics {
        let mut statistics = self.statistics;
        statistics.streams = self.streams.len();
        statistics.held = self.work.held;
        statistics
    }

    /// What has happened so far to each stream that there is.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, Tsi, IpAddr, StreamStatistics)> {
        self.streams
            .iter()
            .map(|(id, stream)| (*id, stream.tsi, stream.from, stream.statistics))
    }
}

/// After so many requests for an SPM in vain the source is left alone.
const SPMR_TRIES: u32 = 12;
/// Timers go off at whole milliseconds, so that what is asked for at about the same time goes into one packet.
const GRAIN: Tick = MILLISECOND;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
