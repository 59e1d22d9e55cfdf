// SPDX-License-Identifier: MIT OR Apache-2.0
//! CLIENT: as DEALER, in single parts.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// Sends single parts to each in turn and receives such from all in turn. Blocks in sending
/// without a peer.
#[derive(Debug, Default)]
pub struct Client {
    balance: LoadBalance,
    queue: FairQueue,
}

impl Client {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Client {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        self.balance.attach(id);
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.balance.detach(id);
        self.queue.detach(id);
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn writable(&mut self, id: PipeId) {
        self.balance.activate(id);
    }

    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        if more {
            return Err(Refusal::Invalid);
        }
        self.balance.send(pipes, frame, false)
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.queue
            .take_single(pipes)
            .map(Received::From)
            .ok_or(Refusal::Again)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.balance.can_send(pipes)
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.look_single(pipes).is_some()
    }
}
