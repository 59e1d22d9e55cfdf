// SPDX-License-Identifier: MIT OR Apache-2.0
//! RADIO: sends to all who have joined the message's group.

use std::collections::{BTreeSet, HashMap};

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::command::{self, Command};

use crate::allowance::Allowance;
use crate::distribute::Distribute;
use crate::pattern::{Attached, Group, Pattern, Received, Refusal, Sent, skip_message};

/// Broadcasts: a message of one part goes to everybody in its group. Never blocks: who has no room
/// misses the message.
#[derive(Debug, Default)]
pub struct Radio {
    groups: HashMap<Vec<u8>, BTreeSet<PipeId>>,
    /// Pipes that lead to whoever listens: every message goes there.
    everybody: Vec<PipeId>,
    allowance: Allowance,
    distribute: Distribute,
}

impl Radio {
    /// Without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Radio {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        if pipes.get(id).is_some_and(|pipe| pipe.peer.takes_all) {
            self.everybody.push(id);
        }
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.distribute.detach(id);
        self.everybody.retain(|&other| other != id);
        self.allowance.detach(id);
        self.groups.retain(|_, members| {
            members.remove(&id);
            !members.is_empty()
        });
    }

    #[inline]
    fn readable(&mut self, _: PipeId) {}

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if more {
            return Err(Refusal::Invalid);
        }
        let group = match frame {
            Outgoing::Message(message) => message.group().to_vec(),
            Outgoing::Bytes(_) => Vec::new(),
        };
        let chosen = self.distribute.choose();
        chosen.extend(self.groups.get(&group).into_iter().flatten());
        chosen.extend(&self.everybody);
        if chosen.is_empty() {
            return Ok(Sent::Nowhere);
        }
        self.distribute.make_room(pipes)?;
        let mut head = Message::copy_from_slice(&group);
        self.distribute
            .send(pipes, &mut Outgoing::Message(&mut head), true);
        Ok(self.distribute.send(pipes, frame, false))
    }

    fn touched(&self) -> &[PipeId] {
        self.distribute.chosen()
    }

    fn recv(&mut self, _: &mut Pipes) -> Result<Received, Refusal> {
        Err(Refusal::NotSupported)
    }

    /// Always, as in libzmq.
    fn can_send(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn can_recv(&mut self, _: &mut Pipes) -> bool {
        false
    }

    fn group(&mut self, id: PipeId, change: Group<'_>) {
        if self.allowance.is_over(id) {
            return;
        }
        match change {
            Group::Join(group) => {
                if self.groups.entry(group.to_vec()).or_default().insert(id) {
                    self.allowance.add(id, group);
                }
            }
            Group::Leave(group) => {
                if let Some(members) = self.groups.get_mut(group) {
                    if members.remove(&id) {
                        self.allowance.remove(id, group);
                    }
                    if members.is_empty() {
                        self.groups.remove(group);
                    }
                }
            }
        }
    }

    /// Listeners of this process join by messages that hold the command.
    fn drain_input(&mut self, pipes: &mut Pipes, id: PipeId) {
        while let Some((_, body)) = pipes.get_mut(id).and_then(|pipe| pipe.reader.peek()) {
            let body = body.to_vec();
            match command::parse(&body) {
                Ok(Command::Join(group)) => self.group(id, Group::Join(group)),
                Ok(Command::Leave(group)) => self.group(id, Group::Leave(group)),
                Ok(_) | Err(_) => {}
            }
            if let Some(pipe) = pipes.get_mut(id) {
                skip_message(&mut pipe.reader);
            }
        }
    }

    fn take_faulty(&mut self) -> Vec<PipeId> {
        self.allowance.take_faulty()
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.allowance.configure(options);
        self.distribute.set_no_drop(options.xpub_nodrop);
    }
}
