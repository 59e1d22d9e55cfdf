// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection's life, as its I/O thread knows it.
//!
//! ```text
//!  connect ──► Resolving ──► Connecting ──► Greeting ──► Ready ──► Trailing
//!                  ▲             ▲             ▲            │          │
//!                  └── Waiting ◄─┴─────────────┼────────────┴──────────┤ (connecting side)
//!  accept ─────────────────────────────────────┘                       ▼
//!                                                                    (gone)
//! ```
//! *Proxying*, between Connecting and Greeting: a SOCKS5 proxy is told where to connect to.
//! *Trailing*: the peer has gone, but what it sent before has not all been read, for the queue is
//! at its high-water mark. A session that is closing goes on in its state until its queue is
//! empty or its linger is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromq_os::epoll::Interest;
use ferromq_os::stream::Stream;
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::handshake::Handshake;
use ferromq_zmtp::heartbeat::Heartbeat;

use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::transport::Target;
use crate::transport::socks::Socks;
use crate::tuning::TICK_FIRST;

/// Where a connection comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    Connected(Box<Target>),
    /// The listener that accepted it.
    Accepted(u64),
}

#[derive(Debug)]
pub(crate) enum State {
    /// A name is being looked up.
    Resolving,
    Connecting,
    /// A proxy is being told where to connect to.
    Proxying(Box<Socks>),
    Greeting(Box<Greeting>),
    Ready,
    /// The peer has gone; input remains to be read.
    Trailing,
    /// Until the next attempt.
    Waiting,
}

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) handshake: Handshake,
    /// What came behind the peer's last word while an authenticator is being asked.
    pub(crate) rest: Vec<u8>,
    /// The question to an authenticator that waits for an answer.
    pub(crate) question: u64,
}

/// The promise to look at a connection again.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) due: Instant,
    pub(crate) tick: Duration,
    quiet: u8,
    taken: u64,
    flushes: u32,
}

impl Watch {
    pub(crate) fn new(now: Instant, taken: u64, flushes: u32) -> Self {
        Self {
            due: now + TICK_FIRST,
            tick: TICK_FIRST,
            quiet: 0,
            taken,
            flushes,
        }
    }

    /// What has happened since the last look: whether the application has stopped leaving things
    /// behind for two looks in a row.
    pub(crate) fn look(&mut self, now: Instant, taken: u64, flushes: u32, crowd: u32) -> bool {
        use crate::tuning::{TICK_CONNECTIONS, TICK_MAX, TICK_QUIET_MAX};
        let stretch = crowd.div_ceil(TICK_CONNECTIONS).max(1);
        let messages = taken - self.taken;
        let own = u64::from(flushes.wrapping_sub(self.flushes));
        self.taken = taken;
        self.flushes = flushes;
        // A sender that writes each message itself leaves nothing to look after.
        if messages > own + 1 {
            self.quiet = 0;
            self.tick = (self.tick * 2).min(TICK_MAX * stretch);
        } else {
            self.quiet = self.quiet.saturating_add(1);
            self.tick = (self.tick * 2).min(TICK_QUIET_MAX * stretch);
        }
        self.due = now + self.tick;
        self.quiet >= 2
    }

    /// Something was there after all.
    pub(crate) fn go_on(&mut self, now: Instant) {
        self.quiet = 0;
        self.tick = TICK_FIRST;
        self.due = now;
    }
}

/// A session that is to end once its queue is empty.
#[derive(Debug)]
pub(crate) struct Closing {
    /// When it ends in any case.
    pub(crate) deadline: Option<Instant>,
    /// When to look how far it is.
    pub(crate) look_at: Option<Instant>,
    pub(crate) tick: Duration,
    pub(crate) shut: bool,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) socket: Arc<SocketShared>,
    pub(crate) options: Arc<SocketOptions>,
    pub(crate) origin: Origin,
    pub(crate) state: State,
    /// Absent until a peer is there, for connections that make their pipe then.
    pub(crate) connection: Option<Arc<Connection>>,
    pub(crate) stream: Option<Arc<Stream>>,
    /// Addresses of a name that are still to be tried.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) peer_address: String,
    pub(crate) peer_routing_id: Option<Vec<u8>>,
    pub(crate) handshake_deadline: Option<Instant>,
    pub(crate) connect_deadline: Option<Instant>,
    pub(crate) retry_at: Option<Instant>,
    /// The last wait before a new attempt.
    pub(crate) backoff: Option<Duration>,
    /// Absent while neither side has asked for one.
    pub(crate) heartbeat: Option<Box<Heartbeat>>,
    /// Bytes read when the heartbeat last looked.
    pub(crate) heard: u64,
    pub(crate) watch: Option<Box<Watch>>,
    pub(crate) closing: Option<Box<Closing>>,
    /// The timer that is set.
    pub(crate) scheduled: Option<Instant>,
    /// What the descriptor is registered for; `None` if it is not registered.
    pub(crate) registered: Option<Interest>,
    /// The last write of this thread found the kernel full. (The connection's own mark may be
    /// taken back at any moment by an application that tries again.)
    pub(crate) wants_room: bool,
    /// Messages handed to the kernel when the socket was last woken for room.
    pub(crate) woken_at: u64,
}

impl Session {
    pub(crate) fn new(
        id: u64,
        socket: Arc<SocketShared>,
        options: Arc<SocketOptions>,
        origin: Origin,
        connection: Option<Arc<Connection>>,
    ) -> Self {
        Self {
            id,
            socket,
            options,
            origin,
            state: State::Waiting,
            connection,
            stream: None,
            addresses: Vec::new(),
            peer_address: String::new(),
            peer_routing_id: None,
            handshake_deadline: None,
            connect_deadline: None,
            retry_at: None,
            backoff: None,
            heartbeat: None,
            heard: 0,
            watch: None,
            closing: None,
            scheduled: None,
            registered: None,
            wants_room: false,
            woken_at: 0,
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        match &self.origin {
            Origin::Connected(target) => &target.endpoint,
            Origin::Accepted(_) => "",
        }
    }

    pub(crate) fn connects(&self) -> bool {
        matches!(self.origin, Origin::Connected(_))
    }

    /// The earliest moment at which something is due, the watch apart.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [
            self.handshake_deadline,
            self.connect_deadline,
            self.retry_at,
            self.heartbeat
                .as_ref()
                .and_then(|heartbeat| heartbeat.poll_timeout()),
            self.closing.as_ref().and_then(|closing| closing.deadline),
            self.closing.as_ref().and_then(|closing| closing.look_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
