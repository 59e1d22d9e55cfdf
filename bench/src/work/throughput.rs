// SPDX-License-Identifier: MIT OR Apache-2.0
//! PUSH to PULL, as fast as it goes.

use std::time::Instant;

use super::{END, LARGE, bind, check, connect, put, secured};
use crate::Outcome;
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::workload::Task;

pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    if task.secured {
        secured::serve(&mut socket)?;
    }
    bind(&mut socket, task, company)?;
    let mut buffer = vec![0; task.size];
    let mut take = |sequence| {
        if task.size >= LARGE {
            return socket.recv_message(|bytes| check(bytes, task.size, sequence))?;
        }
        let len = socket.recv(&mut buffer)?;
        check(&buffer[..len.min(task.size)], task.size, sequence)
    };
    take(0)?;
    let begin = Instant::now();
    for sequence in 1..task.count {
        take(sequence)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    company.tell(END)?;
    company.result("rate", (task.count - 1) as f64 / seconds)?;
    company.result("seconds", seconds)?;
    if task.secured {
        company.result("opening", secured::opening(task.size))?;
    }
    Ok(())
}

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Push)?;
    if task.secured {
        secured::ask(&mut socket)?;
    }
    connect(&mut socket, company)?;
    let mut buffer = vec![0x5a; task.size];
    for sequence in 0..task.count {
        if task.size >= LARGE {
            socket.send_message(task.size, 0x5a, |bytes| put(bytes, 0, sequence))?;
        } else {
            put(&mut buffer, 0, sequence);
            socket.send(&buffer)?;
        }
    }
    company.hear()?;
    if task.secured {
        company.result("sealing", secured::sealing(task.size))?;
    }
    Ok(())
}
