// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving from all in turn.

use ferromq_pipe::{PipeId, Pipes};

use crate::pattern::skip_message;
use crate::rotation::Rotation;

/// Takes one message from each pipe that has one, round and round.
///
/// A pipe found without a message is left out until it is reported readable.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    rotation: Rotation,
    /// Whether a frame of the current pipe's message has been given out. The turn ends with the
    /// message, and that is noticed at the next look.
    begun: bool,
}

/// Where the next frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) id: PipeId,
    /// Whether it is the first of its message.
    pub(crate) first: bool,
}

impl FairQueue {
    /// Adds a pipe.
    pub(crate) fn attach(&mut self, id: PipeId) {
        self.rotation.insert(id);
    }

    /// Takes a pipe out, and what is left of a message half received on it.
    pub(crate) fn detach(&mut self, id: PipeId) {
        if self.rotation.current() == Some(id) {
            self.begun = false;
        }
        self.rotation.remove(id);
    }

    /// There may be something in a pipe.
    #[inline]
    pub(crate) fn activate(&mut self, id: PipeId) {
        self.rotation.activate(id);
    }

    /// In how many pipes there may be something.
    #[inline]
    pub(crate) fn active(&self) -> usize {
        self.rotation.active()
    }

    /// The pipe whose frame is to be given out now.
    #[inline(always)]
    pub(crate) fn take(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        if let Some(id) = self.rotation.only()
            && let Some(pipe) = pipes.get_mut(id)
            && pipe.reader.is_ready()
        {
            self.begun = true;
            return Some(id);
        }
        self.take_in_turn(pipes)
    }

    #[inline(never)]
    fn take_in_turn(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        let turn = self.look(pipes)?;
        self.begin();
        Some(turn.id)
    }

    /// Finds the next frame without giving it out.
    pub(crate) fn look(&mut self, pipes: &mut Pipes) -> Option<Turn> {
        if self.begun {
            if let Some(id) = self.rotation.current()
                && pipes
                    .get(id)
                    .is_some_and(|pipe| pipe.reader.is_mid_message())
            {
                return Some(Turn { id, first: false });
            }
            self.begun = false;
            self.rotation.advance();
        }
        loop {
            let id = self.rotation.current()?;
            if pipes.get_mut(id).is_some_and(|pipe| pipe.reader.is_ready()) {
                return Some(Turn { id, first: true });
            }
            self.rotation.deactivate(id);
        }
    }

    /// The pipe whose message is to be given out now, where messages have one part: others are
    /// dropped.
    pub(crate) fn take_single(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        let id = self.look_single(pipes)?;
        self.begin();
        Some(id)
    }

    /// Finds the next message of one part without giving it out.
    pub(crate) fn look_single(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        loop {
            let id = self.look(pipes)?.id;
            match pipes.get_mut(id)?.reader.peek() {
                Some((false, _)) => return Some(id),
                Some((true, _)) => self.skip(pipes),
                None => return None,
            }
        }
    }

    /// The frame found by [`look`](Self::look) is given out.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// Drops the message found by [`look`](Self::look), which ends the turn.
    pub(crate) fn skip(&mut self, pipes: &mut Pipes) {
        if let Some(pipe) = self.rotation.current().and_then(|id| pipes.get_mut(id)) {
            skip_message(&mut pipe.reader);
        }
        self.begun = false;
        self.rotation.advance();
    }
}
