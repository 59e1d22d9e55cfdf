// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many subscriptions of one SUB to one XPUB: what they cost to make, to keep, and to look up.

use std::time::Instant;

use super::{END, bind, connect as connect_socket};
use crate::library::{Context, Kind, RCVHWM, SNDHWM, Socket};
use crate::role::Company;
use crate::system::resident;
use crate::task::Task;
use crate::{Failure, Outcome};

/// `size` bytes long each, or of 8 to 20 bytes if that is 0.
fn topic(task: &Task, number: u64) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = if task.size > 0 {
        task.size
    } else {
        8 + usize::try_from(mixed % 13).unwrap_or(0)
    };
    // The number backwards: all differ, and from the first byte on.
    let mut topic: Vec<u8> = format!("{number:08x}").bytes().rev().collect();
    topic.extend_from_slice(format!("{mixed:016x}").as_bytes());
    topic.resize(len, b'x');
    topic
}

pub(super) fn publish<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Xpub)?;
    socket.set(RCVHWM, 0)?;
    socket.set(SNDHWM, 0)?;
    bind(&mut socket, task, company)?;
    company.hear()?;
    let before = resident()?;
    company.tell("go")?;
    let mut begin = None;
    for _ in 0..task.extent {
        let subscribes = socket.recv_message(|bytes| bytes.first() == Some(&1))?;
        if !subscribes {
            return Err(Failure::new("no subscription"));
        }
        begin.get_or_insert_with(Instant::now);
    }
    let seconds = begin.map_or(0.0, |begin| begin.elapsed().as_secs_f64());
    let bytes = (resident()? - before) / task.extent as f64;
    company.result("rate", task.extent as f64 / seconds)?;
    company.result("bytes", bytes)?;

    let miss = vec![b'-'; task.size.max(64)];
    let begin = Instant::now();
    for _ in 0..task.count {
        socket.send(&miss)?;
    }
    let nanoseconds = begin.elapsed().as_secs_f64() * 1e9;
    company.result("miss", nanoseconds / task.count as f64)?;

    let topics: Vec<_> = (0..BURST)
        .map(|number| topic(task, number * 7919 % task.extent))
        .collect();
    let mut nanoseconds = 0.0;
    for _ in 0..bursts(task) {
        let begin = Instant::now();
        for topic in &topics {
            socket.send(topic)?;
        }
        nanoseconds += begin.elapsed().as_secs_f64() * 1e9;
        company.hear()?;
    }
    company.tell(END)?;
    company.result("hit", nanoseconds / (bursts(task) * BURST) as f64)?;
    company.result("seconds", seconds)
}

pub(super) fn subscribe<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Sub)?;
    socket.set(RCVHWM, 0)?;
    socket.set(SNDHWM, 0)?;
    connect_socket(&mut socket, company)?;
    company.tell("there")?;
    company.hear()?;
    let before = resident()?;
    for number in 0..task.extent {
        socket.subscribe(&topic(task, number))?;
    }
    company.result("own", (resident()? - before) / task.extent as f64)?;
    for _ in 0..bursts(task) {
        for _ in 0..BURST {
            socket.recv_message(|_| ())?;
        }
        company.tell("received")?;
    }
    company.hear().map(drop)
}

/// How many bursts of messages that match.
fn bursts(task: &Task) -> u64 {
    task.count.div_ceil(BURST).min(100)
}

/// Messages between two words.
const BURST: u64 = 500;
