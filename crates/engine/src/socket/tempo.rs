// SPDX-License-Identifier: MIT OR Apache-2.0
//! What share of a thread's time goes into writes of its own, whichever sockets and connections they are for.
//!
//! Somebody who sends with many sockets, or to many peers, in turn would otherwise find each of them idle, and make a
//! system call for each message. What a burst has left to the I/O thread the thread writes itself if it comes to wait for
//! something before that has woken up: on another socket, say.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use ferromq_os::clock::ticks;
use ferromq_os::process;

use crate::command::Order;
use crate::connection::{Connection, Extent, Pumped};
use crate::tuning::BURST_CREDITS;

/// Ends of bursts that a thread remembers; the others are the I/O thread's alone.
const TAILS: usize = 8;

/// Connections that this thread has left the end of a burst to the I/O thread for.
#[derive(Default)]
struct Tails {
    /// In which process: a fork has no business with them.
    born_at: u32,
    connections: Vec<Weak<Connection>>,
}

thread_local! {
    static LAST_WRITE: Cell<u64> = const { Cell::new(0) };
    static CREDITS: Cell<u32> = const { Cell::new(BURST_CREDITS) };
    static LEFT: RefCell<Tails> = const {
        RefCell::new(Tails {
            born_at: 0,
            connections: Vec::new(),
        })
    };
}

/// The I/O thread has been told to look after the end of a burst.
pub(super) fn leave(connection: &Arc<Connection>) {
    // A thread that is ending keeps nothing more.
    let _ended = LEFT.try_with(|left| {
        let mut left = left.borrow_mut();
        let now = process::fork_generation();
        if left.born_at != now {
            left.connections.clear();
            left.born_at = now;
        }
        let is_there = |one: &Weak<Connection>| std::ptr::eq(one.as_ptr(), Arc::as_ptr(connection));
        if left.connections.len() < TAILS && !left.connections.iter().any(is_there) {
            left.connections.push(Arc::downgrade(connection));
        }
    });
}

/// The thread is going to wait: writes what it has left, unless somebody has done so.
pub(super) fn write_what_is_left() {
    // What is written may free messages, and whoever is told of that may send others.
    let taken = LEFT.try_with(|left| {
        let mut left = left.borrow_mut();
        (!left.connections.is_empty()).then(|| std::mem::take(&mut *left))
    });
    let Ok(Some(mut left)) = taken else {
        return;
    };
    if left.born_at == process::fork_generation() {
        left.connections
            .retain(|connection| connection.upgrade().is_some_and(|one| write_tail(&one)));
    } else {
        left.connections.clear();
    }
    let _ended = LEFT.try_with(|now| {
        let mut now = now.borrow_mut();
        left.connections.append(&mut now.connections);
        left.connections.truncate(TAILS);
        *now = left;
    });
}

/// Whether the I/O thread's promise holds afterwards, so that others may lie there when this thread waits again.
fn write_tail(connection: &Connection) -> bool {
    if !connection.arming.covers() {
        return false;
    }
    if connection.blocked.load(Relaxed) {
        return true;
    }
    let Some(mut tx) = connection.try_tx() else {
        return true;
    };
    let pumped = connection.pump(&mut tx, Extent::All);
    let finished = tx.drain.take_finished();
    drop(tx);
    drop(finished);
    let now = ticks();
    connection.note_flush(now);
    note_write(now);
    if pumped == Pumped::Failed {
        connection.io.post(Order::Lost { id: connection.id });
    }
    true
}

/// When this thread last wrote for itself, in ticks of the clock.
pub(super) fn last_write() -> u64 {
    LAST_WRITE.get()
}

/// It has written just now.
pub(super) fn note_write(at: u64) {
    LAST_WRITE.set(at);
}

/// It has not written for a while, or has waited for something: a burst that follows may begin with writes again.
pub(super) fn begin_burst() {
    CREDITS.set(BURST_CREDITS);
}

/// Whether a message at the beginning of a burst may be written at once: some may.
pub(super) fn take_credit() -> bool {
    let left = CREDITS.get();
    CREDITS.set(left.saturating_sub(1));
    left > 0
}
