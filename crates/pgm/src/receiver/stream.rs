// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stream.

use std::net::IpAddr;

use super::backoff::BackOff;
use super::ready::Ready;
use super::statistics::StreamStatistics;
use super::timers::{Timer, Timers};
use super::window::{Missing, Piece, Slot, Window};
use super::{ReceiverConfig, StreamId};
use crate::clock::{Tick, ticks};
use crate::packet::option::NAK_LIST_MAX;
use crate::packet::{Data, Fragment, Options, Spm};
use crate::rng::Rng;
use crate::sequence::Sqn;
use crate::tsi::Tsi;

/// What is done about a missing number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Somebody else may ask.
    BackOff,
    /// It has been asked for.
    WaitNcf,
    /// The source has heard, and sends it again.
    WaitData,
}

/// What a stream works with, which all streams of a receiver share.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) config: ReceiverConfig,
    pub(super) rng: Rng,
    pub(super) timers: Timers,
    pub(super) ready: Ready,
    /// Bytes that wait for something missing, of all streams.
    pub(super) held: usize,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what was heard of its end, and where it is listed"
)]
pub(super) struct Stream {
    id: StreamId,
    pub(super) tsi: Tsi,
    pub(super) from: IpAddr,
    pub(super) group: IpAddr,
    /// Where NAKs go to: known from the first SPM on.
    pub(super) address: Option<IpAddr>,
    /// The number of the last SPM.
    pub(super) spm: Option<Sqn>,
    pub(super) spmr_at: Option<Tick>,
    pub(super) spmr_tries: u32,
    /// When something of it came last.
    pub(super) heard: Tick,
    /// When the timer for its end is set to go off.
    pub(super) expiry_entry: Tick,
    pub(super) window: Window,
    back_off: BackOff,
    /// Numbers to be asked for now.
    asked: Vec<Sqn>,
    /// It is among those who ask.
    pub(super) listed: bool,
    /// An APDU in fragments, as far as it has come.
    assembly: Option<Assembly>,
    fin: bool,
    pub(super) rst: bool,
    /// It has ended, and its end has been told. It is remembered, lest what comes late begin it anew.
    pub(super) over: bool,
    pub(super) statistics: StreamStatistics,
}

#[derive(Debug)]
struct Assembly {
    first: Sqn,
    length: u32,
    bytes: Vec<u8>,
}

impl Stream {
    pub(super) fn new(
        id: StreamId,
        name: (Tsi, IpAddr),
        group: IpAddr,
        tick: Tick,
        expires: Tick,
    ) -> Self {
        Self {
            id,
            tsi: name.0,
            from: name.1,
            group,
            address: None,
            spm: None,
            spmr_at: None,
            spmr_tries: 0,
            heard: tick,
            expiry_entry: expires,
            window: Window::default(),
            back_off: BackOff::new(),
            asked: Vec::new(),
            listed: false,
            assembly: None,
            fin: false,
            rst: false,
            over: false,
            statistics: StreamStatistics::default(),
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty() && self.address.is_some()
    }

    /// Up to a packet full of numbers to be asked for.
    pub(super) fn take_asked(&mut self) -> Vec<Sqn> {
        let count = self.asked.len().min(NAK_LIST_MAX + 1);
        self.asked.drain(..count).collect()
    }

    /// The source has ended it, and nothing is missing any more.
    pub(super) fn is_finished(&self) -> bool {
        self.fin && !self.over && self.window.is_empty()
    }

    /// A data packet has come.
    pub(super) fn data(&mut self, tick: Tick, data: &Data<'_>, work: &mut Work) {
        self.trail(data.trail, work);
        let base = self.window.base();
        if data.sqn.precedes(base) {
            self.statistics.duplicates += 1;
            return;
        }
        if data.sqn == base && self.window.is_empty() {
            if let Some(payload) = work.ready.copy(data.payload) {
                self.count(data);
                self.window.skip_to(base.plus(1));
                self.deliver(base, payload, data.fragment, work);
            } else {
                self.extend(tick, base.plus(1), work);
            }
            return;
        }
        let end = self.window.end();
        if !data.sqn.precedes(end) {
            self.extend(tick, data.sqn.plus(1), work);
            // What is at the end of a gap is not missing itself.
            self.statistics.gaps = self.statistics.gaps.saturating_sub(1);
            self.fill(data, true, work);
        } else {
            self.fill(data, false, work);
        }
        self.flush(work);
        self.make_room(work);
    }

    /// Puts a packet into its slot; `fresh` if nobody had missed it.
    fn fill(&mut self, data: &Data<'_>, fresh: bool, work: &mut Work) {
        let Some(slot) = self.window.get_mut(data.sqn) else {
            return;
        };
        let Slot::Missing(missing) = slot else {
            self.statistics.duplicates += 1;
            return;
        };
        let phase = missing.phase;
        let Some(payload) = work.ready.copy(data.payload) else {
            return;
        };
        work.held += payload.len();
        let fragment = data.fragment.map(Box::new);
        *slot = Slot::Data(Piece { payload, fragment });
        self.count(data);
        if !fresh {
            if data.repair {
                self.statistics.repaired += 1;
            } else {
                self.statistics.late += 1;
            }
            if data.repair && phase == Phase::BackOff {
                self.statistics.suppressed += 1;
            }
        }
    }

    fn count(&mut self, data: &Data<'_>) {
        self.statistics.packets += 1;
        self.statistics.bytes += data.payload.len() as u64;
    }

    /// Everything before `end` is known of: what is not here is missing.
    fn extend(&mut self, tick: Tick, end: Sqn, work: &mut Work) {
        let from = self.window.end();
        if !from.precedes(end) {
            return;
        }
        let most = work.config.max_packets.max(1);
        let count = end.since(from);
        let more = usize::try_from(count).unwrap_or(usize::MAX);
        if more > most || !self.window.reserve(more) {
            // Too far ahead to be caught up with.
            let last = end.minus(1);
            self.start_over(last, work);
            self.miss(tick, last, 1, work);
            return;
        }
        while self.window.len() + more > most {
            self.give_up_first(work);
        }
        self.miss(tick, from, count, work);
    }

    /// These numbers, the next ones, are missing.
    fn miss(&mut self, tick: Tick, from: Sqn, count: u32, work: &mut Work) {
        let due = tick
            + self
                .back_off
                .draw(ticks(work.config.back_off), &mut work.rng);
        let due = work.timers.run(due, self.id, from, count);
        for _ in 0..count {
            self.window.push(Slot::Missing(Missing {
                phase: Phase::BackOff,
                due,
                since: tick,
                tries: 0,
            }));
            work.held += SLOT;
        }
        self.statistics.gaps += u64::from(count);
    }

    /// Gives up all that is missing before `sqn`, which is next.
    fn start_over(&mut self, sqn: Sqn, work: &mut Work) {
        while !self.window.is_empty() {
            self.give_up_first(work);
        }
        let base = self.window.base();
        if base.precedes(sqn) {
            self.lose(base, sqn.since(base), work);
            self.window.skip_to(sqn);
        }
    }

    fn lose(&mut self, first: Sqn, count: u32, work: &mut Work) {
        self.statistics.unrecovered += u64::from(count);
        if self.assembly.take().is_some() {
            self.statistics.broken += 1;
        }
        work.ready.lost(self.id, first, count);
    }

    /// Delivers what is at the front and has nothing missing before it.
    fn flush(&mut self, work: &mut Work) {
        while matches!(self.window.front(), Some(Slot::Data(_) | Slot::Lost)) {
            self.pop(work);
        }
    }

    /// Takes the front, whatever it is.
    fn pop(&mut self, work: &mut Work) {
        let sqn = self.window.base();
        let Some(slot) = self.window.pop() else {
            return;
        };
        work.held = work.held.saturating_sub(SLOT);
        match slot {
            Slot::Data(piece) => {
                work.held = work.held.saturating_sub(piece.payload.len());
                let fragment = piece.fragment.map(|fragment| *fragment);
                self.deliver(sqn, piece.payload, fragment, work);
            }
            Slot::Missing(_) | Slot::Lost => self.lose(sqn, 1, work),
        }
    }

    fn give_up_first(&mut self, work: &mut Work) {
        self.pop(work);
        self.flush(work);
    }

    /// While too much waits, the oldest gap is given up.
    fn make_room(&mut self, work: &mut Work) {
        while work.held > work.config.max_bytes && !self.window.is_empty() {
            self.give_up_first(work);
        }
    }

    /// The next packet, in order.
    fn deliver(&mut self, sqn: Sqn, payload: Vec<u8>, fragment: Option<Fragment>, work: &mut Work) {
        let Some(fragment) = fragment else {
            if self.assembly.take().is_some() {
                self.statistics.broken += 1;
            }
            work.ready.data(self.id, sqn, payload);
            return;
        };
        if fragment.first == sqn && fragment.offset == 0 {
            if self.assembly.take().is_some() {
                self.statistics.broken += 1;
            }
            self.assembly = Some(Assembly {
                first: sqn,
                length: fragment.length,
                bytes: Vec::new(),
            });
        }
        // Of an APDU whose beginning was missed the rest is of no use.
        let Some(assembly) = &mut self.assembly else {
            work.ready.give_back(payload);
            return;
        };
        let fits = assembly.first == fragment.first
            && assembly.length == fragment.length
            && u32::try_from(assembly.bytes.len()) == Ok(fragment.offset)
            && assembly.bytes.len() + payload.len() <= work.config.max_bytes
            && assembly.bytes.try_reserve(payload.len()).is_ok();
        if !fits {
            self.assembly = None;
            self.statistics.broken += 1;
            work.ready.give_back(payload);
            return;
        }
        assembly.bytes.extend_from_slice(&payload);
        work.ready.give_back(payload);
        if u32::try_from(assembly.bytes.len()) == Ok(assembly.length)
            && let Some(assembly) = self.assembly.take()
        {
            work.ready.data(self.id, sqn, assembly.bytes);
        }
    }

    /// The source no longer has what is before its trail.
    fn trail(&mut self, trail: Sqn, work: &mut Work) {
        while self.window.base().precedes(trail) && !self.window.is_empty() {
            self.pop(work);
        }
        let base = self.window.base();
        if base.precedes(trail) {
            self.lose(base, trail.since(base), work);
            self.window.skip_to(trail);
        }
        self.flush(work);
    }

    /// An SPM has come.
    pub(super) fn path(&mut self, tick: Tick, spm: &Spm, options: Options<'_>, work: &mut Work) {
        self.trail(spm.trail, work);
        self.extend(tick, spm.lead.plus(1), work);
        self.make_room(work);
        self.fin |= options.fin;
        self.rst |= options.rst;
    }

    /// The source has heard that these are missing.
    pub(super) fn confirmed(
        &mut self,
        tick: Tick,
        numbers: impl Iterator<Item = Sqn>,
        work: &mut Work,
    ) {
        if !self.window.is_begun() {
            return;
        }
        let wait = ticks(work.config.wait_data);
        let mut run = Run::default();
        let (mut others, mut crowd, mut alone) = (false, false, false);
        for sqn in numbers {
            if !sqn.precedes(self.window.end()) {
                // It exists, and was sent: it is missing here, too.
                self.extend(tick, sqn.plus(1), work);
            }
            let Some(Slot::Missing(missing)) = self.window.get_mut(sqn) else {
                continue;
            };
            match missing.phase {
                Phase::BackOff => {
                    others |= missing.tries == 0;
                    self.statistics.suppressed += 1;
                }
                Phase::WaitNcf => alone = true,
                Phase::WaitData => crowd = true,
            }
            missing.phase = Phase::WaitData;
            run.add(sqn, &mut work.timers, self.id, tick + wait);
            missing.due = run.due;
        }
        run.end(&mut work.timers, self.id);
        match (crowd, others, alone) {
            (true, ..) => self.back_off.crowd(),
            (_, true, _) => self.back_off.others(),
            (.., true) => self.back_off.alone(),
            _ => {}
        }
        self.make_room(work);
    }

    /// The time of a run of missing numbers has come.
    pub(super) fn due(&mut self, tick: Tick, timer: &Timer, work: &mut Work) {
        let config = &work.config;
        let give_up = tick.checked_sub(ticks(config.recovery));
        let (mut waiting, mut backing) = (Run::default(), Run::default());
        let longest = ticks(config.back_off);
        let mut drawn = None;
        for step in 0..timer.count {
            let sqn = timer.first().plus(step);
            let can_ask = self.address.is_some();
            let Some(slot) = self.window.get_mut(sqn) else {
                continue;
            };
            let Slot::Missing(missing) = slot else {
                continue;
            };
            // Something has happened to it since the timer was set.
            if missing.due != timer.at {
                continue;
            }
            if Some(missing.since) <= give_up {
                *slot = Slot::Lost;
                continue;
            }
            match missing.phase {
                Phase::BackOff if can_ask => {
                    missing.phase = Phase::WaitNcf;
                    let wait = ticks(config.wait_ncf) << (missing.tries / 4).min(LONGEST_WAIT);
                    missing.tries = missing.tries.saturating_add(1);
                    self.asked.push(sqn);
                    waiting.add(sqn, &mut work.timers, self.id, tick + wait);
                    missing.due = waiting.due;
                }
                Phase::BackOff | Phase::WaitNcf | Phase::WaitData => {
                    missing.phase = Phase::BackOff;
                    let wait =
                        *drawn.get_or_insert_with(|| self.back_off.draw(longest, &mut work.rng));
                    backing.add(sqn, &mut work.timers, self.id, tick + wait);
                    missing.due = backing.due;
                }
            }
        }
        waiting.end(&mut work.timers, self.id);
        backing.end(&mut work.timers, self.id);
        self.flush(work);
    }

    /// The stream goes: what waits is delivered, what is missing is lost.
    pub(super) fn abandon(&mut self, work: &mut Work) {
        while !self.window.is_empty() {
            self.pop(work);
        }
    }
}

/// Consecutive numbers that get one timer.
#[derive(Debug, Default)]
struct Run {
    first: Sqn,
    count: u32,
    due: Tick,
}

impl Run {
    /// One more number, which is due then.
    fn add(&mut self, sqn: Sqn, timers: &mut Timers, id: StreamId, due: Tick) {
        let due = due.next_multiple_of(super::GRAIN);
        if self.count > 0 && (self.first.plus(self.count) != sqn || self.due != due) {
            self.end(timers, id);
        }
        if self.count == 0 {
            self.first = sqn;
            self.due = due;
        }
        self.count += 1;
    }

    fn end(&mut self, timers: &mut Timers, id: StreamId) {
        if self.count > 0 {
            timers.run(self.due, id, self.first, self.count);
            self.count = 0;
        }
    }
}

/// What a number takes, missing or not.
const SLOT: usize = size_of::<Slot>();
/// Waits are doubled so many times. More would spare a source that is gone some packets, and cost a bad
/// network the tries it needs within the recovery time.
const LONGEST_WAIT: u8 = 1;
