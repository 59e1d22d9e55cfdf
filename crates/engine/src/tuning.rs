// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every number that was chosen, with the reason for it. The measurements are in `ARCHITECTURE.md`.

use std::time::Duration;

/// Bytes that gather before a sending call writes them: one write of 64 KiB costs twice one of
/// 64 bytes.
pub(crate) const FLUSH_BYTES: u64 = 64 * 1024;

/// How long a sending call that has a batch to write tries again when the kernel takes no more,
/// before it lets the queue grow: a queue that stays short stays in the caches.
pub(crate) const INSIST_US: u64 = 40;

/// Between two writes a sending call makes on its own account lie at least this many microseconds,
/// and twice what the last write cost, so that at most a third of its time goes into them.
pub(crate) const FLUSH_GAP_US: u64 = 4;

/// Messages at the beginning of a burst that the sending call writes itself before it wakes the
/// I/O thread: a write costs a fifth of a wake-up.
pub(crate) const BURST_CREDITS: u32 = 2;

/// Up to so many peers a message that goes to several is written as one that goes to one.
pub(crate) const FEW_PEERS: usize = 4;
/// Microseconds that a sending call writes to many peers in turn, then not for twice as long.
pub(crate) const FAN_OUT_US: u64 = 20;

/// While messages stream and the I/O thread has promised to look, the caller's own writes lie
/// further apart: so many times [`FLUSH_GAP_US`], and so many times what the last one cost.
pub(crate) const STREAM_GAP: u64 = 3;
/// See [`STREAM_GAP`].
pub(crate) const STREAM_COST: u64 = 4;
/// So many short messages of a stream need no look at the clock.
pub(crate) const AHEAD: u64 = 16;
/// Shorter than this is short: one byte says how long it is.
pub(crate) const SHORT: usize = 256;

/// While sends come fast, only each so-many-th looks at the clock.
pub(crate) const CLOCK_MASK: u32 = 15;

/// How long a receive looks again and again before it sleeps: about the price of a wake-up across
/// CPUs.
pub(crate) const SPIN_US: u64 = 50;
/// Learned worth of spinning, from 0 to this; a hit is one up, a miss one down.
pub(crate) const SPIN_SCORE_MAX: u32 = 16;
/// With a worth of 0, one wait in so many tries all the same.
pub(crate) const SPIN_PROBE_MASK: u32 = 15;

/// First look of an I/O thread after a burst it was woken for.
pub(crate) const TICK_FIRST: Duration = Duration::from_micros(50);
/// Its looks come at most this far apart while messages flow: the longest a tail may lie.
pub(crate) const TICK_MAX: Duration = Duration::from_millis(1);
/// With more connections than this to look at they come less often, so that looking takes a
/// bounded share of the thread.
pub(crate) const TICK_CONNECTIONS: u32 = 16;
/// And this far apart while it waits for the end of the flow.
pub(crate) const TICK_QUIET_MAX: Duration = Duration::from_micros(250);
/// An I/O thread that was woken onto the sender's own CPU gives it away for this long.
pub(crate) const YIELD_US: u64 = 20;
/// Looks at a socket whose application has stopped reading.
pub(crate) const LEASE_TICK: Duration = Duration::from_millis(5);

/// What one read from the kernel is offered in the background.
pub(crate) const SCRATCH: usize = 256 * 1024;
/// Most bytes one visit to a connection moves before the next one has its turn.
pub(crate) const VISIT_BYTES: usize = 256 * 1024;

/// Receives between two looks at commands and other connections.
pub(crate) const HOUSEKEEPING_MASK: u32 = 63;

/// A read of fewer bytes is looked through for commands at once; behind a larger one the I/O
/// thread does it, should the application take its time.
pub(crate) const PILE_BYTES: usize = 4096;

/// A full queue is looked at again by a send that does not wait once in this time; a tight loop
/// must see it full.
pub(crate) const REFRESH: Duration = Duration::from_millis(1);

/// Between two attempts to accept when the process has no descriptors left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections accepted in one visit to a listener.
pub(crate) const ACCEPT_BATCH: usize = 64;

/// To the next look at input that could not be read because the application was reading.
pub(crate) const READ_TICK: Duration = Duration::from_millis(1);
/// Looks at a connection whose peer has gone while the application was reading.
pub(crate) const TRAIL_TICK: Duration = Duration::from_millis(1);
/// Looks at a closing connection whose peer has not acknowledged everything.
pub(crate) const CLOSE_TICK: Duration = Duration::from_millis(1);
/// They come at most this far apart.
pub(crate) const CLOSE_TICK_MAX: Duration = Duration::from_millis(50);
