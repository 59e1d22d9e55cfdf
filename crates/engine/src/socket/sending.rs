// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending, and when the sending call writes.
//!
//! A message goes into a pipe's queue; then somebody must carry it to the kernel. A lone message
//! is written by the call itself, so are the first of a burst, a batch of 64 KiB, and a queue at
//! its high-water mark. Everything else is left to the I/O thread, which has promised to look.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ferromq_os::clock::ticks;
use ferromq_os::thread::yield_now;
use ferromq_pattern::{Pattern, Refusal, Sent};
use ferromq_pipe::{MOVED_INPROC, Outgoing, PipeId, interest};
use ferromq_vocabulary::Code;

use super::link::Link;
use super::{Cover, ShortWay, Socket, Wait, looks_each_time, tempo};
use crate::command::Order;
use crate::connection::{Extent, Pumped};
use crate::policy::Policy;
use crate::tuning::{
    AHEAD, CLOCK_MASK, FAN_OUT_US, FEW_PEERS, FLUSH_GAP_US, FREQUENT_US, INSIST_US, LONG_BURST,
    REFRESH_US, STREAM_COST, STREAM_GAP, STREAM_MARK,
};

impl Socket {
    /// Sends a part of a message; `more` follow in the next calls. A message that
    /// travels by reference is taken out of `frame` when this succeeds; one that was copied is left
    /// to the caller.
    ///
    /// # Errors
    /// Those of `zmq_send(3)`: `Again` if it would have to wait longer than it may, `NotSupported`,
    /// `State`, `Terminated`, `Interrupted`.
    #[inline(always)]
    pub fn send_frame(
        &mut self,
        frame: &mut Outgoing<'_>,
        more: bool,
        wait: Wait,
    ) -> Result<(), Code> {
        self.begin()?;
        // With one peer, and neither room nor a write in question, there is little to do.
        if let Some(way) = &self.short_way
            && !(more || self.send_more)
            && let Some(bytes) = way.copied(frame)
            && let Some(pipe) = self.pipes.get_mut(way.id)
            && pipe.writer.append_quick(bytes)
        {
            let id = way.id;
            match &way.cover {
                Cover::Promise(connection) if connection.arming.covers() => {}
                Cover::Promise(_) => self.sent(id),
                Cover::Peer(peer) => peer.wake.notify_light(interest::IN),
            }
            return Ok(());
        }
        self.send_with_thought(frame, more, wait)
    }

    #[inline(never)]
    fn send_with_thought(
        &mut self,
        frame: &mut Outgoing<'_>,
        more: bool,
        wait: Wait,
    ) -> Result<(), Code> {
        // `send_more` must not be set, for then the pattern has begun a message.
        if let Some(id) = self.short_way.as_ref().map(|way| way.id)
            && !(more || self.send_more)
            && let Some((pipe, pool)) = self.pipes.with_pool(id)
            && pipe.has_room_as_seen()
        {
            match frame {
                Outgoing::Bytes(bytes) => pipe.writer.append(pool, bytes, false),
                Outgoing::Message(message) => {
                    pipe.writer.append_message(pool, message, false);
                }
            }
            self.sent(id);
            self.think_ahead(id);
            return Ok(());
        }
        self.send_by_pattern(frame, more, wait)
    }

    /// How long the next messages to the only peer need no thought.
    fn think_ahead(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else {
            return;
        };
        match self.links.get(id.index()) {
            Some(Some(Link::Wire(wire))) => {
                let due = wire.flushed_messages.saturating_add(pipe.limit());
                let messages = pipe.writer.messages() + u64::from(wire.ahead);
                pipe.writer.allow_quick(
                    messages.min(due.saturating_sub(1)).min(pipe.room_until()),
                    wire.flushed_bytes + wire.flush_above,
                );
            }
            Some(Some(Link::Inproc(_))) => pipe.writer.allow_quick(pipe.room_until(), u64::MAX),
            _ => {}
        }
    }

    #[inline(never)]
    fn send_by_pattern(
        &mut self,
        frame: &mut Outgoing<'_>,
        more: bool,
        wait: Wait,
    ) -> Result<(), Code> {
        if self.conflates() && !self.send_more {
            self.drop_older_output();
        }
        match self.pattern.send(&mut self.pipes, frame, more) {
            Ok(sent) => {
                self.send_more = more;
                if !more || self.ends_anyway(sent) {
                    self.after_send(sent);
                }
                Ok(())
            }
            Err(Refusal::Again) => self.send_slowly(frame, more, wait),
            Err(refusal) => Err(code_of(refusal)),
        }
    }

    /// Whether a part is all there is to a message, though more were announced.
    fn ends_anyway(&self, sent: Sent) -> bool {
        sent == Sent::Topic || self.shared.is_raw()
    }

    #[cold]
    #[inline(never)]
    fn send_slowly(
        &mut self,
        frame: &mut Outgoing<'_>,
        more: bool,
        wait: Wait,
    ) -> Result<(), Code> {
        self.check_alive()?;
        let deadline = self.deadline(wait, self.options.sndtimeo);
        if deadline == Deadline::Now && !self.may_look_again() {
            return Err(Code::Again);
        }
        let result = loop {
            self.make_room();
            self.pipes.may_refresh = true;
            match self.pattern.send(&mut self.pipes, frame, more) {
                Ok(sent) => {
                    self.send_more = more;
                    if !more || self.ends_anyway(sent) {
                        self.after_send(sent);
                    }
                    break Ok(());
                }
                Err(Refusal::Again) if deadline == Deadline::Now => break Err(Code::Again),
                Err(Refusal::Again) => {
                    if let Err(code) = self.wait_out(deadline) {
                        break Err(code);
                    }
                }
                Err(refusal) => break Err(code_of(refusal)),
            }
        };
        self.pipes.may_refresh = looks_each_time(self.socket_type(), &self.options);
        result
    }

    /// A send that does not wait looks at full queues once in a while only.
    fn may_look_again(&mut self) -> bool {
        let now = ticks();
        // A queue that was filled just now counts as looked at when it was last written.
        let last = self.pace.last_refresh.max(self.pace.last_flush);
        let pause = REFRESH_US * self.pace.gap / FLUSH_GAP_US;
        let may = std::mem::take(&mut self.pace.has_looked) || now.wrapping_sub(last) >= pause;
        if may {
            self.pace.last_refresh = now;
        }
        may
    }

    /// Writes what full queues hold, and looks how far their readers are.
    pub(super) fn make_room(&mut self) {
        self.take_news();
        let ids: Vec<PipeId> = self.pipes.ids().collect();
        for id in ids {
            let full = self
                .pipes
                .get(id)
                .is_some_and(|pipe| pipe.waiting() >= pipe.limit());
            if full {
                self.pump(id, Extent::All);
                if let Some(pipe) = self.pipes.get_mut(id) {
                    pipe.refresh();
                    if pipe.waiting() < pipe.limit() {
                        self.pattern.writable(id);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn after_send(&mut self, sent: Sent) {
        match sent {
            Sent::To(id) => self.sent(id),
            Sent::Many => self.sent_to_many(),
            Sent::Nowhere => self.report_closing(),
            Sent::Topic => self.spread_topics(),
        }
    }

    /// A message is in the queues of several pipes. Writing it to each at once would cost a system
    /// call per peer and message: with more than a few, batches are written, the I/O thread is
    /// promised to look after the rest, and what time allows is written here, in turn.
    fn sent_to_many(&mut self) {
        let count = self.pattern.touched().len();
        if count <= FEW_PEERS {
            for index in 0..count {
                let id = self.pattern.touched()[index];
                self.sent(id);
            }
            return;
        }
        if !self.fan_out_goes_on() {
            self.look_at_many(count);
        }
        self.pace.fan_count = self.pace.fan_count.wrapping_add(1);
        if self.pace.fan_count & self.pace.fan_mask == 0 {
            self.write_to_some(count);
        }
    }

    /// Whether the message has gone to the same peers as the last ones, none of them has a batch to be
    /// written yet, and each is looked after.
    #[inline]
    fn fan_out_goes_on(&self) -> bool {
        self.pipes.logged().is_some_and(|logged| {
            logged.generation == self.fan_out.generation
                && logged.messages <= self.fan_out.messages
                && logged.bytes <= self.fan_out.bytes
        }) && self.fan_out.peers.iter().all(|c| c.arming.covers())
    }

    /// Sees to each peer of a message to many, and notes how long that will do.
    fn look_at_many(&mut self, count: usize) {
        let mut fan_out = std::mem::take(&mut self.fan_out);
        fan_out.peers.clear();
        let (mut messages_left, mut bytes_left) = (u64::MAX, u64::MAX);
        for index in 0..count {
            let id = self.pattern.touched()[index];
            let Some(Some(Link::Wire(wire))) = self.links.get_mut(id.index()) else {
                self.sent(id);
                continue;
            };
            let Some(pipe) = self.pipes.get(id) else {
                continue;
            };
            fan_out.peers.push(Arc::clone(&wire.connection));
            let unflushed = pipe.writer.bytes().wrapping_sub(wire.flushed_bytes);
            let messages = pipe.writer.messages().wrapping_sub(wire.flushed_messages);
            if unflushed > wire.flush_above {
                self.flush(id, Extent::Batches);
            } else if messages >= pipe.limit() {
                self.flush(id, Extent::All);
            } else if !wire.connection.arming.covers() {
                self.arm(id);
            }
            let (Some(pipe), Some(Some(Link::Wire(wire)))) =
                (self.pipes.get(id), self.links.get(id.index()))
            else {
                continue;
            };
            let unflushed = pipe.writer.bytes().wrapping_sub(wire.flushed_bytes);
            let messages = pipe.writer.messages().wrapping_sub(wire.flushed_messages);
            bytes_left = bytes_left.min(wire.flush_above.saturating_sub(unflushed));
            messages_left = messages_left.min((pipe.limit() - 1).saturating_sub(messages));
        }
        if let Some(logged) = self.pipes.logged() {
            fan_out.generation = logged.generation;
            fan_out.messages = logged.messages.saturating_add(messages_left);
            fan_out.bytes = logged.bytes.saturating_add(bytes_left);
        }
        self.fan_out = fan_out;
    }

    /// Writes to a few of many peers, if that has not been done just now.
    fn write_to_some(&mut self, count: usize) {
        let now = ticks();
        let per_us = self.pace.gap / FLUSH_GAP_US;
        let messages = u64::from(self.pace.fan_mask) + 1;
        let quick = now.wrapping_sub(self.pace.last_look) < messages * per_us;
        self.pace.last_look = now;
        self.pace.fan_mask = if quick { CLOCK_MASK } else { 0 };
        // A stream goes out in batches; at most a third of the time goes into this.
        if quick || now.wrapping_sub(self.pace.last_flush) < 2 * FAN_OUT_US * per_us {
            return;
        }
        for _ in 0..count {
            self.pace.fan_turn = (self.pace.fan_turn + 1) % count;
            let id = self.pattern.touched()[self.pace.fan_turn];
            self.flush(id, Extent::All);
            if ticks().wrapping_sub(now) > FAN_OUT_US * per_us {
                return;
            }
        }
    }

    /// A message is in the queue of this pipe.
    #[inline(always)]
    pub(super) fn sent(&mut self, id: PipeId) {
        let Some(link) = self.links.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        match link {
            Link::Wire(wire) => {
                let Some(pipe) = self.pipes.get(id) else {
                    return;
                };
                let unflushed = pipe.writer.bytes().wrapping_sub(wire.flushed_bytes);
                let messages = pipe.writer.messages().wrapping_sub(wire.flushed_messages);
                if messages >= pipe.limit() {
                    self.flush(id, Extent::All);
                } else if unflushed > wire.flush_above {
                    self.flush_batch(id);
                } else {
                    self.sent_one(id);
                }
            }
            Link::Inproc(link) => {
                if let Some(peer) = &link.peer {
                    peer.wake.notify_light(interest::IN);
                }
            }
        }
    }

    /// A message that makes no batch is in the queue of this connection.
    #[inline]
    fn sent_one(&mut self, id: PipeId) {
        if self.expects_another_answer(id) {
            return self.hold(id);
        }
        let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) else {
            return;
        };
        if wire.held_since != 0 {
            self.flush(id, Extent::All);
        } else if wire.connection.arming.covers() {
            self.look_at_clock(id);
        } else {
            self.send_idle(id);
        }
    }

    /// The I/O thread has promised to look; a write on our own account is due once in a while.
    #[inline(never)]
    fn look_at_clock(&mut self, id: PipeId) {
        let now = ticks();
        let gap = self.pace.gap;
        let Some(Link::Wire(wire)) = self.links[id.index()].as_mut() else {
            return;
        };
        // Sends that come fast look at the clock only now and then.
        let fast = now.wrapping_sub(wire.last_check) < gap / 4;
        wire.ahead = if fast {
            (2 * wire.ahead).clamp(8, AHEAD)
        } else {
            0
        };
        wire.last_check = now;
        // One clock for the whole thread: many peers must not each take a share of its time.
        let since = now.wrapping_sub(tempo::last_write());
        if since > (STREAM_GAP * gap).max(STREAM_COST * wire.cost) {
            // One by one is no burst, however many there have been: the I/O thread is not to be woken
            // anew for them when it has taken its promise back.
            if let Some(pipe) = self.pipes.get(id)
                && pipe.writer.messages().wrapping_sub(wire.flushed_messages) == 1
            {
                wire.burst_began = pipe.writer.messages();
            }
            self.flush(id, Extent::All);
        }
    }

    /// Nobody looks after this connection: write, or have it looked after.
    #[inline(never)]
    fn send_idle(&mut self, id: PipeId) {
        let now = ticks();
        let gap = self.pace.gap;
        let (Some(Link::Wire(wire)), Some(pipe)) =
            (self.links[id.index()].as_mut(), self.pipes.get(id))
        else {
            return;
        };
        let since = now.wrapping_sub(wire.last_check.max(wire.last_flush));
        wire.last_check = now;
        let pause = gap.max(wire.cost * 2);
        let after_wait = std::mem::take(&mut self.pace.has_waited);
        // If this thread has just written for somebody else, this one's pause was no pause of the thread's.
        let is_first = after_wait || now.wrapping_sub(tempo::last_write()) > pause;
        if is_first {
            tempo::begin_burst();
        }
        let mut follows_long = false;
        if after_wait || since > pause {
            let begun = pipe.writer.messages();
            let last = begun.wrapping_sub(std::mem::replace(&mut wire.burst_began, begun));
            follows_long = last > LONG_BURST;
        }
        let is_rare = since > FREQUENT_US * self.pace.per_us();
        if is_first || is_rare || tempo::take_credit() {
            // After a long burst another is likely: the I/O thread takes some time to wake up.
            if follows_long {
                self.leave_rest(id);
            }
            self.flush(id, Extent::All);
        } else {
            wire.ahead = 0;
            self.leave_rest(id);
        }
    }

    /// Leaves what comes next to the I/O thread, or to this one, if it comes to wait first.
    fn leave_rest(&self, id: PipeId) {
        self.arm(id);
        if self.assists(id)
            && let Some(Some(Link::Wire(wire))) = self.links.get(id.index())
        {
            tempo::leave(&wire.connection);
        }
    }

    /// Writes a batch; then its messages make room for others.
    #[inline(never)]
    fn flush_batch(&mut self, id: PipeId) {
        self.flush(id, Extent::Batches);
        // Who sets a low mark wants to see it reached: see `may_look_again`.
        if let Some(pipe) = self.pipes.get_mut(id).filter(|p| p.limit() >= STREAM_MARK) {
            pipe.refresh_exactly();
        }
    }

    /// Writes, where the policy lets the application write.
    #[inline(never)]
    pub(super) fn flush(&mut self, id: PipeId, extent: Extent) {
        if self.assists(id) {
            if self.pump(id, extent) == Pumped::Blocked {
                self.insist(id, extent);
            }
        } else {
            self.note_flushed(id);
            self.arm(id);
        }
    }

    /// The kernel takes no more. Before the queue grows, and leaves the caches, gives the peer some
    /// time to read.
    fn insist(&mut self, id: PipeId, extent: Extent) {
        let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) else {
            return;
        };
        let connection = Arc::clone(&wire.connection);
        let limit = INSIST_US * self.pace.gap / FLUSH_GAP_US;
        let began = ticks();
        loop {
            yield_now();
            connection.blocked.store(false, Relaxed);
            if self.pump(id, extent) != Pumped::Blocked || ticks().wrapping_sub(began) > limit {
                return;
            }
        }
    }

    fn assists(&self, id: PipeId) -> bool {
        if self.is_carried(id) {
            return false;
        }
        match self.shared.policy {
            Policy::Assisted => true,
            Policy::IoOnly => false,
            Policy::Chaos => self
                .links
                .get(id.index())
                .and_then(Option::as_ref)
                .and_then(Link::wire)
                .is_some_and(|wire| wire.connection.may_assist()),
        }
    }

    /// Whether a pipe's bytes travel in datagrams, which is the I/O thread's business alone.
    pub(super) fn is_carried(&self, id: PipeId) -> bool {
        self.links
            .get(id.index())
            .and_then(Option::as_ref)
            .and_then(Link::wire)
            .is_some_and(|wire| wire.connection.carried)
    }

    fn note_flushed(&mut self, id: PipeId) {
        let (Some(Some(Link::Wire(wire))), Some(pipe)) =
            (self.links.get_mut(id.index()), self.pipes.get(id))
        else {
            return;
        };
        let bytes = pipe.writer.bytes().wrapping_sub(wire.flushed_bytes);
        let messages = pipe.writer.messages().wrapping_sub(wire.flushed_messages);
        if let Some(mean) = bytes.checked_div(messages) {
            wire.flush_above = wire.connection.choose_batch(mean).saturating_sub(mean);
        }
        wire.flushed_bytes = pipe.writer.bytes();
        wire.flushed_messages = pipe.writer.messages();
        self.release_held(id);
    }

    /// Has the I/O thread look after this connection.
    fn arm(&self, id: PipeId) {
        if let Some(Some(Link::Wire(wire))) = self.links.get(id.index())
            && wire.connection.arming.arm()
        {
            wire.connection.io.post(Order::Arm {
                id: wire.connection.id,
            });
        }
    }

    /// Writes what this pipe's queue holds, if nobody else is at it.
    pub(super) fn pump(&mut self, id: PipeId, extent: Extent) -> Pumped {
        let Some(Some(Link::Wire(wire))) = self.links.get(id.index()) else {
            return Pumped::Offline;
        };
        if wire.ending {
            return Pumped::Offline;
        }
        let connection = Arc::clone(&wire.connection);
        if self.shared.policy == Policy::IoOnly || connection.carried {
            self.note_flushed(id);
            self.arm(id);
            return Pumped::Paused;
        }
        // The kernel's buffer is full, and the I/O thread hears when it is not.
        if connection.blocked.load(Relaxed) && connection.arming.covers() {
            self.note_flushed(id);
            return Pumped::Blocked;
        }
        let Some((pipe, pool)) = self.pipes.with_pool(id) else {
            return Pumped::Offline;
        };
        let began = ticks();
        let mut tx = connection.try_tx();
        if tx.is_none() {
            // Whoever holds it looks at the queue again before it lets go, unless it has done so
            // just now: one more try, then the promise covers it.
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
            tx = connection.try_tx();
        }
        let Some(mut tx) = tx else {
            self.note_flushed(id);
            self.arm(id);
            return Pumped::Paused;
        };
        let pumped = connection.pump(&mut tx, extent);
        if pumped == Pumped::Drained {
            pipe.writer.release(&mut tx.drain, pool);
        }
        let finished = tx.drain.take_finished();
        drop(tx);
        drop(finished);
        let ended = ticks();
        connection.note_flush(ended);
        if let Some(Some(Link::Wire(wire))) = self.links.get_mut(id.index()) {
            wire.last_flush = ended;
            wire.cost = (wire.cost * 7 + ended.wrapping_sub(began)) / 8;
        }
        self.pace.last_flush = ended;
        tempo::note_write(ended);
        self.note_flushed(id);
        match pumped {
            Pumped::Blocked | Pumped::Paused => self.arm(id),
            Pumped::Failed => connection.io.post(Order::Lost { id: connection.id }),
            Pumped::Drained | Pumped::Offline => {}
        }
        pumped
    }

    /// Writes everything that has gathered, before the caller sleeps or leaves.
    pub(super) fn flush_all(&mut self) {
        for index in 0..self.links.len() {
            let Some(Link::Wire(wire)) = self.links[index].as_ref() else {
                continue;
            };
            let Some(id) = self.by_connection.get(&wire.connection.id).copied() else {
                continue;
            };
            let unflushed = self
                .pipes
                .get(id)
                .is_some_and(|pipe| pipe.writer.bytes() != wire.flushed_bytes);
            if unflushed {
                self.flush(id, Extent::All);
            }
        }
        // Waiting for input ends a burst of output.
        tempo::begin_burst();
        tempo::write_what_is_left();
    }
}

/// Until when a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    Now,
    At(Instant),
    Never,
}

impl Socket {
    pub(super) fn deadline(&self, wait: Wait, option: i32) -> Deadline {
        match (wait, u64::try_from(option)) {
            (Wait::No, _) | (Wait::Option, Ok(0)) => Deadline::Now,
            (Wait::Until(at), _) => Deadline::At(at),
            (Wait::Forever, _) | (Wait::Option, Err(_)) => Deadline::Never,
            (Wait::Option, Ok(milliseconds)) => {
                Deadline::At(Instant::now() + std::time::Duration::from_millis(milliseconds))
            }
        }
    }
}

impl ShortWay {
    /// The body of a frame, if a short one is copied on this way.
    #[inline(always)]
    fn copied<'a>(&self, frame: &'a Outgoing<'_>) -> Option<&'a [u8]> {
        let bytes = match frame {
            Outgoing::Bytes(bytes) => bytes,
            Outgoing::Message(message)
                if !message.is_by_reference()
                    || message.len() < MOVED_INPROC
                    || matches!(self.cover, Cover::Promise(_)) =>
            {
                message.as_slice()
            }
            Outgoing::Message(_) => return None,
        };
        Some(bytes)
    }
}

pub(super) fn code_of(refusal: Refusal) -> Code {
    match refusal {
        Refusal::Again => Code::Again,
        Refusal::State => Code::State,
        Refusal::NotSupported => Code::NotSupported,
        Refusal::Invalid => Code::Invalid,
        Refusal::Unroutable => Code::HostUnreachable,
    }
}
