// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that threads tell each other, apart from the bytes themselves.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use ferromq_message::frame;
use ferromq_os::stream::Stream;
use ferromq_pipe::{Peer, Pipe};
use ferromq_vocabulary::SocketOptions;
use ferromq_zmtp::mechanism::gssapi::Negotiated;
use ferromq_zmtp::subscription::classify;
use ferromq_zmtp::zap::{Status, Verdict};

use crate::coding::Breach;
use crate::connection::Connection;
use crate::io::station::Station;
use crate::shared::SocketShared;
use crate::transport::inproc::Tie;
use crate::transport::{Bound, Target};

/// How long a closing connection may go on delivering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linger {
    /// Until everything is delivered.
    Forever,
    /// So long.
    For(Duration),
}

impl Linger {
    /// From the option's value in milliseconds; negative is for ever.
    #[must_use]
    pub fn from_option(milliseconds: i32) -> Self {
        u64::try_from(milliseconds).map_or(Self::Forever, |ms| Self::For(Duration::from_millis(ms)))
    }
}

/// From a socket, or a thread in its service, to an I/O thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// Accept connections.
    Listen {
        id: u64,
        bound: Box<Bound>,
        socket: Arc<SocketShared>,
        options: Arc<SocketOptions>,
    },
    /// Make a connection, and make it again whenever it is lost.
    Connect {
        id: u64,
        /// Absent if the pipe is to be made only when the peer is there.
        connection: Option<Arc<Connection>>,
        socket: Arc<SocketShared>,
        options: Arc<SocketOptions>,
        target: Box<Target>,
    },
    /// Look after a transport of datagrams.
    Carry { station: Box<Station> },
    /// The addresses of a name, or why there are none.
    Resolved {
        id: u64,
        addresses: io::Result<Vec<SocketAddr>>,
    },
    /// Look after what has been left in the queue.
    Arm { id: u64 },
    /// The application has found the connection ended.
    Lost { id: u64 },
    /// The application has made room: read on.
    Resume { id: u64 },
    /// The application has met a PING with this time to live, in tenths of a second.
    Pinged { ttl: u16, id: u64 },
    /// Look after a socket's input while its application stays away.
    Lease { socket: Arc<SocketShared> },
    /// The peer has broken a rule of the pattern.
    Fault { id: u64 },
    /// The peer has done what it may not, or there is no memory for what it sends.
    Overrun { id: u64, breach: Breach },
    /// Whether a connection that was accepted may stay.
    Admit {
        listener: u64,
        stream: Box<Stream>,
        granted: bool,
    },
    /// What a handshake has been waiting for.
    Found {
        id: u64,
        errand: u64,
        finding: Finding,
    },
    /// Look from time to time at what a socket holds back.
    Hold { socket: Arc<SocketShared> },
    /// Much has been read at once by an application that may take its time.
    Watch { socket: u64 },
    /// Read for a socket whose application waits for something else.
    Reclaim { socket: u64 },
    /// Look through what the application has read and not received.
    LookThrough { id: u64 },
    /// Deliver what is queued, then end the connection.
    Close { id: u64, linger: Linger },
    /// Stop accepting, and close what has been accepted.
    Unlisten {
        id: u64,
        linger: Linger,
        /// Dropped when it has been done.
        done: Sender<()>,
    },
    /// Close everything that belongs to a socket.
    CloseSocket { socket: u64, linger: Linger },
    /// End the thread.
    Stop,
}

/// What has been found out for a handshake.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Whether the peer is who it says.
    Judged(Verdict),
    /// Whether it may stay.
    Admitted(Status),
    /// The next step of a security context.
    Negotiated(Box<Negotiated>),
    /// There was no thread to find out.
    NoThread,
}

impl Finding {
    /// Nobody is to be asked.
    pub(crate) const NOBODY: Self = Self::Judged(Verdict::NoHandler);
}

/// From an I/O thread, or another socket of the process, to a socket.
#[derive(Debug)]
pub(crate) enum News {
    /// A peer has come.
    Attach {
        pipe: Box<Pipe>,
        connection: Arc<Connection>,
    },
    /// A peer in this process has come.
    AttachInproc { pipe: Box<Pipe>, tie: Arc<Tie> },
    /// The peer of a known pipe is there (again).
    Ready { id: u64, peer: Peer },
    /// There is input that the application has not read itself.
    Readable { id: u64 },
    /// A full queue has room.
    Writable { id: u64 },
    /// The pipe's connection has ended for good.
    Ended {
        id: u64,
        /// There is nothing of it but subscriptions, and nobody has heard of it.
        passing: bool,
    },
    /// What was connected to will not be connected to again, and the endpoint is forgotten, or can still be disconnected
    /// from, as in libzmq.
    Stopped { id: u64, forgotten: bool },
    /// A peer in this process has closed, or its limits have changed.
    CheckTies,
    /// A peer in this process has closed, there is nothing of it but subscriptions, and nobody has heard of it.
    Passed { tie: Arc<Tie> },
}

impl News {
    /// A peer has come, over this connection.
    pub(crate) fn is_attach_of(&self, id: u64) -> bool {
        matches!(self, Self::Attach { connection, .. } if connection.id == id)
    }

    /// It concerns this connection alone.
    pub(crate) fn is_about(&self, connection: u64) -> bool {
        match self {
            Self::Attach { .. } => self.is_attach_of(connection),
            Self::Ready { id, .. }
            | Self::Readable { id }
            | Self::Writable { id }
            | Self::Ended { id, .. } => *id == connection,
            Self::AttachInproc { .. }
            | Self::Stopped { .. }
            | Self::CheckTies
            | Self::Passed { .. } => false,
        }
    }

    /// A peer of this process has come, with this tie.
    pub(crate) fn is_attach_with(&self, tie: &Arc<Tie>) -> bool {
        matches!(self, Self::AttachInproc { tie: theirs, .. } if Arc::ptr_eq(tie, theirs))
    }

    /// It concerns this tie alone.
    pub(crate) fn is_about_tie(&self, tie: &Arc<Tie>) -> bool {
        self.is_attach_with(tie)
            || matches!(self, Self::Passed { tie: theirs } if Arc::ptr_eq(tie, theirs))
    }

    /// What comes last asks for a look at the ties already: one is as good as many.
    pub(crate) fn makes_a_look_superfluous(&self) -> bool {
        matches!(self, Self::CheckTies)
    }

    /// A peer has come, and there is nothing of it but subscriptions.
    pub(crate) fn brings_subscriptions_only(&self) -> bool {
        let (Self::Attach { pipe, .. } | Self::AttachInproc { pipe, .. }) = self else {
            return false;
        };
        pipe.reader.every_frame(|flags, body| {
            flags & frame::COMMAND != 0 || classify(flags, body).is_some()
        })
    }
}
