// SPDX-License-Identifier: MIT OR Apache-2.0
//! STREAM: bytes from and to plain TCP peers, each named in front.

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_stall};
use crate::routes::Routes;

/// Talks plain TCP: a message is the name of a connection and some bytes of its stream. Empty bytes
/// close the connection. That a connection has come or gone is told among the bytes, as an empty
/// message, by whoever reads it.
#[derive(Debug, Default)]
pub struct Stream {
    queue: FairQueue,
    routes: Routes,
    reading: Option<PipeId>,
    writing: Writing,
    closing: Vec<PipeId>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writing {
    #[default]
    Name,
    To(PipeId),
    /// The connection has gone meanwhile.
    Nowhere,
}

impl Stream {
    /// Without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(seed: u32) -> Self {
        Self {
            routes: Routes::new(seed),
            ..Self::new()
        }
    }

    fn register(&mut self, pipes: &Pipes, id: PipeId) {
        let Some(pipe) = pipes.get(id) else { return };
        let assigned = &pipe.peer.assigned_id;
        let free = !assigned.is_empty() && self.routes.find(assigned).is_none();
        if free {
            self.routes.insert(assigned, id);
        } else {
            let name = self.routes.make_id();
            self.routes.insert(&name, id);
        }
        self.queue.attach(id);
    }
}

impl Pattern for Stream {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.register(pipes, id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
        self.closing.retain(|&closing| closing != id);
        if self.reading == Some(id) {
            self.reading = None;
        }
        if self.writing == Writing::To(id) {
            self.writing = Writing::Nowhere;
        }
        self.routes.remove(id);
    }

    #[inline]
    fn readable(&mut self, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn writable(&mut self, _: PipeId) {}

    fn send(
        &mut self,
        pipes: &mut Pipes,
        frame: &mut Outgoing<'_>,
        more: bool,
    ) -> Result<Sent, Refusal> {
        match self.writing {
            Writing::Name => {
                if !more {
                    // As in libzmq: the name of nobody.
                    self.writing = Writing::Nowhere;
                    return Ok(Sent::Nowhere);
                }
                let id = self.routes.find(frame.as_slice());
                let id = id.ok_or(Refusal::Unroutable)?;
                if !pipes.has_room(id) {
                    count_stall(pipes, id);
                    self.routes.refuse(id);
                    return Err(Refusal::Again);
                }
                self.writing = Writing::To(id);
                Ok(Sent::Nowhere)
            }
            Writing::To(id) => {
                // item 43: MORE on data is ignored.
                self.writing = Writing::Name;
                if frame.as_slice().is_empty() {
                    // Our own doing is no news to us.
                    self.routes.remove(id);
                    self.closing.push(id);
                    return Ok(Sent::Nowhere);
                }
                pipes.push(id, frame, false);
                Ok(Sent::To(id))
            }
            Writing::Nowhere => {
                self.writing = Writing::Name;
                Ok(Sent::Nowhere)
            }
        }
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        if let Some(id) = self.reading.take()
            && pipes.get_mut(id).is_some_and(|pipe| pipe.reader.is_ready())
        {
            return Ok(Received::From(id));
        }
        let turn = self.queue.look(pipes).ok_or(Refusal::Again)?;
        self.queue.begin();
        self.reading = Some(turn.id);
        let name = self.routes.id_of(turn.id).unwrap_or_default();
        let mut head = Message::copy_from_slice(name);
        head.set_more(true);
        Ok(Received::Head(turn.id, head))
    }

    fn can_send(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn can_send_refused(&mut self, pipes: &mut Pipes) -> bool {
        self.routes.has_room_again(pipes)
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.reading.is_some() || self.queue.look(pipes).is_some()
    }

    fn take_closing(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.closing)
    }

    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.routes.find(routing_id)
    }

    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        self.routes.id_of(id).unwrap_or_default()
    }
}
