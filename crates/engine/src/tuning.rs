// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every number that was chosen, with the reason for it. The measurements are in `ARCHITECTURE.md`.

use std::time::Duration;

/// Bytes that gather at most before a sending call writes them: one write of 64 KiB costs twice one
/// of 64 bytes. Over TCP it is as many whole segments as fit: where the kernel paces segments a rest
/// that takes one of its own makes a write four times as dear.
pub(crate) const BATCH_BYTES: u32 = 64 * 1024;

/// How many batches are written at once of messages of this mean size. The more, the fewer meetings with a
/// receiver that reads meanwhile; but short messages are still to be walked by then, and must lie in the caches.
pub(crate) const fn batches_at_once(mean: u64) -> u32 {
    match mean {
        ..192 => 1,
        192..2048 => 2,
        _ => 4,
    }
}

/// How long a sending call that has a batch to write tries again when the kernel takes no more,
/// before it lets the queue grow: a queue that stays short stays in the caches.
pub(crate) const INSIST_US: u64 = 40;

/// Between two writes a sending call makes on its own account lie at least this many microseconds,
/// and twice what the last write cost, so that at most a third of its time goes into them.
pub(crate) const FLUSH_GAP_US: u64 = 4;

/// Messages at the beginning of a burst that the sending call writes itself before it wakes the
/// I/O thread: a write costs a fifth of a wake-up.
pub(crate) const BURST_CREDITS: u32 = 4;

/// Messages to a peer that come further apart than this do not gain from waiting for each other: in a burst to many peers
/// each is written by the sending call.
pub(crate) const FREQUENT_US: u64 = 1000;

/// A burst of more messages than this is long: the I/O thread is woken at the beginning of the next.
pub(crate) const LONG_BURST: u64 = 8;

/// An answer is held back at most so long for others to go with it, as long as the application is at
/// work: by then a crowd that has sent dozens of requests each has had its turns.
pub(crate) const HELD_US: u64 = 4000;
/// While answers come fast, only each so-many-th looks at the clock.
pub(crate) const HOLD_CLOCK_MASK: u32 = 7;
/// If the application is not at work, the I/O thread writes what has been held; it looks as often.
pub(crate) const HELD_TICK: Duration = Duration::from_millis(1);

/// Up to so many peers a message that goes to several is written as one that goes to one.
pub(crate) const FEW_PEERS: usize = 4;
/// Microseconds that a sending call writes to many peers in turn, then not for twice as long.
pub(crate) const FAN_OUT_US: u64 = 20;

/// While messages stream and the I/O thread has promised to look, the caller's own writes lie
/// further apart: so many times [`FLUSH_GAP_US`], and so many times what the last one cost.
pub(crate) const STREAM_GAP: u64 = 3;
/// See [`STREAM_GAP`].
pub(crate) const STREAM_COST: u64 = 4;
/// At most so many messages of a stream need no look at the clock.
pub(crate) const AHEAD: u32 = 64;

/// While sends come fast, only each so-many-th looks at the clock.
pub(crate) const CLOCK_MASK: u32 = 15;

/// How long a receive looks again and again before it sleeps: about the price of a wake-up across
/// CPUs.
pub(crate) const SPIN_US: u64 = 50;
/// A receiver that has read this much or more at once lets as much gather again before it looks
/// anew: each look takes the lock under which the kernel delivers.
pub(crate) const GATHER_MOST: u64 = 64 * 1024;
/// How fast it takes bytes to come, per microsecond.
pub(crate) const GATHER_PER_US: u64 = 8 * 1024;
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
/// A sender that has written so short a time ago is taken to be writing on.
pub(crate) const ATTENDED_US: u64 = 30;
/// To the next look at a connection whose sender does.
pub(crate) const ATTENDED_TICK: Duration = Duration::from_micros(250);
/// After so many looks in a row that found all written it is looked at no more: each costs the sender
/// a change of threads if they share a CPU.
pub(crate) const ATTENDED_LOOKS: u8 = 8;
/// Looks at a socket whose application has stopped reading.
pub(crate) const LEASE_TICK: Duration = Duration::from_millis(20);
/// So many more of them if it is reading other sockets meanwhile.
pub(crate) const LEASE_ELSEWHERE: u8 = 4;

/// What one read from the kernel is offered in the background.
pub(crate) const SCRATCH: usize = 256 * 1024;
/// Most bytes one visit to a connection moves before the next one has its turn.
pub(crate) const VISIT_BYTES: usize = 256 * 1024;

/// Connections are read as long as less than this waits to be received, or fewer than
/// [`TURNS_LEAST`] peers have their turns: what is left in the kernel for a while comes in one read,
/// and what is read stays in the caches.
pub(crate) const READ_AHEAD: usize = 64 * 1024;
/// See [`READ_AHEAD`].
pub(crate) const TURNS_LEAST: usize = 32;
/// With so many connections that may have input more of them need not be looked for.
pub(crate) const HOT_MOST: usize = 128;

/// Under chaos, how often others may have the processor between two looks: some microseconds.
pub(crate) const MEANWHILE: u32 = 32;

/// Receives between two looks at commands and other connections.
pub(crate) const HOUSEKEEPING_MASK: u32 = 63;

/// What one read is offered that is only to tell whether there is a message.
pub(crate) const GLANCE_BYTES: usize = 4032;
/// The same of one of a crowd of connections, whose bytes then lie in a block made to their size: a
/// slab for each would be as many cold ones. What streams more gets a slab all the same.
pub(crate) const CROWD_BYTES: usize = 64 * 1024;

/// A read of fewer bytes is looked through for commands at once; behind a larger one the I/O
/// thread does it, should the application take its time.
pub(crate) const PILE_BYTES: usize = 4096;

/// A full queue is looked at again by a send that does not wait once in so many microseconds; a
/// tight loop must see it full.
pub(crate) const REFRESH_US: u64 = 1000;

/// With a high-water mark of so many messages or more, a batch that was written counts as room at
/// once, to the last message.
pub(crate) const STREAM_MARK: u64 = 1000;

/// Between two attempts to accept when the process has no descriptors left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long an unbind waits at most for the I/O thread to have let its connections go.
pub(crate) const UNLISTEN_PATIENCE: Duration = Duration::from_secs(1);
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

/// Bytes of commands read for an application that does not look. PINGs and PONGs are seldom among them: the
/// I/O thread sees to them and keeps nothing.
pub(crate) const COMMANDS_MOST: u64 = 64 << 10;
/// The same where they are subscriptions: what a million topics of 20 bytes need in some rounds.
pub(crate) const SUBSCRIPTIONS_MOST: u64 = 1 << 20;
/// An application that publishes, and stays away, is told afterwards what the last peers had subscribed to that have come
/// and gone: so many.
pub(crate) const PASSED_MOST: usize = 64;
/// Bytes of messages read for a socket that receives none, whatever its mark says: a peer that has sent a flood of
/// subscriptions and gone is found out only behind them.
pub(crate) const INPUT_LEAST: u64 = 16 << 10;
/// Bytes of commands for a peer that takes none: it gets no PONGs beyond that.
pub(crate) const PONGS_MOST: usize = 16 << 10;
/// Datagrams that one visit to a transport of datagrams moves before others have their turn.
pub(crate) const DATAGRAM_VISIT: u64 = 512;
/// What the kernel keeps of datagrams while this thread looks after somebody else, bytes with its own overhead, if the
/// application has not chosen: some milliseconds of a fast sender, or the time slice of somebody who has the processor.
pub(crate) const DATAGRAM_RECEIVE_BUFFER: i32 = 8 << 20;
/// So many packets in such a time make a dense stream, which is not waited for packet by packet.
pub(crate) const DENSE_PACKETS: u64 = 32;
pub(crate) const DENSE_TIME: Duration = Duration::from_millis(1);
/// How long to leave a dense stream alone: as network cards moderate their interrupts. A wake-up and the way into a sleep cost
/// some microseconds each, on the CPU of the sender too.
pub(crate) const REST: Duration = Duration::from_micros(50);
/// With so many packets in [`DENSE_TIME`] two processors have little time for anything else: a longer rest, of which there are fewer,
/// is a twentieth less of it, and what waits in queues on the way takes longer than the rest.
pub(crate) const VERY_DENSE_PACKETS: u64 = 128;
pub(crate) const LONG_REST: Duration = Duration::from_micros(150);
/// How old the counters of a busy multicast endpoint may be.
pub(crate) const STATISTICS_TICK: Duration = Duration::from_millis(20);
/// Messages from datagrams are handed on in batches of about so many bytes: a lock and a wake-up each.
pub(crate) const ABSORB_BYTES: usize = 16 * 1024;
/// With less room than this for messages they are handed on datagram by datagram, lest the high-water mark be
/// overshot by much.
pub(crate) const ABSORB_CLOSELY: u64 = 256;
