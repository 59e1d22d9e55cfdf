// SPDX-License-Identifier: MIT OR Apache-2.0
//! GATHER: as PULL, in single parts.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Receives single parts from all in turn; messages of several are dropped.
#[derive(Debug, Default)]
pub struct Gather {
    queue: FairQueue,
}

impl Gather {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Gather {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
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
        self.queue
            .take_single(pipes)
            .map(Received::From)
            .ok_or(Refusal::Again)
    }

    fn can_send(&mut self, _: &mut Pipes) -> bool {
        false
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.look_single(pipes).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Gather;
    use crate::testing::{Rig, parts};

    #[test]
    fn item_44_messages_of_several_parts_are_dropped() {
        let (mut rig, [a, b]) = Rig::with_peers(Gather::new());
        rig.give(a, &[b"1", b"2"]);
        rig.give(a, &[b"3"]);
        rig.give(b, &[b"4"]);
        assert_eq!(rig.recv_all(), ["4", "3"]);
        assert!(!rig.can_recv());
        rig.give(b, &[b"5"]);
        assert_eq!(rig.recv(), Ok((b, parts(&[b"5"]))));
    }
}
