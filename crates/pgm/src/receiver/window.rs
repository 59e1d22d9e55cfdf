// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has come and waits for something missing, and what is missing.

use std::collections::VecDeque;

use super::stream::Phase;
use crate::clock::Tick;
use crate::packet::Fragment;
use crate::sequence::Sqn;

/// A number from the first that has not been delivered on.
#[derive(Debug)]
pub(super) enum Slot {
    Data(Piece),
    Missing(Missing),
    /// Given up, behind something that has not been.
    Lost,
}

/// The payload of a packet.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) payload: Vec<u8>,
    pub(super) fragment: Option<Box<Fragment>>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) phase: Phase,
    /// When something is to be done about it.
    pub(super) due: Tick,
    /// When it was found missing.
    pub(super) since: Tick,
    /// How often it was asked for.
    pub(super) tries: u8,
}

#[derive(Debug, Default)]
pub(super) struct Window {
    begun: bool,
    /// The first number that has not been delivered.
    base: Sqn,
    slots: VecDeque<Slot>,
}

impl Window {
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn begin(&mut self, first: Sqn) {
        self.begun = true;
        self.base = first;
    }

    pub(super) fn base(&self) -> Sqn {
        self.base
    }

    /// The number behind the last one known of.
    pub(super) fn end(&self) -> Sqn {
        self.base
            .plus(u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A number from `base` on; `None` beyond what is known, and before it.
    pub(super) fn get_mut(&mut self, sqn: Sqn) -> Option<&mut Slot> {
        if sqn.precedes(self.base) {
            return None;
        }
        self.slots
            .get_mut(usize::try_from(sqn.since(self.base)).ok()?)
    }

    /// Whether there is memory for so many more numbers.
    pub(super) fn reserve(&mut self, numbers: usize) -> bool {
        self.slots.try_reserve(numbers).is_ok()
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.slots.push_back(slot);
    }

    pub(super) fn front(&self) -> Option<&Slot> {
        self.slots.front()
    }

    /// The front has been delivered, or is lost.
    pub(super) fn pop(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.base = self.base.plus(1);
        if self.slots.is_empty() && self.slots.capacity() > KEPT {
            self.slots.shrink_to(KEPT);
        }
        Some(slot)
    }

    /// With nothing in it: goes on at another number.
    pub(super) fn skip_to(&mut self, sqn: Sqn) {
        self.base = sqn;
    }
}

/// Slots that an empty window keeps.
const KEPT: usize = 1024;
