// SPDX-License-Identifier: MIT OR Apache-2.0
//! Patterns on real pipes, with the tests at their far ends.

use ferromq_message::Message;
use ferromq_pipe::{Outgoing, Peer, Pipe, PipeId, Pipes, inproc};

use crate::pattern::{Attached, Pattern, Received, Refusal, Sent};

/// The parts of a message.
pub(crate) type Parts = Vec<Vec<u8>>;

/// A pattern, its pipes, and the far ends of these, where each pipe has the same name.
#[derive(Debug)]
pub(crate) struct Rig<P> {
    pub(crate) pattern: P,
    pub(crate) near: Pipes,
    pub(crate) far: Pipes,
}

impl<P: Pattern> Rig<P> {
    pub(crate) fn new(pattern: P) -> Self {
        let (mut near, mut far) = (Pipes::new(), Pipes::new());
        near.may_refresh = true;
        far.may_refresh = true;
        Self { pattern, near, far }
    }

    /// With so many peers and no high-water mark.
    pub(crate) fn with_peers<const N: usize>(pattern: P) -> (Self, [PipeId; N]) {
        let mut rig = Self::new(pattern);
        let ids = std::array::from_fn(|_| rig.connect(0));
        (rig, ids)
    }

    /// One more peer, towards which so many messages may wait.
    pub(crate) fn connect(&mut self, high_water_mark: u64) -> PipeId {
        let (id, attached) = self.try_connect(high_water_mark);
        assert_eq!(attached, Attached::Yes);
        id
    }

    /// A pipe to everybody who listens.
    pub(crate) fn connect_everybody(&mut self) -> PipeId {
        let ((to_far, from_near), (to_near, from_far)) = (inproc(), inproc());
        let peer = Peer {
            takes_all: true,
            ..Peer::default()
        };
        let id = self.near.insert(Pipe::new(to_far, from_far, peer, 0));
        let far = Pipe::new(to_near, from_near, Peer::default(), 0);
        assert_eq!(self.far.insert(far), id);
        assert_eq!(self.pattern.attach(&mut self.near, id), Attached::Yes);
        id
    }

    pub(crate) fn try_connect(&mut self, high_water_mark: u64) -> (PipeId, Attached) {
        let ((to_far, from_near), (to_near, from_far)) = (inproc(), inproc());
        let near = Pipe::new(to_far, from_far, Peer::default(), high_water_mark);
        let far = Pipe::new(to_near, from_near, Peer::default(), 0);
        let id = self.near.insert(near);
        assert_eq!(self.far.insert(far), id);
        (id, self.pattern.attach(&mut self.near, id))
    }

    /// A peer goes.
    pub(crate) fn disconnect(&mut self, id: PipeId) {
        self.pattern.detach(&mut self.near, id);
        drop(self.near.remove(id));
        drop(self.far.remove(id));
    }

    /// A peer sends a message.
    pub(crate) fn give(&mut self, id: PipeId, parts: &[&[u8]]) {
        for (index, part) in parts.iter().enumerate() {
            self.far
                .push(id, &mut Outgoing::Bytes(part), index + 1 < parts.len());
        }
        self.pattern.readable(id);
    }

    /// A peer receives all messages there are.
    pub(crate) fn got(&mut self, id: PipeId) -> Vec<Parts> {
        let mut messages = Vec::new();
        let mut parts = Vec::new();
        while let Some(message) = self.far.get_mut(id).and_then(|pipe| pipe.reader.take()) {
            parts.push(message.to_vec());
            if !message.more() {
                messages.push(std::mem::take(&mut parts));
            }
        }
        messages
    }

    /// Sends one part.
    pub(crate) fn send_part(&mut self, part: &[u8], more: bool) -> Result<Sent, Refusal> {
        self.pattern
            .send(&mut self.near, &mut Outgoing::Bytes(part), more)
    }

    /// Sends a message of one part as a value, which stays untouched if it is not sent.
    pub(crate) fn send_message(&mut self, body: &[u8]) -> Result<Sent, Refusal> {
        let mut message = Message::copy_from_slice(body);
        let sent = self
            .pattern
            .send(&mut self.near, &mut Outgoing::Message(&mut message), false);
        assert!(sent.is_ok() || message.as_slice() == body);
        sent
    }

    /// Sends a message; all of its parts have the same fate.
    pub(crate) fn send(&mut self, parts: &[&[u8]]) -> Result<Sent, Refusal> {
        let (last, first) = parts.split_last().unwrap();
        let mut fates = Vec::new();
        for part in first {
            fates.push(self.send_part(part, true)?);
        }
        let fate = self.send_part(last, false)?;
        assert!(fates.iter().all(|&earlier| earlier == fate));
        Ok(fate)
    }

    /// Receives one part: where from, what, and whether there are more.
    pub(crate) fn recv_part(&mut self) -> Result<(PipeId, Vec<u8>, bool), Refusal> {
        let (id, message) = match self.pattern.recv(&mut self.near)? {
            Received::From(id) => (id, self.near.get_mut(id).unwrap().reader.take().unwrap()),
            Received::Name(id) => {
                let mut name = Message::copy_from_slice(self.pattern.routing_id_of(id));
                name.set_more(true);
                (id, name)
            }
            Received::Head(id, message) | Received::Made(id, message) => (id, message),
            Received::Own(message) => (self.near.id_at(0), message),
        };
        Ok((id, message.to_vec(), message.more()))
    }

    /// Receives a message; all of its parts come from the same pipe.
    pub(crate) fn recv(&mut self) -> Result<(PipeId, Parts), Refusal> {
        let (from, first, mut more) = self.recv_part()?;
        let mut parts = vec![first];
        while more {
            let (id, part, again) = self.recv_part()?;
            assert_eq!(id, from);
            parts.push(part);
            more = again;
        }
        Ok((from, parts))
    }

    /// Receives messages of one part as long as there are any.
    pub(crate) fn recv_all(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok((_, parts)) = self.recv() {
            assert_eq!(parts.len(), 1);
            all.push(String::from_utf8(parts.concat()).unwrap());
        }
        all
    }

    pub(crate) fn can_send(&mut self) -> bool {
        self.pattern.can_send(&mut self.near)
    }

    pub(crate) fn can_recv(&mut self) -> bool {
        self.pattern.can_recv(&mut self.near)
    }
}

/// The parts of a message, from literals.
pub(crate) fn parts(parts: &[&[u8]]) -> Parts {
    parts.iter().map(|part| part.to_vec()).collect()
}

/// So many names, in order.
pub(crate) fn names(count: usize) -> Vec<PipeId> {
    let mut pipes = Pipes::new();
    let mut name = || {
        let ((writer, _), (_, reader)) = (inproc(), inproc());
        pipes.insert(Pipe::new(writer, reader, Peer::default(), 0))
    };
    (0..count).map(|_| name()).collect()
}

/// Numbers without a pattern, the same every time (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
