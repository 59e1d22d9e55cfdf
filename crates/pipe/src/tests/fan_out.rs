// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many queues, of which some get the same messages through the log and others copies.

use std::io::IoSlice;

use ferromq_message::Message;

use super::{Dice, rounds};
use crate::{Drain, Outgoing, Peer, Pipe, PipeId, Pipes, SLICES, inbound, outbound};

/// A pipe, and what should be and is in it.
struct Peered {
    id: PipeId,
    drain: Drain,
    /// What has been published, as it goes over the wire, from the first byte not accepted on.
    expected: Vec<u8>,
    messages: u64,
    bytes: u64,
    /// Ends of the messages that have not wholly been accepted, in all bytes published.
    ends: std::collections::VecDeque<u64>,
    accepted: u64,
    taken: u64,
    gone: bool,
}

struct Model {
    dice: Dice,
    pipes: Pipes,
    peers: Vec<Peered>,
    /// Whom messages go to most of the time.
    usual: Vec<usize>,
}

fn encode(out: &mut Vec<u8>, body: &[u8], more: bool) {
    let flags = if more {
        ferromq_message::frame::MORE
    } else {
        0
    };
    let (header, len) = ferromq_message::frame::encode(flags, body.len());
    out.extend_from_slice(&header[..len]);
    out.extend_from_slice(body);
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut model = Self {
            dice: Dice::new(seed),
            pipes: Pipes::new(),
            peers: Vec::new(),
            usual: Vec::new(),
        };
        for _ in 0..5 + model.dice.below(12) {
            model.attach();
        }
        model.usual = (0..model.peers.len()).collect();
        model
    }

    fn attach(&mut self) {
        let ((writer, drain), (_fill, reader)) = (outbound(), inbound(u64::MAX));
        let id = self
            .pipes
            .insert(Pipe::new(writer, reader, Peer::default(), 0));
        self.peers.push(Peered {
            id,
            drain,
            expected: Vec::new(),
            messages: 0,
            bytes: 0,
            ends: std::collections::VecDeque::new(),
            accepted: 0,
            taken: 0,
            gone: false,
        });
    }

    fn choose(&mut self) -> Vec<usize> {
        match self.dice.below(24) {
            // One misses a message, or gets one besides.
            0 => {
                let one = self.dice.below(self.peers.len());
                let mut chosen = self.usual.clone();
                match chosen.iter().position(|&at| at == one) {
                    Some(at) => drop(chosen.swap_remove(at)),
                    None => chosen.push(one),
                }
                chosen
            }
            // Others from now on.
            1 => {
                let dice = &mut self.dice;
                self.usual = (0..self.peers.len()).filter(|_| !dice.one_in(3)).collect();
                self.usual.clone()
            }
            _ => self.usual.clone(),
        }
    }

    fn publish(&mut self) {
        let mut chosen = self.choose();
        chosen.retain(|&at| !self.peers[at].gone);
        let ids: Vec<PipeId> = chosen.iter().map(|&at| self.peers[at].id).collect();
        let parts = if self.dice.one_in(3) {
            1 + self.dice.below(4)
        } else {
            1
        };
        let mut wire = Vec::new();
        for part in 1..=parts {
            let (more, body) = (part < parts, self.dice.body(200 * 1024));
            encode(&mut wire, &body, more);
            if ids.len() == 1 {
                self.pipes.push(ids[0], &mut Outgoing::Bytes(&body), more);
            } else if self.dice.one_in(2) {
                self.pipes
                    .push_to_all(&ids, &mut Outgoing::Bytes(&body), more);
            } else {
                let mut message = Message::from_vec(body);
                self.pipes
                    .push_to_all(&ids, &mut Outgoing::Message(&mut message), more);
            }
        }
        for at in chosen {
            let peer = &mut self.peers[at];
            peer.expected.extend_from_slice(&wire);
            peer.messages += 1;
            peer.bytes += wire.len() as u64;
            peer.ends.push_back(peer.bytes);
        }
    }

    fn pump(&mut self) {
        let at = self.dice.below(self.peers.len());
        let peer = &mut self.peers[at];
        let unit = if self.dice.one_in(2) {
            1 + self.dice.below(70_000)
        } else {
            0
        };
        let mut out = [IoSlice::new(&[]); SLICES];
        let (count, bytes) = peer.drain.slices(&mut out, unit);
        assert_eq!(bytes == 0, peer.expected.is_empty());
        let mut offered = Vec::new();
        out[..count]
            .iter()
            .for_each(|piece| offered.extend_from_slice(piece));
        assert!(offered == peer.expected[..bytes], "what was sent");
        let accepted = if self.dice.one_in(3) {
            self.dice.below(bytes + 1)
        } else {
            bytes
        };
        if self.dice.one_in(4) {
            self.publish();
        }
        let peer = &mut self.peers[at];
        peer.drain.accept(accepted);
        peer.expected.drain(..accepted);
        peer.accepted += accepted as u64;
        while peer.ends.front().is_some_and(|&end| end <= peer.accepted) {
            peer.ends.pop_front();
            peer.taken += 1;
        }
        drop(peer.drain.take_finished());
    }

    fn check(&self) {
        for peer in &self.peers {
            assert_eq!(peer.drain.taken(), peer.taken);
            assert_eq!(peer.drain.is_drained(), peer.expected.is_empty());
            if let Some(pipe) = self.pipes.get(peer.id).filter(|_| !peer.gone) {
                assert_eq!(pipe.writer.messages(), peer.messages);
                assert_eq!(pipe.writer.bytes(), peer.bytes);
                assert_eq!(pipe.writer.taken(), peer.taken);
            }
        }
    }

    fn release(&mut self) {
        let at = self.dice.below(self.peers.len());
        let peer = &mut self.peers[at];
        if let Some((pipe, pool)) = self.pipes.with_pool(peer.id).filter(|_| !peer.gone) {
            pipe.writer.release(&mut peer.drain, pool);
        }
    }

    fn step(&mut self) {
        match self.dice.below(40) {
            0..=19 => self.publish(),
            20..=36 => self.pump(),
            37 => self.release(),
            38 if self.peers.len() < 24 => self.attach(),
            39 if self.dice.one_in(3) => {
                let at = self.dice.below(self.peers.len());
                if !std::mem::replace(&mut self.peers[at].gone, true) {
                    drop(self.pipes.remove(self.peers[at].id));
                }
            }
            _ => {}
        }
    }

    /// What waits is there to the last byte, whatever has become of the socket.
    fn finish(mut self) {
        if self.dice.one_in(2) {
            self.pipes = Pipes::new();
        }
        for peer in &mut self.peers {
            while !peer.expected.is_empty() {
                let mut out = [IoSlice::new(&[]); SLICES];
                let (count, bytes) = peer.drain.slices(&mut out, 0);
                let mut offered = Vec::new();
                out[..count]
                    .iter()
                    .for_each(|piece| offered.extend_from_slice(piece));
                assert!(offered == peer.expected[..bytes]);
                peer.drain.accept(bytes);
                peer.expected.drain(..bytes);
            }
            assert!(peer.drain.is_drained());
            assert_eq!(peer.drain.taken(), peer.messages);
        }
    }
}

#[test]
fn everybody_gets_what_was_meant_for_them() {
    for seed in 0..rounds(150) {
        let mut model = Model::new(seed);
        for _ in 0..200 {
            model.step();
            model.check();
        }
        model.finish();
    }
}

#[test]
fn messages_to_the_same_many_are_written_once() {
    let mut model = Model::new(1);
    while model.peers.len() < 8 {
        model.attach();
    }
    let ids: Vec<PipeId> = model.peers.iter().map(|peer| peer.id).collect();
    for n in 1..=20u64 {
        model
            .pipes
            .push_to_all(&ids, &mut Outgoing::Bytes(b"abcdef"), false);
        let logged = model.pipes.logged();
        assert_eq!(logged.is_some(), n >= 8, "{n}");
    }
    let before = model.pipes.logged().unwrap();
    // One gets something of its own.
    model
        .pipes
        .push(ids[0], &mut Outgoing::Bytes(b"own"), false);
    model
        .pipes
        .push_to_all(&ids, &mut Outgoing::Bytes(b"abcdef"), false);
    let after = model.pipes.logged().unwrap();
    assert_ne!(before.generation, after.generation);
    // One is left out: the others go on without it.
    model
        .pipes
        .push_to_all(&ids[1..], &mut Outgoing::Bytes(b"abcdef"), false);
    assert!(model.pipes.logged().is_some());
    // It comes in again, with copies at first.
    model
        .pipes
        .push_to_all(&ids, &mut Outgoing::Bytes(b"abcdef"), false);
    assert_eq!(model.pipes.logged(), None);
    for peer in &model.peers {
        let messages = 23;
        assert_eq!(
            model.pipes.get(peer.id).unwrap().writer.messages(),
            messages
        );
    }
}
