// SPDX-License-Identifier: MIT OR Apache-2.0
//! Work that is measured, and what is learnt from it: lines of the table, and their bars.

use crate::task::{Calls, Task, Transport, Work};

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
    pub(crate) fn new(
        label: impl Into<String>,
        figure: &'static str,
        unit: Unit,
        bar: Bar,
    ) -> Self {
        Self {
            label: label.into(),
            figure,
            unit,
            bar,
        }
    }

    fn rate(label: impl Into<String>, bar: Bar) -> Self {
        Self::new(label, "rate", Unit::Rate, bar)
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
        Self {
            name: format!("thr-{transport}-{size}"),
            task: Task {
                size,
                count,
                calls: if size < LARGE {
                    Calls::Buffers
                } else {
                    Calls::Messages
                },
                ..Task::of(Work::Throughput, transport)
            },
            scaled: true,
            rows: vec![Row::rate(label, bar)],
        }
    }

    /// The same work by other calls.
    #[must_use]
    pub fn by(mut self, calls: Calls) -> Self {
        self.name = format!("{}-{calls}", self.name);
        self.task.calls = calls;
        let how = match calls {
            Calls::Buffers => "zmq_recv",
            Calls::Received => "zmq_msg_recv",
            Calls::Messages => "zmq_msg_send, zmq_msg_recv",
            Calls::Referenced => "zmq_msg_init_data, zmq_msg_recv",
            Calls::Poller => "zmq_poller_wait_all, zmq_msg_recv",
        };
        for row in &mut self.rows {
            row.label = format!("{}, {how}", row.label);
        }
        self
    }

    /// What share of the bytes of a bare connection is left beside the library.
    #[must_use]
    pub fn share(size: usize, bar: Bar) -> Self {
        let throughput = Self::throughput(Transport::Tcp, size, Bar::Open);
        Self {
            name: format!("share-{size}"),
            task: Task {
                work: Work::Share,
                ..throughput.task
            },
            rows: vec![Row::new(
                format!("PUSH→PULL tcp {}, of a bare connection", bytes(size)),
                "of_stream",
                Unit::Percent,
                bar,
            )],
            ..throughput
        }
    }

    /// Many senders.
    #[must_use]
    pub fn gather(senders: u64, bar: Bar) -> Self {
        Self {
            name: format!("gather-{senders}"),
            task: Task {
                extent: senders,
                count: 200_000,
                ..Task::of(Work::Gather, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row::rate(format!("{senders} PUSH→1 PULL tcp 64 B"), bar)],
        }
    }

    /// PULL and PUSH in between.
    #[must_use]
    pub fn streamer(bar: Bar) -> Self {
        Self {
            name: "proxy-streamer".to_owned(),
            task: Task {
                count: 100_000,
                ..Task::of(Work::Streamer, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row::rate("PUSH→proxy→PULL tcp 64 B", bar)],
        }
    }

    /// ROUTER and DEALER in between, many questions under way.
    #[must_use]
    pub fn queue(bar: Bar) -> Self {
        Self {
            name: "proxy-queue".to_owned(),
            task: Task {
                count: 30_000,
                depth: 100,
                ..Task::of(Work::Queue, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row::rate(
                "DEALER→ROUTER/DEALER→DEALER and back, tcp 64 B, 100 under way",
                bar,
            )],
        }
    }

    /// ROUTER and DEALER in between, one question at a time.
    #[must_use]
    pub fn queue_trip(bar: Bar) -> Self {
        Self {
            name: "proxy-lat".to_owned(),
            task: Task {
                count: 1_000,
                ..Task::of(Work::QueueTrip, Transport::Tcp)
            },
            scaled: true,
            rows: rows(
                "REQ→ROUTER/DEALER→REP and back, tcp 64 B, half the trip",
                [
                    ("mean", "latency", Unit::Microseconds, bar),
                    ("p99", "p99", Unit::Microseconds, Bar::Open),
                ],
            ),
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
                ..Task::of(Work::Handshakes, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row::rate(
                "handshakes of CURVE, 32 at a time".to_owned(),
                bar,
            )],
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
                ..Task::of(Work::FanOut, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row::rate(label, bar)],
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
                ..Task::of(Work::Multicast, transport)
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
                ..Task::of(Work::Bare, Transport::Pgm)
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
                ..Task::of(Work::Datagrams, Transport::Udp)
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
        self.task.work == Work::Datagrams || self.task.calls == Calls::Poller
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
                ..Task::of(Work::RoundTrip, transport)
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
                ..Task::of(Work::Burst, Transport::Tcp)
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

    /// A burst over tcp, after which the same thread asks somebody else twice.
    #[must_use]
    pub fn burst_then_ask(length: u64, median: Bar, p99: Bar) -> Self {
        let mut workload = Self::burst(length, median, p99);
        workload.name = format!("burst-{length}-asking");
        workload.task.work = Work::BurstThenAsk;
        workload.task.depth = 2;
        for row in &mut workload.rows {
            row.label.push_str(", the sender asking somebody else");
        }
        workload
    }

    pub(crate) fn idle() -> Self {
        Self {
            name: "idle-1000".to_owned(),
            task: Task {
                count: 10,
                extent: 1000,
                ..Task::of(Work::Idle, Transport::Tcp)
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

    pub(crate) fn memory(work: Work, label: &str) -> Self {
        let task = Task {
            extent: 3000,
            count: 1,
            ..Task::of(work, Transport::Tcp)
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
    pub(crate) fn echo(work: Work, depth: u64, bar: Bar) -> Self {
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
                ..Task::of(work, Transport::Tcp)
            },
            scaled: true,
            rows: vec![Row::rate(format!("ROUTER echo {label}"), bar)],
        }
    }

    /// A million subscriptions.
    pub(crate) fn topics() -> Self {
        Self {
            name: "topics-1000000".to_owned(),
            task: Task {
                size: 0,
                count: 500_000,
                extent: 1_000_000,
                ..Task::of(Work::Topics, Transport::Tcp)
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
    pub(crate) fn long_topic() -> Self {
        Self {
            name: "topics-long".to_owned(),
            task: Task {
                size: 1 << 20,
                count: 500,
                extent: 1,
                ..Task::of(Work::Topics, Transport::Tcp)
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

    pub(crate) fn blocked() -> Self {
        Self {
            name: "blocked".to_owned(),
            task: Task {
                count: 1000,
                ..Task::of(Work::Blocked, Transport::Tcp)
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

fn bytes(size: usize) -> String {
    match size {
        size if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

/// From this size on, messages instead of buffers.
const LARGE: usize = 16 << 10;
