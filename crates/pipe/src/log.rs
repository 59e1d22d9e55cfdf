// SPDX-License-Identifier: MIT OR Apache-2.0
//! What several queues send alike, written once.
//!
//! A log is a row of blocks. A queue that follows it has an open [`Kind::Range`](crate::chunk::Kind)
//! of the present block as its last chunk: what is published there is in all of these queues at
//! once. Whoever is to have no more gets its range sealed before the next message is published.

use ferromq_message::frame;

use crate::chunk::{Chunk, Link, Word, copy};
use crate::pool::LARGE;

/// Blocks kept beside the present one, to be written again when nobody reads them any more.
const KEPT: usize = 2;

/// The producing end: see the module documentation.
#[derive(Default)]
pub(crate) struct Log {
    block: Option<Link>,
    capacity: usize,
    /// How far the block is written, and how far published.
    at: usize,
    end: usize,
    messages: u32,
    kept: Vec<Link>,
}

// SAFETY: the blocks a log holds are shared with consumers only through the word protocol and the
// count of holders.
unsafe impl Send for Log {}

impl Log {
    /// Sees to it that a part fits. True: the log goes on in another block, with what has been written
    /// of the message, and ranges of the old one get nothing more.
    pub(crate) fn make_room(&mut self, body: usize) -> bool {
        let need = frame::header_len(body) + body;
        if self.block.is_some() && self.capacity - self.at >= need {
            return false;
        }
        let begun = self.at - self.end;
        let fresh = self.take_block(begun + need);
        if let Some(old) = self.block.replace(fresh) {
            // SAFETY: written by this log and published to nobody; the fresh block is ours alone.
            unsafe {
                let from = Chunk::data(old).add(self.end);
                Chunk::track(fresh).write(0, begun);
                std::ptr::copy_nonoverlapping(from, Chunk::data(fresh), begun);
            }
            self.keep(old);
        }
        // SAFETY: ours, and alive.
        self.capacity = unsafe { fresh.as_ref() }.capacity as usize;
        (self.at, self.end, self.messages) = (begun, 0, 0);
        true
    }

    /// Writes a part of a message, for which there is room.
    #[inline]
    pub(crate) fn append(&mut self, body: &[u8], more: bool) {
        let (header, header_len) = frame::encode(if more { frame::MORE } else { 0 }, body.len());
        let step = header_len + body.len();
        let Some(block) = self.block.filter(|_| self.capacity - self.at >= step) else {
            debug_assert!(false, "room has been made");
            return;
        };
        // SAFETY: the room was checked; the bytes beyond `at` are this log's alone.
        unsafe {
            Chunk::track(block).write(self.at, self.at + step);
            let to = Chunk::data(block).add(self.at);
            std::ptr::copy_nonoverlapping(header.as_ptr(), to, header_len);
            copy(body.as_ptr(), to.add(header_len), body.len());
        }
        self.at += step;
        if !more {
            self.end = self.at;
            self.messages += 1;
            // SAFETY: alive, and this is its producer.
            unsafe { Chunk::store(block, Word::open(self.messages, self.end)) };
        }
    }

    /// An open range for a queue that follows from here on.
    pub(crate) fn range(&self) -> Option<Link> {
        // SAFETY: alive, and this is its producer.
        self.block.map(|block| unsafe { Chunk::range(block) })
    }

    fn take_block(&mut self, at_least: usize) -> Link {
        let free = self.kept.iter().position(|&block| {
            // SAFETY: held by this log.
            unsafe { Chunk::is_held_once(block) && block.as_ref().capacity as usize >= at_least }
        });
        if let Some(index) = free {
            let block = self.kept.swap_remove(index);
            // SAFETY: nobody else refers to it, and the one hold is the log's.
            unsafe {
                Chunk::rewind(block, 0, 0);
            }
            return block;
        }
        let block = Chunk::bytes(at_least.max(LARGE), false);
        // SAFETY: ours alone.
        unsafe { Chunk::hold(block) };
        block
    }

    fn keep(&mut self, old: Link) {
        self.kept.push(old);
        if self.kept.len() > KEPT {
            let oldest = self.kept.remove(0);
            // SAFETY: held by this log, and not used any more.
            unsafe { Chunk::let_go(oldest) };
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        for block in self.block.into_iter().chain(self.kept.drain(..)) {
            // SAFETY: held by this log, and not used any more.
            unsafe { Chunk::let_go(block) };
        }
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("at", &self.at)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}
