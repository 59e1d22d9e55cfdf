// SPDX-License-Identifier: MIT OR Apache-2.0
//! CHANNEL: as PAIR, in single parts.

use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::pair::Pair;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, skip_message};

/// Talks to one peer in single parts; messages of several are dropped.
#[derive(Debug, Default)]
pub struct Channel {
    pair: Pair,
}

impl Channel {
    /// Without a peer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(_: u32) -> Self {
        Self::new()
    }
}

impl Pattern for Channel {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.pair.attach(pipes, id)
    }

    fn detach(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.pair.detach(pipes, id);
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
        self.pair.send(pipes, frame, false)
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        loop {
            let Received::From(id) = self.pair.recv(pipes)? else {
                return Err(Refusal::Again);
            };
            let Some(pipe) = pipes.get_mut(id) else {
                return Err(Refusal::Again);
            };
            match pipe.reader.peek() {
                Some((true, _)) => skip_message(&mut pipe.reader),
                Some((false, _)) => return Ok(Received::From(id)),
                None => return Err(Refusal::Again),
            }
        }
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.pair.can_send(pipes)
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.recv(pipes).is_ok()
    }
}
