// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ends of a socket's handshakes, kept for those who wait for them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferromq_vocabulary::{HandshakeFailure, HandshakePeer};

/// The end of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeEnd {
    /// The endpoint of ours: as it was connected to, or where it is bound.
    pub endpoint: String,
    /// Who the peer is, or why it is none.
    pub outcome: Result<HandshakePeer, HandshakeFailure>,
}

/// How many ends are kept for those who come later; the oldest go first.
pub const HANDSHAKES_KEPT: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    ends: Mutex<VecDeque<HandshakeEnd>>,
    changed: Condvar,
}

/// Why a wait has ended without an end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    InTime,
    Alive,
}

impl Handshakes {
    fn ends(&self) -> MutexGuard<'_, VecDeque<HandshakeEnd>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ended(&self, endpoint: String, outcome: Result<HandshakePeer, HandshakeFailure>) {
        let mut ends = self.ends();
        if ends.len() == HANDSHAKES_KEPT {
            ends.pop_front();
        }
        ends.push_back(HandshakeEnd { endpoint, outcome });
        drop(ends);
        self.changed.notify_all();
    }

    /// The context ends, or something else that waiters look at.
    pub(crate) fn look_up(&self) {
        // Whoever is between its look and its sleep has the lock.
        drop(self.ends());
        self.changed.notify_all();
    }

    /// The oldest end that nobody has taken; waits for one until the deadline, or while `alive`.
    pub(crate) fn take(
        &self,
        deadline: Option<Instant>,
        alive: impl Fn() -> bool,
    ) -> Result<HandshakeEnd, Nothing> {
        let mut ends = self.ends();
        loop {
            if !alive() {
                return Err(Nothing::Alive);
            }
            if let Some(end) = ends.pop_front() {
                return Ok(end);
            }
            ends = match deadline {
                None => self
                    .changed
                    .wait(ends)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now());
                    let left = left.filter(|left| !left.is_zero());
                    self.changed
                        .wait_timeout(ends, left.ok_or(Nothing::InTime)?)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}
