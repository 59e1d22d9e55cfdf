// SPDX-License-Identifier: MIT OR Apache-2.0
//! When something is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{GRAIN, StreamId};
use crate::clock::Tick;
use crate::sequence::Sqn;

/// Something of a stream is due: a run of missing numbers, or (without numbers) the stream itself.
/// Entries that are out of date are recognised by what they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Tick,
    pub(super) stream: StreamId,
    first: u32,
    pub(super) count: u32,
}

impl Timer {
    pub(super) fn first(&self) -> Sqn {
        Sqn(self.first)
    }
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
}

impl Timers {
    /// A run of missing numbers is due then; returns when exactly.
    pub(super) fn run(&mut self, at: Tick, stream: StreamId, first: Sqn, count: u32) -> Tick {
        let at = at.next_multiple_of(GRAIN);
        self.heap.push(Reverse(Timer {
            at,
            stream,
            first: first.0,
            count,
        }));
        at
    }

    /// A stream is to be looked at then.
    pub(super) fn wake(&mut self, at: Tick, stream: StreamId) {
        self.heap.push(Reverse(Timer {
            at,
            stream,
            first: 0,
            count: 0,
        }));
    }

    pub(super) fn pop(&mut self, now: Tick) -> Option<Timer> {
        let Reverse(timer) = self.heap.peek()?;
        if timer.at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    pub(super) fn next(&self) -> Option<Tick> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }
}
