// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run is to do, as one process tells it to another.

use std::fmt;

use crate::{Failure, Outcome};

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// PUSH to PULL; `count` messages.
    Throughput,
    /// The same, and then bytes over a bare connection.
    Share,
    /// `extent` PUSH to one PULL; `count` messages in all.
    Gather,
    /// A lossless PUB to `extent` SUBs; `count` messages to each.
    FanOut,
    /// REQ and REP; `count` round trips.
    RoundTrip,
    /// PUSH to PULL through a proxy of PULL and PUSH; `count` messages.
    Streamer,
    /// DEALER to DEALER and back, through a proxy of ROUTER and DEALER; `count` messages, [`Task::depth`] under way.
    Queue,
    /// REQ and REP through such a proxy; `count` round trips.
    QueueTrip,
    /// PUSH to PULL; `count` bursts of `extent` messages.
    Burst,
    /// The same; after each burst, `depth` questions of REQ to REP.
    BurstThenAsk,
    /// `extent` sockets with a silent connection each; `count` seconds.
    Idle,
    /// `extent` silent connections to one PULL.
    Memory,
    /// `extent` connections to one ROUTER that have brought a message each.
    MemoryUsed,
    /// A PULL that gets `count` messages, a hundred a second.
    Blocked,
    /// A ROUTER that answers `count` questions of `extent` DEALERs, each of which has [`Task::depth`] under way.
    Echo,
    /// The same, one question at a time.
    EchoInTurn,
    /// As `Echo`, of connections without any library.
    BareEcho,
    /// An XPUB with `extent` subscriptions, and `count` messages looked up.
    Topics,
    /// `count` handshakes, `extent` at a time; a message goes through each.
    Handshakes,
    /// PUB to SUB through a group, at most `extent` Mbit/s; `count` messages, of which some may be lost.
    Multicast,
    /// RADIO to DISH through a group, as fast as it goes; `count` messages, of which some may be lost.
    Datagrams,
    /// Packets over IP through a group, without any library; `count` is how many.
    Bare,
}

/// The transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over the loopback interface.
    Tcp,
    /// Abstract names.
    Ipc,
    /// Two threads of one process.
    Inproc,
    /// PGM in UDP, between two network namespaces.
    Epgm,
    /// PGM over IP, between two network namespaces.
    Pgm,
    /// Datagrams, between two network namespaces.
    Udp,
}

/// The calls that carry the messages, where the work leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// From buffers of the application, and into them: `zmq_send`, `zmq_recv`.
    Buffers,
    /// From buffers, and into messages: `zmq_send`, `zmq_msg_recv`.
    Received,
    /// Messages at both ends, whose bodies are written where they lie: `zmq_msg_init_size`, `zmq_msg_send`, `zmq_msg_recv`.
    Messages,
    /// Messages at both ends, whose bodies lie elsewhere: `zmq_msg_init_data`.
    Referenced,
    /// As `Received`, from all that `zmq_poller_wait_all` finds.
    Poller,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The kind of work.
    pub work: Work,
    /// Over this.
    pub transport: Transport,
    /// Bytes of a message.
    pub size: usize,
    /// How many; see [`Work`].
    pub extent: u64,
    /// How often; see [`Work`].
    pub count: u64,
    /// Questions that are asked before the first answer must have come, where that is not one.
    pub depth: u64,
    /// Both processes on one CPU.
    pub pinned: bool,
    /// With CURVE.
    pub secured: bool,
    /// By these calls.
    pub calls: Calls,
}

impl Task {
    /// The plainest: of messages of 64 bytes, to one peer.
    #[must_use]
    pub fn of(work: Work, transport: Transport) -> Self {
        Self {
            work,
            transport,
            size: 64,
            extent: 1,
            count: 1,
            depth: 1,
            pinned: false,
            secured: false,
            calls: Calls::Buffers,
        }
    }

    /// How many messages are received in all.
    #[must_use]
    pub fn delivered(&self) -> f64 {
        self.count as f64
            * if self.work == Work::FanOut {
                self.extent as f64
            } else {
                1.0
            }
    }

    pub(crate) fn to_arguments(self) -> Vec<String> {
        let Self {
            work,
            transport,
            size,
            extent,
            count,
            depth,
            pinned,
            secured,
            calls,
        } = self;
        vec![
            work.to_string(),
            transport.to_string(),
            size.to_string(),
            extent.to_string(),
            count.to_string(),
            depth.to_string(),
            u8::from(pinned).to_string(),
            u8::from(secured).to_string(),
            calls.to_string(),
        ]
    }

    pub(crate) fn from_arguments(arguments: &[String]) -> Outcome<Self> {
        let [
            work,
            transport,
            size,
            extent,
            count,
            depth,
            pinned,
            secured,
            calls,
        ] = arguments
        else {
            return Err(Failure::new("not a task"));
        };
        Ok(Self {
            work: find(&WORKS, work)?,
            transport: find(&TRANSPORTS, transport)?,
            size: size.parse()?,
            extent: extent.parse()?,
            count: count.parse()?,
            depth: depth.parse()?,
            pinned: pinned == "1",
            secured: secured == "1",
            calls: find(&CALLS, calls)?,
        })
    }
}

/// The value with this name.
fn find<T: fmt::Display + Copy>(values: &[T], name: &str) -> Outcome<T> {
    let found = values.iter().find(|value| value.to_string() == name);
    found
        .copied()
        .ok_or_else(|| Failure::new(format!("no {name} here")))
}

/// Finds a transport by its name.
pub fn transport(name: &str) -> Outcome<Transport> {
    find(&TRANSPORTS, name)
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Throughput => "thr",
            Self::Share => "share",
            Self::Gather => "gather",
            Self::FanOut => "fan-out",
            Self::RoundTrip => "lat",
            Self::Streamer => "streamer",
            Self::Queue => "queue",
            Self::QueueTrip => "queue-lat",
            Self::Burst => "burst",
            Self::BurstThenAsk => "burst-then-ask",
            Self::Idle => "idle",
            Self::Memory => "memory",
            Self::MemoryUsed => "memory-used",
            Self::Blocked => "blocked",
            Self::Echo => "echo",
            Self::EchoInTurn => "echo-in-turn",
            Self::BareEcho => "bare-echo",
            Self::Topics => "topics",
            Self::Handshakes => "handshakes",
            Self::Multicast => "multicast",
            Self::Datagrams => "datagrams",
            Self::Bare => "bare",
        })
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Buffers => "buffers",
            Self::Received => "msg-recv",
            Self::Messages => "msg",
            Self::Referenced => "msg-data",
            Self::Poller => "poller",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
            Self::Epgm => "epgm",
            Self::Pgm => "pgm",
            Self::Udp => "udp",
        })
    }
}

const WORKS: [Work; 22] = [
    Work::Throughput,
    Work::Share,
    Work::Gather,
    Work::FanOut,
    Work::RoundTrip,
    Work::Streamer,
    Work::Queue,
    Work::QueueTrip,
    Work::Burst,
    Work::BurstThenAsk,
    Work::Idle,
    Work::Memory,
    Work::MemoryUsed,
    Work::Blocked,
    Work::Echo,
    Work::EchoInTurn,
    Work::BareEcho,
    Work::Topics,
    Work::Handshakes,
    Work::Multicast,
    Work::Datagrams,
    Work::Bare,
];
const TRANSPORTS: [Transport; 6] = [
    Transport::Tcp,
    Transport::Ipc,
    Transport::Inproc,
    Transport::Epgm,
    Transport::Pgm,
    Transport::Udp,
];
const CALLS: [Calls; 5] = [
    Calls::Buffers,
    Calls::Received,
    Calls::Messages,
    Calls::Referenced,
    Calls::Poller,
];
