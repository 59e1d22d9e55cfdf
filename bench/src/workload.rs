// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is measured, and the bars.

use std::fmt;

use crate::{Failure, Outcome};

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// PUSH to PULL; `count` messages.
    Throughput,
    /// A lossless PUB to `extent` SUBs; `count` messages to each.
    FanOut,
    /// REQ and REP; `count` round trips.
    RoundTrip,
    /// PUSH to PULL; `count` bursts of `extent` messages.
    Burst,
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
}

impl Task {
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
        ]
    }

    pub(crate) fn from_arguments(arguments: &[String]) -> Outcome<Self> {
        let [work, transport, size, extent, count, depth, pinned, secured] = arguments else {
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
            Self::FanOut => "fan-out",
            Self::RoundTrip => "lat",
            Self::Burst => "burst",
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

/// A line of the table: a figure of a run, and what it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it says in the table.
    pub label: String,
    /// The figure's name.
    pub figure: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// What it is to be.
    pub bar: Bar,
}

impl Row {
    fn new(label: impl Into<String>, figure: &'static str, unit: Unit, bar: Bar) -> Self {
        Self {
            label: label.into(),
            figure,
            unit,
            bar,
        }
    }
}

/// The lines of one piece of work, each with what it says behind the work's name.
fn rows<const N: usize>(of: &str, figures: [(&str, &'static str, Unit, Bar); N]) -> Vec<Row> {
    let row = |(what, figure, unit, bar)| Row::new(format!("{of}: {what}"), figure, unit, bar);
    figures.map(row).into()
}

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At least that many times libzmq's.
    AtLeast(f64),
    /// At most that many times libzmq's.
    AtMost(f64),
    /// Less than that, whatever libzmq does.
    Below(f64),
    /// At least that, whatever libzmq does.
    Above(f64),
    /// No more than libzmq's, which may be nothing.
    NoMore,
    /// As it comes.
    Open,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Messages per second.
    Rate,
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Seconds of processor time.
    Seconds,
    /// Per cent of a processor, or of something else.
    Percent,
    /// Bytes.
    Bytes,
}

/// Work to be done, and what is to be learnt from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its name on the command line.
    pub name: String,
    /// One run; the count is that of a short one.
    pub task: Task,
    /// Whether the count is to be raised until a run has a decent length.
    pub scaled: bool,
    /// Its lines of the table.
    pub rows: Vec<Row>,
}

impl Workload {
    /// Throughput.
    #[must_use]
    pub fn throughput(transport: Transport, size: usize, bar: Bar) -> Self {
        // About a tenth of a second of libzmq's.
        let count = match size {
            0..=127 => 400_000,
            128..=511 => 200_000,
            512..=2047 => 70_000,
            2048..=16_383 => 20_000,
            16_384..=262_143 => 2_000,
            _ => 300,
        };
        let label = format!("PUSH→PULL {transport} {}", bytes(size));
        let rows = vec![Row {
            label,
            figure: "rate",
            unit: Unit::Rate,
            bar,
        }];
        Self {
            name: format!("thr-{transport}-{size}"),
            task: Task {
                size,
                count,
                ..task(Work::Throughput, transport)
            },
            scaled: true,
            rows,
        }
    }

    /// Throughput with CURVE; beside libzmq, and beside what sealing and opening alone allow.
    #[must_use]
    pub fn curve(size: usize, bar: Bar) -> Self {
        let mut workload = Self::throughput(Transport::Tcp, size, bar);
        workload.name = format!("curve-{size}");
        workload.task.secured = true;
        workload.task.count /= 4;
        for row in &mut workload.rows {
            row.label = format!("PUSH→PULL tcp, CURVE, {}", bytes(size));
        }
        workload.rows.push(Row {
            label: format!("… of what sealing and opening alone allow, {}", bytes(size)),
            figure: "of_crypto",
            unit: Unit::Percent,
            bar: Bar::Above(100.0 / 1.3),
        });
        workload
    }

    /// Handshakes of CURVE.
    #[must_use]
    pub fn handshakes(bar: Bar) -> Self {
        Self {
            name: "handshakes".to_owned(),
            task: Task {
                extent: 32,
                count: 320,
                secured: true,
                ..task(Work::Handshakes, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row {
                label: "handshakes of CURVE, 32 at a time".to_owned(),
                figure: "rate",
                unit: Unit::Rate,
                bar,
            }],
        }
    }

    /// Fan-out over tcp.
    #[must_use]
    pub fn fan_out(subscribers: u64, bar: Bar) -> Self {
        let label = format!("lossless PUB to {subscribers} SUBs, 64 B, delivered");
        let count = 400_000 / subscribers.max(1);
        Self {
            name: format!("fan-out-{subscribers}"),
            task: Task {
                count,
                extent: subscribers,
                ..task(Work::FanOut, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row {
                label,
                figure: "rate",
                unit: Unit::Rate,
                bar,
            }],
        }
    }

    /// Throughput of a group, over epgm or pgm.
    #[must_use]
    pub fn multicast(transport: Transport, size: usize, megabits: u64, bar: Bar) -> Self {
        let label = format!(
            "PUB→SUB {transport} {}, ZMQ_RATE {megabits} Mbit/s",
            bytes(size)
        );
        Self {
            name: format!("{transport}-{size}-{megabits}"),
            task: Task {
                size,
                count: 20_000_000 / (size as u64 + 100),
                extent: megabits,
                ..task(Work::Multicast, transport)
            },
            scaled: true,
            rows: rows(
                &label,
                [
                    ("received", "rate", Unit::Rate, bar),
                    ("lost", "lost", Unit::Percent, Bar::NoMore),
                    (
                        "CPU per million, both processes",
                        "cpu",
                        Unit::Seconds,
                        Bar::Open,
                    ),
                ],
            ),
        }
    }

    /// What raw sockets let through, whoever uses them: the same program stands in both columns.
    #[must_use]
    pub fn bare(size: usize) -> Self {
        let label = format!("packets of {size} B over IP, without a library");
        Self {
            name: format!("pgm-bare-{size}"),
            task: Task {
                size,
                count: 20_000,
                ..task(Work::Bare, Transport::Pgm)
            },
            scaled: true,
            rows: rows(
                &label,
                [
                    ("received", "rate", Unit::Rate, Bar::Open),
                    ("lost", "lost", Unit::Percent, Bar::Open),
                    (
                        "CPU per million, both processes",
                        "cpu",
                        Unit::Seconds,
                        Bar::Open,
                    ),
                ],
            ),
        }
    }

    /// Throughput of a group of plain datagrams. Nothing holds the sender back: what the receiver cannot take in time is lost.
    #[must_use]
    pub fn datagrams(size: usize, bar: Bar) -> Self {
        let label = format!("RADIO→DISH udp {}", bytes(size));
        Self {
            name: format!("udp-{size}"),
            task: Task {
                size,
                count: 20_000_000 / (size as u64 + 100),
                ..task(Work::Datagrams, Transport::Udp)
            },
            scaled: true,
            rows: rows(
                &label,
                [
                    ("received", "rate", Unit::Rate, bar),
                    ("lost", "lost", Unit::Percent, Bar::Open),
                    (
                        "CPU per million received, both processes",
                        "cpu",
                        Unit::Seconds,
                        Bar::Open,
                    ),
                ],
            ),
        }
    }

    /// Whether a libzmq needs drafts for it.
    #[must_use]
    pub fn is_draft(&self) -> bool {
        self.task.work == Work::Datagrams
    }

    /// Round trips.
    #[must_use]
    pub fn round_trip(transport: Transport, pinned: bool, bar: Bar) -> Self {
        let place = if pinned { ", one CPU" } else { "" };
        let label = format!("REQ/REP {transport} 64 B{place}, one way");
        Self {
            name: format!("lat-{transport}{}", if pinned { "-pinned" } else { "" }),
            task: Task {
                count: 2_000,
                pinned,
                ..task(Work::RoundTrip, transport)
            },
            scaled: true,
            rows: rows(
                &label,
                [
                    ("mean", "latency", Unit::Microseconds, bar),
                    ("p50", "p50", Unit::Microseconds, Bar::Open),
                    ("p99", "p99", Unit::Microseconds, Bar::Open),
                ],
            ),
        }
    }

    /// A burst over tcp.
    #[must_use]
    pub fn burst(length: u64, median: Bar, p99: Bar) -> Self {
        Self {
            name: format!("burst-{length}"),
            task: Task {
                count: 400,
                extent: length,
                ..task(Work::Burst, Transport::Tcp)
            },
            scaled: false,
            rows: rows(
                &format!("last of a burst of {length}"),
                [
                    ("median", "p50", Unit::Microseconds, median),
                    ("p99", "p99", Unit::Microseconds, p99),
                ],
            ),
        }
    }

    fn idle() -> Self {
        Self {
            name: "idle-1000".to_owned(),
            task: Task {
                count: 10,
                extent: 1000,
                ..task(Work::Idle, Transport::Tcp)
            },
            scaled: false,
            rows: vec![Row {
                label: "1,000 silent sockets, 10 s: CPU".to_owned(),
                figure: "used",
                unit: Unit::Seconds,
                bar: Bar::Below(0.1),
            }],
        }
    }

    fn memory(work: Work, label: &str) -> Self {
        let task = Task {
            extent: 3000,
            count: 1,
            ..task(work, Transport::Tcp)
        };
        Self {
            name: format!("{work}-3000"),
            task,
            scaled: false,
            rows: vec![Row {
                label: label.to_owned(),
                figure: "bytes",
                unit: Unit::Bytes,
                bar: Bar::AtMost(0.08),
            }],
        }
    }

    /// An echo over a thousand connections, with so many questions under way on each.
    fn echo(work: Work, depth: u64, bar: Bar) -> Self {
        let label = match work {
            Work::EchoInTurn => "to 1,000 DEALERs, one question at a time".to_owned(),
            Work::Echo => format!("to 1,000 DEALERs, {depth} under way on each"),
            _ => format!("to 1,000 bare connections, {depth} under way on each"),
        };
        Self {
            name: format!("{work}-1000-{depth}"),
            task: Task {
                count: 20_000.max(2_000 * depth),
                extent: 1000,
                depth,
                ..task(work, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row {
                label: format!("ROUTER echo {label}"),
                figure: "rate",
                unit: Unit::Rate,
                bar,
            }],
        }
    }

    /// A million subscriptions.
    fn topics() -> Self {
        Self {
            name: "topics-1000000".to_owned(),
            task: Task {
                size: 0,
                count: 500_000,
                extent: 1_000_000,
                ..task(Work::Topics, Transport::Tcp)
            },
            scaled: false,
            rows: rows(
                "1,000,000 topics",
                [
                    ("subscribes per second", "rate", Unit::Rate, Bar::Open),
                    ("bytes each, publisher", "bytes", Unit::Bytes, Bar::Open),
                    ("bytes each, subscriber", "own", Unit::Bytes, Bar::Open),
                    (
                        "publish without a match",
                        "miss",
                        Unit::Nanoseconds,
                        Bar::Open,
                    ),
                    ("publish with one", "hit", Unit::Nanoseconds, Bar::Open),
                ],
            ),
        }
    }

    /// A subscription to a topic of a megabyte.
    fn long_topic() -> Self {
        Self {
            name: "topics-long".to_owned(),
            task: Task {
                size: 1 << 20,
                count: 500,
                extent: 1,
                ..task(Work::Topics, Transport::Tcp)
            },
            scaled: false,
            rows: rows(
                "1 topic of 1 MiB",
                [
                    ("bytes, publisher", "bytes", Unit::Bytes, Bar::Open),
                    ("bytes, subscriber", "own", Unit::Bytes, Bar::Open),
                    (
                        "publish without a match",
                        "miss",
                        Unit::Nanoseconds,
                        Bar::Open,
                    ),
                    ("publish with one", "hit", Unit::Nanoseconds, Bar::Open),
                ],
            ),
        }
    }

    fn blocked() -> Self {
        Self {
            name: "blocked".to_owned(),
            task: Task {
                count: 1000,
                ..task(Work::Blocked, Transport::Tcp)
            },
            scaled: false,
            rows: vec![Row {
                label: "receiver of 100 messages a second, 10 s: CPU".to_owned(),
                figure: "percent",
                unit: Unit::Percent,
                bar: Bar::Below(1.0),
            }],
        }
    }
}

/// Through which of its two faces ferromq is measured: each has bars of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// The Rust API.
    Rust,
    /// `libzmq.so`, with the client that libzmq is measured with.
    C,
}

/// The whole table.
#[must_use]
pub fn workloads(face: Face) -> Vec<Workload> {
    use Bar::{AtLeast, AtMost, Open};
    use Transport::{Inproc, Ipc, Tcp};
    let bar = |rust: f64, c: f64| if face == Face::Rust { rust } else { c };
    let throughputs = [
        (Tcp, 16, bar(10.0, 6.0)),
        (Tcp, 64, bar(8.0, 5.0)),
        (Tcp, 256, bar(6.0, 5.0)),
        (Tcp, 1 << 10, bar(5.0, 4.5)),
        (Tcp, 4 << 10, 4.5),
        (Tcp, 64 << 10, 2.5),
        (Tcp, 1 << 20, 1.2),
        (Ipc, 64, bar(8.0, 5.0)),
        (Ipc, 1 << 10, bar(6.0, 5.0)),
        (Ipc, 64 << 10, 3.0),
        (Inproc, 16, bar(10.0, 5.0)),
        (Inproc, 64, bar(10.0, 5.0)),
        (Inproc, 1 << 10, 3.0),
    ];
    let mut all: Vec<_> = throughputs
        .into_iter()
        .map(|(transport, size, bar)| Workload::throughput(transport, size, AtLeast(bar)))
        .collect();
    if let Some(tcp_64) = all
        .iter_mut()
        .find(|workload| workload.name == "thr-tcp-64")
    {
        tcp_64.rows.push(Row {
            label: "CPU per million 64 B messages, tcp, both processes".to_owned(),
            figure: "cpu",
            unit: Unit::Seconds,
            bar: AtMost(bar(0.2, 0.25)),
        });
    }
    all.extend([
        Workload::curve(64, AtLeast(2.0)),
        Workload::curve(1 << 10, AtLeast(2.0)),
        Workload::curve(64 << 10, AtLeast(2.0)),
        // At the rate of a gigabit both may reach the wire's limit.
        Workload::multicast(Transport::Epgm, 100, 1000, Open),
        Workload::multicast(Transport::Epgm, 1000, 1000, Open),
        Workload::multicast(Transport::Epgm, 100, 10_000, AtLeast(2.0)),
        Workload::multicast(Transport::Epgm, 1000, 10_000, AtLeast(2.0)),
        // Raw sockets hand the kernel packet by packet, whoever does it. A full one of PGM over IPv4 has 1480 B.
        Workload::bare(1480),
        Workload::multicast(Transport::Pgm, 1000, 10_000, AtLeast(2.0)),
        Workload::datagrams(100, Open),
        Workload::datagrams(1000, Open),
        Workload::handshakes(AtLeast(1.5)),
        Workload::fan_out(64, AtLeast(bar(6.0, 4.0))),
        Workload::round_trip(Tcp, false, AtMost(bar(0.2, 0.25))),
        Workload::round_trip(Tcp, true, AtMost(bar(0.4, 0.45))),
        Workload::round_trip(Ipc, false, AtMost(bar(0.25, 0.3))),
        Workload::burst(2, AtMost(0.7), Open),
        Workload::burst(5, AtMost(0.9), Open),
        Workload::burst(30, AtMost(1.1), AtMost(1.2)),
        Workload::burst(100, AtMost(0.9), AtMost(1.2)),
        Workload::idle(),
        Workload::memory(
            Work::Memory,
            "memory per idle connection, 3,000 to one PULL",
        ),
        Workload::memory(
            Work::MemoryUsed,
            "memory per connection to one ROUTER that has brought a message",
        ),
        Workload::blocked(),
        Workload::echo(Work::EchoInTurn, 1, AtLeast(4.0)),
        // The kernel's part alone is more than a quarter of libzmq's whole time.
        Workload::echo(Work::Echo, 1, AtLeast(4.0)),
        Workload::echo(Work::Echo, 8, Open),
        Workload::echo(Work::Echo, 64, Open),
        Workload::echo(Work::BareEcho, 1, Open),
        Workload::echo(Work::BareEcho, 8, Open),
        Workload::echo(Work::BareEcho, 64, Open),
        Workload::topics(),
        Workload::long_topic(),
    ]);
    all
}

fn task(work: Work, transport: Transport) -> Task {
    Task {
        work,
        transport,
        size: 64,
        extent: 1,
        count: 1,
        depth: 1,
        pinned: false,
        secured: false,
    }
}

fn bytes(size: usize) -> String {
    match size {
        size if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

const WORKS: [Work; 16] = [
    Work::Throughput,
    Work::FanOut,
    Work::RoundTrip,
    Work::Burst,
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
