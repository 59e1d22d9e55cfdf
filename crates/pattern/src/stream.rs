// SPDX-License-Identifier: MIT OR Apache-2.0
//! STREAM: bytes from and to plain TCP peers, each named in front.

use std::collections::VecDeque;

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_stall, swallow};
use crate::routes::Routes;

/// Talks plain TCP: a message is the name of a connection and some bytes of its stream. Empty bytes
/// close the connection.
#[derive(Debug, Default)]
pub struct Stream {
    queue: FairQueue,
    routes: Routes,
    reading: Option<PipeId>,
    writing: Writing,
    /// Parts of this side's own messages, and whose connection they tell of.
    own: VecDeque<(Option<PipeId>, Message)>,
    closing: Vec<PipeId>,
    notify: bool,
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
        Self {
            notify: true,
            ..Self::default()
        }
    }

    pub(crate) fn with_seed(seed: u32) -> Self {
        Self {
            routes: Routes::new(seed),
            ..Self::new()
        }
    }

    fn register(&mut self, pipes: &Pipes, id: PipeId) {
        let Some(pipe) = pipes.get(id) else { return };
        if self.routes.id_of(id).is_none() {
            let assigned = &pipe.peer.assigned_id;
            let free = !assigned.is_empty() && self.routes.find(assigned).is_none();
            let name = if free {
                assigned.clone()
            } else {
                self.routes.make_id()
            };
            self.routes.insert(name, id);
            self.queue.attach(id);
        }
        if pipe.peer.known {
            self.tell(id);
        }
    }

    fn tell(&mut self, id: PipeId) {
        if self.notify
            && let Some(name) = self.routes.id_of(id)
        {
            let mut head = Message::copy_from_slice(name);
            head.set_more(true);
            self.own.push_back((Some(id), head));
            self.own.push_back((Some(id), Message::new()));
        }
    }
}

impl Pattern for Stream {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.register(pipes, id);
        Attached::Yes
    }

    fn identified(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.register(pipes, id);
    }

    fn detach(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
        self.closing.retain(|&closing| closing != id);
        if self.reading == Some(id) {
            self.reading = None;
        }
        if self.writing == Writing::To(id) {
            self.writing = Writing::Nowhere;
        }
        if pipes.get(id).is_some_and(|pipe| pipe.peer.known) {
            self.tell(id);
        }
        self.routes.remove(id);
        // Its number will be another's.
        for (from, _) in &mut self.own {
            from.take_if(|from| *from == id);
        }
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
                    swallow(frame);
                    return Ok(Sent::Nowhere);
                }
                let id = self.routes.find(frame.as_slice());
                let id = id.ok_or(Refusal::Unroutable)?;
                if !pipes.has_room(id) {
                    count_stall(pipes, id);
                    return Err(Refusal::Again);
                }
                self.writing = Writing::To(id);
                swallow(frame);
                Ok(Sent::Nowhere)
            }
            Writing::To(id) => {
                // item 43: MORE on data is ignored.
                self.writing = Writing::Name;
                if frame.as_slice().is_empty() {
                    // Our own doing is no news to us.
                    self.routes.remove(id);
                    self.closing.push(id);
                    swallow(frame);
                    return Ok(Sent::Nowhere);
                }
                pipes.push(id, frame, false);
                Ok(Sent::To(id))
            }
            Writing::Nowhere => {
                self.writing = Writing::Name;
                swallow(frame);
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
        if let Some((from, own)) = self.own.pop_front() {
            return Ok(match from {
                Some(id) => Received::Head(id, own),
                None => Received::Own(own),
            });
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

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.reading.is_some() || !self.own.is_empty() || self.queue.look(pipes).is_some()
    }

    fn take_closing(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.closing)
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.notify = options.stream_notify;
    }

    /// The connection is lost and will come back.
    fn deliver(&mut self, id: PipeId, _: Message) {
        self.tell(id);
    }

    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.routes.find(routing_id)
    }

    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        self.routes.id_of(id).unwrap_or_default()
    }
}
