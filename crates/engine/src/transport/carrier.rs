// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transports without connections: datagrams out of one queue and into another.
//!
//! A [`Carrier`] belongs to one I/O thread, which visits it whenever something may have changed: a socket
//! is readable or has room, the application has left something in the queue or has made room in it, time has
//! passed. It has no peers to connect to or to lose, so that nothing of the life of a connection applies.

use std::fmt::Debug;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ferromq_os::datagram::Datagram;
use ferromq_pipe::{Drain, FillFault, Seen};

use crate::connection::Connection;
use crate::multicast::MulticastStatistics;
use crate::tuning::{ABSORB_BYTES, ABSORB_CLOSELY};

/// See the module documentation.
pub(crate) trait Carrier: Debug + Send {
    /// What the I/O thread is to wait for.
    fn sockets(&self) -> Vec<Waiting<'_>>;

    /// Sends and receives what can be sent and received now.
    fn visit(&mut self, now: Instant, drain: &mut Drain, inlet: &mut Inlet<'_>) -> Visit;

    /// When to come again in any case.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The queue is empty, or what is left in it is given up: ends what there is to end, until the deadline.
    fn close(&mut self, now: Instant, deadline: Option<Instant>);

    /// Whether it has ended.
    fn is_closed(&self) -> bool;

    /// Counters, where there are any.
    fn statistics(&self) -> Option<MulticastStatistics> {
        None
    }
}

/// A socket, and what is to be waited for there: room where nothing is sent is there always, and a wait for it none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) socket: &'a Datagram,
    /// Something to read, unless the visit [holds](Visit::held) or [rests](Visit::rests).
    pub(crate) reads: bool,
    /// Room, if the visit [wants](Visit::wants_room) it.
    pub(crate) writes: bool,
}

/// What a visit has come to.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent answers, each of which any other may come with"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Visit {
    /// There is more to do at once, but it is somebody else's turn.
    pub(crate) more: bool,
    /// The kernel takes no more for now.
    pub(crate) wants_room: bool,
    /// What is queued has to wait, and a timer tells until when.
    pub(crate) full: bool,
    /// Messages wait for the application to make room.
    pub(crate) stalled: bool,
    /// Nothing more is to be read until it has.
    pub(crate) held: bool,
    /// Sockets are to be looked at when a timer says so, not when something has come.
    pub(crate) rests: bool,
    /// Packets that are lost for good, found out in this visit.
    pub(crate) lost: u64,
}

/// The way into the application's queue.
#[derive(Debug)]
pub(crate) struct Inlet<'a> {
    connection: &'a Connection,
    /// Whole messages, not handed on yet.
    frames: &'a mut Vec<u8>,
    /// Messages that may still be handed on, as of the last look.
    room: u64,
    /// The application has gone.
    closed: bool,
    came: bool,
}

impl<'a> Inlet<'a> {
    pub(crate) fn new(connection: &'a Connection, frames: &'a mut Vec<u8>, closed: bool) -> Self {
        frames.clear();
        let mut inlet = Self {
            connection,
            frames,
            room: u64::MAX,
            closed,
            came: false,
        };
        inlet.look();
        inlet
    }

    /// Where whole messages are appended, in our framing; see [`handed`](Self::handed).
    pub(crate) fn frames(&mut self) -> &mut Vec<u8> {
        self.frames
    }

    /// Messages have been appended. They are handed on in batches, unless little may wait.
    pub(crate) fn handed(&mut self) -> Result<(), FillFault> {
        if self.frames.len() >= ABSORB_BYTES || self.room < ABSORB_CLOSELY {
            return self.flush();
        }
        Ok(())
    }

    /// Hands on what has been appended.
    pub(crate) fn flush(&mut self) -> Result<(), FillFault> {
        if self.frames.is_empty() {
            return Ok(());
        }
        if self.closed {
            self.frames.clear();
            return Ok(());
        }
        self.came = true;
        let mut rx = self.connection.wait_rx();
        // There are no commands in it that anybody would have to see to.
        let absorbed = rx.fill.absorb(self.frames, &mut |_: Seen<'_>| {});
        if absorbed.is_err() {
            // The next message has its own chance.
            rx.fill.begin_generation();
        }
        drop(rx);
        self.connection.count_read(self.frames.len());
        self.frames.clear();
        self.look();
        absorbed
    }

    /// Looks how much room there is by now.
    pub(crate) fn look(&mut self) {
        let limit = self.connection.receive_limit.load(Relaxed);
        let waiting = self.connection.wait_rx().fill.waiting();
        self.room = limit.saturating_sub(waiting);
    }

    /// The high-water mark is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Whether anything has been handed on.
    pub(crate) fn has_come(&self) -> bool {
        self.came
    }
}
