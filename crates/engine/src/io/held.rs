// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers that applications hold back (`socket/holding.rs`), should they stay away.
//!
//! One promise per socket, however many peers it has: while it stands this thread looks from time
//! to time whether the application is at work, which sees to it itself that no answer gets old. If
//! it has gone away, everything that is queued is written here.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::thread::IoThread;
use crate::command::Order;
use crate::connection::{Connection, Pumped};
use crate::shared::SocketShared;
use crate::tuning::HELD_TICK;

/// A socket that has the promise.
#[derive(Debug)]
pub(crate) struct HeldLook {
    socket: Arc<SocketShared>,
    due: Instant,
    /// Answers the application had held back at the last look.
    count: u32,
    /// Nothing was held then.
    quiet: bool,
}

impl IoThread {
    /// A socket begins to hold answers back.
    pub(super) fn watch_held(&mut self, socket: Arc<SocketShared>) {
        self.held.push(HeldLook {
            count: socket.held.count.load(Relaxed),
            socket,
            due: self.now + HELD_TICK,
            quiet: false,
        });
    }

    /// When the next look is due.
    pub(super) fn next_held_look(&self) -> Option<Instant> {
        self.held.iter().map(|look| look.due).min()
    }

    pub(super) fn run_held(&mut self) {
        let mut index = 0;
        while let Some(look) = self.held.get_mut(index) {
            if look.due > self.now || look.is_kept(self.now) {
                index += 1;
                continue;
            }
            let socket = self.held.swap_remove(index).socket;
            self.take_promise_back(&socket);
        }
    }

    /// Takes the promise back and writes whatever was left under it. What is left from now on is
    /// left under a new one.
    fn take_promise_back(&mut self, socket: &SocketShared) {
        socket.held.promise.disarm();
        // Who saw the promise stand has said before that it holds something.
        if !socket.held.any.load(Relaxed) || socket.closed.load(SeqCst) {
            return;
        }
        let connections: Vec<_> = socket.connections().values().cloned().collect();
        for connection in connections {
            if self.sessions.contains_key(&connection.id) {
                self.guarded(connection.id, |thread| thread.write_left(connection.id));
            } else {
                have_written(&connection);
            }
        }
    }

    /// Writes what an application has left, and makes sure of what cannot be written now.
    fn write_left(&mut self, id: u64) {
        match self.pump(id) {
            Some(Pumped::Failed) => self.found_lost(id),
            Some(Pumped::Drained | Pumped::Offline) => {}
            Some(Pumped::Blocked) => {
                self.watch(id);
                self.register(id);
            }
            // Whoever is writing may have looked at the queue just before.
            Some(Pumped::Paused) | None => self.watch(id),
        }
    }
}

impl HeldLook {
    /// Whether the promise goes on: the application is at work, or was at the last look.
    fn is_kept(&mut self, now: Instant) -> bool {
        let held = &self.socket.held;
        let quiet = !held.any.load(Relaxed);
        let count = std::mem::replace(&mut self.count, held.count.load(Relaxed));
        let kept = if quiet {
            !self.quiet
        } else {
            self.count != count
        };
        self.quiet = quiet;
        self.due = now + HELD_TICK;
        kept
    }
}

/// A connection of another I/O thread.
fn have_written(connection: &Connection) {
    if connection.arming.arm() {
        connection.io.post(Order::Arm { id: connection.id });
    }
}
