// SPDX-License-Identifier: MIT OR Apache-2.0
//! The application's ends of a socket's connections, as the patterns see them.

use ferromq_message::{Message, Metadata};

use crate::fan_out::FanOut;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::writer::Writer;

/// Names a pipe within its socket. Numbers are used again after a pipe has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipeId(u32);

impl PipeId {
    /// The number, for tables kept beside [`Pipes`].
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A frame on its way out.
#[derive(Debug)]
pub enum Outgoing<'a> {
    /// To be copied.
    Bytes(&'a [u8]),
    /// To be moved if it is worth it. Taken when it has been sent so; one that was copied, or has not
    /// been sent, stays.
    Message(&'a mut Message),
}

impl Outgoing<'_> {
    /// The body.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Message(message) => message,
        }
    }
}

/// What a socket knows of the peer at the other end of a pipe.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// The routing id it introduced itself with; empty if none.
    pub routing_id: Box<[u8]>,
    /// Properties to be attached to its messages.
    pub metadata: Option<Metadata>,
    /// Whether it has introduced itself.
    pub known: bool,
    /// Whether this side connected.
    pub connected: bool,
    /// The name the application has given it before it introduced itself; empty if none.
    pub assigned_id: Box<[u8]>,
    /// It stands for everybody who listens, which nobody tells: everything that is published goes there.
    pub takes_all: bool,
}

/// Both directions of one connection, the application's ends.
#[derive(Debug)]
pub struct Pipe {
    /// Towards the peer.
    pub writer: Writer,
    /// From the peer.
    pub reader: Reader,
    /// The peer.
    pub peer: Peer,
    /// Most messages that may wait for the peer.
    limit: u64,
    /// The last view of how many messages the peer's side is through with.
    seen_taken: u64,
    /// Messages dropped because the queue was full.
    pub dropped: u64,
    /// How often a message found the queue full.
    pub stalls: u64,
}

impl Pipe {
    /// A pipe whose queue towards the peer holds `high_water_mark` messages; 0 is no limit.
    #[must_use]
    pub fn new(writer: Writer, reader: Reader, peer: Peer, high_water_mark: u64) -> Self {
        let mut pipe = Self {
            writer,
            reader,
            peer,
            limit: 0,
            seen_taken: 0,
            dropped: 0,
            stalls: 0,
        };
        pipe.set_high_water_mark(high_water_mark);
        pipe
    }

    /// Most messages that may wait for the peer; 0 is no limit.
    pub fn set_high_water_mark(&mut self, messages: u64) {
        self.limit = if messages == 0 { u64::MAX } else { messages };
        self.writer.forbid_quick();
    }

    /// The peer has gone: nothing more is to be sent to it.
    fn stop_sending(&mut self) {
        self.limit = 0;
        self.writer.roll_back();
        self.writer.forbid_quick();
    }

    /// Whether the peer has gone, so that nothing more is sent to it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.limit == 0
    }

    /// The high-water mark in force; `u64::MAX` is no limit.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Messages that wait for the peer, by the last view.
    #[inline(always)]
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.writer.messages() - self.seen_taken
    }

    /// Whether a new message may be begun, by the last view.
    #[inline(always)]
    #[must_use]
    pub fn has_room_as_seen(&self) -> bool {
        self.waiting() < self.limit
    }

    /// How many messages may have been published at most, by the last view.
    #[must_use]
    pub fn room_until(&self) -> u64 {
        self.seen_taken.saturating_add(self.limit)
    }

    /// Looks how far the peer's side has come.
    #[inline]
    pub fn refresh(&mut self) {
        self.seen_taken = self.taken_in_steps();
    }

    /// Messages that wait for the peer as they count against the high-water mark.
    #[must_use]
    pub fn waiting_in_steps(&self) -> u64 {
        self.writer.messages() - self.taken_in_steps()
    }

    /// Looks how far the peer's side has come, to the last message.
    #[inline]
    pub fn refresh_exactly(&mut self) {
        self.seen_taken = self.writer.taken();
    }

    /// From a queue that trickles into a kernel's buffer room comes back in steps of half the
    /// high-water mark: it is full then at a number of messages that can be told beforehand.
    fn taken_in_steps(&self) -> u64 {
        let taken = self.writer.taken();
        if self.writer.is_inproc() || self.limit == u64::MAX {
            return taken;
        }
        let step = self.limit.div_ceil(2).max(1);
        // The mark may have been another one before.
        self.seen_taken.max(taken - taken % step)
    }
}

/// All pipes of a socket.
#[derive(Debug, Default)]
pub struct Pipes {
    slots: Vec<Option<Box<Pipe>>>,
    free: Vec<u32>,
    live: usize,
    /// Chunks for all of them.
    pub pool: Pool,
    pub(crate) fan_out: FanOut,
    /// Whether a full queue may be looked at again in this call. A tight loop of sends that do
    /// not wait must see the queue full, although the kernel empties it all the time.
    pub may_refresh: bool,
}

impl Pipes {
    /// No pipes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No pipes, with memory from this pool.
    #[must_use]
    pub fn with_pool_of(pool: Pool) -> Self {
        Self {
            pool,
            ..Self::default()
        }
    }

    /// Adds a pipe.
    pub fn insert(&mut self, pipe: impl Into<Box<Pipe>>) -> PipeId {
        let pipe = pipe.into();
        self.live += 1;
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(pipe);
            return PipeId(index);
        }
        self.slots.push(Some(pipe));
        PipeId(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
    }

    /// Takes a pipe out.
    pub fn remove(&mut self, id: PipeId) -> Option<Box<Pipe>> {
        let pipe = self.slots.get_mut(id.index())?.take()?;
        self.forget(id);
        self.free.push(id.0);
        self.live -= 1;
        Some(pipe)
    }

    /// The peer of a pipe has gone: nothing more is to be sent to it, and a message half sent is taken back. What it
    /// has sent stays.
    pub fn stop_sending(&mut self, id: PipeId) {
        self.leave_log(id);
        if let Some(pipe) = self.get_mut(id) {
            pipe.stop_sending();
        }
        self.leave_fan_out(id);
    }

    /// The name of the pipe in this place of a table kept beside.
    #[must_use]
    pub fn id_at(&self, index: usize) -> PipeId {
        PipeId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// A pipe.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, id: PipeId) -> Option<&Pipe> {
        self.slots.get(id.index())?.as_deref()
    }

    /// A pipe.
    #[inline(always)]
    pub fn get_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.slots.get_mut(id.index())?.as_deref_mut()
    }

    /// A pipe and the pool it takes its memory from.
    #[inline(always)]
    pub fn with_pool(&mut self, id: PipeId) -> Option<(&mut Pipe, &mut Pool)> {
        Some((self.slots.get_mut(id.index())?.as_mut()?, &mut self.pool))
    }

    /// The names of all pipes.
    pub fn ids(&self) -> impl Iterator<Item = PipeId> + '_ {
        let present =
            |(index, slot): (usize, &Option<Box<Pipe>>)| slot.as_ref().map(|_| index as u32);
        self.slots
            .iter()
            .enumerate()
            .filter_map(present)
            .map(PipeId)
    }

    /// Whether a new message may be begun on this pipe.
    #[inline(always)]
    pub fn has_room(&mut self, id: PipeId) -> bool {
        let may_refresh = self.may_refresh;
        let Some(pipe) = self.get_mut(id) else {
            return false;
        };
        if pipe.waiting() < pipe.limit {
            return true;
        }
        if !may_refresh {
            return false;
        }
        pipe.refresh();
        pipe.waiting() < pipe.limit
    }

    /// Appends a frame to a pipe, without asking whether there is room.
    #[inline(always)]
    pub fn push(&mut self, id: PipeId, frame: &mut Outgoing<'_>, more: bool) {
        self.leave_log(id);
        let Some((pipe, pool)) = self.with_pool(id) else {
            return;
        };
        match frame {
            Outgoing::Bytes(bytes) => pipe.writer.append(pool, bytes, more),
            Outgoing::Message(message) => pipe.writer.append_message(pool, message, more),
        }
    }

    /// Appends a frame that goes to other pipes too: bytes are copied, large messages shared.
    #[inline]
    pub fn push_shared(&mut self, id: PipeId, frame: &Outgoing<'_>, more: bool) {
        let Some((pipe, pool)) = self.with_pool(id) else {
            return;
        };
        match frame {
            Outgoing::Bytes(bytes) => pipe.writer.append(pool, bytes, more),
            Outgoing::Message(message) if message.is_by_reference() => {
                pipe.writer
                    .append_message(pool, &mut Message::clone(message), more);
            }
            Outgoing::Message(message) => pipe.writer.append(pool, message, more),
        }
    }
}
