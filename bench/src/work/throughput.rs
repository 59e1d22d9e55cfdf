// SPDX-License-Identifier: MIT OR Apache-2.0
//! PUSH to PULL, as fast as it goes.

use std::time::Instant;

use super::{END, bind, check, connect, put, secured};
use crate::Outcome;
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::{Calls, Task};

pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    if task.secured {
        secured::serve(&mut socket)?;
    }
    bind(&mut socket, task, company)?;
    let seconds = receive_all(&mut socket, task)?;
    company.tell(END)?;
    company.result("rate", (task.count - 1) as f64 / seconds)?;
    company.result("seconds", seconds)?;
    if task.secured {
        company.result("opening", secured::opening(task.size))?;
    }
    Ok(())
}

/// Receives what [`send_all`] sends; the seconds from the first to the last.
pub(super) fn receive_all(socket: &mut impl Socket, task: &Task) -> Outcome<f64> {
    let mut buffer = vec![0; task.size];
    let mut take = |sequence| {
        if task.calls != Calls::Buffers {
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
    Ok(begin.elapsed().as_secs_f64())
}

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Push)?;
    if task.secured {
        secured::ask(&mut socket)?;
    }
    connect(&mut socket, company)?;
    send_all(&mut socket, task)?;
    company.hear()?;
    if task.secured {
        company.result("sealing", secured::sealing(task.size))?;
    }
    Ok(())
}

/// Sends so many, numbered, by the calls that the task names.
pub(super) fn send_all(socket: &mut impl Socket, task: &Task) -> Outcome<()> {
    let mut buffer = vec![0x5a; task.size];
    for sequence in 0..task.count {
        match task.calls {
            Calls::Buffers | Calls::Received | Calls::Poller => {
                put(&mut buffer, 0, sequence);
                socket.send(&buffer)?;
            }
            Calls::Messages => {
                socket.send_message(task.size, 0x5a, |bytes| put(bytes, 0, sequence))?;
            }
            Calls::Referenced => {
                let mut body = vec![0x5a; task.size];
                put(&mut body, 0, sequence);
                socket.send_body(body)?;
            }
        }
    }
    Ok(())
}
