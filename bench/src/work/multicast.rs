// SPDX-License-Identifier: MIT OR Apache-2.0
//! PUB to SUB, or RADIO to DISH, through a group, as fast as the rate that is set, and the receiver, allow. What is lost for good is a
//! figure, not a failure.

use std::thread;
use std::time::{Duration, Instant};

use super::{END, UDP_GROUP, get, group, put};
use crate::library::{Context, Kind, RATE, RCVBUF, Socket, XPUB_NODROP};
use crate::role::Company;
use crate::task::{Task, Work};
use crate::{Failure, Outcome};

pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = hearing(context, task)?;
    company.tell("here")?;
    let mut buffer = vec![0; task.size];
    let (mut received, mut expected) = (0_u64, 0);
    let mut greeted = false;
    let (mut begin, mut last) = (None, Instant::now());
    loop {
        let len = socket.recv(&mut buffer)?;
        match get(&buffer, 0) {
            GREETING if greeted => {}
            GREETING => {
                greeted = true;
                company.tell("go")?;
            }
            // Once what was before it has come, or never will.
            LAST => break,
            sequence if len == task.size && sequence >= expected && sequence < task.count => {
                expected = sequence + 1;
                received += 1;
                last = Instant::now();
                begin.get_or_insert(last);
            }
            sequence => {
                return Err(Failure::new(format!(
                    "message {sequence} of {len} bytes after {expected}"
                )));
            }
        }
    }
    company.tell(END)?;
    let begin = begin.ok_or_else(|| Failure::new("nothing received"))?;
    let seconds = (last - begin).as_secs_f64();
    company.result("rate", received as f64 / seconds)?;
    company.result("received", received as f64)?;
    let lost = task.count - received;
    company.result("lost", 100.0 * lost as f64 / task.count as f64)?;
    company.result("seconds", seconds)
}

/// Both libraries are given the same room in the kernel.
fn hearing<C: Context>(context: &C, task: &Task) -> Outcome<C::Socket> {
    if task.work == Work::Datagrams {
        let mut socket = context.socket(Kind::Dish)?;
        socket.set(RCVBUF, BUFFER)?;
        socket.bind(UDP_GROUP)?;
        socket.join(CHANNEL)?;
        return Ok(socket);
    }
    let mut socket = context.socket(Kind::Sub)?;
    socket.set(RCVBUF, BUFFER)?;
    socket.set(RATE, rate(task)?)?;
    socket.subscribe(b"")?;
    socket.connect(group(task))?;
    Ok(socket)
}

pub(super) fn publish<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    company.hear()?;
    let mut socket = Speaker::open(context, task)?;
    let mut buffer = vec![0x5a; task.size];
    until_heard(&mut socket, &mut buffer, GREETING, company)?;
    for sequence in 0..task.count {
        put(&mut buffer, 0, sequence);
        socket.send(&buffer)?;
    }
    until_heard(&mut socket, &mut buffer, LAST, company)
}

/// Who publishes.
enum Speaker<S> {
    Pub(S),
    Radio(S),
}

impl<S: Socket> Speaker<S> {
    fn open<C: Context<Socket = S>>(context: &C, task: &Task) -> Outcome<Self> {
        let datagrams = task.work == Work::Datagrams;
        let kind = if datagrams { Kind::Radio } else { Kind::Pub };
        let mut socket = context.socket(kind)?;
        // What is lost is to be lost on the way.
        socket.set(XPUB_NODROP, 1)?;
        if datagrams {
            socket.connect(UDP_GROUP)?;
            return Ok(Self::Radio(socket));
        }
        socket.set(RATE, rate(task)?)?;
        socket.connect(group(task))?;
        Ok(Self::Pub(socket))
    }

    #[inline]
    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        match self {
            Self::Pub(socket) => socket.send(bytes),
            Self::Radio(socket) => socket.send_to(CHANNEL, bytes),
        }
    }
}

/// Again and again, until there is an answer.
fn until_heard(
    socket: &mut Speaker<impl Socket>,
    buffer: &mut [u8],
    word: u64,
    company: &Company,
) -> Outcome<()> {
    put(buffer, 0, word);
    while !company.has_heard() {
        socket.send(buffer)?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Kilobits a second.
fn rate(task: &Task) -> Outcome<i32> {
    Ok(i32::try_from(task.extent * 1000)?)
}

/// `ZMQ_RCVBUF` of both, as far as the system allows.
const BUFFER: i32 = 4 << 20;
/// What the DISH joins.
const CHANNEL: &str = "bench";
/// The sequence number of messages before all others.
const GREETING: u64 = u64::MAX;
/// And of those behind them.
const LAST: u64 = u64::MAX - 1;
