// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCATTER: as PUSH, in single parts.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};
use crate::push::Push;

/// Sends to each peer in turn, single parts. Blocks without a peer.
#[derive(Debug, Default)]
pub struct Scatter {
    inner: Push,
}

impl Scatter {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(seed: u32) -> Self {
        Self {
            inner: Push::with_seed(seed),
        }
    }
}

impl Pattern for Scatter {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.inner.attach(pipes, id)
    }

    fn detach(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.inner.detach(pipes, id);
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.inner.readable(id);
    }

    #[inline]
    fn writable(&mut self, id: PipeId) {
        self.inner.writable(id);
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
        self.inner.send(pipes, frame, more)
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.inner.recv(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.inner.can_send(pipes)
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.inner.can_recv(pipes)
    }
}
