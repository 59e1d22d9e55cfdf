// SPDX-License-Identifier: MIT OR Apache-2.0
//! PUSH to PULL, and behind it bytes over a bare connection of the same processes: what share of it a library leaves.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::throughput;
use crate::Outcome;
use crate::library::Context;
use crate::role::Company;
use crate::task::Task;

pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    throughput::receive(context, task, company)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    company.tell(&listener.local_addr()?.to_string())?;
    let (mut stream, _) = listener.accept()?;
    let mut room = vec![0; READ];
    let mut moved = stream.read(&mut room)?;
    let begin = Instant::now();
    loop {
        match stream.read(&mut room)? {
            0 => break,
            read => moved += read,
        }
    }
    company.result("stream", moved as f64 / begin.elapsed().as_secs_f64())
}

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    throughput::send(context, task, company)?;
    let mut stream = TcpStream::connect(company.hear()?)?;
    let block = vec![0x5a; WRITE];
    for _ in 0..ALL / WRITE {
        stream.write_all(&block)?;
    }
    Ok(())
}

/// One writer and one reader are at their best with blocks of these sizes.
const WRITE: usize = 32 << 10;
const READ: usize = 64 << 10;
/// A tenth of a second or two.
const ALL: usize = 512 << 20;
