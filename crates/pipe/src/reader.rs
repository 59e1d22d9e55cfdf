// SPDX-License-Identifier: MIT OR Apache-2.0
//! The consuming end of a queue that gives frames to the application.
//!
//! Frames are parsed where they were read to. The first part of a message is given out only when
//! its last part is there too, so that a message is never seen in part: not by a receive, not by
//! a poll, not when the peer dies half-way.

use ferromq_message::{Message, Metadata, frame};

use crate::chunk::{Chunk, Kind, Link, Word, copy};
use crate::loom::Arc;
use crate::queue::Shared;
use crate::writer::DESCRIPTOR;

/// So many bytes at a meeting are worth it: cache lines that lie ahead in a row are fetched many at
/// a time, those just written one by one.
const GATHERED: usize = 8 * 1024;
/// Pauses of the CPU, a quarter of a microsecond or so: the time of 20 short messages.
const PAUSES: u32 = 12;
/// The longest wait for more between two looks, two microseconds or so.
const MOST_PAUSES: u32 = 96;
/// The most that good experience with waiting counts for.
const PATIENCE: u8 = 16;
/// With bad experience one meeting in so many tries again.
const PROBE_MASK: u8 = 63;

/// Where a frame's body lies.
#[derive(Clone, Copy)]
enum Body {
    /// In the chunk, behind a header.
    Here,
    /// In a message that lies so far behind the frame's first byte.
    Descriptor(usize),
    /// In the chunk as a whole.
    Reference,
}

/// The frame that comes next.
#[derive(Clone, Copy)]
struct Head {
    flags: u8,
    body: Body,
    header_len: usize,
    body_len: usize,
    /// How far to go for the next frame.
    step: usize,
}

/// What a [`Reader`] finds at a place.
enum Found {
    Frame(Head),
    /// The chunk is exhausted, or holds only a part of a frame.
    Partial,
}

/// A command frame taken out of the stream, with its position in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFrame {
    /// Position of its header in the stream of this queue.
    pub position: u64,
    /// Which connection it came from: counts reconnects.
    pub generation: u32,
    /// Name and data, without the frame header.
    pub body: Box<[u8]>,
}

/// The consuming end: see the module documentation.
pub struct Reader {
    pub(crate) link: Link,
    pub(crate) at: usize,
    pub(crate) end: usize,
    sealed: bool,
    /// Frames that may be given out before the next look: those of one whole message.
    pub(crate) left: u32,
    /// Whether the last frame given out was not the last of its message.
    begun: bool,
    inproc: bool,
    taken: u64,
    /// Of an inproc queue: messages in the chunks that have been passed.
    passed: u64,
    /// Bytes given out, as they went over the wire, up to `mark` in the chunk.
    bytes: u64,
    mark: usize,
    /// Generation of the connection that the next frame came from.
    generation: u32,
    commands: Vec<CommandFrame>,
    /// How far a walk over an incomplete message has come, and how many frames it has passed.
    walked: Option<(Link, usize, u32)>,
    /// How well waiting for more has worked, and a count of the chances to.
    patience: u8,
    meetings: u8,
    /// A chunk that has been passed and may be used again by this socket.
    retired: Option<Link>,
    pub(crate) shared: Arc<Shared>,
}

// SAFETY: the chunks are shared with the producer only through the word protocol.
unsafe impl Send for Reader {}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, inproc: bool) -> Self {
        let link = shared.sentinel();
        Self {
            link,
            at: 0,
            end: 0,
            sealed: false,
            left: 0,
            begun: false,
            inproc,
            taken: 0,
            passed: 0,
            bytes: 0,
            mark: 0,
            generation: 0,
            commands: Vec::new(),
            walked: None,
            patience: 0,
            meetings: 0,
            retired: None,
            shared,
        }
    }

    /// Messages given out so far.
    #[inline(always)]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Of an inproc queue: messages published and not given out yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        debug_assert!(self.inproc, "over a wire the filling end knows");
        let (mut link, mut published) = (self.link, self.passed);
        loop {
            // SAFETY: the chain is alive from the reader's chunk on.
            let word = unsafe { Chunk::word(link) };
            published += u64::from(word.messages());
            // SAFETY: as above.
            match unsafe { Chunk::next(link) } {
                Some(next) if word.is_sealed() => link = next,
                _ => return published.saturating_sub(self.taken),
            }
        }
    }

    /// Whether a condition holds for the flags and the body of every frame that is there, commands included. Nothing is
    /// taken, and what has not come to its end does not count.
    pub fn every_frame(&self, mut condition: impl FnMut(u8, &[u8]) -> bool) -> bool {
        let (mut link, mut at) = (self.link, self.at);
        loop {
            // SAFETY: chunks from the reader's on are alive.
            let word = unsafe { Chunk::load(link) };
            while let Found::Frame(head) = self.find(link, at, word.end()) {
                // SAFETY: the frame is wholly below the published end.
                if !condition(head.flags, unsafe { body(link, at, head) }) {
                    return false;
                }
                at += head.step;
            }
            match self.next_of(link, word.is_sealed()) {
                Some(next) => (link, at) = (next, 0),
                None => return true,
            }
        }
    }

    /// Bytes given out so far, as they went over the wire.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes + (self.at - self.mark) as u64
    }

    /// Goes so far in the chunk, for so many bytes on the wire.
    #[inline(always)]
    fn step(&mut self, step: usize, wire: u64) {
        self.bytes = self.bytes() + wire;
        self.at += step;
        self.mark = self.at;
    }

    /// Goes to a place that no bytes are counted for.
    fn jump(&mut self, at: usize) {
        self.bytes = self.bytes();
        self.at = at;
        self.mark = at;
    }

    /// Which connection the next frame came from: counts reconnects.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the application has begun a message and not taken its last part.
    #[inline]
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.begun
    }

    /// Commands found on the way to the messages.
    #[inline(always)]
    #[must_use]
    pub fn has_commands(&self) -> bool {
        !self.commands.is_empty()
    }

    /// Takes the commands found so far.
    pub fn take_commands(&mut self) -> Vec<CommandFrame> {
        std::mem::take(&mut self.commands)
    }

    /// Whether a whole message (or the rest of one) is there.
    #[inline(always)]
    pub fn is_ready(&mut self) -> bool {
        if self.left > 0 {
            return true;
        }
        if self.end.saturating_sub(self.at) >= 2 {
            // SAFETY: two bytes below the published end; only chunks of bytes have as many.
            let [flags, len] = unsafe { self.here().cast::<[u8; 2]>().read_unaligned() };
            if flags == 0 && self.end - self.at >= 2 + usize::from(len) {
                // SAFETY: the reader's chunk is alive.
                unsafe { Chunk::track(self.link) }.read(self.at, self.end);
                self.left = 1;
                return true;
            }
        }
        self.look()
    }

    #[inline(always)]
    fn here(&self) -> *const u8 {
        // SAFETY: `at` is at most the published end.
        unsafe { Chunk::data(self.link).add(self.at) }
    }

    /// The slow look: fresh words, next chunks, commands, several parts.
    #[inline(never)]
    fn look(&mut self) -> bool {
        loop {
            match self.find(self.link, self.at, self.end) {
                Found::Frame(head) if head.flags & frame::COMMAND != 0 => self.pop_command(head),
                Found::Frame(head) if head.flags & frame::MORE == 0 => {
                    self.left = 1;
                    self.walked = None;
                    return true;
                }
                Found::Frame(_) => match self.walk() {
                    Walk::Whole(frames) => {
                        self.left = frames;
                        self.walked = None;
                        return true;
                    }
                    Walk::Torn(next) => self.move_on(next),
                    Walk::Incomplete => {
                        if !self.reload() {
                            return false;
                        }
                    }
                },
                Found::Partial => {
                    if self.reload() {
                        self.let_gather();
                        continue;
                    }
                    match self.next_of(self.link, self.sealed) {
                        // What is left here was moved to the front of the next chunk, or died
                        // with its connection.
                        Some(next) => self.move_on(next),
                        None => return false,
                    }
                }
            }
        }
    }

    /// Loads the chunk's word again; whether that showed anything new.
    fn reload(&mut self) -> bool {
        // SAFETY: the reader's chunk is alive.
        let word = unsafe { Chunk::load(self.link) };
        let news = word.end() != self.end || word.is_sealed() != self.sealed;
        self.end = word.end();
        self.sealed = word.is_sealed();
        news
    }

    /// A reader as fast as its writer would meet it at every message, and each meeting moves a
    /// cache line back and forth. If little has come, waits the time of some messages for more,
    /// as long as that has been worth it lately.
    fn let_gather(&mut self) {
        if !self.inproc || self.sealed || self.end - self.at >= GATHERED {
            return;
        }
        self.meetings = self.meetings.wrapping_add(1);
        if self.patience == 0 && self.meetings & PROBE_MASK != 0 {
            return;
        }
        let first = self.end - self.at;
        let mut pauses = PAUSES;
        loop {
            let before = self.end - self.at;
            for _ in 0..pauses {
                std::hint::spin_loop();
            }
            self.reload();
            let now = self.end - self.at;
            // The writer has stopped, or it runs on: then the longer it is left alone, the better.
            if self.sealed || now >= GATHERED || now < before + before / 2 {
                break;
            }
            pauses = (2 * pauses).min(MOST_PAUSES);
        }
        self.patience = if self.end - self.at >= 2 * first {
            (self.patience + 1).min(PATIENCE)
        } else {
            self.patience.saturating_sub(1)
        };
    }

    /// What follows a chunk, from the reader's on, if the producer has left it.
    fn next_of(&self, link: Link, sealed: bool) -> Option<Link> {
        if !sealed {
            return None;
        }
        // SAFETY: chunks from the reader's on are alive.
        unsafe { Chunk::next(link) }.or_else(|| {
            let next = self.shared.take_ahead()?;
            // SAFETY: as above; its producer has left it without a successor, and touches it no more.
            unsafe { Chunk::set_next(link, Some(next)) };
            Some(next)
        })
    }

    fn move_on(&mut self, next: Link) {
        let old = self.link;
        self.link = next;
        self.jump(0);
        // SAFETY: the next chunk is alive: the chain goes on from the reader.
        let (word, head) = unsafe { (Chunk::load(next), next.as_ref()) };
        // SAFETY: as above.
        unsafe { Chunk::track(next) }.look();
        self.end = word.end();
        self.sealed = word.is_sealed();
        self.generation = head.generation;
        if let Some((link, _, _)) = self.walked
            && link == old
        {
            self.walked = None;
        }
        // SAFETY: the only consumer has passed it, and the producer left it when it sealed it.
        unsafe {
            if self.inproc {
                self.passed += u64::from(Chunk::word(old).messages());
                self.shared.recycle(old);
            } else if let Some(older) = self.retired.replace(old) {
                Chunk::free(older);
            }
        }
    }

    /// Position in the stream of the next byte to be looked at.
    pub(crate) fn position(&self) -> u64 {
        // SAFETY: the reader's chunk is alive.
        unsafe { (*self.link.as_ptr()).base + self.at as u64 }
    }

    pub(crate) fn shared(&self) -> *const Shared {
        &raw const *self.shared
    }

    /// A chunk that has been passed, to be used again.
    pub(crate) fn take_retired(&mut self) -> Option<Link> {
        self.retired.take()
    }

    /// What lies at a place that ends at `end`.
    fn find(&self, link: Link, at: usize, end: usize) -> Found {
        if at >= end {
            return Found::Partial;
        }
        // SAFETY: the chunk is alive and the bytes below `end` are published.
        unsafe {
            Chunk::track(link).read(at, end);
            if (*link.as_ptr()).kind == Kind::Reference {
                let frame = &*Chunk::frame(link);
                let header_len = usize::from(frame.header_len);
                return Found::Frame(Head {
                    flags: frame.flags(),
                    body: Body::Reference,
                    header_len,
                    body_len: frame.body.len(),
                    step: 1,
                });
            }
            let here = Chunk::data(link).add(at).cast_const();
            if self.inproc && *here & DESCRIPTOR != 0 {
                let offset = usize::from(*here.add(1));
                let body_len = (*here.add(offset).cast::<Message>()).len();
                return Found::Frame(Head {
                    flags: *here & (frame::MORE | frame::COMMAND),
                    body: Body::Descriptor(offset),
                    header_len: frame::header_len(body_len),
                    body_len,
                    step: offset + size_of::<Message>(),
                });
            }
            let bytes = std::slice::from_raw_parts(here, end - at);
            let Some(header) = frame::decode(bytes) else {
                return Found::Partial;
            };
            if header.body_len > (end - at - header.header_len) as u64 {
                return Found::Partial;
            }
            let body_len = header.body_len as usize;
            Found::Frame(Head {
                flags: header.flags,
                body: Body::Here,
                header_len: header.header_len,
                body_len,
                step: header.header_len + body_len,
            })
        }
    }

    /// Looks for the end of the message that begins here.
    fn walk(&mut self) -> Walk {
        let (mut link, mut at, mut frames) = self.walked.unwrap_or((self.link, self.at, 0));
        loop {
            // SAFETY: chunks from the reader on are alive.
            let word = unsafe { Chunk::load(link) };
            match self.find(link, at, word.end()) {
                Found::Frame(head) => {
                    at += head.step;
                    if head.flags & frame::COMMAND != 0 {
                        continue;
                    }
                    frames += 1;
                    if head.flags & frame::MORE == 0 {
                        return Walk::Whole(frames);
                    }
                }
                Found::Partial => {
                    let Some(next) = self.next_of(link, word.is_sealed()) else {
                        self.walked = Some((link, at, frames));
                        return Walk::Incomplete;
                    };
                    // SAFETY: as above; the generation is written before the chunk is linked.
                    if unsafe { (*next.as_ptr()).generation != (*link.as_ptr()).generation } {
                        return self.tear(next);
                    }
                    (link, at) = (next, 0);
                }
            }
        }
    }

    /// The connection died inside the message: everything before `next` goes.
    fn tear(&mut self, next: Link) -> Walk {
        self.walked = None;
        loop {
            // SAFETY: the chain from the reader leads to `next`.
            match unsafe { Chunk::next(self.link) } {
                Some(link) if link != next => self.move_on(link),
                _ => return Walk::Torn(next),
            }
        }
    }

    fn pop_command(&mut self, head: Head) {
        // SAFETY: the reader's chunk is alive.
        let mut position = unsafe { (*self.link.as_ptr()).base } + self.at as u64;
        if matches!(head.body, Body::Reference) {
            // The one step of such a chunk is the last byte of the frame.
            position -= (head.header_len + head.body_len) as u64 - 1;
        }
        // SAFETY: `find` has seen the whole frame below the published end.
        let body = unsafe { body(self.link, self.at, head) };
        let generation = self.generation;
        self.commands.push(CommandFrame {
            position,
            generation,
            body: body.into(),
        });
        self.step(head.step, (head.header_len + head.body_len) as u64);
    }

    /// The frame that comes next; only after [`is_ready`](Self::is_ready).
    fn head(&mut self) -> Option<Head> {
        loop {
            match self.find(self.link, self.at, self.end) {
                Found::Frame(head) if head.flags & frame::COMMAND != 0 => self.pop_command(head),
                Found::Frame(head) => return Some(head),
                Found::Partial => {
                    if self.reload() {
                        continue;
                    }
                    let next = self.next_of(self.link, self.sealed)?;
                    self.move_on(next);
                }
            }
        }
    }

    /// Looks at the next frame without taking it: MORE flag and body.
    #[inline]
    pub fn peek(&mut self) -> Option<(bool, &[u8])> {
        if !self.is_ready() {
            return None;
        }
        let head = self.head()?;
        // SAFETY: the next frame is wholly below the published end; the borrow keeps the reader.
        let body = unsafe { body(self.link, self.at, head) };
        Some((head.flags & frame::MORE != 0, body))
    }

    /// Copies the next frame's body into `buffer`, as much as fits, and takes the frame. Returns
    /// its full length and MORE flag.
    #[inline(always)]
    pub fn take_into(&mut self, buffer: &mut [u8]) -> Option<(usize, bool)> {
        if !self.is_ready() {
            return None;
        }
        if self.end.saturating_sub(self.at) >= 2 {
            // SAFETY: two bytes below the published end.
            let [flags, len] = unsafe { self.here().cast::<[u8; 2]>().read_unaligned() };
            let len = usize::from(len);
            if flags & !frame::MORE == 0 && self.end - self.at >= 2 + len {
                // SAFETY: the whole frame is below the published end, and the copy is cut to the
                // buffer.
                unsafe {
                    copy(
                        self.here().add(2),
                        buffer.as_mut_ptr(),
                        len.min(buffer.len()),
                    );
                }
                self.pass(2 + len, (2 + len) as u64, flags);
                return Some((len, flags != 0));
            }
        }
        self.take_into_slow(buffer)
    }

    /// The same for the commonest case alone: a frame that is a message of its own, wholly there in
    /// the present chunk. `None` says nothing about other cases.
    #[inline(always)]
    pub fn take_plain_into(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let (header_len, len) = self.plain()?;
        // SAFETY: the whole frame is below the published end, and the copy is cut to the buffer.
        unsafe {
            copy(
                self.here().add(header_len),
                buffer.as_mut_ptr(),
                len.min(buffer.len()),
            );
        }
        self.pass_plain(header_len + len);
        Some(len)
    }

    #[inline(always)]
    fn pass_plain(&mut self, step: usize) {
        self.at += step;
        self.left = 0;
        self.taken += 1;
        self.shared.set_taken(self.taken);
    }

    /// Lengths of header and body of the next frame, if it is one that
    /// [`take_plain_into`](Self::take_plain_into) takes.
    #[inline(always)]
    fn plain(&self) -> Option<(usize, usize)> {
        let there = self.end.saturating_sub(self.at);
        if there < 2 || self.begun {
            return None;
        }
        // SAFETY: two bytes below the published end.
        let [flags, len] = unsafe { self.here().cast::<[u8; 2]>().read_unaligned() };
        let (header_len, len) = match flags {
            0 => (2, u64::from(len)),
            frame::LONG if there >= frame::MAX_HEADER => {
                // SAFETY: nine bytes below the published end.
                let len = unsafe { self.here().add(1).cast::<[u8; 8]>().read_unaligned() };
                (frame::MAX_HEADER, u64::from_be_bytes(len))
            }
            _ => return None,
        };
        ((there - header_len) as u64 >= len).then_some((header_len, len as usize))
    }

    #[inline(never)]
    fn take_into_slow(&mut self, buffer: &mut [u8]) -> Option<(usize, bool)> {
        let head = self.head()?;
        let more = head.flags & frame::MORE != 0;
        if matches!(head.body, Body::Here) {
            let len = head.body_len.min(buffer.len());
            // SAFETY: the whole frame is below the published end, and the copy is cut to the
            // buffer.
            unsafe { copy(self.here().add(head.header_len), buffer.as_mut_ptr(), len) };
            self.pass_head(head);
        } else {
            let message = self.take_reference(head);
            let len = message.len().min(buffer.len());
            buffer[..len].copy_from_slice(&message[..len]);
        }
        Some((head.body_len, more))
    }

    /// As [`take_plain_into`](Self::take_plain_into), as a message, which takes the place of another and gets what is known
    /// of its connection; whether there was one.
    #[inline(always)]
    pub fn take_plain(&mut self, place: &mut Message, metadata: Option<&Metadata>) -> bool {
        let Some((header_len, len)) = self.plain() else {
            return false;
        };
        // SAFETY: the whole frame is below the published end.
        let bytes = unsafe { std::slice::from_raw_parts(self.here().add(header_len), len) };
        place.replace_with_copy(bytes, metadata);
        self.pass_plain(header_len + len);
        true
    }

    /// Takes the next frame as a message; MORE is set on it if parts follow.
    #[inline]
    pub fn take(&mut self) -> Option<Message> {
        let mut message = Message::new();
        self.take_to(&mut message, None).then_some(message)
    }

    /// The same, in the place of another message, with what is known of its connection; whether there was one.
    #[inline]
    pub fn take_to(&mut self, place: &mut Message, metadata: Option<&Metadata>) -> bool {
        if self.take_plain(place, metadata) {
            return true;
        }
        if !self.is_ready() {
            return false;
        }
        let Some(head) = self.head() else {
            return false;
        };
        if matches!(head.body, Body::Here) {
            // SAFETY: the whole frame is below the published end.
            place.replace_with_copy(unsafe { body(self.link, self.at, head) }, metadata);
            self.pass_head(head);
        } else {
            *place = self.take_reference(head);
            if metadata.is_some() || place.metadata().is_some() {
                // Over inproc a message that is passed on still has those of the peer it came from.
                place.set_metadata(metadata.cloned());
            }
        }
        place.set_more(head.flags & frame::MORE != 0);
        true
    }

    /// Takes the next frame and drops it.
    pub fn skip(&mut self) -> bool {
        if !self.is_ready() {
            return false;
        }
        let Some(head) = self.head() else {
            return false;
        };
        if matches!(head.body, Body::Here) {
            self.pass_head(head);
        } else {
            drop(self.take_reference(head));
        }
        true
    }

    fn take_reference(&mut self, head: Head) -> Message {
        // SAFETY: the next frame is of this kind, published whole, and taken exactly once: the
        // reader moves past it at once (a reference chunk keeps an empty message to drop).
        let message = unsafe {
            match head.body {
                Body::Descriptor(offset) => self.here().add(offset).cast::<Message>().read(),
                Body::Reference => std::mem::take(&mut (*Chunk::frame(self.link)).body),
                Body::Here => Message::new(),
            }
        };
        self.pass_head(head);
        message
    }

    #[inline]
    fn pass_head(&mut self, head: Head) {
        self.pass(
            head.step,
            (head.header_len + head.body_len) as u64,
            head.flags,
        );
    }

    #[inline(always)]
    fn pass(&mut self, step: usize, wire: u64, flags: u8) {
        self.step(step, wire);
        self.left -= 1;
        self.begun = flags & frame::MORE != 0;
        if !self.begun {
            self.taken += 1;
            self.shared.set_taken(self.taken);
        }
    }

    /// Drops every whole message that is there; returns how many.
    pub fn discard(&mut self) -> u64 {
        let before = self.taken;
        while self.skip() {}
        self.taken - before
    }

    /// Refreshes the view after the producing end, in the same hands, has changed the chunk.
    pub(crate) fn set_place(&mut self, link: Link, at: usize, word: Word) {
        self.link = link;
        self.jump(at);
        self.end = word.end();
        self.sealed = word.is_sealed();
        self.walked = None;
        // SAFETY: alive: the caller has just put it there.
        let head = unsafe { link.as_ref() };
        self.generation = head.generation;
    }
}

/// The body of a frame that begins at a place.
///
/// # Safety
///
/// The whole frame is below the published end of a chunk that is alive, and stays so for `'a`.
unsafe fn body<'a>(link: Link, at: usize, head: Head) -> &'a [u8] {
    // SAFETY: as the caller says.
    unsafe {
        let here = Chunk::data(link).add(at).cast_const();
        match head.body {
            Body::Here => std::slice::from_raw_parts(here.add(head.header_len), head.body_len),
            Body::Reference => (*Chunk::frame(link)).body.as_slice(),
            Body::Descriptor(offset) => (*here.add(offset).cast::<Message>()).as_slice(),
        }
    }
}

enum Walk {
    /// The message has this many frames and all are there.
    Whole(u32),
    Incomplete,
    /// The message ended with its connection; the next one begins in this chunk.
    Torn(Link),
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(link) = self.retired.take() {
            // SAFETY: passed by the only consumer.
            unsafe { Chunk::free(link) };
        }
        self.shared.leave(self.link, self.at);
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("taken", &self.taken)
            .field("bytes", &self.bytes())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
