// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers that are held back for a moment, so that several go out in one write.
//!
//! A peer that has sent several requests gets its answers one by one, in turn with those of all
//! other peers. As long as another request of the same peer lies in its queue, another answer is
//! to be expected: the one that is there is held. It goes out
//!
//! * with the answer to the last request that is there, or with a batch,
//! * when it is the oldest and the socket has not written for a while (one clock for all peers),
//! * when the application looks for more input and there is none,
//! * by the I/O thread, which has promised to look at the whole socket (`io/held.rs`), should the
//!   application stay away.
//!
//! A peer whose queue is empty is written to at once, as ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ferromq_os::clock::ticks;
use ferromq_pipe::PipeId;

use super::Socket;
use super::link::Link;
use crate::command::Order;
use crate::connection::Extent;
use crate::policy::Policy;
use crate::tuning::{HELD_US, HOLD_CLOCK_MASK, STREAM_COST, STREAM_GAP};

/// Peers with answers that are held, the longest held first.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// Since when, in ticks of the clock. Of what has been written meanwhile the time is no longer
    /// that of its [`Wire`](super::link::Wire).
    peers: VecDeque<(PipeId, u64)>,
    /// Counts the answers.
    count: u32,
    /// Which of them look at the clock, and when one last did.
    clock_mask: u32,
    last_look: u64,
}

impl Socket {
    /// Whether a message that has just been queued for this peer is better written together with
    /// the next: it has another request waiting.
    #[inline]
    pub(super) fn expects_another_answer(&mut self, id: PipeId) -> bool {
        self.shared.reads_itself
            && self.shared.policy != Policy::IoOnly
            && self.short_way.is_none()
            && self
                .pipes
                .get_mut(id)
                .is_some_and(|pipe| pipe.reader.is_ready())
    }

    /// Leaves a message in its queue until there are more, and writes what has been held long.
    pub(super) fn hold(&mut self, id: PipeId) {
        let Some(Some(Link::Wire(wire))) = self.links.get_mut(id.index()) else {
            return;
        };
        let held = &self.shared.held;
        if wire.held_since == 0 {
            let now = ticks();
            wire.held_since = now;
            self.held_back.peers.push_back((id, now));
            held.any.store(true, Relaxed);
        }
        self.held_back.count = self.held_back.count.wrapping_add(1);
        held.count.store(self.held_back.count, Relaxed);
        if !held.promise.covers() {
            self.have_held_looked_at();
        }
        // Answers that come fast look at the clock only now and then.
        if self.held_back.count & self.held_back.clock_mask == 0 {
            self.look_at_held(id);
        }
    }

    /// Writes what has been held too long; and if the application takes its time between two
    /// answers, it need not save writes.
    #[inline(never)]
    fn look_at_held(&mut self, id: PipeId) {
        let now = ticks();
        let last = self.held_back.last_look.max(self.pace.last_flush);
        let pause = now.wrapping_sub(last) / u64::from(self.held_back.clock_mask + 1);
        self.held_back.last_look = now;
        let fast = pause < self.pace.gap / 4;
        self.held_back.clock_mask = if fast { HOLD_CLOCK_MASK } else { 0 };
        let cost = match &self.links[id.index()] {
            Some(Link::Wire(wire)) => wire.cost,
            _ => 0,
        };
        let at_leisure = pause > (STREAM_GAP * self.pace.gap).max(STREAM_COST * cost);
        self.write_held(now, at_leisure);
    }

    /// The I/O thread is to look at what is held, should the application stay away.
    #[cold]
    fn have_held_looked_at(&self) {
        if !self.shared.held.promise.arm() {
            return;
        }
        self.shared.tell_home(Order::Hold {
            socket: Arc::clone(&self.shared),
        });
    }

    /// Writes to those that have waited too long, and to the one that has waited longest if there is time.
    fn write_held(&mut self, now: u64, mut at_leisure: bool) {
        let too_long = HELD_US * self.pace.per_us();
        while let Some(&(id, since)) = self.held_back.peers.front()
            && (at_leisure || now.wrapping_sub(since) >= too_long)
        {
            at_leisure = false;
            self.flush(id, Extent::All);
            // Also of a pipe that has gone.
            self.release_held(id);
            self.forget_released();
        }
    }

    /// A queue has been seen to: what was held there is not any more.
    #[inline]
    pub(super) fn release_held(&mut self, id: PipeId) {
        if let Some(Some(Link::Wire(wire))) = self.links.get_mut(id.index())
            && std::mem::take(&mut wire.held_since) != 0
        {
            self.forget_released();
        }
    }

    /// Lets go of the first ones that have been written since, or whose pipe has gone.
    pub(super) fn forget_released(&mut self) {
        let before = self.held_back.peers.len();
        while let Some(&(id, since)) = self.held_back.peers.front() {
            if let Some(Some(Link::Wire(wire))) = self.links.get(id.index())
                && wire.held_since == since
            {
                break;
            }
            self.held_back.peers.pop_front();
        }
        if before > 0 && self.held_back.peers.is_empty() {
            self.shared.held.any.store(false, Relaxed);
        }
    }
}
