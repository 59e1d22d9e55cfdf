// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sending side of one stream (RFC 3208, sections 5 and 6).
//!
//! ```text
//!  Open ──close()──► Draining ──all sent──► Lingering ──quiet, or deadline──► Closed
//! ```

mod blocks;
mod config;
mod window;

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use crate::clock::{Clock, FOREVER, Tick, ticks};
use crate::packet::option::NAK_LIST_MAX;
use crate::packet::{
    Body, DATA_HEADER_LEN, FRAGMENT_LEN, Fault, Fragment, Header, Nak, NakKind, Options, Packet,
    Spm, write_nak, write_spm,
};
use crate::rate::Bucket;
use crate::sequence::Sqn;
use crate::tsi::Tsi;
use crate::{Destination, Transmit};
use window::{Window, Written};

pub use blocks::Memory;
pub use config::{SourceConfig, SourceStatistics};

/// What a source made of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was for this source.
    Taken,
    /// It asks another source for something: one that sends to this group, if it says so.
    Foreign(Option<IpAddr>),
    /// It is nothing that a source hears.
    Ignored,
}

/// Why something was not sent. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Enough waits for the rate already: later.
    Backlog,
    /// The stream has been ended.
    Closed,
    /// There is nothing to be sent.
    Empty,
    /// There is no memory for it.
    OutOfMemory,
    /// It does not fit into the window.
    TooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backlog => "enough waits to be sent",
            Self::Closed => "the stream has ended",
            Self::Empty => "an empty message",
            Self::OutOfMemory => "out of memory",
            Self::TooLong => "too long for the window",
        })
    }
}

impl Error for SendError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// What waits is still sent, until then at the latest.
    Draining(Tick),
    /// Repairs only.
    Lingering {
        deadline: Tick,
        /// Ends then, unless somebody asks for something.
        quiet: Tick,
        /// FINs so far.
        fins: u32,
    },
    Closed,
}

/// The sending side of a stream.
#[derive(Debug)]
pub struct Source {
    config: SourceConfig,
    clock: Clock,
    state: State,
    window: Window,
    bucket: Bucket,
    /// Numbers to be sent again, each once.
    repairs: VecDeque<Sqn>,
    /// Bytes by which repairs are ahead of data, while both wait.
    ahead: i64,
    /// Numbers to be confirmed.
    confirmations: Vec<Sqn>,
    spm_sqn: Sqn,
    /// SPMs to be sent at once.
    spms_due: u32,
    last_spm: Option<Tick>,
    /// When the next SPM is due, whatever for.
    next_spm: Tick,
    /// Which of the heartbeats that is.
    beat: usize,
    /// Somebody has asked for an SPM.
    spm_asked: bool,
    /// When somebody last asked for a repair.
    last_asked: Option<Tick>,
    statistics: SourceStatistics,
}

impl Source {
    /// A source that begins now.
    #[must_use]
    pub fn new(config: SourceConfig, now: Instant) -> Self {
        let bucket = Bucket::new(config.limit, now);
        let first_spms = config.first_spms;
        Self {
            clock: Clock::new(now),
            state: State::Open,
            window: Window::new(config.first),
            bucket,
            repairs: VecDeque::new(),
            ahead: 0,
            confirmations: Vec::new(),
            spm_sqn: Sqn(0),
            spms_due: first_spms,
            last_spm: None,
            next_spm: ticks(config.ambient),
            beat: config.heartbeats.len(),
            spm_asked: false,
            last_asked: None,
            statistics: SourceStatistics::default(),
            config,
        }
    }

    /// Most bytes that go into one packet.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.config
            .max_packet
            .clamp(DATA_HEADER_LEN + FRAGMENT_LEN + 1, MOST_IN_PACKET)
            - DATA_HEADER_LEN
    }

    /// Takes an APDU to be sent. One longer than [`max_payload`](Self::max_payload) goes out in fragments.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, now: Instant, apdu: &[u8]) -> Result<Sqn, SendError> {
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        if apdu.is_empty() {
            return Err(SendError::Empty);
        }
        if !self.has_room() {
            return Err(SendError::Backlog);
        }
        if apdu.len() > self.config.window_bytes {
            return Err(SendError::TooLong);
        }
        let first = self.window.end();
        if apdu.len() <= self.max_payload() {
            self.append(now, None, apdu)?;
            return Ok(first);
        }
        let length = u32::try_from(apdu.len()).map_err(|_huge| SendError::TooLong)?;
        let mut offset = 0;
        for part in apdu.chunks(self.max_payload() - FRAGMENT_LEN) {
            let fragment = Fragment {
                first,
                offset,
                length,
            };
            self.append(now, Some(fragment), part)?;
            // Smaller than the whole, which fits.
            offset += u32::try_from(part.len()).unwrap_or(0);
        }
        Ok(first)
    }

    fn append(
        &mut self,
        now: Instant,
        fragment: Option<Fragment>,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let header = self.header();
        self.window
            .push(&header, fragment, payload)
            .map_err(|_full| SendError::OutOfMemory)?;
        self.trim(now);
        Ok(())
    }

    /// Whether more may be given to [`send`](Self::send): what waits for the rate should wait elsewhere.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.window.unsent_bytes() < self.bucket.burst().unwrap_or(UNLIMITED_BURST)
    }

    /// How many pieces of memory, of some 100 KiB each, [`lend`](Self::lend) would find a use for.
    #[must_use]
    pub fn wants_memory(&self) -> usize {
        self.window.wants_memory()
    }

    /// Memory to keep packets in, in the place of some that the allocator would give: while the window grows, that is memory which the
    /// system has yet to find.
    pub fn lend(&mut self, memory: Box<dyn Memory>) {
        self.window.lend(memory);
    }

    /// Whether data or repairs wait to be sent.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.window.unsent() > 0 || !self.repairs.is_empty()
    }

    /// Drops from the window what is too much or too old.
    fn trim(&mut self, now: Instant) {
        let old = self
            .clock
            .tick(now)
            .checked_sub(ticks(self.config.recovery));
        let packets = self.config.window_packets.clamp(1, MOST_PACKETS);
        while self.window.unsent() < self.window.len()
            && (self.window.len() > packets
                || self.window.bytes() > self.config.window_bytes
                || self.window.bytes() > KEPT_BYTES && self.window.oldest() < old)
        {
            self.window.drop_first();
        }
    }

    /// A packet has come, as unicast or to the group.
    ///
    /// # Errors
    /// It is none; it has been counted.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<Heard, Fault> {
        let packet = Packet::parse(bytes).inspect_err(|fault| {
            self.statistics.malformed += 1;
            self.statistics.checksum += u64::from(*fault == Fault::Checksum);
        })?;
        let is_ours = packet.header.upstream() == self.config.tsi
            && packet.header.source_port == self.config.port;
        match packet.body {
            Body::Nak(nak, _) if nak.kind == NakKind::Confirmation => Ok(Heard::Ignored),
            Body::Nak(nak, _) if !is_ours => {
                self.statistics.foreign += 1;
                Ok(Heard::Foreign(Some(nak.group)))
            }
            Body::Nak(nak, options) => {
                self.asked(now, &nak, options);
                Ok(Heard::Taken)
            }
            Body::Spmr if !is_ours => {
                self.statistics.foreign += 1;
                Ok(Heard::Foreign(None))
            }
            Body::Spmr => {
                self.statistics.spmrs += 1;
                self.ask_for_spm(now);
                Ok(Heard::Taken)
            }
            // Our own, or another source's.
            Body::Spm(..) | Body::Data(_) | Body::Other(_) => Ok(Heard::Ignored),
        }
    }

    /// A receiver wants something again.
    fn asked(&mut self, now: Instant, nak: &Nak, options: Options<'_>) {
        self.statistics.naks += 1;
        let fits = nak.source == self.config.address && nak.group == self.config.group;
        if !fits || nak.parity || self.state == State::Closed {
            self.statistics.foreign += 1;
            return;
        }
        let tick = self.clock.tick(now);
        self.last_asked = Some(tick);
        let patience = self.patience_from(tick);
        if let State::Lingering { quiet, .. } = &mut self.state {
            *quiet = patience;
        }
        let hold = ticks(self.config.hold);
        for sqn in std::iter::once(nak.sqn).chain(options.nak_list.iter()) {
            self.statistics.asked += 1;
            let Some(kept) = self.window.sent(sqn) else {
                // The trail of an SPM tells that it cannot be had.
                self.statistics.gone += 1;
                self.ask_for_spm(now);
                continue;
            };
            if kept.confirmed.is_none_or(|at| tick >= at + hold) {
                kept.confirmed = Some(tick);
                if nak.kind == NakKind::Nak {
                    self.confirmations.push(sqn);
                }
            }
            if kept.queued || kept.repaired.is_some_and(|at| tick < at + hold) {
                self.statistics.held += 1;
            } else if nak.kind == NakKind::Nak {
                kept.queued = true;
                self.repairs.push_back(sqn);
            }
        }
    }

    /// An SPM is to be sent, but not one for each who asks.
    fn ask_for_spm(&mut self, now: Instant) {
        if self.state == State::Closed {
            return;
        }
        self.spm_asked = true;
        let earliest = self
            .last_spm
            .map_or(0, |last| last + ticks(self.config.hold));
        self.next_spm = self.next_spm.min(earliest.max(self.clock.tick(now)));
    }

    /// The stream ends: what waits is sent until the deadline, then what receivers still miss. Without a
    /// deadline as long as it takes; at a deadline that has passed, only that it has ended.
    pub fn close(&mut self, now: Instant, deadline: Option<Instant>) {
        let deadline = deadline.map_or(FOREVER, |at| self.clock.tick(at));
        match self.state {
            State::Open => self.state = State::Draining(deadline),
            State::Draining(earlier) => self.state = State::Draining(earlier.min(deadline)),
            State::Lingering {
                deadline: earlier,
                quiet,
                fins,
            } => {
                self.state = State::Lingering {
                    deadline: earlier.min(deadline),
                    quiet,
                    fins,
                }
            }
            State::Closed => {}
        }
        self.handle_timeout(now);
    }

    /// Whether everything is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed && self.spms_due == 0
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let tick = self.clock.tick(now);
        self.forgive(tick);
        if tick >= self.next_spm && self.state != State::Closed {
            self.spms_due = self.spms_due.max(1);
            self.plan_spm(tick);
        }
        match self.state {
            State::Draining(deadline) if !self.has_waiting() || tick >= deadline => {
                self.begin_lingering(tick, deadline);
            }
            State::Lingering {
                deadline, quiet, ..
            } if tick >= deadline || tick >= quiet && self.repairs.is_empty() => self.end(),
            State::Open | State::Draining(_) | State::Lingering { .. } | State::Closed => {}
        }
    }

    /// Time in which this machine stood still, or somebody else had it, is no time in which anybody could have asked.
    fn forgive(&mut self, tick: Tick) {
        let due = self.next_due();
        if let State::Lingering { quiet, .. } = &mut self.state {
            *quiet = quiet.saturating_add(tick.saturating_sub(due));
        }
    }

    /// Until when to wait for another request after one.
    fn patience_from(&self, asked: Tick) -> Tick {
        asked.saturating_add(ticks(self.config.quiet).saturating_mul(4))
    }

    fn begin_lingering(&mut self, tick: Tick, deadline: Tick) {
        let last = self.window.last_sent().unwrap_or(0);
        let asked = self.last_asked.map_or(0, |at| self.patience_from(at));
        let quiet = (last + ticks(self.config.quiet)).max(asked).max(tick);
        self.window.drop_unsent();
        self.state = State::Lingering {
            deadline,
            quiet,
            fins: 0,
        };
        if tick >= deadline || tick >= quiet {
            // Nobody can be waiting for anything: that it has ended is said as often as it was begun.
            self.spms_due = self.config.first_spms.max(1);
            self.end();
        } else {
            self.spms_due = 1;
            self.plan_spm(tick);
        }
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.repairs = VecDeque::new();
        self.confirmations = Vec::new();
    }

    /// When the SPM after this one is due.
    fn plan_spm(&mut self, tick: Tick) {
        self.spm_asked = false;
        let wait = if let State::Lingering { fins, .. } = &mut self.state {
            *fins += 1;
            ticks(self.config.quiet) / 16 * u64::from(1_u32 << (*fins - 1).min(8))
        } else {
            let beat = self.config.heartbeats.get(self.beat).copied();
            self.beat = self.beat.saturating_add(1);
            ticks(beat.unwrap_or(self.config.ambient).min(self.config.ambient))
        };
        self.next_spm = tick.saturating_add(wait);
    }

    /// The next packet to be sent now, appended to the buffer.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let begin = out.len();
        if !self.confirmations.is_empty() {
            self.confirm(out);
        } else if self.spms_due > 0 {
            self.spms_due -= 1;
            self.tell_path(now, out);
        } else if self.bucket.is_open(now) {
            if self.repairs_come_first() {
                self.repair(now, out);
            }
            if out.len() == begin {
                self.send_next(now, out);
            }
        }
        if out.len() == begin {
            if self.state != State::Open {
                self.handle_timeout(now);
            }
            if self.spms_due == 0 {
                return None;
            }
            self.spms_due -= 1;
            self.tell_path(now, out);
        }
        Some(Transmit {
            destination: Destination::Group(self.config.group),
            range: begin..out.len(),
        })
    }

    fn repairs_come_first(&mut self) -> bool {
        if self.repairs.is_empty() || self.window.unsent() == 0 {
            self.ahead = 0;
        }
        !self.repairs.is_empty() && self.ahead <= 0
    }

    fn confirm(&mut self, out: &mut Vec<u8>) {
        let count = self.confirmations.len().min(NAK_LIST_MAX + 1);
        let mut numbers = self.confirmations.drain(..count);
        let Some(sqn) = numbers.next() else { return };
        let more: Vec<Sqn> = numbers.collect();
        let nak = Nak {
            kind: NakKind::Confirmation,
            sqn,
            source: self.config.address,
            group: self.config.group,
            parity: false,
        };
        self.statistics.ncfs += 1;
        write_nak(&self.header(), &nak, &more, out);
    }

    fn tell_path(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.trim(now);
        let spm = Spm {
            sqn: self.spm_sqn,
            trail: self.window.trail(),
            lead: self.window.sent_end().minus(1),
            address: self.config.address,
        };
        self.spm_sqn = self.spm_sqn.plus(1);
        self.last_spm = Some(self.clock.tick(now));
        let fin = matches!(self.state, State::Lingering { .. } | State::Closed);
        self.statistics.spms += 1;
        write_spm(&self.header(), &spm, fin, out);
    }

    /// Sends what somebody has missed.
    fn repair(&mut self, now: Instant, out: &mut Vec<u8>) {
        let tick = self.clock.tick(now);
        while let Some(sqn) = self.repairs.pop_front() {
            let Some(Written { len, payload }) = self.window.repair(tick, sqn, out) else {
                continue;
            };
            self.statistics.repairs += 1;
            self.statistics.repair_bytes += payload as u64;
            self.ahead = self.ahead.saturating_add(i64::try_from(len).unwrap_or(0));
            self.bucket.spend(now, len + self.config.overhead);
            return;
        }
    }

    fn send_next(&mut self, now: Instant, out: &mut Vec<u8>) {
        let tick = self.clock.tick(now);
        let Some(Written { len, payload }) = self.window.send_next(tick, out) else {
            return;
        };
        self.statistics.packets += 1;
        self.statistics.bytes += payload as u64;
        self.ahead = self.ahead.saturating_sub(i64::try_from(len).unwrap_or(0));
        self.bucket.spend(now, len + self.config.overhead);
        // Heartbeats count from the last data; ambient SPMs go on under steady traffic.
        self.beat = 0;
        let first = self.config.heartbeats.first().copied();
        let beat = tick.saturating_add(ticks(first.unwrap_or(self.config.ambient)));
        let ambient = self
            .last_spm
            .map_or(tick, |last| last + ticks(self.config.ambient));
        if !self.spm_asked {
            self.next_spm = beat.min(ambient);
            self.beat = usize::from(beat <= ambient);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, and there may be something to be sent.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.next_timer()?;
        if self.has_waiting() {
            let waiting = self
                .window
                .unsent_bytes()
                .saturating_add(self.repairs.len().saturating_mul(self.config.max_packet));
            return Some(timer.min(self.bucket.opens_for(waiting)));
        }
        Some(timer)
    }

    /// The same without what waits to be sent, for who could not send it now.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        Some(self.clock.instant(self.next_due()))
    }

    fn next_due(&self) -> Tick {
        match self.state {
            State::Draining(deadline) => self.next_spm.min(deadline),
            // As long as repairs wait it is not over.
            State::Lingering { deadline, .. } if !self.repairs.is_empty() => {
                self.next_spm.min(deadline)
            }
            State::Lingering {
                deadline, quiet, ..
            } => self.next_spm.min(deadline).min(quiet),
            State::Open | State::Closed => self.next_spm,
        }
    }

    fn header(&self) -> Header {
        Header {
            source_port: self.config.tsi.port,
            destination_port: self.config.port,
            gsi: self.config.tsi.gsi,
        }
    }

    /// The name of the stream.
    #[must_use]
    pub fn tsi(&self) -> Tsi {
        self.config.tsi
    }

    /// What has happened so far.
    #[must_use]
    pub fn statistics(&self) -> SourceStatistics {
        self.statistics
    }

    /// Packets and bytes that are kept for repairs.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        (self.window.len(), self.window.bytes())
    }
}

/// So much stays in the window whatever its age.
pub const KEPT_BYTES: usize = 1 << 20;
/// "A transmit window must be smaller than half of all sequence numbers."
const MOST_PACKETS: usize = (1 << 31) - 2;
/// What a UDP datagram can hold, and the length field of a packet.
const MOST_IN_PACKET: usize = 65_507;
/// What may wait to be sent where nothing limits it.
const UNLIMITED_BURST: usize = 128 << 10;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
