// SPDX-License-Identifier: MIT OR Apache-2.0
//! What share of a thread's time goes into writes of its own, whichever sockets and connections they are for.
//!
//! Somebody who sends with many sockets, or to many peers, in turn would otherwise find each of them idle, and make a
//! system call for each message.

use std::cell::Cell;

use crate::tuning::BURST_CREDITS;

thread_local! {
    static LAST_WRITE: Cell<u64> = const { Cell::new(0) };
    static CREDITS: Cell<u32> = const { Cell::new(BURST_CREDITS) };
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
