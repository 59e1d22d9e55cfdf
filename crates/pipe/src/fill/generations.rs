// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection after another on the same queue.

use super::Fill;
use crate::chunk::{Chunk, Link, Word};
use crate::pool::LEAST;

/// Connections that follow a chunk without a successor: the reader comes to the first of them over the queue's `ahead`.
/// As long as it has not, nothing behind it has been touched by anybody but the filling end.
pub(super) struct Unseen {
    first: Beginning,
    last: Beginning,
    /// Costs of the commands since the first.
    pub(super) costs: u64,
}

/// Where a connection begins.
#[derive(Clone, Copy)]
struct Beginning {
    link: Link,
    position: u64,
    /// Costs of the commands before it, since the first that is unseen.
    costs: u64,
    /// Whole messages before it.
    walked: u64,
}

impl Fill {
    /// Whether nothing has come since the tail was begun, and nothing before it is incomplete.
    fn is_untouched(&self) -> bool {
        self.at == 0
            && self.scan == 0
            && !self.mid_message
            && self.assembly.is_none()
            && self.fault.is_none()
    }

    /// A new connection begins: what was incomplete is forgotten, what follows is marked as its; or need not be, if
    /// nothing is left of the last one, and this is false.
    pub fn begin_generation(&mut self) -> bool {
        self.begin(Self::seal)
    }

    /// The same where a connection takes the place of those before it: of what has been read already is kept what
    /// the reader has come to, and what the last connection has brought.
    pub fn supersede_generation(&mut self) -> bool {
        self.begin(Self::supersede)
    }

    /// Leaves the tail at a place for a fresh one, in which a connection begins; in one of two ways.
    fn begin(&mut self, leave: fn(&mut Self, usize, Link)) -> bool {
        self.lent = 0;
        if self.is_untouched() {
            // A mark for each connection that brought nothing would stay for ever where nobody reads.
            return false;
        }
        // What the application has committed may not have been walked over yet.
        let assembling = self.assembly.take().is_some();
        if !assembling && self.fault.is_none() && self.pass(None).is_err() {
            self.at = self.scan;
        }
        self.fault = None;
        self.generation += 1;
        let fresh = Chunk::bytes(LEAST, false);
        // The reader discards what it finds incomplete before a chunk of another generation.
        let end = if self.is_bytes() { self.scan } else { self.at };
        let position = self.base() + end as u64;
        // SAFETY: the fresh chunk is ours alone.
        unsafe { Chunk::rewind(fresh, position, self.generation) };
        if let Some(commands) = &mut self.commands {
            commands.begin(position);
        }
        leave(self, end, fresh);
        self.at = 0;
        self.scan = 0;
        self.begin_message();
        true
    }

    /// As [`seal`](Self::seal), and drops the connections before the last, unless the reader has come to them.
    fn supersede(&mut self, end: usize, fresh: Link) {
        let unseen = self
            .commands
            .as_mut()
            .and_then(|commands| commands.unseen.take());
        let Some(mut unseen) = unseen else {
            return self.sever(end, fresh);
        };
        let (first, last) = (unseen.first, unseen.last);
        if !self.shared.move_ahead(first.link, last.link) {
            return self.sever(end, fresh);
        }
        let mut at = first.link;
        while at != last.link {
            // SAFETY: the reader has not come to them, and will not: they are this end's alone.
            let next = unsafe { Chunk::next(at) };
            // SAFETY: as above, and its successor has been read.
            unsafe { Chunk::free(at) };
            at = next.unwrap_or(last.link);
        }
        self.walked -= last.walked - first.walked;
        self.bytes = self.bytes.saturating_sub(last.position - first.position);
        // As if those between them had never come.
        unseen.first = Beginning {
            walked: first.walked,
            ..last
        };
        unseen.last = self.beginning(end, fresh, unseen.costs);
        let commands = self.commands.get_or_insert_default();
        commands.drop_part(first.position..last.position, last.costs - first.costs);
        commands.unseen = Some(unseen);
        self.seal(end, fresh);
    }

    /// Leaves the tail without a successor: what follows can still be taken back while the reader has not come there.
    fn sever(&mut self, end: usize, fresh: Link) {
        let first = self.beginning(end, fresh, 0);
        self.commands.get_or_insert_default().unseen = Some(Box::new(Unseen {
            first,
            last: first,
            costs: 0,
        }));
        self.shared.set_ahead(fresh);
        // SAFETY: the tail is alive and this is its producer; where it goes on is stored before the word that makes the
        // reader look there.
        unsafe { Chunk::store(self.tail, Word::sealed(0, end, false)) };
        self.tail = fresh;
    }

    /// A connection begins in a fresh chunk, where the tail ends.
    fn beginning(&self, end: usize, link: Link, costs: u64) -> Beginning {
        Beginning {
            link,
            position: self.base() + end as u64,
            costs,
            walked: self.walked,
        }
    }
}
