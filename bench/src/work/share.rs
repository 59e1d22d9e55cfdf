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
    let mut best = 0.0_f64;
    for (_, read) in BLOCKS {
        let (stream, _) = listener.accept()?;
        best = best.max(rate_of(stream, read)?);
    }
    company.result("stream", best)
}

/// Bytes a second, read with blocks of this size.
fn rate_of(mut stream: TcpStream, read: usize) -> Outcome<f64> {
    let mut room = vec![0; read];
    let mut moved = stream.read(&mut room)?;
    let begin = Instant::now();
    loop {
        match stream.read(&mut room)? {
            0 => return Ok(moved as f64 / begin.elapsed().as_secs_f64()),
            read => moved += read,
        }
    }
}

pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    throughput::send(context, task, company)?;
    let place = company.hear()?;
    for (write, _) in BLOCKS {
        let mut stream = TcpStream::connect(&place)?;
        let block = vec![0x5a; write];
        for _ in 0..EACH / write {
            stream.write_all(&block)?;
        }
    }
    Ok(())
}

/// Sizes of writes and reads, of which the best count: which ones those are differs from machine to machine.
const BLOCKS: [(usize, usize); 6] = [
    (32 << 10, 64 << 10),
    (64 << 10, 64 << 10),
    (64 << 10, 256 << 10),
    (256 << 10, 256 << 10),
    (256 << 10, 1 << 20),
    (1 << 20, 1 << 20),
];
/// Some hundredths of a second to a tenth.
const EACH: usize = 256 << 20;
