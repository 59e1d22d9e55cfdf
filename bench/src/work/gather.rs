// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many PUSH in one thread, which sends with each in turn, to one PULL.

use std::time::Instant;

use super::{END, bind, check, get, put};
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;
use crate::{Failure, Outcome};

pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    bind(&mut socket, task, company)?;
    let mut expected = vec![0; usize::try_from(task.extent)?];
    let mut buffer = vec![0; task.size];
    let mut take = || {
        let len = socket.recv(&mut buffer)?;
        let sender = usize::try_from(get(&buffer, SENDER))?;
        let sequence = expected
            .get_mut(sender)
            .ok_or_else(|| Failure::new("a message of nobody"))?;
        check(&buffer[..len.min(task.size)], task.size, *sequence)?;
        *sequence += 1;
        Outcome::Ok(())
    };
    for _ in 0..task.extent {
        take()?;
    }
    company.tell("go")?;
    take()?;
    let begin = Instant::now();
    for _ in 1..task.count {
        take()?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    company.tell(END)?;
    company.result("rate", (task.count - 1) as f64 / seconds)?;
    company.result("seconds", seconds)
}

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    let mut buffer = vec![0x5a; task.size];
    let mut sockets = Vec::new();
    for sender in 0..task.extent {
        let mut socket = context.socket(Kind::Push)?;
        socket.connect(&endpoint)?;
        put(&mut buffer, 0, 0);
        put(&mut buffer, SENDER, sender);
        socket.send(&buffer)?;
        sockets.push(socket);
    }
    // All of them are there.
    company.hear()?;
    for number in 0..task.count {
        let sender = number % task.extent;
        put(&mut buffer, 0, number / task.extent + 1);
        put(&mut buffer, SENDER, sender);
        sockets[usize::try_from(sender)?].send(&buffer)?;
    }
    company.hear().map(drop)
}

/// Where a message says who has sent it.
const SENDER: usize = 8;
