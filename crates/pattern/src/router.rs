// SPDX-License-Identifier: MIT OR Apache-2.0
//! ROUTER: sends to the peer named by the first part, and names the sender in front of what it
//! receives.

use std::collections::VecDeque;

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, Pipe, PipeId, Pipes};
use ferromq_vocabulary::SocketOptions;

use crate::fair_queue::FairQueue;
use crate::pattern::{Attached, Pattern, Received, Refusal, Sent, count_drop, count_stall};
use crate::routes::Routes;

/// What a router's own messages tell the application.
const NOTIFY_CONNECT: i32 = 1;
const NOTIFY_DISCONNECT: i32 = 2;

/// Routes: the first part of a message says where it goes. What cannot be routed is dropped, or
/// refused if the option says so.
#[derive(Debug, Default)]
pub struct Router {
    queue: FairQueue,
    routes: Routes,
    /// Whose routing id has been given out, while the rest of the message follows.
    reading: Option<PipeId>,
    /// Whose message was received last.
    last: Option<PipeId>,
    writing: Writing,
    /// Parts of this side's own messages, and the routing ids in front of them.
    own: VecDeque<Message>,
    faulty: Vec<PipeId>,
    mandatory: bool,
    handover: bool,
    notify: i32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// The next part names the peer.
    #[default]
    Name,
    /// The next parts go there.
    To(PipeId),
    /// They go nowhere.
    Nowhere,
}

impl Router {
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

    /// Gives a pipe its routing id. A peer with that of another one is neither heard nor reached,
    /// unless it takes over.
    fn register(&mut self, id: PipeId, wanted: &[u8]) {
        let made;
        let routing_id = if wanted.is_empty() {
            made = self.routes.make_id();
            &made[..]
        } else {
            wanted
        };
        if let Some(old) = self.routes.find(routing_id) {
            if !self.handover {
                return;
            }
            // The old one keeps what it has begun, under a name nobody knows.
            self.routes.remove(old);
            let nobody = self.routes.make_id();
            self.routes.insert(&nobody, old);
            self.faulty.push(old);
        }
        self.tell(routing_id, NOTIFY_CONNECT);
        self.routes.insert(routing_id, id);
    }

    /// The pipe whose turn it is. What comes from a peer without a name of its own is dropped.
    fn look(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        loop {
            let id = self.queue.look(pipes)?.id;
            if self.routes.id_of(id).is_some() {
                return Some(id);
            }
            self.queue.skip(pipes);
        }
    }

    /// A message of this side's own: somebody has come or gone.
    fn tell(&mut self, routing_id: &[u8], what: i32) {
        if self.notify & what != 0 {
            self.push_own(routing_id, Message::new());
        }
    }

    fn push_own(&mut self, routing_id: &[u8], message: Message) {
        let mut head = Message::copy_from_slice(routing_id);
        head.set_more(true);
        self.own.push_back(head);
        self.own.push_back(message);
    }

    /// Chooses the peer of the message that begins.
    fn address(&mut self, pipes: &mut Pipes, name: &[u8]) -> Result<(), Refusal> {
        self.writing = Writing::Nowhere;
        // Most go back to whom the last one came from.
        let last = self.last.filter(|&id| self.routes.id_of(id) == Some(name));
        let Some(id) = last.or_else(|| self.routes.find(name)) else {
            return self.refuse(Refusal::Unroutable);
        };
        if pipes.get(id).is_none_or(Pipe::has_ended) {
            return self.refuse(Refusal::Unroutable);
        }
        if !pipes.has_room(id) {
            if self.mandatory {
                count_stall(pipes, id);
                self.routes.refuse(id);
            } else {
                count_drop(pipes, id);
            }
            return self.refuse(Refusal::Again);
        }
        self.writing = Writing::To(id);
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        if self.mandatory {
            self.writing = Writing::Name;
            return Err(refusal);
        }
        Ok(())
    }

    fn is_reading(&self, pipes: &Pipes) -> Option<PipeId> {
        let id = self.reading?;
        Some(id).filter(|&id| pipes.get(id).is_some())
    }
}

impl Pattern for Router {
    fn attach(&mut self, pipes: &mut Pipes, id: PipeId) -> Attached {
        self.queue.attach(id);
        let Some(pipe) = pipes.get(id) else {
            return Attached::Refused;
        };
        let (assigned, known) = (pipe.peer.assigned_id.clone(), pipe.peer.known);
        if !assigned.is_empty() {
            self.register(id, &assigned);
        } else if known {
            let own = pipe.peer.routing_id.clone();
            self.register(id, &own);
        }
        Attached::Yes
    }

    fn identified(&mut self, pipes: &mut Pipes, id: PipeId) {
        let Some(pipe) = pipes.get(id) else { return };
        if self.routes.id_of(id).is_some() {
            // Come back after a reconnect, or named by the application.
            let unchanged = pipe.peer.routing_id.is_empty()
                || !pipe.peer.assigned_id.is_empty()
                || self.routes.id_of(id) == Some(&pipe.peer.routing_id);
            if unchanged {
                return;
            }
            self.routes.remove(id);
        }
        let own = pipe.peer.routing_id.clone();
        self.register(id, &own);
    }

    fn detach(&mut self, _: &mut Pipes, id: PipeId) {
        self.queue.detach(id);
        self.faulty.retain(|&faulty| faulty != id);
        if self.reading == Some(id) {
            self.reading = None;
        }
        if self.writing == Writing::To(id) {
            self.writing = Writing::Nowhere;
        }
        if let Some(routing_id) = self.routes.remove(id) {
            self.tell(&routing_id, NOTIFY_DISCONNECT);
        }
    }

    fn stop_sending(&mut self, id: PipeId) {
        if self.writing == Writing::To(id) {
            self.writing = Writing::Nowhere;
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
                // item 32: a name without anything behind it is ignored.
                if more {
                    self.address(pipes, frame.as_slice())?;
                }
                Ok(Sent::Nowhere)
            }
            Writing::To(id) => {
                if !more {
                    self.writing = Writing::Name;
                }
                pipes.push(id, frame, more);
                Ok(Sent::To(id))
            }
            Writing::Nowhere => {
                if !more {
                    self.writing = Writing::Name;
                }
                Ok(Sent::Nowhere)
            }
        }
    }

    #[inline(always)]
    fn recv(&mut self, pipes: &mut Pipes) -> Result<Received, Refusal> {
        if let Some(id) = self.is_reading(pipes) {
            let last = match pipes.get_mut(id).and_then(|pipe| pipe.reader.peek()) {
                Some((more, _)) => !more,
                None => return Err(Refusal::Again),
            };
            if last {
                self.reading = None;
            }
            return Ok(Received::From(id));
        }
        if let Some(own) = self.own.pop_front() {
            return Ok(Received::Own(own));
        }
        let id = self.look(pipes).ok_or(Refusal::Again)?;
        self.queue.begin();
        self.reading = Some(id);
        self.last = Some(id);
        Ok(Received::Name(id))
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        !self.mandatory
            || self.writing != Writing::Name
            || self.routes.pipes().any(|id| pipes.has_room(id))
    }

    fn can_send_refused(&mut self, pipes: &mut Pipes) -> bool {
        self.routes.has_room_again(pipes)
    }

    fn readable_pipes(&self) -> usize {
        self.queue.active()
    }

    fn can_recv(&mut self, pipes: &mut Pipes) -> bool {
        self.is_reading(pipes).is_some() || !self.own.is_empty() || self.look(pipes).is_some()
    }

    fn take_faulty(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.faulty)
    }

    fn configure(&mut self, _: &mut Pipes, options: &SocketOptions) {
        self.mandatory = options.router_mandatory;
        self.handover = options.router_handover;
        self.notify = options.router_notify;
    }

    fn find_peer(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.routes.find(routing_id)
    }

    fn routing_id_of(&self, id: PipeId) -> &[u8] {
        self.routes.id_of(id).unwrap_or_default()
    }

    fn deliver(&mut self, id: PipeId, message: Message) {
        if let Some(routing_id) = self.routes.id_of(id).map(<[u8]>::to_vec) {
            self.push_own(&routing_id, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use ferromq_pipe::PipeId;
    use ferromq_vocabulary::SocketOptions;

    use super::Router;
    use crate::pattern::{Pattern, Refusal, Sent};
    use crate::testing::{Rig, parts};

    fn rig(options: &SocketOptions, names: &[&[u8]]) -> (Rig<Router>, Vec<PipeId>) {
        let mut rig = Rig::new(Router::with_seed(7));
        rig.pattern.configure(&mut rig.near, options);
        let ids = names.iter().map(|name| come(&mut rig, name)).collect();
        (rig, ids)
    }

    fn come(rig: &mut Rig<Router>, name: &[u8]) -> PipeId {
        let id = rig.connect(2);
        let peer = &mut rig.near.get_mut(id).unwrap().peer;
        peer.known = true;
        peer.routing_id = name.into();
        rig.pattern.identified(&mut rig.near, id);
        id
    }

    #[test]
    fn item_30_names_come_first_and_lead_back() {
        let (mut rig, ids) = rig(&SocketOptions::default(), &[b"a", b""]);
        rig.give(ids[0], &[b"1", b"2"]);
        rig.give(ids[1], &[b"3"]);
        assert_eq!(rig.recv(), Ok((ids[0], parts(&[b"a", b"1", b"2"]))));
        let auto = [0, 0, 0, 0, 8];
        assert_eq!(rig.recv(), Ok((ids[1], parts(&[&auto, b"3"]))));
        rig.send_part(&auto, true).unwrap();
        assert_eq!(rig.send(&[b"4", b"5"]), Ok(Sent::To(ids[1])));
        assert_eq!(rig.got(ids[1]), [parts(&[b"4", b"5"])]);
    }

    #[test]
    fn item_31_unroutable_messages_are_dropped_or_refused() {
        let mut options = SocketOptions::default();
        let (mut rig, ids) = rig(&options, &[b"a"]);
        assert_eq!(rig.send(&[b"nobody", b"1"]), Ok(Sent::Nowhere));
        // item 32
        assert_eq!(rig.send(&[b"a"]), Ok(Sent::Nowhere));
        for _ in 0..3 {
            rig.send_part(b"a", true).unwrap();
            rig.send_part(b"x", false).unwrap();
        }
        assert_eq!(rig.near.get(ids[0]).unwrap().dropped, 1);
        options.router_mandatory = true;
        rig.pattern.configure(&mut rig.near, &options);
        assert_eq!(rig.send_part(b"nobody", true), Err(Refusal::Unroutable));
        assert_eq!(rig.send_part(b"a", true), Err(Refusal::Again));
        assert!(!rig.can_send());
        assert_eq!(rig.got(ids[0]).len(), 2);
        assert!(rig.can_send());
        rig.send_part(b"a", true).unwrap();
    }

    #[test]
    fn item_30_a_name_in_use_is_not_heard_unless_it_takes_over() {
        let mut options = SocketOptions::default();
        let (mut rig, ids) = rig(&options, &[b"a", b"a"]);
        rig.give(ids[1], &[b"1"]);
        assert_eq!(rig.recv(), Err(Refusal::Again));
        options.router_handover = true;
        rig.pattern.configure(&mut rig.near, &options);
        let third = come(&mut rig, b"a");
        assert_eq!(rig.pattern.take_faulty(), [ids[0]]);
        rig.give(third, &[b"2"]);
        assert_eq!(rig.recv(), Ok((third, parts(&[b"a", b"2"]))));
        rig.send_part(b"a", true).unwrap();
        assert_eq!(rig.send_part(b"3", false), Ok(Sent::To(third)));
    }

    #[test]
    fn item_33_coming_and_going_show() {
        let options = SocketOptions {
            router_notify: 3,
            ..SocketOptions::default()
        };
        let (mut rig, ids) = rig(&options, &[b"a"]);
        assert_eq!(rig.recv().unwrap().1, parts(&[b"a", b""]));
        rig.disconnect(ids[0]);
        assert!(rig.can_recv());
        assert_eq!(rig.recv_part().unwrap().1, b"a");
        assert_eq!(rig.recv_part().unwrap().1, b"");
    }
}
