// SPDX-License-Identifier: MIT OR Apache-2.0
//! The producing end of a queue that takes frames.
//!
//! Frames are encoded where they will be sent from. Nothing is visible to the consumer until the
//! last part of a message is in: then one `Release` store announces all of it, however many chunks
//! it spans. Until then the message can be taken back.

use ferromq_message::{Message, frame};

use crate::chunk::{Chunk, Kind, Link, Reference, Word, copy};
use crate::drain::Drain;
use crate::loom::Arc;
use crate::pool::{LARGE, Pool, SMALL};
use crate::queue::Shared;

/// From this many bytes a body goes to the kernel from where it lies instead of being copied.
pub const BY_REFERENCE_OUT: usize = 16 * 1024;
/// The same inside a process, for bodies that are given as bytes; what lies in a message of its own
/// always stays there. A block that one thread allocates and another frees costs more than copying
/// this much.
pub const BY_REFERENCE_INPROC: usize = 8 * 1024;

/// First byte of a frame that is a [`Message`] by value; only ever written and believed inside a
/// process.
pub(crate) const DESCRIPTOR: u8 = 0x80;
/// That byte, the distance to the message, what it takes to align it, and the message.
const DESCRIPTOR_MAX: usize = 2 + (align_of::<Message>() - 1) + size_of::<Message>();

/// The producing end: see the module documentation.
pub struct Writer {
    /// Where bytes are written.
    tail: Link,
    at: usize,
    capacity: usize,
    /// Messages that end in `tail`, published ones only.
    tail_messages: u32,
    /// The chunk that the consumer can reach, and how far it is published. The same as `tail`
    /// unless the message being written has outgrown it.
    open: Link,
    open_end: usize,
    open_messages: u32,
    /// How far `open` was filled when it was left, and what follows it.
    left_end: usize,
    follows: Option<Link>,
    /// Whether the message being written has parts already.
    mid_message: bool,
    streaming: bool,
    inproc: bool,
    messages: u64,
    bytes: u64,
    /// Bytes of the message being written.
    pending_bytes: u64,
    pub(crate) shared: Arc<Shared>,
}

// SAFETY: the chunks a writer refers to are shared with the consumer only through the word protocol.
unsafe impl Send for Writer {}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, inproc: bool) -> Self {
        let sentinel = shared.sentinel();
        Self {
            tail: sentinel,
            at: 0,
            capacity: 0,
            tail_messages: 0,
            open: sentinel,
            open_end: 0,
            open_messages: 0,
            left_end: 0,
            follows: None,
            mid_message: false,
            streaming: false,
            inproc,
            messages: 0,
            bytes: 0,
            pending_bytes: 0,
            shared,
        }
    }

    /// Messages published so far.
    #[inline(always)]
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes published so far, as they go over the wire.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages the consumer is through with: wholly accepted by the kernel, or received.
    #[inline(always)]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.taken()
    }

    /// Whether a message has been begun and not ended.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.mid_message
    }

    /// Appends a copy of a frame; the last part publishes the message.
    #[inline(always)]
    pub fn append(&mut self, pool: &mut Pool, body: &[u8], more: bool) {
        let len = body.len();
        if len < 256 && !more && !self.mid_message && self.capacity - self.at >= len + 2 {
            // SAFETY: the room was checked; the bytes beyond `at` are the writer's alone.
            unsafe {
                Chunk::track(self.tail).write(self.at, self.at + len + 2);
                let to = Chunk::data(self.tail).add(self.at);
                to.cast::<[u8; 2]>().write([0, len as u8]);
                copy(body.as_ptr(), to.add(2), len);
            }
            self.at += len + 2;
            self.bytes += len as u64 + 2;
            self.tail_messages += 1;
            self.messages += 1;
            self.open_end = self.at;
            self.open_messages = self.tail_messages;
            // SAFETY: the tail is alive and this is its producer.
            unsafe { Chunk::store(self.tail, Word::open(self.tail_messages, self.at)) };
            return;
        }
        self.append_any(pool, body, more);
    }

    #[inline(never)]
    fn append_any(&mut self, pool: &mut Pool, body: &[u8], more: bool) {
        let by_reference = if self.inproc {
            BY_REFERENCE_INPROC
        } else {
            BY_REFERENCE_OUT
        };
        if body.len() >= by_reference
            && let Ok(message) = Message::try_copy_from_slice(body)
        {
            self.append_by_reference(pool, message, more);
            return;
        }
        let flags = if more { frame::MORE } else { 0 };
        self.append_copy(pool, flags, body);
        self.end_part(more);
    }

    /// Appends a message, moving it if it is worth it; the last part publishes.
    #[inline]
    pub fn append_message(&mut self, pool: &mut Pool, message: Message, more: bool) {
        // Inside a process what lies elsewhere stays there, and is freed by who receives it.
        let by_reference = if self.inproc {
            message.is_by_reference()
        } else {
            message.len() >= BY_REFERENCE_OUT
        };
        if by_reference {
            self.append_by_reference(pool, message, more);
        } else {
            self.append(pool, &message, more);
        }
    }

    fn append_by_reference(&mut self, pool: &mut Pool, message: Message, more: bool) {
        let flags = if more { frame::MORE } else { 0 };
        let wire = (frame::header_len(message.len()) + message.len()) as u64;
        if self.inproc {
            if self.capacity - self.at < DESCRIPTOR_MAX {
                self.roll(pool, DESCRIPTOR_MAX);
            }
            // A chunk's data is aligned to its head.
            let place = (self.at + 2).next_multiple_of(align_of::<Message>());
            let offset = place - self.at;
            // SAFETY: the room was checked; a Message may be moved bytewise, and the reader takes
            // it out exactly once.
            unsafe {
                Chunk::track(self.tail).write(self.at, place + size_of::<Message>());
                let to = Chunk::data(self.tail).add(self.at);
                to.cast::<[u8; 2]>()
                    .write([DESCRIPTOR | flags, offset as u8]);
                to.add(offset).cast::<Message>().write(message);
            }
            self.at = place + size_of::<Message>();
        } else {
            let link = Chunk::reference(Reference::new(flags, message));
            self.link(link, 1);
            self.at = 1;
        }
        self.pending_bytes += wire;
        self.end_part(more);
    }

    fn append_copy(&mut self, pool: &mut Pool, flags: u8, body: &[u8]) {
        let (header, header_len) = frame::encode(flags, body.len());
        let need = header_len + body.len();
        if self.capacity - self.at < need {
            self.roll(pool, need);
        }
        // SAFETY: the room was checked; the bytes beyond `at` are the writer's alone.
        unsafe {
            Chunk::track(self.tail).write(self.at, self.at + need);
            let to = Chunk::data(self.tail).add(self.at);
            std::ptr::copy_nonoverlapping(header.as_ptr(), to, header_len);
            copy(body.as_ptr(), to.add(header_len), body.len());
        }
        self.at += need;
        self.pending_bytes += need as u64;
    }

    #[inline]
    fn end_part(&mut self, more: bool) {
        if more {
            self.mid_message = true;
        } else {
            self.publish();
        }
    }

    /// Makes the message visible: one store, whatever it spans.
    fn publish(&mut self) {
        self.mid_message = false;
        self.messages += 1;
        self.bytes += self.pending_bytes;
        self.pending_bytes = 0;
        self.tail_messages += 1;
        let word = Word::open(self.tail_messages, self.at);
        // SAFETY: tail and open are alive, and this is their producer. The tail's word and the
        // links are stored before the word that lets the consumer reach them.
        unsafe { Chunk::store(self.tail, word) };
        if self.open != self.tail {
            let cut = self.left_end != self.open_end;
            let last = Word::sealed(self.open_messages, self.left_end, cut);
            // SAFETY: as above.
            unsafe {
                Chunk::set_next(self.open, self.follows.take());
                Chunk::store(self.open, last);
            }
            self.open = self.tail;
        }
        self.open_end = self.at;
        self.open_messages = self.tail_messages;
    }

    /// Takes back the parts of a message that has not been ended.
    pub fn roll_back(&mut self) {
        self.mid_message = false;
        self.pending_bytes = 0;
        if self.open != self.tail {
            self.free_private();
            self.tail = self.open;
            // SAFETY: alive; capacity is written once, when the chunk is made.
            self.capacity = unsafe { (*self.tail.as_ptr()).capacity } as usize;
        } else if self.inproc {
            self.drop_descriptors(self.open_end, self.at);
        }
        self.at = self.open_end;
        self.tail_messages = self.open_messages;
    }

    /// Drops the messages whose descriptors lie between two positions of the tail.
    fn drop_descriptors(&self, from: usize, to: usize) {
        // SAFETY: the bytes were written by this writer as whole frames and never published.
        unsafe { drop_descriptors(self.tail, from, to) };
    }

    fn free_private(&mut self) {
        let mut at = self.follows.take();
        if self.inproc {
            // SAFETY: unpublished bytes of the open chunk, written by this writer.
            unsafe { drop_descriptors(self.open, self.open_end, self.left_end) };
        }
        while let Some(link) = at {
            // SAFETY: these chunks were never published.
            let (next, end) = unsafe { (Chunk::next(link), Chunk::load(link).end()) };
            if self.inproc {
                let end = if link == self.tail { self.at } else { end };
                // SAFETY: as above.
                unsafe { drop_descriptors(link, 0, end) };
            }
            // SAFETY: as above, and nothing refers to it now.
            unsafe { Chunk::free(link) };
            at = next;
        }
        self.left_end = self.open_end;
    }

    /// Goes on in a chunk with room for `need` bytes.
    #[cold]
    #[inline(never)]
    fn roll(&mut self, pool: &mut Pool, need: usize) {
        // SAFETY: the tail is alive.
        match unsafe { (*self.tail.as_ptr()).kind } {
            // A queue that fills its chunks grows out of the small ones it began with.
            Kind::Bytes => self.streaming = true,
            Kind::Reference => self.streaming = false,
            Kind::Sentinel => {}
        }
        let need_or_large = if self.streaming {
            need.max(LARGE)
        } else {
            need
        };
        let fits = |link: Link| {
            // SAFETY: a spare chunk is alive and nobody else refers to it.
            unsafe { (*link.as_ptr()).capacity as usize >= need_or_large }
        };
        let fresh = match self.shared.take_spare() {
            Some(spare) if fits(spare) => spare,
            spare => {
                if let Some(spare) = spare {
                    // SAFETY: the consumer is through with a spare.
                    unsafe { pool.give(spare) };
                }
                pool.take_bytes(need, self.streaming)
            }
        };
        // SAFETY: nobody refers to the fresh chunk yet.
        let capacity = unsafe {
            Chunk::rewind(fresh, 0, 0);
            (*fresh.as_ptr()).capacity as usize
        };
        self.link(fresh, capacity);
    }

    /// Puts a chunk behind the tail, for the consumer to see when the message is published.
    fn link(&mut self, fresh: Link, capacity: usize) {
        if self.open == self.tail {
            self.left_end = self.at;
            self.follows = Some(fresh);
        } else {
            // Every chunk in between ends inside the message that is being written.
            let word = Word::sealed(0, self.at, true);
            // SAFETY: the tail is private to this writer.
            unsafe {
                Chunk::set_next(self.tail, Some(fresh));
                Chunk::store(self.tail, word);
            }
        }
        self.tail = fresh;
        self.at = 0;
        self.capacity = capacity;
        self.tail_messages = 0;
    }

    /// With both ends in hand and nothing left to send: gives the memory back, so that it is used
    /// again while it is warm, by whichever queue of the socket comes next.
    pub fn release(&mut self, drain: &mut Drain, pool: &mut Pool) {
        let same = std::ptr::eq(&raw const *self.shared, drain.shared());
        debug_assert!(same, "the two ends of one queue");
        if !same || self.mid_message || !drain.is_drained() || !drain.is_at_boundary() {
            return;
        }
        if let Some(spare) = self.shared.take_spare() {
            // SAFETY: the consumer is through with a spare.
            unsafe { pool.give(spare) };
        }
        let sentinel = self.shared.sentinel();
        if self.tail == sentinel {
            return;
        }
        self.streaming &= self.at > SMALL;
        let tail = self.tail;
        drain.reset(sentinel);
        // SAFETY: producer and consumer are both here and neither refers to anything but the
        // sentinel now.
        unsafe {
            Chunk::rewind_sentinel(sentinel);
            pool.give(tail);
        }
        self.tail = sentinel;
        self.open = sentinel;
        self.at = 0;
        self.capacity = 0;
        self.tail_messages = 0;
        self.open_end = 0;
        self.open_messages = 0;
    }
}

/// # Safety
/// `from..to` holds whole frames written by an inproc writer, whose messages nobody else takes.
pub(crate) unsafe fn drop_descriptors(link: Link, mut from: usize, to: usize) {
    while from < to {
        // SAFETY: within the chunk by contract.
        unsafe {
            Chunk::track(link).read(from, to);
            let at = Chunk::data(link).add(from);
            if *at & DESCRIPTOR != 0 {
                let offset = usize::from(*at.add(1));
                drop(at.add(offset).cast::<Message>().read());
                from += offset + size_of::<Message>();
            } else {
                let bytes = std::slice::from_raw_parts(at, to - from);
                let Some(header) = frame::decode(bytes) else {
                    return;
                };
                from += header.header_len + header.body_len as usize;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The rest belongs to the consumer, which frees it.
        self.roll_back();
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("messages", &self.messages)
            .field("bytes", &self.bytes)
            .field("mid_message", &self.mid_message)
            .finish_non_exhaustive()
    }
}
