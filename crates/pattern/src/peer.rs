// SPDX-License-Identifier: MIT OR Apache-2.0
//! PEER: as SERVER, and it may connect.

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};
use crate::server::Server;

/// Talks to numbered peers, both ways, in single parts.
#[derive(Debug, Default)]
pub struct Peer {
    inner: Server,
}

impl Peer {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(seed: u32) -> Self {
        Self {
            inner: Server::with_seed(seed),
        }
    }
}

impl Pattern for Peer {
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
        self.inner.send(pipes, frame, more)
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        self.inner.recv(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.inner.can_send(pipes)
    }

    fn can_send_refused(&mut self, pipes: &mut Pipes) -> bool {
        self.inner.can_send_refused(pipes)
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.inner.can_recv(pipes)
    }

    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.inner.find_peer(routing_id)
    }

    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        self.inner.routing_id_of(id)
    }

    fn deliver(&mut self, id: PipeId, message: Message) {
        self.inner.deliver(id, message);
    }
}
