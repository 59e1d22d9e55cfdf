// SPDX-License-Identifier: MIT OR Apache-2.0
//! One PUB that may not drop, and many SUBs in one thread of another process.

use std::thread;
use std::time::{Duration, Instant};

use super::{END, bind, check, get, put};
use crate::library::{Context, Go, Kind, Socket, XPUB_NODROP};
use crate::role::Company;
use crate::task::Task;
use crate::{Failure, Outcome};

pub(super) fn publish<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pub)?;
    socket.set(XPUB_NODROP, 1)?;
    bind(&mut socket, task, company)?;
    let mut buffer = vec![0; task.size];
    // Until everybody has had one.
    put(&mut buffer, 0, GREETING);
    while !company.has_heard() {
        socket.send(&buffer)?;
        thread::sleep(Duration::from_millis(1));
    }
    for sequence in 0..task.count {
        put(&mut buffer, 0, sequence);
        socket.send(&buffer)?;
    }
    company.hear().map(drop)
}

pub(super) fn subscribe<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    let mut sockets = Vec::new();
    for _ in 0..task.extent {
        let mut socket = context.socket(Kind::Sub)?;
        socket.subscribe(b"")?;
        socket.connect(&endpoint)?;
        sockets.push(socket);
    }
    let mut expected = vec![GREETING; sockets.len()];
    let (mut greeted, mut received, all) = (0, 0, task.count * task.extent);
    let mut begin = None;
    let mut buffer = vec![0; task.size];
    C::Socket::read_all(&mut sockets, task.calls, &mut buffer, |at, bytes| {
        let expected = &mut expected[at];
        if get(bytes, 0) == GREETING {
            if *expected == GREETING {
                *expected = 0;
                greeted += 1;
                if greeted == task.extent {
                    company.tell("go")?;
                }
            }
            return Ok(Go::On);
        }
        check(bytes, task.size, *expected)?;
        *expected += 1;
        received += 1;
        begin.get_or_insert_with(Instant::now);
        Ok(if received == all { Go::Stop } else { Go::On })
    })?;
    let begin = begin.ok_or_else(|| Failure::new("nothing received"))?;
    let seconds = begin.elapsed().as_secs_f64();
    company.tell(END)?;
    company.result("rate", all as f64 / seconds)?;
    company.result("seconds", seconds)
}

/// The sequence number of messages that do not count.
const GREETING: u64 = u64::MAX;
