// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers by routing id.

use std::collections::HashMap;

use ferromq_pipe::{PipeId, Pipes};

use crate::routing_id::RoutingId;

/// Which pipe leads to which routing id, and back.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    pipes: HashMap<RoutingId, PipeId>,
    /// By the pipe's index.
    ids: Vec<Option<RoutingId>>,
    next: u32,
    /// The peer for which there was no room when a message was refused.
    refused: Option<PipeId>,
}

impl Routes {
    /// Numbers given out begin with `seed`.
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            next: seed,
            ..Self::default()
        }
    }

    /// A routing id for a peer that has none: a zero and four bytes, as libzmq makes them.
    pub(crate) fn make_id(&mut self) -> [u8; 5] {
        loop {
            let [a, b, c, d] = self.make_number().to_be_bytes();
            let id = [0, a, b, c, d];
            if !self.pipes.contains_key(&id[..]) {
                return id;
            }
        }
    }

    /// A number that is not in use. Zero is none.
    pub(crate) fn make_number(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if self.next != 0 && !self.pipes.contains_key(&self.next.to_be_bytes()[..]) {
                return self.next;
            }
        }
    }

    /// There is no room for a message to this peer.
    pub(crate) fn refuse(&mut self, id: PipeId) {
        self.refused = Some(id);
    }

    /// Whether the peer refused last has room now, or has gone.
    pub(crate) fn has_room_again(&self, pipes: &mut Pipes) -> bool {
        self.refused.is_none_or(|id| pipes.has_room(id))
    }

    /// Gives a pipe its routing id, which nobody else must have.
    pub(crate) fn insert(&mut self, routing_id: &[u8], id: PipeId) {
        let routing_id = RoutingId::from(routing_id);
        if self.ids.len() <= id.index() {
            self.ids.resize(id.index() + 1, None);
        }
        self.pipes.insert(routing_id.clone(), id);
        self.ids[id.index()] = Some(routing_id);
    }

    /// Takes a pipe's routing id back; what it was.
    pub(crate) fn remove(&mut self, id: PipeId) -> Option<RoutingId> {
        if self.refused == Some(id) {
            self.refused = None;
        }
        let routing_id = self.ids.get_mut(id.index())?.take()?;
        self.pipes.remove(&routing_id[..]);
        Some(routing_id)
    }

    pub(crate) fn find(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.pipes.get(routing_id).copied()
    }

    /// The routing id of a pipe; `None` if it is not known.
    pub(crate) fn id_of(&self, id: PipeId) -> Option<&[u8]> {
        self.ids.get(id.index())?.as_deref()
    }

    pub(crate) fn pipes(&self) -> impl Iterator<Item = PipeId> + '_ {
        self.pipes.values().copied()
    }
}
