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
/// The same inside a process, for bodies that are given as bytes. A block that one thread allocates and another frees
/// costs more than copying this much.
pub const BY_REFERENCE_INPROC: usize = 8 * 1024;
/// From this many bytes what lies in a message of its own stays there inside a process. Less is copied, for the same
/// reason: then each thread frees what it has allocated.
pub const MOVED_INPROC: usize = 512;
/// Shorter bodies are copied on every way.
const COPIED: usize = BY_REFERENCE_INPROC;

/// First byte of a frame that is a [`Message`] by value; only ever written and believed inside a
/// process.
pub(crate) const DESCRIPTOR: u8 = 0x80;
/// That byte, the distance to the message, what it takes to align it, and the message.
const DESCRIPTOR_MAX: usize = 2 + (align_of::<Message>() - 1) + size_of::<Message>();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between two messages.
    Between,
    /// Parts of a message have been written, and not its last one.
    Message,
    /// Between two messages, and the tail is an open range of a block that others write to.
    Following,
}

/// The producing end: see the module documentation.
pub struct Writer {
    /// Where bytes are written.
    tail: Link,
    at: usize,
    /// Messages that end in `tail`, published ones only.
    tail_messages: u32,
    /// How far, and up to how many messages in `tail`, appending needs no thought; 0 while a message
    /// is being written.
    quick_messages: u32,
    quick_end: usize,
    capacity: usize,
    /// The chunk that the consumer can reach, and how far it is published. The same as `tail`
    /// unless the message being written has outgrown it. Kept while a message is being written.
    open: Link,
    open_end: usize,
    open_messages: u32,
    /// How far `open` was filled when it was left, and what follows it.
    left_end: usize,
    follows: Option<Link>,
    state: State,
    streaming: bool,
    inproc: bool,
    /// Messages published in chunks before `tail`.
    messages_before: u64,
    /// Bytes published, as they go over the wire, up to `mark` in `tail`.
    bytes: u64,
    mark: usize,
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
            tail_messages: 0,
            quick_messages: 0,
            quick_end: 0,
            capacity: 0,
            open: sentinel,
            open_end: 0,
            open_messages: 0,
            left_end: 0,
            follows: None,
            state: State::Between,
            streaming: false,
            inproc,
            messages_before: 0,
            bytes: 0,
            mark: 0,
            pending_bytes: 0,
            shared,
        }
    }

    /// Messages published so far.
    #[inline(always)]
    #[must_use]
    pub fn messages(&self) -> u64 {
        let followed = self.followed().map_or(0, Word::messages);
        self.messages_before + u64::from(self.tail_messages + followed)
    }

    /// How far the open range at the tail goes.
    #[inline(always)]
    fn followed(&self) -> Option<Word> {
        // SAFETY: an open range is alive, for the consumer does not pass it.
        (self.state == State::Following).then(|| unsafe { Chunk::word(self.tail) })
    }

    /// Bytes published so far, as they go over the wire.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> u64 {
        // What is being written lies behind the mark as well.
        let unmarked = if self.is_mid_message() {
            0
        } else {
            self.at - self.mark
        };
        let followed = self.followed().map_or(0, Word::end);
        self.bytes + (unmarked + followed) as u64
    }

    /// Messages the consumer is through with: wholly accepted by the kernel, or received.
    #[inline(always)]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.taken()
    }

    /// Whether it leads to another socket of this process.
    #[must_use]
    pub fn is_inproc(&self) -> bool {
        self.inproc
    }

    /// Whether a message has been begun and not ended.
    #[inline(always)]
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.state == State::Message
    }

    /// Allows [`append_quick`](Self::append_quick) up to so many messages and bytes published in
    /// all; anything else but it and [`append`](Self::append) of a short body ends that.
    pub fn allow_quick(&mut self, messages: u64, bytes: u64) {
        self.forbid_quick();
        if !self.is_mid_message() {
            let messages = messages.saturating_sub(self.messages());
            let bytes = bytes.saturating_sub(self.bytes());
            let messages = u32::try_from(messages).unwrap_or(u32::MAX);
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            self.quick_messages = self.tail_messages.saturating_add(messages);
            self.quick_end = self.at + bytes.min(self.capacity - self.at);
        }
    }

    /// See [`allow_quick`](Self::allow_quick).
    pub fn forbid_quick(&mut self) {
        self.quick_end = 0;
    }

    /// Appends a copy of a message of one part, if that is allowed, and its body short enough to be
    /// copied on any way.
    #[inline(always)]
    pub fn append_quick(&mut self, body: &[u8]) -> bool {
        let step = frame::header_len(body.len()) + body.len();
        let quick = body.len() < COPIED
            && self.at + step <= self.quick_end
            && self.tail_messages < self.quick_messages;
        if quick {
            // SAFETY: the end is within the chunk, and no message is being written.
            unsafe { self.put(body) };
        }
        quick
    }

    /// Writes a message of one part and publishes it.
    ///
    /// # Safety
    /// There is room for it and its header, no message is being written, and its body is shorter
    /// than `COPIED`.
    #[inline(always)]
    unsafe fn put(&mut self, body: &[u8]) {
        let len = body.len();
        let header_len = frame::header_len(len);
        // SAFETY: there is room, as the caller has seen; the bytes beyond `at` are the writer's alone.
        unsafe {
            Chunk::track(self.tail).write(self.at, self.at + header_len + len);
            let to = Chunk::data(self.tail).add(self.at);
            if header_len == 2 {
                // One store, not two.
                to.cast::<u16>()
                    .write_unaligned((u16::from(len as u8) << 8).to_le());
            } else {
                let (header, _) = frame::encode(0, len);
                to.cast::<[u8; frame::MAX_HEADER]>().write(header);
            }
            copy(body.as_ptr(), to.add(header_len), len);
        }
        self.at += header_len + len;
        self.tail_messages += 1;
        // SAFETY: the tail is alive and this is its producer.
        unsafe { Chunk::store(self.tail, Word::open(self.tail_messages, self.at)) };
    }

    /// Appends a copy of a frame; the last part publishes the message.
    #[inline(always)]
    pub fn append(&mut self, pool: &mut Pool, body: &[u8], more: bool) {
        let step = frame::header_len(body.len()) + body.len();
        let fits = body.len() < COPIED && self.capacity - self.at >= step;
        if fits && !more && !self.is_mid_message() {
            // SAFETY: as was checked.
            unsafe { self.put(body) };
            return;
        }
        self.append_any(pool, body, more);
    }

    /// A part is to be written that is not a message by itself, or not so easily.
    fn begin_part(&mut self) {
        self.quick_end = 0;
        if !self.is_mid_message() {
            self.settle_marks();
        }
    }

    /// Notes how far the tail is published.
    fn settle_marks(&mut self) {
        self.bytes += (self.at - self.mark) as u64;
        self.mark = self.at;
        self.open_end = self.at;
        self.open_messages = self.tail_messages;
    }

    /// Whether it may follow a log: inside a process each queue has its own bytes.
    pub(crate) fn can_follow(&self) -> bool {
        !self.inproc && !self.is_mid_message()
    }

    /// From here on the messages of a log are this queue's, too, until something else is appended.
    /// `range` is an open range of the log's block.
    pub(crate) fn follow(&mut self, range: Link) {
        self.stop_following(range);
        self.state = State::Following;
    }

    /// What the log gets from here on is not for this queue.
    pub(crate) fn unfollow(&mut self, pool: &mut Pool) {
        if self.state == State::Following {
            self.stop_following(pool.take_bytes(0, false));
        }
    }

    /// Goes on in a fresh chunk, with nothing in the middle.
    fn stop_following(&mut self, fresh: Link) {
        debug_assert!(!self.is_mid_message(), "between two messages");
        self.begin_part();
        let end = match self.followed() {
            Some(word) => {
                self.bytes += word.end() as u64;
                self.messages_before += u64::from(word.messages());
                Word::sealed(word.messages(), word.end(), false)
            }
            None => Word::sealed(self.tail_messages, self.at, false),
        };
        self.state = State::Between;
        // SAFETY: the fresh chunk is alive and nobody else refers to it yet.
        let head = unsafe { fresh.as_ref() };
        let capacity = head.capacity as usize;
        let old = std::mem::replace(&mut self.tail, fresh);
        self.messages_before += u64::from(self.tail_messages);
        self.tail_messages = 0;
        (self.at, self.mark, self.capacity) = (0, 0, capacity);
        self.open = fresh;
        // SAFETY: the old tail is alive until the word below lets the consumer pass it, and this is
        // its producer.
        unsafe {
            Chunk::set_next(old, Some(fresh));
            Chunk::store(old, end);
        }
    }

    #[inline(never)]
    fn append_any(&mut self, pool: &mut Pool, body: &[u8], more: bool) {
        self.unfollow(pool);
        self.begin_part();
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

    /// Appends a message; the last part publishes. It is taken if it is worth moving; one that is
    /// copied is left to the caller, who drops it where no lock is held: its owner may have been
    /// promised a call.
    #[inline]
    pub fn append_message(&mut self, pool: &mut Pool, message: &mut Message, more: bool) {
        // Inside a process what lies elsewhere stays there, and is freed by who receives it.
        let by_reference = if self.inproc {
            message.is_by_reference() && message.len() >= MOVED_INPROC
        } else {
            message.len() >= BY_REFERENCE_OUT
        };
        if by_reference {
            self.append_by_reference(pool, std::mem::take(message), more);
        } else {
            self.append(pool, message, more);
        }
    }

    fn append_by_reference(&mut self, pool: &mut Pool, message: Message, more: bool) {
        self.unfollow(pool);
        self.begin_part();
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
            self.state = State::Message;
        } else {
            self.publish();
        }
    }

    /// Makes the message visible: one store, whatever it spans.
    fn publish(&mut self) {
        self.state = State::Between;
        self.bytes += self.pending_bytes;
        self.pending_bytes = 0;
        self.mark = self.at;
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
    }

    /// Takes back the parts of a message that has not been ended.
    pub fn roll_back(&mut self) {
        if !self.is_mid_message() {
            return;
        }
        self.state = State::Between;
        self.pending_bytes = 0;
        if self.open != self.tail {
            self.free_private();
            self.tail = self.open;
            self.messages_before -= u64::from(self.open_messages);
            // SAFETY: alive; capacity is written once, when the chunk is made.
            self.capacity = unsafe { (*self.tail.as_ptr()).capacity } as usize;
        } else if self.inproc {
            self.drop_descriptors(self.open_end, self.at);
        }
        self.at = self.open_end;
        self.mark = self.open_end;
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
            Kind::Sentinel | Kind::Range => {}
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
            // SAFETY: the consumer is through with a spare.
            spare if self.inproc && need_or_large == LARGE => unsafe { pool.take_cool(spare) },
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
        self.mark = 0;
        self.capacity = capacity;
        self.messages_before += u64::from(self.tail_messages);
        self.tail_messages = 0;
    }

    /// With both ends in hand and nothing left to send: gives the memory back, so that it is used
    /// again while it is warm, by whichever queue of the socket comes next.
    pub fn release(&mut self, drain: &mut Drain, pool: &mut Pool) {
        let same = std::ptr::eq(&raw const *self.shared, drain.shared());
        debug_assert!(same, "the two ends of one queue");
        let busy = self.state != State::Between || !drain.stands_in(self.tail);
        if !same || busy || !drain.is_drained() || !drain.is_at_boundary() {
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
        self.begin_part();
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
        self.mark = 0;
        self.capacity = 0;
        self.messages_before += u64::from(self.tail_messages);
        self.tail_messages = 0;
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
        if self.state == State::Following {
            self.stop_following(Chunk::bytes(0, false));
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("messages", &self.messages())
            .field("bytes", &self.bytes())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
