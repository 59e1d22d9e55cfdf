// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that moves: contexts, sockets, connections, I/O threads.
//!
//! * [`Context`], [`Socket`]: what the two faces (the `ferromq` crate, the C library) are made of
//! * `socket/`: the application's side of a socket
//! * `connection`: what a socket and an I/O thread share of one connection
//! * `io/`: I/O threads and the life of connections
//! * `transport/`: tcp, ipc, inproc, pgm, epgm, udp
//! * [`poll()`], [`proxy()`], [`MonitorEvents`]: over sockets
//!
//! `ARCHITECTURE.md` describes the protocol between the threads.
#![forbid(unsafe_code)]

mod authentication;
mod bans;
mod by_number;
mod coding;
mod command;
mod connection;
mod context;
mod delivery;
#[doc(hidden)]
pub mod fuzz_entry;
mod handshakes;
mod io;
mod monitor;
mod multicast;
mod policy;
mod poll;
mod proxy;
mod shared;
mod socket;
mod topics;
mod transport;
mod tuning;
mod unheard;

pub use authentication::Authenticator;
pub use command::Linger;
pub use context::Context;
pub use handshakes::{HANDSHAKES_KEPT, HandshakeEnd};
pub use monitor::{EventSink, MONITOR_QUEUE, MonitorEvents};
pub use multicast::{
    MulticastStatistics, MulticastStream, ReceiverStatistics, SourceStatistics, StreamStatistics,
};
pub use policy::Policy;
pub use poll::{MANY_SOCKETS, PollItem, PollTarget, poll};
pub use proxy::{ProxyCommand, ProxyEnd, proxy, proxy_steerable};
pub use socket::{CloseReport, PeerStatistics, Readiness, Socket, Ticket, Wait};

pub use ferromq_pipe::Outgoing;
