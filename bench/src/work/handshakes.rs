// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections that come, say one word, and go.

use std::time::Instant;

use super::{END, bind, secured};
use crate::Outcome;
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::Task;

pub(super) fn welcome<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    if task.secured {
        secured::serve(&mut socket)?;
    }
    bind(&mut socket, task, company)?;
    let rounds = task.count.div_ceil(task.extent);
    let begin = Instant::now();
    let mut buffer = [0; 8];
    for _ in 0..rounds {
        for _ in 0..task.extent {
            socket.recv(&mut buffer)?;
        }
        company.tell(END)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    company.result("rate", (rounds * task.extent) as f64 / seconds)?;
    company.result("seconds", seconds)
}

pub(super) fn come<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    for _ in 0..task.count.div_ceil(task.extent) {
        let mut sockets = Vec::new();
        for _ in 0..task.extent {
            let mut socket = context.socket(Kind::Push)?;
            if task.secured {
                secured::ask(&mut socket)?;
            }
            socket.connect(&endpoint)?;
            socket.send(b"here")?;
            sockets.push(socket);
        }
        company.hear()?;
    }
    Ok(())
}
