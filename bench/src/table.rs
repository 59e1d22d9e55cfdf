// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole table.

use crate::task::{Calls, Transport, Work};
use crate::workload::{Bar, Row, Unit, Workload};

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
    use Bar::{Above, AtLeast, AtMost, Open};
    use Transport::{Ipc, Tcp};
    let bar = |rust: f64, c: f64| if face == Face::Rust { rust } else { c };
    let mut all = throughputs(face);
    if face == Face::C {
        all.extend(by_other_calls());
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
        Workload::fan_out(1, AtLeast(5.0)),
        Workload::fan_out(8, AtLeast(4.0)),
        Workload::fan_out(64, AtLeast(bar(6.0, 4.0))),
        Workload::gather(64, AtLeast(4.0)),
        Workload::streamer(AtLeast(4.0)),
        Workload::queue(AtLeast(4.0)),
        Workload::queue_trip(AtMost(0.4)),
        Workload::share(64, Open),
        Workload::share(256, Above(75.0)),
        Workload::share(1 << 10, Above(75.0)),
        Workload::share(4 << 10, Above(75.0)),
        Workload::share(64 << 10, Above(75.0)),
        Workload::round_trip(Tcp, false, AtMost(bar(0.2, 0.25))),
        Workload::round_trip(Tcp, true, AtMost(bar(0.4, 0.45))),
        Workload::round_trip(Ipc, false, AtMost(bar(0.25, 0.3))),
        Workload::burst(2, AtMost(0.7), Open),
        Workload::burst(5, AtMost(0.9), Open),
        Workload::burst_then_ask(6, AtMost(0.9), AtMost(1.2)),
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

/// PUSH to PULL over every transport but those of groups.
fn throughputs(face: Face) -> Vec<Workload> {
    use Bar::{AtLeast, AtMost};
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
    all
}

/// What the table asks of one pair of calls, of the others in C.
fn by_other_calls() -> impl Iterator<Item = Workload> {
    use Bar::AtLeast;
    use Transport::{Inproc, Ipc, Tcp};
    let received = [
        (Tcp, 16, 6.0),
        (Tcp, 64, 5.0),
        (Tcp, 256, 5.0),
        (Tcp, 1 << 10, 4.5),
        (Tcp, 4 << 10, 4.5),
        (Ipc, 64, 5.0),
        (Ipc, 1 << 10, 5.0),
        (Inproc, 16, 5.0),
        (Inproc, 64, 5.0),
        (Inproc, 1 << 10, 3.0),
    ]
    .map(|of| (of, Calls::Received));
    let sent = [Calls::Messages, Calls::Referenced]
        .into_iter()
        .flat_map(|calls| {
            [
                (Tcp, 64, 5.0),
                (Tcp, 1 << 10, 4.5),
                (Tcp, 64 << 10, 2.5),
                (Inproc, 64, 5.0),
            ]
            .map(|of| (of, calls))
        });
    // From 16 KiB on they are messages anyway.
    let sent = sent.filter(|((_, size, _), calls)| *size < 16 << 10 || *calls == Calls::Referenced);
    let throughputs = received.into_iter().chain(sent);
    let fan_outs = [Calls::Received, Calls::Poller]
        .into_iter()
        .flat_map(|calls| {
            [(1, 5.0), (8, 4.0), (64, 4.0)]
                .map(|(subscribers, bar)| Workload::fan_out(subscribers, AtLeast(bar)).by(calls))
        });
    throughputs
        .map(|((transport, size, bar), calls)| {
            Workload::throughput(transport, size, AtLeast(bar)).by(calls)
        })
        .chain(fan_outs)
}
