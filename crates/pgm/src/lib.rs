// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pragmatic General Multicast, RFC 3208, without I/O.
//!
//! One sender, any number of receivers, over IP multicast: receivers ask for what they miss, senders
//! send it again to all. This crate is the protocol and nothing else: bytes and time in, bytes and
//! events out. It opens no socket, reads no clock and starts no thread; chance comes from a seed. It
//! knows nothing of ZeroMQ. Peers are OpenPGM and whatever else keeps to the RFC.
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | [`Source`]: packets out, their window, repairs, SPMs, the rate |
//! | [`receiver`] | [`Receiver`]: the streams of a group, gaps, NAKs, data in order |
//! | [`packet`] | packets to and from bytes |
//! | [`sequence`], [`tsi`] | sequence numbers; names of streams |
//! | [`rate`] | the token bucket |
//!
//! # How a machine is driven
//!
//! Both machines have one set of verbs. Tell what has happened (`handle_input`, `handle_timeout`, and
//! for a source `send`); then take what is to be sent (`poll_transmit`, until `None`) and what is to be known
//! (`poll_event`, until `None`); then sleep until `poll_timeout` or the next packet.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use std::time::{Duration, Instant};
//!
//! use ferromq_pgm::{Destination, Event, Gsi, Receiver, ReceiverConfig, Source, SourceConfig, Tsi};
//!
//! let (group, sender) = (IpAddr::from([239, 1, 1, 1]), IpAddr::from([10, 0, 0, 1]));
//! let tsi = Tsi { gsi: Gsi([1, 2, 3, 4, 5, 6]), port: 4000 };
//! let mut now = Instant::now();
//! let mut source = Source::new(SourceConfig::new(tsi, 7500, sender, group), now);
//! let mut receiver = Receiver::new(ReceiverConfig::new(7500), 42, now);
//!
//! source.send(now, b"hello")?;
//! let mut packets = Vec::new();
//! while let Some(transmit) = source.poll_transmit(now, &mut packets) {
//!     // A program would hand this to its socket. `transmit.destination` says where to.
//!     assert_eq!(transmit.destination, Destination::Group(group));
//!     receiver.handle_input(now, sender, group, &packets[transmit.range]).ok();
//!     packets.clear();
//! }
//! let mut heard = Vec::new();
//! while let Some(event) = receiver.poll_event() {
//!     if let Event::Data { payload, .. } = event {
//!         heard.extend_from_slice(payload);
//!     }
//! }
//! assert_eq!(heard, b"hello");
//!
//! // When nothing else happens, time does.
//! now = source.poll_timeout().expect("an SPM is due sooner or later");
//! source.handle_timeout(now);
//! # Ok::<(), ferromq_pgm::SendError>(())
//! ```
//!
//! # What is there, and what is not
//!
//! SPM, ODATA, RDATA, NAK (with lists), NCF, SPMR; OPT_FRAGMENT both ways; OPT_FIN, OPT_RST, OPT_SYN, OPT_JOIN
//! understood; windows bounded in packets, bytes and time; back-off, suppression and repair; a
//! lingering repair window after the end of a stream; statistics. Not there: forward error correction
//! (parity packets are counted and dropped), congestion control (PGMCC), POLL, designated local
//! repairers, and what only routers do. There is no security in PGM: whoever can send to the group
//! can send as anybody. Keep it to networks you trust.
//!
//! # What a program must see to
//!
//! * Sockets. Over UDP ([encapsulated PGM]) the port is both PGM's data-destination port and that of UDP
//!   for multicast and unicast; over IP, PGM is protocol 113.
//! * That a source's [`SourceConfig::address`] is one at which it receives unicast: NAKs go there.
//! * Not to read further while [`Receiver::is_full`].
//!
//! [encapsulated PGM]: https://www.rfc-editor.org/rfc/rfc3208

#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation))]

mod clock;
#[doc(hidden)]
pub mod fuzz_entry;
pub mod packet;
pub mod rate;
pub mod receiver;
mod rng;
pub mod sequence;
pub mod source;
pub mod tsi;

use std::net::IpAddr;
use std::ops::Range;

pub use packet::{Fault, Packet};
pub use receiver::{Event, Receiver, ReceiverConfig, StreamId};
pub use sequence::Sqn;
pub use source::{SendError, Source, SourceConfig};
pub use tsi::{Gsi, Tsi};

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub destination: Destination,
    /// Where it lies in the buffer that was given.
    pub range: Range<usize>,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the group.
    Group(IpAddr),
    /// To the group, but no farther than this network: with a TTL of 1.
    GroupNearby(IpAddr),
    /// To one host.
    Host(IpAddr),
}
