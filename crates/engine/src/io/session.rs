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

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ferromq_os::address::Address;
use ferromq_os::epoll::Interest;
use ferromq_os::stream::Stream;
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::handshake::Handshake;
use ferromq_zmtp::heartbeat::Heartbeat;
use ferromq_zmtp::mechanism::Security;
use zeroize::Zeroizing;

use crate::authentication::Wish;
use crate::connection::Connection;
use crate::shared::SocketShared;
use crate::transport::socks::Socks;
use crate::transport::{Target, peer_address};
use crate::tuning::TICK_FIRST;

/// The bits of RECONNECT_STOP.
pub(super) mod reconnect_stop {
    pub(in crate::io) const REFUSAL: i32 = 1;
    pub(in crate::io) const HANDSHAKE: i32 = 2;
    /// Any disconnect of the socket, as in libzmq, counts for all of its connections.
    pub(in crate::io) const DISCONNECT: i32 = 4;
}

/// Where a connection comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    Connected(Box<Outbound>),
    /// The listener that accepted it.
    Accepted(u64),
}

/// What only a connection of our own making needs.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) target: Target,
    /// What its handshakes need; absent if that cannot be had.
    pub(crate) security: Option<Arc<Security>>,
    /// Addresses of a name that are still to be tried.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The last wait before a new attempt.
    pub(crate) backoff: Option<Duration>,
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
    pub(crate) rest: Zeroizing<Vec<u8>>,
    /// What is being found out for it elsewhere.
    pub(crate) errand: u64,
    /// Without it nobody goes on finding out.
    pub(crate) wish: Option<Wish>,
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

    /// Whether the application, which is at it all the time, has left nothing behind for many looks.
    pub(crate) fn long_quiet(&self) -> bool {
        self.quiet >= crate::tuning::ATTENDED_LOOKS
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
    /// The other end of the connection, as the system named it when it came about.
    pub(crate) remote: Option<Address>,
    pub(crate) peer_routing_id: Option<Box<[u8]>>,
    /// Until when it may be connecting, or shaking hands.
    pub(crate) patience: Option<Instant>,
    pub(crate) retry_at: Option<Instant>,
    /// Absent while neither side has asked for one.
    pub(crate) heartbeat: Option<Box<Heartbeat>>,
    /// Bytes read when the heartbeat last looked; without heartbeats, when the connection came about.
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
            remote: None,
            peer_routing_id: None,
            patience: None,
            retry_at: None,
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

    /// Whether anything has come over this connection, where there is no handshake.
    pub(super) fn has_heard(&self) -> bool {
        let bytes = |connection: &Arc<Connection>| connection.bytes_in.load(Relaxed);
        self.socket.is_raw() && self.connection.as_ref().map_or(0, bytes) != self.heard
    }

    /// What it connects to, unless it was accepted.
    pub(crate) fn outbound(&mut self) -> Option<&mut Outbound> {
        match &mut self.origin {
            Origin::Connected(outbound) => Some(outbound),
            Origin::Accepted(_) => None,
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        match &self.origin {
            Origin::Connected(outbound) => &outbound.target.endpoint,
            Origin::Accepted(_) => "",
        }
    }

    /// Notes who is at both ends of a fresh connection.
    pub(crate) fn note_ends(&mut self, stream: &Stream) {
        self.remote = stream.peer_name().ok();
    }

    /// The peer's address, as `Peer-Address` tells it.
    pub(crate) fn peer_address(&self) -> String {
        // The system forgets it when the peer resets the connection.
        if let Some(ip) = self.remote.as_ref().and_then(Address::ip) {
            return ip.to_string();
        }
        self.stream
            .as_deref()
            .map_or_else(String::new, peer_address)
    }

    /// The message that tells the application, behind all that the peer has sent, that a
    /// connection has ended, if it has asked for one.
    pub(crate) fn last_word(&self) -> Option<Vec<u8>> {
        if self.closing.is_some() {
            return None;
        }
        if self.socket.is_raw() {
            return self.options.stream_notify.then(Vec::new);
        }
        let hiccup = &self.options.hiccup_msg;
        (self.connects() && !hiccup.is_empty()).then(|| hiccup.clone())
    }

    pub(crate) fn connects(&self) -> bool {
        matches!(self.origin, Origin::Connected(_))
    }

    /// Whether there is to be no further attempt after this.
    pub(super) fn stops_after(&self, event: i32) -> bool {
        self.options.reconnect_stop & event != 0
    }

    /// Whether there is to be no further attempt after one that has failed so.
    pub(super) fn stops_connecting(&self, error: &io::Error) -> bool {
        let Origin::Connected(outbound) = &self.origin else {
            return true;
        };
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let disconnected = self.socket.disconnected.load(Relaxed);
        outbound.addresses.len() <= 1
            && (self.options.reconnect_ivl <= 0
                || disconnected && self.stops_after(reconnect_stop::DISCONNECT)
                || refused && self.stops_after(reconnect_stop::REFUSAL))
    }

    /// The earliest moment at which something is due, the watch apart.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [
            self.patience,
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
