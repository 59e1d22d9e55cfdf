// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending to each in turn.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::pattern::{Refusal, Sent, count_stall};
use crate::rotation::Rotation;

/// Gives one message to each pipe that has room, round and round.
///
/// A pipe found full is left out until it is reported writable, or until nobody else has room.
#[derive(Debug, Default)]
pub(crate) struct LoadBalance {
    rotation: Rotation,
    part: Part,
}

/// What the next frame is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The first of a message.
    #[default]
    First,
    /// One more of the message that was begun on the current pipe.
    Next,
    /// One more of a message whose pipe has gone.
    Orphan,
}

impl LoadBalance {
    /// Adds a pipe.
    pub(crate) fn attach(&mut self, id: PipeId) {
        self.rotation.insert(id);
    }

    /// Takes a pipe out; the rest of a message half sent to it will go nowhere.
    pub(crate) fn detach(&mut self, id: PipeId) {
        if self.part == Part::Next && self.rotation.current() == Some(id) {
            self.part = Part::Orphan;
        }
        self.rotation.remove(id);
    }

    /// There may be room in a pipe.
    #[inline]
    pub(crate) fn activate(&mut self, id: PipeId) {
        self.rotation.activate(id);
    }

    /// Sends one part to the pipe whose turn it is.
    #[inline(always)]
    pub(crate) fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if self.part == Part::First
            && let Some(id) = self.rotation.current()
            && pipes.has_room(id)
        {
            pipes.push(id, frame, more);
            if more {
                self.part = Part::Next;
            } else {
                self.rotation.advance();
            }
            return Ok(Sent::To(id));
        }
        self.send_any(pipes, frame, more)
    }

    #[inline(never)]
    fn send_any(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if self.part == Part::Orphan {
            if !more {
                self.part = Part::First;
            }
            return Ok(Sent::Nowhere);
        }
        let begun = if self.part == Part::Next {
            self.rotation.current()
        } else {
            None
        };
        let Some(id) = begun.or_else(|| self.find_room(pipes)) else {
            return Err(Refusal::Again);
        };
        pipes.push(id, frame, more);
        if more {
            self.part = Part::Next;
        } else {
            self.part = Part::First;
            self.rotation.advance();
        }
        Ok(Sent::To(id))
    }

    /// Whether the next frame would go through.
    pub(crate) fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.part != Part::First || self.find_room(pipes).is_some()
    }

    /// The next pipe in turn that has room.
    fn find_room(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        while let Some(id) = self.rotation.current() {
            if pipes.has_room(id) {
                return Some(id);
            }
            count_stall(pipes, id);
            self.rotation.deactivate(id);
        }
        // Nobody has reported room, but there may be some.
        self.rotation.activate_where(|id| pipes.has_room(id));
        self.rotation.current()
    }
}
