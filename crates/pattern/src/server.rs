// SPDX-License-Identifier: MIT OR Apache-2.0
//! SERVER: single parts, from and to peers that have numbers.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, PipeId, Pipes};

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_stall};
use crate::routes::Routes;

/// Receives from all in turn and answers by the number that each message received carries.
#[derive(Debug, Default)]
pub struct Server {
    queue: FairQueue,
    routes: Routes,
    own: VecDeque<Message>,
    closing: Vec<PipeId>,
}

impl Server {
    /// Without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_seed(seed: u32) -> Self {
        Self {
            routes: Routes::new(seed),
            ..Self::default()
        }
    }

    fn number_of(&self, id: PipeId) -> Option<NonZeroU32> {
        let bytes = self.routes.id_of(id)?.try_into().ok()?;
        NonZeroU32::new(u32::from_be_bytes(bytes))
    }
}

impl Pattern for Server {
    fn attach(&mut self, _: &mut Pipes, id: PipeId) -> Attached {
        let number = self.routes.make_number();
        self.routes.insert(&number.to_be_bytes(), id);
        self.queue.attach(id);
        Attached::Yes
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
        self.routes.remove(id);
        self.closing.retain(|&closing| closing != id);
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
        if more {
            return Err(Refusal::Invalid);
        }
        let number = match frame {
            Outgoing::Message(message) => message.routing_id(),
            Outgoing::Bytes(_) => None,
        };
        let number = number.ok_or(Refusal::Unroutable)?.get();
        let id = self.routes.find(&number.to_be_bytes());
        let id = id.ok_or(Refusal::Unroutable)?;
        if !pipes.has_room(id) {
            count_stall(pipes, id);
            self.routes.refuse(id);
            return Err(Refusal::Again);
        }
        if let Outgoing::Message(message) = frame {
            // The number means something here alone.
            message.set_routing_id(None);
        }
        pipes.push(id, frame, false);
        Ok(Sent::To(id))
    }

    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        if let Some(own) = self.own.pop_front() {
            return Ok(Received::Own(own));
        }
        let id = self.queue.take_single(pipes).ok_or(Refusal::Again)?;
        let message = pipes.get_mut(id).and_then(|pipe| pipe.reader.take());
        let mut message = message.ok_or(Refusal::Again)?;
        message.set_routing_id(self.number_of(id));
        Ok(Received::Made(id, message))
    }

    /// Always, as in libzmq.
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
        !self.own.is_empty() || self.queue.look_single(pipes).is_some()
    }

    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.routes.find(routing_id)
    }

    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        self.routes.id_of(id).unwrap_or_default()
    }

    fn deliver(&mut self, id: PipeId, mut message: Message) {
        message.set_routing_id(self.number_of(id));
        self.own.push_back(message);
    }
}

#[cfg(test)]
mod tests {
    use ferromq_message::Message;
    use ferromq_pipe::Outgoing;

    use super::Server;
    use crate::pattern::{Pattern, Received, Refusal, Sent};
    use crate::testing::{Rig, parts};

    #[test]
    fn item_44_answers_go_to_the_number() {
        let (mut rig, [a, b]) = Rig::with_peers(Server::with_seed(5));
        rig.give(b, &[b"dropped", b"whole"]);
        rig.give(b, &[b"1"]);
        let Ok(Received::Made(from, mut message)) = rig.pattern.recv(&mut rig.near) else {
            panic!("no message")
        };
        assert_eq!((from, &message[..]), (b, &b"1"[..]));
        let number = message.routing_id().unwrap();
        let out = &mut Outgoing::Message(&mut message);
        assert_eq!(
            rig.pattern.send(&mut rig.near, out, true),
            Err(Refusal::Invalid)
        );
        assert_eq!(rig.pattern.send(&mut rig.near, out, false), Ok(Sent::To(b)));
        assert_eq!(rig.got(b), [parts(&[b"1"])]);
        assert_eq!(rig.send(&[b"x"]), Err(Refusal::Unroutable));
        rig.disconnect(b);
        let mut late = Message::copy_from_slice(b"2");
        late.set_routing_id(Some(number));
        let out = &mut Outgoing::Message(&mut late);
        assert_eq!(
            rig.pattern.send(&mut rig.near, out, false),
            Err(Refusal::Unroutable)
        );
        assert!(rig.near.get(a).is_some());
    }
}
