// SPDX-License-Identifier: MIT OR Apache-2.0
//! The consuming end of a queue that gives bytes to the kernel.
//!
//! Two cursors run through the queue: `sent`, the next byte the kernel has not accepted, and
//! `whole`, the beginning of the first message of which it has not accepted every byte. Chunks
//! are kept from `whole` on, so that a new connection can begin with that message.

use std::io::IoSlice;

use ferromq_message::{Message, frame};

use crate::chunk::{Chunk, Kind, Link, Reference, Word};
use crate::emptied::Emptied;
use crate::loom::Arc;
use crate::queue::Shared;

/// Most pieces handed out at once.
pub const SLICES: usize = 16;
/// A batch ends with the first chunk that brings it here.
const BATCH: usize = 256 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Cursor {
    link: Link,
    /// In bytes as they go over the wire, for large frames as well.
    at: usize,
}

/// What the last [`Drain::slices`] handed out.
struct Batch {
    end: Cursor,
    bytes: usize,
    /// Messages that end in the last chunk up to the end of the batch.
    messages: u32,
    at_boundary: bool,
}

/// So many chunks are to be kept, and these have been.
#[derive(Default)]
struct Wanted {
    count: usize,
    emptied: Vec<Emptied>,
}

/// The consuming end: see the module documentation.
pub struct Drain {
    sent: Cursor,
    whole: Cursor,
    /// Messages that end in `whole.link` at or before `whole.at`.
    counted: u32,
    taken: u64,
    batch: Option<Batch>,
    finished: Option<Box<Finished>>,
    /// Absent where nobody has ever wanted the memory of chunks.
    wanted: Option<Box<Wanted>>,
    shared: Arc<Shared>,
}

// SAFETY: the chunks are shared with the producer only through the word protocol.
unsafe impl Send for Drain {}

impl Drain {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let start = Cursor {
            link: shared.sentinel(),
            at: 0,
        };
        Self {
            sent: start,
            whole: start,
            counted: 0,
            taken: 0,
            batch: None,
            finished: None,
            wanted: None,
            shared,
        }
    }

    /// Whether nothing before this chunk is kept.
    pub(crate) fn stands_in(&self, link: Link) -> bool {
        self.sent.link == link && self.whole.link == link
    }

    pub(crate) fn shared(&self) -> *const Shared {
        &raw const *self.shared
    }

    /// Where a chunk ends for now, in bytes on the wire.
    fn end_of(link: Link, word: Word) -> usize {
        // SAFETY: every caller's link lies between the cursors and the published end: alive, and
        // what the word announces has been written.
        unsafe {
            Chunk::track(link).look();
            match (*link.as_ptr()).kind {
                Kind::Reference if word.end() == 1 => (*Chunk::frame(link)).len(),
                Kind::Reference => 0,
                Kind::Bytes | Kind::Sentinel | Kind::Range => word.end(),
            }
        }
    }

    fn load(link: Link) -> Word {
        // SAFETY: links at or behind a cursor are alive.
        unsafe { Chunk::word(link) }
    }

    fn next(link: Link) -> Option<Link> {
        // SAFETY: links at or behind a cursor are alive.
        unsafe { Chunk::next(link) }
    }

    /// Whether the kernel has accepted everything that has been published.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let mut at = self.sent;
        loop {
            let word = Self::load(at.link);
            if at.at < Self::end_of(at.link, word) {
                return false;
            }
            match Self::next(at.link).filter(|_| word.is_sealed()) {
                Some(next) => at = Cursor { link: next, at: 0 },
                None => return true,
            }
        }
    }

    /// Whether `sent` is between two messages, so that a command may go out before the next one.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.sent == self.whole
    }

    /// Messages of which the kernel has accepted every byte.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// What is to be written next: fills `out` and returns how many pieces and bytes it holds. More
    /// than `unit` bytes are cut down to a multiple of it. Nothing is consumed until
    /// [`accept`](Self::accept).
    pub fn slices<'a>(
        &'a mut self,
        out: &mut [IoSlice<'a>; SLICES],
        unit: usize,
    ) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        let mut at = self.sent;
        loop {
            let word = Self::load(at.link);
            let end = Self::end_of(at.link, word);
            if at.at < end {
                // SAFETY: published bytes of a chunk that `whole` keeps alive; this consumer
                // frees it only through `&mut self`, which `out` borrows.
                let (head, body) = unsafe { Self::pieces(at, end) };
                for piece in [head, body] {
                    if !piece.is_empty() {
                        out[count] = IoSlice::new(piece);
                        count += 1;
                    }
                }
                bytes += end - at.at;
                at.at = end;
            }
            let more = word.is_sealed() && bytes < BATCH && count + 2 <= SLICES;
            if let (true, Some(next)) = (more, Self::next(at.link)) {
                at = Cursor { link: next, at: 0 };
                continue;
            }
            if bytes == 0 && self.is_at_boundary() && at.link != self.sent.link {
                // A chunk in which nothing was left, and the next is still empty.
                self.sent = at;
                self.pass_batch(word.messages());
                self.shared.set_taken(self.taken);
                return (0, 0);
            }
            let at_boundary = !word.is_sealed() || word.at_boundary();
            self.batch = Some(Batch {
                end: at,
                bytes,
                messages: word.messages(),
                at_boundary,
            });
            return match bytes.checked_rem(unit) {
                Some(excess) if bytes > unit && excess > 0 => {
                    (shorten(&mut out[..count], excess), bytes - excess)
                }
                _ => (count, bytes),
            };
        }
    }

    /// # Safety
    /// `at.at..end` is published and the chunk outlives the slices.
    unsafe fn pieces<'a>(at: Cursor, end: usize) -> (&'a [u8], &'a [u8]) {
        // SAFETY: as the caller promises.
        unsafe {
            if (*at.link.as_ptr()).kind != Kind::Reference {
                let (link, from) = Chunk::bytes_of(at.link);
                Chunk::track(link).read(from + at.at, from + end);
                let data = Chunk::data(link).add(from + at.at);
                return (std::slice::from_raw_parts(data, end - at.at), &[]);
            }
            Chunk::track(at.link).read(0, 1);
            let frame: &'a Reference = &*Chunk::frame(at.link);
            let header_len = usize::from(frame.header_len);
            let head = frame.header.get(at.at..header_len).unwrap_or_default();
            let body = frame
                .body
                .as_slice()
                .get(at.at.saturating_sub(header_len)..);
            (head, body.unwrap_or_default())
        }
    }

    /// The kernel has accepted `bytes` of what [`slices`](Self::slices) handed out last. Once for
    /// each time: what comes without slices handed out before it is ignored.
    pub fn accept(&mut self, bytes: usize) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        debug_assert!(bytes <= batch.bytes);
        if bytes < batch.bytes {
            self.advance(bytes);
            self.walk();
        } else {
            self.sent = batch.end;
            if batch.at_boundary {
                self.pass_batch(batch.messages);
            } else {
                self.walk();
            }
        }
        self.take_body();
        self.shared.set_taken(self.taken);
    }

    /// As [`accept`](Self::accept), at any time and as often as there is something to tell of: for bytes that go to
    /// the kernel in another form, and are accepted when all of that is.
    pub fn accept_encoded(&mut self, bytes: usize) {
        self.batch = None;
        self.advance(bytes);
        self.walk();
        self.take_body();
        self.shared.set_taken(self.taken);
    }

    /// Everything up to the end of the batch has gone, and that is the end of a message.
    fn pass_batch(&mut self, messages: u32) {
        while self.whole.link != self.sent.link {
            self.taken += u64::from(Self::load(self.whole.link).messages() - self.counted);
            self.leave_chunk();
        }
        self.taken += u64::from(messages - self.counted);
        self.counted = messages;
        self.whole = self.sent;
    }

    /// Takes the body out of a large frame that `whole` has come to the end of, so that its owner
    /// need not wait for the message after it.
    fn take_body(&mut self) {
        let link = self.whole.link;
        // SAFETY: alive, and kinds never change. The producer does not touch a frame it has
        // published, and nothing of it will be sent again.
        unsafe {
            if (*link.as_ptr()).kind == Kind::Reference && self.whole.at > 0 {
                let body = std::mem::take(&mut (*Chunk::frame(link)).body);
                if !body.is_empty() {
                    self.finished.get_or_insert_default().0.push(body);
                }
            }
        }
    }

    /// Moves `whole` to the beginning of the next chunk.
    fn leave_chunk(&mut self) {
        let old = self.whole.link;
        let Some(next) = Self::next(old) else { return };
        self.whole.at = usize::MAX;
        self.take_body();
        self.whole = Cursor { link: next, at: 0 };
        self.counted = 0;
        // SAFETY: both cursors have passed the chunk, whose successor the producer has gone on to.
        unsafe {
            match &mut self.wanted {
                Some(wanted) if wanted.count > 0 && Emptied::suits(old) => {
                    wanted.count -= 1;
                    wanted.emptied.push(Emptied::new(old));
                }
                _ => self.shared.recycle(old),
            }
        }
    }

    fn advance(&mut self, mut bytes: usize) {
        loop {
            let word = Self::load(self.sent.link);
            let here = Self::end_of(self.sent.link, word) - self.sent.at;
            if bytes <= here {
                self.sent.at += bytes;
                return;
            }
            let Some(next) = Self::next(self.sent.link) else {
                return;
            };
            bytes -= here;
            self.sent = Cursor { link: next, at: 0 };
        }
    }

    /// Moves `whole` over the messages that lie before `sent`, by their frame headers.
    fn walk(&mut self) {
        let mut at = self.whole;
        // Chunks between `whole` and `at` belong to a message that has not ended yet.
        loop {
            if at == self.sent {
                return;
            }
            let end = Self::end_of(at.link, Self::load(at.link));
            if at.at == end {
                let Some(next) = Self::next(at.link) else {
                    return;
                };
                at = Cursor { link: next, at: 0 };
                continue;
            }
            // SAFETY: published bytes, at a frame header.
            let (flags, len) = unsafe { Self::frame_at(at, end) };
            if at.link == self.sent.link && at.at + len > self.sent.at {
                return;
            }
            at.at += len;
            if flags & frame::MORE == 0 {
                while self.whole.link != at.link {
                    self.leave_chunk();
                }
                self.whole = at;
                self.counted += 1;
                self.taken += 1;
            }
        }
    }

    /// Flags and length on the wire of the frame at a cursor.
    ///
    /// # Safety
    /// The cursor is at the header of a published frame that ends at or before `end`.
    unsafe fn frame_at(at: Cursor, end: usize) -> (u8, usize) {
        // SAFETY: as the caller promises.
        unsafe {
            if (*at.link.as_ptr()).kind == Kind::Reference {
                let frame = &*Chunk::frame(at.link);
                return (frame.flags(), frame.len());
            }
            let (link, from) = Chunk::bytes_of(at.link);
            let data = Chunk::data(link).add(from + at.at);
            let bytes = std::slice::from_raw_parts(data, end - at.at);
            frame::decode(bytes).map_or((0, end - at.at), |h| {
                (h.flags, h.header_len + h.body_len as usize)
            })
        }
    }

    /// Begins again with the first message that the kernel has not wholly accepted, for a new
    /// connection.
    pub fn resume(&mut self) {
        self.batch = None;
        self.sent = self.whole;
    }

    /// Large frames that have been sent, to be freed where no lock is held: their owners may have
    /// been promised a call.
    pub fn take_finished(&mut self) -> Finished {
        self.finished
            .take()
            .map_or_else(Finished::default, |finished| *finished)
    }

    /// So many of the next large chunks are kept for [`take_emptied`](Self::take_emptied) when they have been drained, and do not go
    /// back to the producer.
    pub fn want_emptied(&mut self, count: usize) {
        self.wanted.get_or_insert_default().count = count;
    }

    /// The memory of a chunk that has been drained and was wanted.
    pub fn take_emptied(&mut self) -> Option<Emptied> {
        self.wanted.as_mut()?.emptied.pop()
    }

    pub(crate) fn reset(&mut self, sentinel: Link) {
        self.sent = Cursor {
            link: sentinel,
            at: 0,
        };
        self.whole = self.sent;
        self.batch = None;
        self.counted = 0;
    }

    /// Drops everything that has not wholly been sent; returns how many messages that were.
    pub fn discard(&mut self) -> u64 {
        let before = self.taken;
        self.batch = None;
        loop {
            let word = Self::load(self.whole.link);
            self.taken += u64::from(word.messages() - self.counted);
            self.counted = word.messages();
            if !word.is_sealed() {
                self.whole.at = Self::end_of(self.whole.link, word);
                break;
            }
            self.leave_chunk();
        }
        self.sent = self.whole;
        self.take_body();
        self.shared.set_taken(self.taken);
        self.taken - before
    }
}

/// Takes bytes off the end; returns how many pieces are left.
fn shorten(pieces: &mut [IoSlice<'_>], mut excess: usize) -> usize {
    let mut count = pieces.len();
    while let Some(last) = pieces[..count].last_mut() {
        let Some(left) = last.len().checked_sub(excess).filter(|left| *left > 0) else {
            excess -= last.len();
            count -= 1;
            continue;
        };
        // SAFETY: the beginning of a slice that lives as long.
        *last = IoSlice::new(unsafe { std::slice::from_raw_parts(last.as_ptr(), left) });
        break;
    }
    count
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.shared.leave(self.whole.link, 0);
    }
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drain")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// Frames whose time has come; dropping this frees them.
#[derive(Default)]
pub struct Finished(Vec<Message>);

impl Finished {
    /// Whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Finished").field(&self.0.len()).finish()
    }
}
