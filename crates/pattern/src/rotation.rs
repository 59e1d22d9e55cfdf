// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pipes that take turns.

use ferromq_pipe::PipeId;

/// A round of pipes: the active ones take turns, the others wait to be activated. Every step is
/// O(1), and whatever comes and goes, an active pipe has its turn once a round.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    /// The active ones, then the others.
    list: Vec<PipeId>,
    active: usize,
    /// Whose turn it is. Below `active`, or 0.
    next: usize,
    /// Where each pipe is in the list, by its index.
    place: Vec<u32>,
}

impl Rotation {
    /// Adds a pipe, active, at the end of the round.
    pub(crate) fn insert(&mut self, id: PipeId) {
        if self.position(id).is_none() {
            if self.place.len() <= id.index() {
                self.place.resize(id.index() + 1, ABSENT);
            }
            self.list.push(id);
            self.set_place(self.list.len() - 1);
        }
        self.activate(id);
    }

    /// Takes a pipe out.
    pub(crate) fn remove(&mut self, id: PipeId) {
        self.deactivate(id);
        let Some(position) = self.position(id) else {
            return;
        };
        self.swap(position, self.list.len() - 1);
        self.list.pop();
        self.place[id.index()] = ABSENT;
    }

    /// Puts a pipe at the end of the round, unless it has a turn in it already.
    #[inline]
    pub(crate) fn activate(&mut self, id: PipeId) {
        if let Some(position) = self.position(id)
            && position >= self.active
        {
            self.swap(position, self.active);
            self.active += 1;
        }
    }

    /// Activates those pipes that `wanted` says.
    pub(crate) fn activate_where(&mut self, mut wanted: impl FnMut(PipeId) -> bool) {
        for position in self.active..self.list.len() {
            if wanted(self.list[position]) {
                self.swap(position, self.active);
                self.active += 1;
            }
        }
    }

    /// Leaves a pipe out until it is activated.
    pub(crate) fn deactivate(&mut self, id: PipeId) {
        let Some(mut position) = self.position(id).filter(|&position| position < self.active)
        else {
            return;
        };
        if position < self.next {
            // It has had its turn: the current one moves into its place, for whatever comes from
            // the end may not have had it.
            self.swap(position, self.next - 1);
            self.swap(self.next - 1, self.next);
            position = self.next;
            self.next -= 1;
        }
        self.active -= 1;
        self.swap(position, self.active);
        if self.next >= self.active {
            self.next = 0;
        }
    }

    /// Gives the turn to the next pipe.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.next += 1;
        if self.next >= self.active {
            self.next = 0;
        }
    }

    /// Whose turn it is.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<PipeId> {
        if self.active == 0 {
            return None;
        }
        self.list.get(self.next).copied()
    }

    /// The active pipe, if there is only one.
    #[inline(always)]
    pub(crate) fn only(&self) -> Option<PipeId> {
        if self.active != 1 {
            return None;
        }
        self.list.first().copied()
    }

    fn position(&self, id: PipeId) -> Option<usize> {
        let place = *self.place.get(id.index())?;
        (place != ABSENT).then_some(place as usize)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.list.swap(a, b);
        self.set_place(a);
        self.set_place(b);
    }

    fn set_place(&mut self, position: usize) {
        self.place[self.list[position].index()] = u32::try_from(position).unwrap_or(ABSENT);
    }
}

const ABSENT: u32 = u32::MAX;
