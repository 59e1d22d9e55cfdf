// SPDX-License-Identifier: MIT OR Apache-2.0
//! A few messages after silence; then the sender stays out of the library, and what it has sent
//! must arrive all the same.

use std::thread;

use super::{END, SILENCE, bind, check, connect, ended, get, histogram, put, report};
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;
use crate::{Outcome, system};

pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    bind(&mut socket, task, company)?;
    let mut buffer = vec![0; task.size];
    let mut times = histogram()?;
    let (begin, mut sequence) = (system::now(), 0);
    for burst in 0..WARM_UP + task.count {
        for _ in 0..task.extent {
            let len = socket.recv(&mut buffer)?;
            check(&buffer[..len.min(task.size)], task.size, sequence)?;
            sequence += 1;
        }
        let arrived = system::now();
        if burst >= WARM_UP {
            times.record(arrived.saturating_sub(get(&buffer, 8)))?;
        }
    }
    company.tell(END)?;
    company.result("seconds", (system::now() - begin) as f64 / 1e9)?;
    report(&times, 1.0, company)
}

/// The same beside a thread that answers questions.
pub(super) fn receive_and_answer<C: Context>(
    context: &C,
    task: &Task,
    company: &Company,
) -> Outcome<()> {
    let mut rep = context.socket(Kind::Rep)?;
    bind(&mut rep, task, company)?;
    let questions = (WARM_UP + task.count) * task.depth;
    let answerer = thread::spawn(move || (0..questions).try_for_each(|_| rep.echo()));
    receive(context, task, company)?;
    ended(answerer)
}

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    send_bursts(context, task, company, || Ok(()))
}

/// After each burst, talks to somebody else.
pub(super) fn send_and_ask<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut req = context.socket(Kind::Req)?;
    connect(&mut req, company)?;
    let (question, mut answer) = (vec![0x5a; task.size], vec![0; task.size]);
    send_bursts(context, task, company, || {
        for _ in 0..task.depth {
            req.send(&question)?;
            req.recv(&mut answer)?;
        }
        Ok(())
    })
}

fn send_bursts<C: Context>(
    context: &C,
    task: &Task,
    company: &Company,
    mut then: impl FnMut() -> Outcome<()>,
) -> Outcome<()> {
    let mut socket = context.socket(Kind::Push)?;
    connect(&mut socket, company)?;
    let mut buffer = vec![0x5a; task.size];
    let mut sequence = 0;
    for _ in 0..WARM_UP + task.count {
        thread::sleep(SILENCE);
        put(&mut buffer, 8, system::now());
        for _ in 0..task.extent {
            put(&mut buffer, 0, sequence);
            socket.send(&buffer)?;
            sequence += 1;
        }
        then()?;
    }
    company.hear().map(drop)
}

const WARM_UP: u64 = 20;
