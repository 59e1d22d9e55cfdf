// SPDX-License-Identifier: MIT OR Apache-2.0
//! One message into many queues.
//!
//! As long as message after message goes to the same pipes they follow one log, into which a
//! message is written once. Pipes that are left out now and then, or come in now and then, get
//! copies of their own; so does everybody while the choice changes all the time, and for messages
//! of which only a reference is to be handed on.

use crate::log::Log;
use crate::pipes::{Outgoing, PipeId, Pipes};
use crate::writer::BY_REFERENCE_OUT;

/// Fewer pipes than this are not worth a log.
const FEWEST: usize = 5;
/// After so many messages to the same pipes these follow the log.
const REPEATS: u32 = 8;

/// Who follows the log, and what has been decided for the message being written.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    log: Log,
    members: Vec<PipeId>,
    /// By number of the pipe: whether it is a member.
    is_member: Vec<bool>,
    /// Changes whenever the members do.
    generation: u64,
    /// For so many more messages there is room in the queues of all members.
    room: u64,
    /// Messages and bytes that all members have got through the log.
    messages: u64,
    bytes: u64,
    /// What the last choice was, in short, and how often in a row.
    choice: u64,
    repeats: u32,
    /// Of the message being written: the members get it through the log.
    logged: bool,
    /// And these get copies.
    others: Vec<PipeId>,
    mid_message: bool,
    /// Bytes of it that have been written.
    pending: u64,
}

/// What has gone through the log since the members last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// Names this set of members.
    pub generation: u64,
    /// Messages that each of them has got through the log.
    pub messages: u64,
    /// The same in bytes, as they go over the wire.
    pub bytes: u64,
}

impl FanOut {
    #[inline]
    pub(crate) fn is_member(&self, id: PipeId) -> bool {
        self.is_member.get(id.index()).copied().unwrap_or(false)
    }

    fn is_everybody(&self, chosen: &[PipeId]) -> bool {
        chosen.len() == self.members.len() && chosen.iter().all(|&id| self.is_member(id))
    }

    fn enter(&mut self, id: PipeId) {
        if self.is_member.len() <= id.index() {
            self.is_member.resize(id.index() + 1, false);
        }
        self.is_member[id.index()] = true;
        self.members.push(id);
        self.change();
    }

    fn leave(&mut self, id: PipeId) {
        if let Some(is_member) = self.is_member.get_mut(id.index()) {
            *is_member = false;
        }
        self.change();
    }

    /// Forgets those who have left.
    fn purge(&mut self) {
        let is_member = &self.is_member;
        self.members
            .retain(|id| is_member.get(id.index()).copied().unwrap_or(false));
    }

    fn change(&mut self) {
        self.generation += 1;
        self.room = 0;
    }

    /// Notes a choice; how often it has been made in a row.
    fn note(&mut self, chosen: &[PipeId]) -> u32 {
        let mixed = |id: &PipeId| (id.index() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let choice = chosen.iter().map(mixed).fold(0u64, u64::wrapping_add);
        self.repeats = if choice == self.choice {
            self.repeats.saturating_add(1)
        } else {
            1
        };
        self.choice = choice;
        self.repeats
    }
}

impl Pipes {
    /// Whether all of these have room for a message, as far as that can be told without asking each;
    /// false says nothing.
    #[inline]
    pub fn have_room(&mut self, chosen: &[PipeId]) -> bool {
        if !self.fan_out.is_everybody(chosen) || chosen.is_empty() {
            return false;
        }
        if self.fan_out.room == 0 {
            self.fan_out.room = self.least_room();
        }
        self.fan_out.room > 0
    }

    fn least_room(&mut self) -> u64 {
        let members = std::mem::take(&mut self.fan_out.members);
        let room = members.iter().map(|&id| {
            // Exactly, if there is none by the last view and it may be looked again.
            if !self.has_room(id) {
                return 0;
            }
            self.get(id)
                .map_or(0, |pipe| pipe.limit().saturating_sub(pipe.waiting()))
        });
        let least = room.min().unwrap_or(0);
        self.fan_out.members = members;
        least
    }

    /// Something about the room in these queues has changed: what was known of it is not true.
    pub fn forget_room(&mut self) {
        self.fan_out.room = 0;
    }

    /// What the log has carried, if the last message went to its members and nobody else.
    #[inline]
    #[must_use]
    pub fn logged(&self) -> Option<Logged> {
        let fan_out = &self.fan_out;
        (fan_out.logged && fan_out.others.is_empty()).then_some(Logged {
            generation: fan_out.generation,
            messages: fan_out.messages,
            bytes: fan_out.bytes,
        })
    }

    /// Appends a part of a message to the queues of all these pipes, the same ones for every part.
    /// Whether there is room has been seen to.
    pub fn push_to_all(&mut self, chosen: &[PipeId], frame: &mut Outgoing<'_>, more: bool) {
        if !self.fan_out.mid_message {
            self.begin_fan_out(chosen, frame.as_slice().len());
        }
        self.fan_out.mid_message = more;
        if self.fan_out.logged {
            self.push_to_log(frame.as_slice(), more);
        }
        let others = std::mem::take(&mut self.fan_out.others);
        for &id in &others {
            self.push_shared(id, frame, more);
        }
        self.fan_out.others = others;
    }

    fn push_to_log(&mut self, body: &[u8], more: bool) {
        if self.fan_out.log.make_room(body.len()) {
            self.follow_all();
        }
        let fan_out = &mut self.fan_out;
        fan_out.log.append(body, more);
        fan_out.pending += (ferromq_message::frame::header_len(body.len()) + body.len()) as u64;
        if !more {
            fan_out.messages += 1;
            fan_out.bytes += std::mem::take(&mut fan_out.pending);
            fan_out.room = fan_out.room.saturating_sub(1);
        }
    }

    /// Decides for a message who gets it through the log.
    fn begin_fan_out(&mut self, chosen: &[PipeId], first: usize) {
        self.fan_out.others.clear();
        self.fan_out.logged = false;
        if first < BY_REFERENCE_OUT && chosen.len() >= FEWEST {
            if self.fan_out.is_everybody(chosen) {
                self.fan_out.logged = true;
                return;
            }
            self.regroup(chosen);
        }
        if self.fan_out.logged {
            let fan_out = &mut self.fan_out;
            let is_member = &fan_out.is_member;
            let others = chosen
                .iter()
                .filter(|id| !is_member.get(id.index()).copied().unwrap_or(false));
            fan_out.others.extend(others);
        } else {
            for &id in chosen {
                self.part(id);
            }
            self.fan_out.purge();
            self.fan_out.others.extend_from_slice(chosen);
        }
    }

    /// The choice is not that of the members: makes it so if it has been made often enough, or lets
    /// a few leave; or leaves the log unused.
    fn regroup(&mut self, chosen: &[PipeId]) {
        let common = chosen
            .iter()
            .filter(|&&id| self.fan_out.is_member(id))
            .count();
        let leavers = self.fan_out.members.len() - common;
        let joins = self.fan_out.note(chosen) >= REPEATS;
        let few = (chosen.len() / 8).max(1);
        let holds = common >= FEWEST && leavers + (chosen.len() - common) <= few;
        if !joins && !holds {
            return;
        }
        if leavers > 0 {
            let mut staying = chosen.to_vec();
            staying.sort_unstable();
            for id in self.fan_out.members.clone() {
                if staying.binary_search(&id).is_err() {
                    self.part(id);
                }
            }
            self.fan_out.purge();
        }
        if joins {
            for &id in chosen {
                self.enter_log(id);
            }
        }
        self.fan_out.logged = self.fan_out.members.len() >= FEWEST;
    }

    fn enter_log(&mut self, id: PipeId) {
        let can = |pipes: &Self| pipes.get(id).is_some_and(|pipe| pipe.writer.can_follow());
        if self.fan_out.is_member(id) || !can(self) {
            return;
        }
        // Without a block yet it follows when there is one.
        if let Some(range) = self.fan_out.log.range()
            && let Some(pipe) = self.get_mut(id)
        {
            pipe.writer.follow(range);
        }
        self.fan_out.enter(id);
    }

    /// The pipe gets something of its own.
    #[inline(always)]
    pub(crate) fn leave_log(&mut self, id: PipeId) {
        if self.fan_out.is_member(id) {
            self.part(id);
            self.fan_out.purge();
        }
    }

    /// A member leaves; it is still on the list.
    fn part(&mut self, id: PipeId) {
        if !self.fan_out.is_member(id) {
            return;
        }
        self.fan_out.leave(id);
        if let Some((pipe, pool)) = self.with_pool(id) {
            pipe.writer.unfollow(pool);
        }
    }

    /// The pipe goes.
    pub(crate) fn forget(&mut self, id: PipeId) {
        if self.fan_out.is_member(id) {
            self.fan_out.leave(id);
            self.fan_out.purge();
        }
    }

    /// The pipe gets nothing more of a message that is being written, nor of later ones.
    pub(crate) fn leave_fan_out(&mut self, id: PipeId) {
        self.fan_out.others.retain(|&other| other != id);
        self.forget_room();
    }

    /// The log goes on in another block.
    fn follow_all(&mut self) {
        for index in 0..self.fan_out.members.len() {
            let id = self.fan_out.members[index];
            if let Some(range) = self.fan_out.log.range()
                && let Some(pipe) = self.get_mut(id)
            {
                pipe.writer.follow(range);
            }
        }
    }
}
