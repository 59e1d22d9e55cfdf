// SPDX-License-Identifier: MIT OR Apache-2.0
//! The producing end of a queue that takes bytes from the kernel.
//!
//! Two kinds of thread fill it, one at a time (the connection's read lock sees to that):
//!
//! * the application, which holds the consuming end too ([`room`](Fill::room),
//!   [`commit`](Fill::commit), [`settle`](Fill::settle)): it reads into a slab of its socket's
//!   pool and parses in place;
//! * an I/O thread ([`absorb`](Fill::absorb)): it reads into scratch memory of its own, copies
//!   whole frames into chunks of their size, and knows how many messages wait.
//!
//! A frame too large for a slab is put together in a block of its own, which grows with the bytes
//! that arrive, never with the size that was announced.

use std::io;

use ferromq_message::{Message, frame};

use crate::assembly::{Assembly, BEGINNING};
use ferromq_os::stream::Stream;

use crate::chunk::{Chunk, Kind, Link, Reference, Word};
use crate::loom::Arc;
use crate::pool::{HEAD, LARGE, LEAST, MORE, Pool, SLAB};
use crate::queue::Shared;
use crate::reader::Reader;

mod commands;
mod generations;

use commands::Commands;

/// From this many bytes a frame that comes in pieces is read to where it will stay.
pub const BY_REFERENCE_IN: usize = 64 * 1024;
/// What is left of a slab when the kernel has no more is moved to a chunk of its own up to here.
const TUCK: usize = 4096;

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillFault {
    /// No memory for the frame.
    OutOfMemory,
    /// A frame announces more bytes than the limit allows.
    TooLarge,
}

impl std::fmt::Display for FillFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory for a frame",
            Self::TooLarge => "frame larger than the maximum message size",
        })
    }
}

impl std::error::Error for FillFault {}

/// What a walk over freshly read frames reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A command, with its position in the stream.
    Command(u64, &'a [u8]),
    /// A message has become whole.
    Message,
}

/// Who is told what a walk passes.
type Sink<'a> = &'a mut dyn FnMut(Seen<'_>);

/// The producing end: see the module documentation.
pub struct Fill {
    tail: Link,
    /// Where bytes are written.
    at: usize,
    /// The first frame header in `tail` that no walk has passed.
    scan: usize,
    /// Whole messages that walks have passed. Comparable with the reader's count.
    walked: u64,
    mid_message: bool,
    assembly: Option<Box<Assembly>>,
    generation: u32,
    /// Absent while there is none.
    limits: Option<Box<Limits>>,
    bytes: u64,
    /// The frame before was a large one.
    large: bool,
    /// How much the last room was; no more than that is committed.
    lent: usize,
    /// Why nothing more is taken from this connection.
    fault: Option<FillFault>,
    commands: Option<Box<Commands>>,
    shared: Arc<Shared>,
}

/// What a peer may not exceed.
struct Limits {
    /// Most bytes of a frame.
    frame: u64,
    /// Most bytes that all parts of a message may have.
    message: u64,
    /// How many the parts have that walks have passed since the last whole message.
    begun: u64,
}

impl Limits {
    const NONE: Self = Self {
        frame: u64::MAX,
        message: u64::MAX,
        begun: 0,
    };
}

// SAFETY: the chunks are shared with the consumer only through the word protocol.
unsafe impl Send for Fill {}

impl Fill {
    pub(crate) fn new(shared: Arc<Shared>, max_frame: u64) -> Self {
        let limits = (max_frame != u64::MAX).then(|| {
            Box::new(Limits {
                frame: max_frame,
                ..Limits::NONE
            })
        });
        Self {
            tail: shared.sentinel(),
            at: 0,
            scan: 0,
            walked: 0,
            mid_message: false,
            assembly: None,
            generation: 0,
            limits,
            bytes: 0,
            large: false,
            lent: 0,
            fault: None,
            commands: None,
            shared,
        }
    }

    /// Refuses messages whose parts have more bytes than this together.
    pub fn limit_messages(&mut self, most: u64) {
        if most != u64::MAX || self.limits.is_some() {
            let limits = self.limits.get_or_insert_with(|| Box::new(Limits::NONE));
            limits.message = most;
        }
    }

    /// Memory that commands hold which have been read, and which nobody has claimed. Exact after an
    /// [`absorb`](Self::absorb) or a [`walk`](Self::walk).
    #[must_use]
    pub fn unclaimed(&self) -> u64 {
        let commands = self.commands.as_ref();
        commands.map_or(0, |commands| commands.memory())
    }

    /// How many connections have ended whose commands are among them.
    #[must_use]
    pub fn ended_unclaimed(&self) -> usize {
        let commands = self.commands.as_ref();
        commands.map_or(0, |commands| commands.ended())
    }

    /// Nothing is held of a frame that has not come to its end, as far as walks have come.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.assembly.is_none()
            && self.fault.is_none()
            && (self.scan == self.at || !self.is_bytes())
    }

    /// How many bytes are missing of the frame that walks have come to, or of its header: at least so many. Zero between
    /// two frames, and before frames that no walk has passed.
    #[must_use]
    pub fn missing(&self) -> usize {
        if let Some(assembly) = &self.assembly {
            return assembly.missing();
        }
        let begun = self.unread(self.scan.min(self.at));
        match frame::decode(begun) {
            Some(header) => usize::try_from(header.body_len)
                .unwrap_or(usize::MAX)
                .saturating_sub(begun.len() - header.header_len),
            None => usize::from(!begun.is_empty()),
        }
    }

    /// Bytes taken from the kernel so far, without those of superseded connections.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whole messages that have been read and not been taken. Exact after an
    /// [`absorb`](Self::absorb) or a [`walk`](Self::walk).
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.walked.saturating_sub(self.shared.taken())
    }

    /// Mean size of the messages seen so far, at least 1.
    #[must_use]
    pub fn mean_size(&self) -> usize {
        (self.bytes / self.walked.max(1)).clamp(1, SLAB as u64) as usize
    }

    /// Position in the stream up to which walks have come. Some of them tell nobody of the
    /// commands they pass: see [`claim`](Self::claim).
    #[must_use]
    pub fn scanned(&self) -> u64 {
        self.base() + self.scan as u64
    }

    /// Whether the command that the reader found at `position`, with a body of so many bytes, is the
    /// caller's to carry out: no walk has told of it, and none will. Commands are claimed in the
    /// order in which the reader finds them, and before the next [`room`](Self::room) or
    /// [`settle`](Self::settle).
    pub fn claim(&mut self, position: u64, body_len: usize) -> bool {
        let scanned = self.scanned();
        let commands = self.commands.get_or_insert_default();
        commands.claim(position, body_len, scanned)
    }

    /// Whether a command at this position is to be told of.
    fn is_new(&self, position: u64) -> bool {
        let commands = self.commands.as_ref();
        commands.is_none_or(|commands| commands.is_new(position))
    }

    /// Whether no chunk is held, for tests.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn holds_nothing(&self) -> bool {
        self.tail == self.shared.sentinel() && self.assembly.is_none()
    }

    /// Whether there has never been a list of commands, for tests.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn has_no_list(&self) -> bool {
        self.commands.is_none()
    }

    fn base(&self) -> u64 {
        // SAFETY: the tail is alive and this is its producer.
        unsafe { (*self.tail.as_ptr()).base }
    }

    fn capacity(&self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.tail.as_ptr()).capacity as usize }
    }

    fn is_bytes(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.tail.as_ptr()).kind == Kind::Bytes }
    }

    fn publish(&self, end: usize) {
        // SAFETY: as above.
        unsafe { Chunk::store(self.tail, Word::open(0, end)) };
    }

    /// The bytes of the tail from a place on.
    fn unread(&self, from: usize) -> &[u8] {
        if !self.is_bytes() {
            return &[];
        }
        // SAFETY: `at` bytes of the tail have been written, and only this end writes.
        unsafe { std::slice::from_raw_parts(Chunk::data(self.tail).add(from), self.at - from) }
    }

    // ---- the application's way -------------------------------------------------------------

    /// Room to read into, with both ends in hand and no whole message in the queue.
    ///
    /// # Errors
    /// The next frame is too large, or there is no memory for it. It stays so until the next
    /// generation.
    ///
    /// # Panics
    /// The reader is that of another queue.
    pub fn room<'a>(
        &'a mut self,
        reader: &mut Reader,
        pool: &mut Pool,
    ) -> Result<&'a mut [u8], FillFault> {
        self.meet(reader, pool);
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.assembly.is_none() {
            let made = self.make_room(reader, pool);
            self.note(made)?;
        }
        let (at, capacity) = (self.at, self.capacity());
        if let Some(assembly) = &mut self.assembly {
            match assembly.room() {
                Ok(room) => {
                    self.lent = room.len();
                    return Ok(room);
                }
                Err(fault) => {
                    self.fault = Some(fault);
                    return Err(fault);
                }
            }
        }
        debug_assert_eq!(capacity, SLAB, "only what is zeroed may be lent");
        // Behind one large frame there is often another: its beginning is enough, the rest goes to
        // where it will stay.
        let most = if std::mem::take(&mut self.large) {
            BEGINNING
        } else {
            SLAB
        };
        self.lent = (capacity - at).min(most);
        // SAFETY: slabs are zeroed when they are made; the bytes beyond `at` are this end's alone.
        Ok(unsafe { std::slice::from_raw_parts_mut(Chunk::data(self.tail).add(at), self.lent) })
    }

    /// Whether a read goes to memory that is in use anyway.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.assembly.is_some() || self.is_bytes() && self.capacity() == SLAB
    }

    /// Reads from a connection into the room, and commits what has come; `cut` says how much of
    /// the room may be used. Returns how many bytes came, and how many there was room for.
    ///
    /// # Errors
    /// As for [`room`](Self::room) and [`commit`](Self::commit); within, those of the read.
    ///
    /// # Panics
    /// The reader is that of another queue.
    pub fn read(
        &mut self,
        reader: &mut Reader,
        pool: &mut Pool,
        stream: &Stream,
        cut: impl FnOnce(usize) -> usize,
    ) -> Result<io::Result<(usize, usize)>, FillFault> {
        if self.assembly.is_some() && self.fault.is_none() {
            self.meet(reader, pool);
            return self.read_large(pool, stream, cut);
        }
        let room = self.room(reader, pool)?;
        let offered = cut(room.len()).min(room.len());
        match stream.recv(&mut room[..offered]) {
            Ok(read) => {
                self.commit(read)?;
                Ok(Ok((read, offered)))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Reads the rest of a large frame to where it will stay, and a little of what follows it: then
    /// each of many such frames takes one read.
    fn read_large(
        &mut self,
        pool: &mut Pool,
        stream: &Stream,
        cut: impl FnOnce(usize) -> usize,
    ) -> Result<io::Result<(usize, usize)>, FillFault> {
        let behind = pool.take_slab();
        let Some(assembly) = &mut self.assembly else {
            return Ok(Ok((0, 0)));
        };
        let missing = assembly.missing();
        // SAFETY: slabs are zeroed when they are made, and this one is ours alone.
        let room = unsafe { std::slice::from_raw_parts_mut(Chunk::data(behind), BEGINNING) };
        let came = assembly.read(stream, cut, room);
        let read = match &came {
            Ok(Ok((read, _))) => *read,
            _ => 0,
        };
        self.bytes += read as u64;
        self.finish_assembly(None);
        if let Some(beyond @ 1..) = read.checked_sub(missing) {
            self.carry_over(behind, self.at);
            // SAFETY: the tail is alive.
            unsafe { Chunk::track(behind) }.write(0, beyond);
            self.at = beyond;
            self.publish_checked(None)?;
        } else {
            // SAFETY: ours alone.
            unsafe { pool.give(behind) };
        }
        self.note(came.as_ref().map(drop).map_err(|fault| *fault))?;
        came
    }

    /// What both ends in one hand allow at any time.
    fn meet(&mut self, reader: &mut Reader, pool: &mut Pool) {
        assert!(
            std::ptr::eq(&raw const *self.shared, reader.shared()),
            "the ends of one queue"
        );
        self.lent = 0;
        let passed = reader.position();
        if let Some(commands) = &mut self.commands {
            commands.forget_told(passed);
        }
        if let Some(retired) = reader.take_retired() {
            // SAFETY: the reader has passed it, and it is not the tail.
            unsafe { pool.give(retired) };
        }
    }

    /// Faults last until the next connection.
    fn note(&mut self, result: Result<(), FillFault>) -> Result<(), FillFault> {
        if let Err(fault) = result {
            self.fault = Some(fault);
        }
        result
    }

    /// Takes the reader's word for what lies before it, instead of walking over it.
    fn catch_up(&mut self, reader: &Reader) {
        if reader.link == self.tail && reader.left == 0 && self.scan < reader.at {
            // Everything before the reader has been taken, and it stands at a message.
            self.scan = reader.at;
            self.walked = reader.taken();
            self.begin_message();
        }
    }

    fn make_room(&mut self, reader: &mut Reader, pool: &mut Pool) -> Result<(), FillFault> {
        let drained = reader.link == self.tail && reader.at == self.at;
        if drained {
            self.start_over(reader, pool);
            return Ok(());
        }
        self.catch_up(reader);
        self.pass(None)?;
        let partial = self.scan;
        let length = self.at - partial;
        match frame::decode(self.unread(partial)) {
            Some(header) if header.body_len >= BY_REFERENCE_IN as u64 => {
                self.assemble(header, Some(reader))
            }
            _ if self.capacity() == SLAB && self.is_bytes() && SLAB - self.at >= SLAB / 4 => Ok(()),
            _ => {
                // Less than a large frame: it goes to the front, of this slab if it is alone in it.
                let alone = reader.link == self.tail && reader.at == partial;
                if alone && self.capacity() == SLAB {
                    self.move_to_front(partial, length, reader);
                } else {
                    let fresh = pool.take_slab();
                    self.carry_over(fresh, partial);
                    if alone {
                        self.follow(reader, pool);
                    }
                }
                Ok(())
            }
        }
    }

    /// Everything has been taken: the same memory again, from its beginning.
    fn start_over(&mut self, reader: &mut Reader, pool: &mut Pool) {
        let base = self.base() + self.at as u64;
        self.walked = reader.taken();
        self.begin_message();
        if self.is_bytes() && self.capacity() == SLAB {
            // SAFETY: both ends are here and have passed every byte of it.
            unsafe { Chunk::rewind(self.tail, base, self.generation) };
        } else {
            let fresh = pool.take_slab();
            // SAFETY: from the pool: ours alone.
            unsafe { Chunk::rewind(fresh, base, self.generation) };
            self.replace_tail(fresh, pool);
        }
        self.at = 0;
        self.scan = 0;
        reader.set_place(self.tail, 0, Word::open(0, 0));
    }

    /// Puts a chunk in the place of the drained tail.
    fn replace_tail(&mut self, fresh: Link, pool: &mut Pool) {
        let old = self.tail;
        self.tail = fresh;
        if old == self.shared.sentinel() {
            return;
        }
        // SAFETY: both ends are here and neither refers to it any more.
        unsafe { pool.give(old) };
    }

    fn move_to_front(&mut self, partial: usize, length: usize, reader: &mut Reader) {
        let base = self.base() + partial as u64;
        let data = Chunk::data(self.tail);
        // SAFETY: both ends are here; the areas may overlap.
        unsafe {
            std::ptr::copy(data.add(partial), data, length);
            Chunk::rewind(self.tail, base, self.generation);
        }
        self.at = length;
        self.scan = 0;
        self.publish(length);
        reader.set_place(self.tail, 0, Word::open(0, length));
    }

    /// Moves the reader to the tail when it has nothing left before it.
    fn follow(&self, reader: &mut Reader, pool: &mut Pool) {
        let old = reader.link;
        reader.set_place(self.tail, 0, Word::open(0, self.at));
        if old != self.shared.sentinel() {
            // SAFETY: both ends are here and neither refers to it any more.
            unsafe { pool.give(old) };
        }
    }

    /// `bytes` have been read into the room that was lent last.
    ///
    /// # Errors
    /// A frame is too large.
    pub fn commit(&mut self, bytes: usize) -> Result<(), FillFault> {
        debug_assert!(bytes <= self.lent, "more than there was room for");
        let bytes = bytes.min(std::mem::take(&mut self.lent));
        self.bytes += bytes as u64;
        if let Some(assembly) = &mut self.assembly {
            assembly.buffer.commit(bytes);
            self.finish_assembly(None);
            return Ok(());
        }
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the tail is alive.
        unsafe { Chunk::track(self.tail) }.write(self.at, self.at + bytes);
        self.at += bytes;
        if self.limits.is_none() {
            self.publish(self.at);
            return Ok(());
        }
        self.publish_checked(None)
    }

    /// Walks, and publishes as far as no frame is too large.
    fn publish_checked(&mut self, seen: Option<Sink<'_>>) -> Result<(), FillFault> {
        let walked = self.pass(seen);
        if walked.is_err() {
            self.at = self.scan;
        }
        if self.is_bytes() {
            self.publish(self.at);
        }
        self.note(walked)
    }

    /// The kernel has no more and the reader found no whole message: gives the slab back, and
    /// keeps a short rest in a chunk of its own.
    ///
    /// # Panics
    /// The reader is that of another queue.
    pub fn settle(&mut self, reader: &mut Reader, pool: &mut Pool) {
        self.meet(reader, pool);
        let sentinel = self.shared.sentinel();
        if reader.link != self.tail || self.tail == sentinel {
            return;
        }
        let length = self.at - reader.at;
        if length == 0 {
            let base = self.base() + self.at as u64;
            self.walked = reader.taken();
            self.mid_message = false;
            // SAFETY: both ends are here and at the end of the last chunk.
            unsafe {
                Chunk::rewind(sentinel, base, self.generation);
                pool.give(self.tail);
            }
            self.tail = sentinel;
            self.at = 0;
            self.scan = 0;
            reader.set_place(sentinel, 0, Word::open(0, 0));
        } else if length <= TUCK && reader.left == 0 && self.is_bytes() && self.capacity() == SLAB {
            self.catch_up(reader);
            let (scan, mid_message) = (self.scan - reader.at, self.mid_message);
            let fresh = Chunk::bytes(length.next_multiple_of(64).max(192), false);
            let base = self.base() + reader.at as u64;
            // SAFETY: the fresh chunk has room for the rest, which has been written.
            unsafe {
                Chunk::rewind(fresh, base, self.generation);
                Chunk::track(fresh).write(0, length);
                let from = Chunk::data(self.tail).add(reader.at);
                std::ptr::copy_nonoverlapping(from, Chunk::data(fresh), length);
            }
            self.replace_tail(fresh, pool);
            (self.at, self.scan, self.mid_message) = (length, scan, mid_message);
            self.publish(length);
            reader.set_place(fresh, 0, Word::open(0, length));
        }
    }

    // ---- the I/O thread's way --------------------------------------------------------------

    /// Takes bytes that have been read elsewhere, and walks over the frames they complete, and
    /// over those before them that no walk has passed.
    ///
    /// # Errors
    /// A frame is too large, or there is no memory for it. It stays so until the next generation.
    pub fn absorb(
        &mut self,
        mut bytes: &[u8],
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Result<(), FillFault> {
        self.lent = 0;
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.bytes += bytes.len() as u64;
        if self.assembly.is_none() {
            self.publish_checked(Some(&mut *seen))?;
            self.assemble_if_large()?;
        }
        loop {
            if let Some(assembly) = &mut self.assembly {
                let rest = assembly.extend(bytes);
                self.note(rest.map(drop))?;
                bytes = rest.unwrap_or(&[]);
                self.finish_assembly(Some(&mut *seen));
                if self.assembly.is_some() {
                    return Ok(());
                }
            }
            if bytes.is_empty() {
                return Ok(());
            }
            bytes = self.append(bytes);
            self.publish_checked(Some(&mut *seen))?;
            self.assemble_if_large()?;
        }
    }

    fn assemble_if_large(&mut self) -> Result<(), FillFault> {
        match frame::decode(self.unread(self.scan)) {
            Some(header) if header.body_len >= BY_REFERENCE_IN as u64 => {
                let begun = self.assemble(header, None);
                self.note(begun)
            }
            _ => Ok(()),
        }
    }

    /// Appends what fits into the tail, or into a chunk made for it; returns the rest.
    fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if !self.is_bytes() || self.at == self.capacity() {
            let from = if self.is_bytes() { self.scan } else { self.at };
            // Of a frame smaller than BY_REFERENCE_IN: a larger one is assembled.
            let partial = self.at - from;
            let need = partial + bytes.len();
            // The first message of many a connection is short, and its last: its chunk leaves a small hole.
            let doubled = (2 * (self.capacity() + HEAD)).min(MORE + HEAD);
            let with_head = if need > MORE {
                need
            } else {
                doubled.max(need + HEAD)
            };
            let size = with_head
                .next_power_of_two()
                .clamp(LEAST + HEAD, LARGE + HEAD)
                - HEAD;
            // A frame that comes in small pieces is not moved for each of them.
            let fresh = Chunk::bytes(size.max(partial + partial / 2 + LEAST), false);
            self.carry_over(fresh, from);
        }
        let take = bytes.len().min(self.capacity() - self.at);
        let (now, rest) = bytes.split_at(take);
        // SAFETY: the room was checked; the bytes beyond `at` are this end's alone.
        unsafe {
            Chunk::track(self.tail).write(self.at, self.at + take);
            let to = Chunk::data(self.tail).add(self.at);
            std::ptr::copy_nonoverlapping(now.as_ptr(), to, take);
        }
        self.at += take;
        rest
    }

    /// Walks over the frames that have become whole since the last walk.
    ///
    /// # Errors
    /// The frame at which the walk stopped is larger than the limit.
    pub fn walk(&mut self, seen: &mut dyn FnMut(Seen<'_>)) -> Result<(), FillFault> {
        let walked = self.pass(Some(seen));
        self.note(walked)
    }

    fn pass(&mut self, seen: Option<Sink<'_>>) -> Result<(), FillFault> {
        let (from, telling) = (self.scanned(), seen.is_some());
        let unclaimed = self.unclaimed();
        let passed = self.pass_frames(seen);
        if telling {
            let any = self.unclaimed() > unclaimed;
            self.tell(from, self.scanned(), any);
        }
        passed
    }

    fn pass_frames(&mut self, mut seen: Option<Sink<'_>>) -> Result<(), FillFault> {
        while let Some(header) = frame::decode(self.unread(self.scan)) {
            if let Some(limits) = &self.limits
                && header.body_len > limits.frame
            {
                return Err(FillFault::TooLarge);
            }
            let rest = self.at - self.scan - header.header_len;
            if header.body_len > rest as u64 {
                break;
            }
            let body = self.scan + header.header_len;
            let end = body + header.body_len as usize;
            if header.flags & frame::COMMAND != 0 {
                let position = self.scanned();
                if self.is_new(position) {
                    self.commands.get_or_insert_default().pass(header.body_len);
                    if let Some(seen) = &mut seen {
                        seen(Seen::Command(position, &self.unread(body)[..end - body]));
                    }
                }
            } else {
                self.count_part(header)?;
                self.mid_message = header.flags & frame::MORE != 0;
                if !self.mid_message {
                    self.walked += 1;
                    if let Some(seen) = &mut seen {
                        seen(Seen::Message);
                    }
                }
            }
            self.scan = end;
        }
        Ok(())
    }

    /// A walk has told of every command from a place on up to another; whether there were any.
    fn tell(&mut self, from: u64, to: u64, any: bool) {
        if let Some(commands) = &mut self.commands {
            commands.tell(from, to, any);
        }
    }

    /// A part of a message has been passed: are they too many bytes together?
    fn count_part(&mut self, header: frame::Header) -> Result<(), FillFault> {
        let Some(limits) = &mut self.limits else {
            return Ok(());
        };
        limits.begun = limits.begun.saturating_add(header.body_len);
        if limits.begun > limits.message {
            return Err(FillFault::TooLarge);
        }
        if header.flags & frame::MORE == 0 {
            limits.begun = 0;
        }
        Ok(())
    }

    /// What comes next is the first part of a message.
    fn begin_message(&mut self) {
        self.mid_message = false;
        if let Some(limits) = &mut self.limits {
            limits.begun = 0;
        }
    }

    // ---- both ------------------------------------------------------------------------------

    /// Seals the tail at `from` and goes on in `fresh`, which gets what lies beyond.
    fn carry_over(&mut self, fresh: Link, from: usize) {
        let length = self.unread(from.min(self.at)).len();
        let position = self.base() + from as u64;
        // SAFETY: the fresh chunk is ours alone and has room; the tail is alive, and what lies
        // beyond `from` has been written.
        unsafe {
            Chunk::rewind(fresh, position, self.generation);
            Chunk::track(fresh).write(0, length);
            let bytes = Chunk::data(self.tail).add(from);
            std::ptr::copy_nonoverlapping(bytes, Chunk::data(fresh), length);
            Chunk::store(fresh, Word::open(0, length));
        }
        self.seal(from, fresh);
        self.at = length;
        self.scan = 0;
    }

    fn seal(&mut self, end: usize, next: Link) {
        // SAFETY: the tail is alive and this is its producer; the link is stored before the word
        // that makes the reader follow it.
        unsafe {
            Chunk::set_next(self.tail, Some(next));
            Chunk::store(self.tail, Word::sealed(0, end, false));
        }
        self.tail = next;
    }

    /// Takes the partial frame at `scan` out of the tail into a block that grows.
    fn assemble(
        &mut self,
        header: frame::Header,
        reader: Option<&mut Reader>,
    ) -> Result<(), FillFault> {
        if header.flags & frame::COMMAND == 0 {
            self.count_part(header)?;
        }
        let beginning = self.unread((self.scan + header.header_len).min(self.at));
        let flags = header.flags & (frame::MORE | frame::COMMAND);
        let assembly = Assembly::begin(flags, header.body_len, beginning)?;
        self.at = self.scan;
        self.publish(self.at);
        if let Some(reader) = reader
            && reader.link == self.tail
        {
            reader.end = self.at;
        }
        self.assembly = Some(Box::new(assembly));
        Ok(())
    }

    /// Appends the large frame if it is complete.
    fn finish_assembly(&mut self, seen: Option<Sink<'_>>) {
        let Some(assembly) = self.assembly.take_if(|assembly| assembly.missing() == 0) else {
            return;
        };
        self.append_reference(assembly.flags, assembly.into_body(), seen);
    }

    /// Takes a whole frame that has been put together elsewhere, as [`absorb`](Self::absorb) takes bytes. Nothing is
    /// held of a frame before it.
    ///
    /// # Errors
    /// As for [`absorb`](Self::absorb).
    pub fn absorb_frame(
        &mut self,
        flags: u8,
        body: Message,
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Result<(), FillFault> {
        self.lent = 0;
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.publish_checked(Some(&mut *seen))?;
        debug_assert!(self.is_between_frames(), "frames come whole or in bytes");
        let header = frame::Header {
            flags,
            body_len: body.len() as u64,
            header_len: frame::MAX_HEADER,
        };
        self.bytes += header.body_len + frame::MAX_HEADER as u64;
        let allowed = self.check(header);
        self.note(allowed)?;
        self.append_reference(flags, body, Some(seen));
        Ok(())
    }

    /// Whether the limits allow a frame, and the message it is a part of.
    fn check(&mut self, header: frame::Header) -> Result<(), FillFault> {
        let limits = self.limits.as_ref();
        if limits.is_some_and(|limits| header.body_len > limits.frame) {
            return Err(FillFault::TooLarge);
        }
        if header.flags & frame::COMMAND == 0 {
            self.count_part(header)?;
        }
        Ok(())
    }

    /// Appends a whole frame that lies in a block of its own.
    fn append_reference(&mut self, flags: u8, body: Message, seen: Option<Sink<'_>>) {
        let position = self.base() + self.at as u64;
        let body_len = body.len() as u64;
        let reference = Reference::new(flags, body);
        let wire = reference.len() as u64;
        let is_command = flags & frame::COMMAND != 0;
        if !is_command {
            self.mid_message = flags & frame::MORE != 0;
            self.walked += u64::from(!self.mid_message);
        } else if self.is_new(position) {
            self.commands.get_or_insert_default().pass(body_len);
        }
        if let Some(seen) = seen {
            if !is_command && !self.mid_message {
                seen(Seen::Message);
            } else if is_command && self.is_new(position) {
                seen(Seen::Command(position, reference.body.as_slice()));
            }
            self.tell(position, position + wire, is_command);
        }
        self.large = true;
        let link = Chunk::reference(reference);
        // SAFETY: ours alone until it is sealed in.
        unsafe {
            // One step of the chunk stands for all of the frame.
            Chunk::rewind(link, position + wire - 1, self.generation);
            Chunk::store(link, Word::open(0, 1));
        }
        let end = self.at;
        self.seal(end, link);
        self.at = 1;
        self.scan = 1;
    }
}

impl std::fmt::Debug for Fill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fill")
            .field("bytes", &self.bytes)
            .field("walked", &self.walked)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
