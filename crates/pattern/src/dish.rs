// SPDX-License-Identifier: MIT OR Apache-2.0
//! DISH: receives the messages of the groups it has joined.

use std::collections::BTreeSet;

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Longest name of a group.
const GROUP_MAX: usize = 255;

/// Listens: messages of one part, each with its group, from all in turn.
#[derive(Debug, Default)]
pub struct Dish {
    queue: FairQueue,
    groups: BTreeSet<Vec<u8>>,
    /// Found by a look, to be received next.
    found: Option<(PipeId, Message)>,
}

impl Dish {
    /// Without peers and without groups: it receives nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }

    /// Takes the next message of a group that was joined; on the wire the group is a part of its
    /// own.
    fn find(&mut self, pipes: &mut Pipes) -> Option<(PipeId, Message)> {
        loop {
            let id = self.queue.look(pipes)?.id;
            let pipe = pipes.get_mut(id)?;
            let (more, group) = pipe.reader.peek()?;
            let group = group.to_vec();
            if more && self.groups.contains(&group) {
                pipe.reader.skip();
                if let Some((false, _)) = pipe.reader.peek()
                    && let Some(mut message) = pipe.reader.take()
                    && message.set_group(&group).is_ok()
                {
                    self.queue.begin();
                    return Some((id, message));
                }
            }
            self.queue.skip(pipes);
        }
    }
}

impl Pattern for Dish {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
        if self.found.as_ref().is_some_and(|(from, _)| *from == id) {
            self.found = None;
        }
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    fn send(&mut self, _: &mut Pipes, _: &mut Outgoing<'_>, _: bool) -> Result<Sent, Refusal> {
        Err(Refusal::NotSupported)
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        let found = self.found.take().or_else(|| self.find(pipes));
        let (id, message) = found.ok_or(Refusal::Again)?;
        Ok(Received::Made(id, message))
    }

    /// As libzmq says.
    fn can_send(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        if self.found.is_none() {
            self.found = self.find(pipes);
        }
        self.found.is_some()
    }

    fn join(&mut self, group: &[u8]) -> Result<(), Refusal> {
        if group.len() <= GROUP_MAX && self.groups.insert(group.to_vec()) {
            Ok(())
        } else {
            Err(Refusal::Invalid)
        }
    }

    fn leave(&mut self, group: &[u8]) -> Result<(), Refusal> {
        if group.len() <= GROUP_MAX && self.groups.remove(group) {
            Ok(())
        } else {
            Err(Refusal::Invalid)
        }
    }

    /// The groups: what a new peer is told.
    fn topics(&self) -> Vec<Vec<u8>> {
        self.groups.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Dish;
    use crate::pattern::{Pattern, Received, Refusal};
    use crate::testing::Rig;

    #[test]
    fn item_45_exact_groups_and_no_twice() {
        let (mut rig, [a]) = Rig::with_peers(Dish::new());
        assert_eq!(rig.pattern.join(b"TV"), Ok(()));
        assert_eq!(rig.pattern.join(b"TV"), Err(Refusal::Invalid));
        assert_eq!(rig.pattern.leave(b"Movies"), Err(Refusal::Invalid));
        rig.give(a, &[b"TVs", b"0"]);
        rig.give(a, &[b"TV"]);
        rig.give(a, &[b"TV", b"1", b"2"]);
        rig.give(a, &[b"TV", b"3"]);
        assert!(rig.can_recv());
        let Ok(Received::Made(from, message)) = rig.pattern.recv(&mut rig.near) else {
            panic!("no message")
        };
        assert_eq!(
            (from, message.group(), &message[..]),
            (a, &b"TV"[..], &b"3"[..])
        );
        assert!(!rig.can_recv());
    }
}
