// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending to many at once.

use ferromq_message::Message;
use ferromq_pipe::{BY_REFERENCE_OUT, Outgoing, PipeId, Pipes};

use crate::pattern::{Refusal, Sent, count_drop, count_stall};

/// Gives every part of a message to the pipes chosen for its first part.
#[derive(Debug, Default)]
pub(crate) struct Distribute {
    chosen: Vec<PipeId>,
    mid_message: bool,
    no_drop: bool,
}

impl Distribute {
    /// Whether a full pipe holds the message back from all, instead of being left out.
    pub(crate) fn set_no_drop(&mut self, on: bool) {
        self.no_drop = on;
    }

    /// A pipe goes.
    pub(crate) fn detach(&mut self, id: PipeId) {
        self.chosen.retain(|&chosen| chosen != id);
    }

    /// Whether the pipes have been chosen and more parts are to come.
    #[inline]
    pub(crate) fn is_mid_message(&self) -> bool {
        self.mid_message
    }

    /// The pipes the last part went to.
    #[inline]
    pub(crate) fn chosen(&self) -> &[PipeId] {
        &self.chosen
    }

    /// Where those who shall get the next message are put.
    #[inline]
    pub(crate) fn choose(&mut self) -> &mut Vec<PipeId> {
        self.chosen.clear();
        &mut self.chosen
    }

    /// Leaves out those who have no room, or refuses the message to all.
    #[inline]
    pub(crate) fn make_room(&mut self, pipes: &mut Pipes) -> Result<(), Refusal> {
        if pipes.have_room(&self.chosen) {
            return Ok(());
        }
        if self.no_drop {
            let full = self.chosen.iter().find(|&&id| !pipes.has_room(id)).copied();
            let Some(id) = full else { return Ok(()) };
            count_stall(pipes, id);
            self.chosen.clear();
            return Err(Refusal::Again);
        }
        self.chosen.retain(|&id| {
            let room = pipes.has_room(id);
            if !room {
                count_drop(pipes, id);
            }
            room
        });
        Ok(())
    }

    /// Sends one part to all that were chosen.
    #[inline]
    pub(crate) fn send(&mut self, pipes: &mut Pipes, frame: &mut Outgoing<'_>, more: bool) -> Sent {
        self.mid_message = more;
        match *self.chosen {
            [] => Sent::Nowhere,
            [id] => {
                pipes.push(id, frame, more);
                Sent::To(id)
            }
            _ => {
                self.send_many(pipes, frame, more);
                Sent::Many
            }
        }
    }

    fn send_many(&self, pipes: &mut Pipes, frame: &mut Outgoing<'_>, more: bool) {
        // What would be copied for each is copied once and shared.
        if let Outgoing::Bytes(bytes) = *frame
            && bytes.len() >= BY_REFERENCE_OUT
            && let Ok(mut message) = Message::try_copy_from_slice(bytes)
        {
            pipes.push_to_all(&self.chosen, &mut Outgoing::Message(&mut message), more);
            return;
        }
        pipes.push_to_all(&self.chosen, frame, more);
    }
}
