// SPDX-License-Identifier: MIT OR Apache-2.0
//! REQ and REP, one question at a time.

use std::time::Instant;

use super::{END, bind, check, connect, get, histogram, put, report};
use crate::Outcome;
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;

pub(super) fn reply<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Rep)?;
    bind(&mut socket, task, company)?;
    answer_all(&mut socket, task)?;
    company.hear().map(drop)
}

/// Answers what [`time_trips`] asks, to the last question.
pub(super) fn answer_all(socket: &mut impl Socket, task: &Task) -> Outcome<()> {
    let mut buffer = vec![0; task.size];
    loop {
        let len = socket.recv(&mut buffer)?;
        socket.send(&buffer[..len])?;
        if get(&buffer, 0) == LAST {
            return Ok(());
        }
    }
}

pub(super) fn request<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Req)?;
    connect(&mut socket, company)?;
    time_trips(&mut socket, task, company)
}

/// Asks, waits for the answer, and says how long it took.
pub(super) fn time_trips(socket: &mut impl Socket, task: &Task, company: &Company) -> Outcome<()> {
    let (mut question, mut answer) = (vec![0x5a; task.size], vec![0; task.size]);
    let mut trip = |sequence| {
        put(&mut question, 0, sequence);
        socket.send(&question)?;
        let len = socket.recv(&mut answer)?;
        check(&answer[..len.min(task.size)], task.size, sequence)
    };
    for sequence in 0..WARM_UP {
        trip(sequence)?;
    }
    let mut times = histogram()?;
    let begin = Instant::now();
    let mut before = begin;
    for sequence in 0..task.count {
        trip(sequence)?;
        let now = Instant::now();
        times.record(u64::try_from((now - before).as_nanos())?)?;
        before = now;
    }
    let seconds = begin.elapsed().as_secs_f64();
    trip(LAST)?;
    company.tell(END)?;
    company.result("latency", seconds / task.count as f64 / 2.0 * 1e6)?;
    company.result("seconds", seconds)?;
    // One way is half the trip.
    report(&times, 2.0, company)
}

/// The question after which there is none.
const LAST: u64 = u64::MAX;
const WARM_UP: u64 = 200;
