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
    /// A PULL that gets `count` messages, a hundred a second.
    Blocked,
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
    /// Both processes on one CPU.
    pub pinned: bool,
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
            pinned,
        } = self;
        vec![
            work.to_string(),
            transport.to_string(),
            size.to_string(),
            extent.to_string(),
            count.to_string(),
            u8::from(pinned).to_string(),
        ]
    }

    pub(crate) fn from_arguments(arguments: &[String]) -> Outcome<Self> {
        let [work, transport, size, extent, count, pinned] = arguments else {
            return Err(Failure::new("not a task"));
        };
        Ok(Self {
            work: find(&WORKS, work)?,
            transport: find(&TRANSPORTS, transport)?,
            size: size.parse()?,
            extent: extent.parse()?,
            count: count.parse()?,
            pinned: pinned == "1",
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
            Self::Blocked => "blocked",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
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

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At least that many times libzmq's.
    AtLeast(f64),
    /// At most that many times libzmq's.
    AtMost(f64),
    /// Less than that, whatever libzmq does.
    Below(f64),
    /// As it comes.
    Open,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Messages per second.
    Rate,
    /// Microseconds.
    Microseconds,
    /// Seconds of processor time.
    Seconds,
    /// Per cent of a processor.
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

    /// Round trips.
    #[must_use]
    pub fn round_trip(transport: Transport, pinned: bool, bar: Bar) -> Self {
        let place = if pinned { ", one CPU" } else { "" };
        let label = format!("REQ/REP {transport} 64 B{place}, one way: mean");
        let row = |label: &str, figure, bar| Row {
            label: label.to_owned(),
            figure,
            unit: Unit::Microseconds,
            bar,
        };
        Self {
            name: format!("lat-{transport}{}", if pinned { "-pinned" } else { "" }),
            task: Task {
                count: 2_000,
                pinned,
                ..task(Work::RoundTrip, transport)
            },
            scaled: true,
            rows: vec![
                row(&label, "latency", bar),
                row(&label.replace("mean", "p50"), "p50", Bar::Open),
                row(&label.replace("mean", "p99"), "p99", Bar::Open),
            ],
        }
    }

    /// A burst over tcp.
    #[must_use]
    pub fn burst(length: u64, median: Bar, p99: Bar) -> Self {
        let row = |name, figure, bar| Row {
            label: format!("last of a burst of {length}: {name}"),
            figure,
            unit: Unit::Microseconds,
            bar,
        };
        Self {
            name: format!("burst-{length}"),
            task: Task {
                count: 400,
                extent: length,
                ..task(Work::Burst, Transport::Tcp)
            },
            scaled: false,
            rows: vec![row("median", "p50", median), row("p99", "p99", p99)],
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

    fn memory() -> Self {
        Self {
            name: "memory-3000".to_owned(),
            task: Task {
                extent: 3000,
                count: 1,
                ..task(Work::Memory, Transport::Tcp)
            },
            scaled: false,
            rows: vec![Row {
                label: "memory per idle connection, 3,000 to one PULL".to_owned(),
                figure: "bytes",
                unit: Unit::Bytes,
                bar: Bar::AtMost(0.08),
            }],
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

/// The whole table.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    use Bar::{AtLeast, AtMost, Open};
    use Transport::{Inproc, Ipc, Tcp};
    let throughputs = [
        (Tcp, 16, 10.0),
        (Tcp, 64, 8.0),
        (Tcp, 256, 6.0),
        (Tcp, 1 << 10, 5.0),
        (Tcp, 4 << 10, 4.5),
        (Tcp, 64 << 10, 2.5),
        (Tcp, 1 << 20, 1.2),
        (Ipc, 64, 8.0),
        (Ipc, 1 << 10, 6.0),
        (Ipc, 64 << 10, 3.0),
        (Inproc, 16, 10.0),
        (Inproc, 64, 10.0),
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
            bar: AtMost(0.2),
        });
    }
    all.extend([
        Workload::fan_out(64, AtLeast(6.0)),
        Workload::round_trip(Tcp, false, AtMost(0.2)),
        Workload::round_trip(Tcp, true, AtMost(0.4)),
        Workload::round_trip(Ipc, false, AtMost(0.25)),
        Workload::burst(2, AtMost(0.7), Open),
        Workload::burst(5, AtMost(0.9), Open),
        Workload::burst(30, AtMost(1.1), AtMost(1.2)),
        Workload::burst(100, AtMost(0.9), AtMost(1.2)),
        Workload::idle(),
        Workload::memory(),
        Workload::blocked(),
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
        pinned: false,
    }
}

fn bytes(size: usize) -> String {
    match size {
        size if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

const WORKS: [Work; 7] = [
    Work::Throughput,
    Work::FanOut,
    Work::RoundTrip,
    Work::Burst,
    Work::Idle,
    Work::Memory,
    Work::Blocked,
];
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Ipc, Transport::Inproc];
