// SPDX-License-Identifier: MIT OR Apache-2.0
//! A few figures at the end.

use ferromq_bench::compare::{scaled, write};
use ferromq_bench::role::Choice;
use ferromq_bench::runner::{Figures, run};
use ferromq_bench::task::Transport;
use ferromq_bench::workload::{Bar, Unit, Workload};

use super::stage::Screen;
use crate::Outcome;

/// Rates and round trips of 64-byte messages over each transport.
pub(super) fn show(screen: &Screen) -> Outcome<()> {
    screen.title("how fast, here and now: 64 B messages, two processes (inproc: two threads)")?;
    screen.line("           messages/s    one way: mean       p50       p99")?;
    for transport in [Transport::Tcp, Transport::Ipc, Transport::Inproc] {
        let rates = measure(&Workload::throughput(transport, 64, Bar::Open))?;
        let times = measure(&Workload::round_trip(transport, false, Bar::Open))?;
        let of = |figures: &Figures, name| figures.get(name).copied().unwrap_or(f64::NAN);
        let time = |name| write(Unit::Microseconds, of(&times, name));
        screen.line(&format!(
            "  {transport:<8} {:>10} {:>16} {:>9} {:>9}",
            write(Unit::Rate, of(&rates, "rate")),
            time("latency"),
            time("p50"),
            time("p99"),
        ))?;
    }
    Ok(())
}

fn measure(workload: &Workload) -> Outcome<Figures> {
    let ours = Choice::Ours;
    Ok(run(&ours, &scaled(&ours, workload, SECONDS)?.task)?)
}

/// A run's length.
const SECONDS: f64 = 0.3;
