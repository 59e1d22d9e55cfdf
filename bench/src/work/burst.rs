// SPDX-License-Identifier: MIT OR Apache-2.0
//! A few messages after silence; then the sender stays out of the library, and what it has sent
//! must arrive all the same.

use std::thread;

use super::{END, SILENCE, bind, check, connect, get, histogram, put, report};
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

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
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
    }
    company.hear().map(drop)
}

const WARM_UP: u64 = 20;
