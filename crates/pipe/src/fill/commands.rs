// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is kept of the commands among the messages: who has seen to which, and what they cost while they wait.

use std::ops::Range;

use super::generations::Unseen;
use crate::pool::{HEAD, LEAST};

/// Absent as long as no command has come: most connections bring none.
#[derive(Default)]
pub(super) struct Commands {
    /// Commands before this position have been claimed, or walks have told of them.
    claimed: u64,
    /// Where beyond it walks have told of commands: from, to.
    told: Vec<(u64, u64)>,
    /// Bytes of commands that walks have passed and nobody has claimed.
    unclaimed: u64,
    /// Where connections began before which there are unclaimed commands: each has a chunk.
    beginnings: Vec<u64>,
    /// Connections that the reader may not have come to. Absent as long as every connection counts.
    pub(super) unseen: Option<Box<Unseen>>,
}

impl Commands {
    /// Whether a command at this position is to be told of.
    pub(super) fn is_new(&self, position: u64) -> bool {
        position >= self.claimed
    }

    /// Memory that commands hold which have been read, and which nobody has claimed.
    pub(super) fn memory(&self) -> u64 {
        self.unclaimed + (self.beginnings.len() * (HEAD + LEAST)) as u64
    }

    /// Connections after which another one has begun, as far as there are commands of theirs that nobody has claimed.
    pub(super) fn ended(&self) -> usize {
        self.beginnings.len()
    }

    /// A walk has passed a command.
    pub(super) fn pass(&mut self, body_len: u64) {
        self.unclaimed += cost(body_len);
        if let Some(unseen) = &mut self.unseen {
            unseen.costs += cost(body_len);
        }
    }

    /// A walk has told of every command from a place on up to another; whether there were any.
    pub(super) fn tell(&mut self, from: u64, to: u64, any: bool) {
        match self.told.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ if any => self.told.push((from, to)),
            _ => {}
        }
    }

    /// See [`Fill::claim`](super::Fill::claim); walks have come as far as `scanned`.
    pub(super) fn claim(&mut self, position: u64, body_len: usize, scanned: u64) -> bool {
        if position < self.claimed {
            return false;
        }
        if position < scanned {
            self.unclaimed = self.unclaimed.saturating_sub(cost(body_len as u64));
        }
        let told = self
            .told
            .iter()
            .any(|&(from, to)| from <= position && position < to);
        self.claimed = position + 1;
        self.forget_told(position + 1);
        self.forget_beginnings(0..position + 1);
        !told
    }

    /// The reader has come so far.
    pub(super) fn forget_told(&mut self, position: u64) {
        self.told.retain(|&(_, to)| to > position);
    }

    /// The commands in a part of the stream, which cost so much, are gone.
    pub(super) fn drop_part(&mut self, part: Range<u64>, costs: u64) {
        self.unclaimed = self.unclaimed.saturating_sub(costs);
        self.forget_beginnings(part);
    }

    /// A connection begins here. What lies before it is kept by its chunk.
    pub(super) fn begin(&mut self, position: u64) {
        if self.unclaimed > 0 {
            self.beginnings.push(position);
        }
    }

    /// The commands in a part of the stream are unclaimed no more.
    fn forget_beginnings(&mut self, part: Range<u64>) {
        let left = self.unclaimed > 0;
        self.beginnings.retain(|at| left && !part.contains(at));
    }
}

/// What a command with so many bytes of body costs while it waits, roughly.
fn cost(body_len: u64) -> u64 {
    body_len.saturating_add(16)
}
