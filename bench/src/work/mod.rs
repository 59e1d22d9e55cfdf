// SPDX-License-Identifier: MIT OR Apache-2.0
//! The work, over any library: one function for the half that binds, one for the half that
//! connects.
//!
//! 1. `throughput`: PUSH to PULL
//! 2. `fan_out`: one lossless PUB to many SUBs
//! 3. `round_trip`: REQ and REP
//! 4. `burst`: a few messages after silence
//! 5. `idle`: what costs when nothing happens
//! 6. `crowd`: an echo over many connections, to clients without any library
//! 7. `dealers`: the same, to DEALERs
//! 8. `topics`: many subscriptions
//! 9. `handshakes`: connections that come and go
//! 10. `multicast`: PUB and SUB, RADIO and DISH through a group
//! 11. `secured`: CURVE, and what its primitives cost alone
//! 12. `bare`: packets over IP without any library
//! 13. `share`: PUSH to PULL beside a bare connection
//! 14. `gather`: many PUSH to one PULL
//! 15. `between`: through a proxy

mod bare;
mod between;
mod burst;
mod crowd;
mod dealers;
mod fan_out;
mod gather;
mod handshakes;
mod idle;
mod multicast;
mod round_trip;
mod secured;
mod share;
mod throughput;
mod topics;

use std::process;
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::task::{Task, Transport, Work};
use crate::{Failure, Outcome};

/// The half that binds.
pub fn first<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    match task.work {
        Work::Throughput => throughput::receive(context, task, company),
        Work::Share => share::receive(context, task, company),
        Work::Gather => gather::receive(context, task, company),
        Work::FanOut => fan_out::publish(context, task, company),
        Work::RoundTrip => round_trip::reply(context, task, company),
        Work::Streamer => between::stand(context, [Kind::Pull, Kind::Push], task, company),
        Work::Queue | Work::QueueTrip => {
            between::stand(context, [Kind::Router, Kind::Dealer], task, company)
        }
        Work::Burst => burst::receive(context, task, company),
        Work::BurstThenAsk => burst::receive_and_answer(context, task, company),
        Work::Idle => idle::gather(context, task, company),
        Work::Memory => idle::hold(context, task, company),
        Work::MemoryUsed => idle::hold_used(context, task, company),
        Work::Blocked => idle::receive(context, task, company),
        Work::Handshakes => handshakes::welcome(context, task, company),
        Work::Echo | Work::EchoInTurn | Work::BareEcho => crowd::echo(context, task, company),
        Work::Topics => topics::publish(context, task, company),
        Work::Multicast | Work::Datagrams => multicast::receive(context, task, company),
        Work::Bare => bare::receive(task, company),
    }
}

/// The half that connects.
pub fn second<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    match task.work {
        Work::Throughput => throughput::send(context, task, company),
        Work::Share => share::send(context, task, company),
        Work::Gather => gather::send(context, task, company),
        Work::FanOut => fan_out::subscribe(context, task, company),
        Work::RoundTrip => round_trip::request(context, task, company),
        Work::Streamer => between::pass(context, task, company),
        Work::Queue => between::converse(context, task, company),
        Work::QueueTrip => between::ask(context, task, company),
        Work::Burst => burst::send(context, task, company),
        Work::BurstThenAsk => burst::send_and_ask(context, task, company),
        Work::Idle => idle::keep_still(context, task, company),
        Work::Memory => idle::connect(task, company),
        Work::MemoryUsed => idle::connect_and_say(task, company),
        Work::Blocked => idle::send(context, task, company),
        Work::Handshakes => handshakes::come(context, task, company),
        Work::Echo => dealers::ask(context, task, company),
        Work::EchoInTurn => dealers::ask_in_turn(context, task, company),
        Work::BareEcho => crowd::ask(task, company),
        Work::Topics => topics::subscribe(context, task, company),
        Work::Multicast | Work::Datagrams => multicast::publish(context, task, company),
        Work::Bare => bare::send(task, company),
    }
}

/// Binds where the task wants it, and tells the other half.
fn bind(socket: &mut impl Socket, task: &Task, company: &Company) -> Outcome<()> {
    let wildcard = match task.transport {
        Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
        Transport::Ipc => format!("ipc://@ferromq-bench-{}", process::id()),
        Transport::Inproc => "inproc://bench".to_owned(),
        Transport::Epgm | Transport::Pgm => group(task).to_owned(),
        Transport::Udp => UDP_GROUP.to_owned(),
    };
    let bound = socket.bind(&wildcard)?;
    company.tell(&bound)
}

/// Where publishers and subscribers meet.
fn group(task: &Task) -> &'static str {
    match task.transport {
        Transport::Pgm => PGM_GROUP,
        _ => EPGM_GROUP,
    }
}

/// Connects where the other half has bound.
fn connect(socket: &mut impl Socket, company: &Company) -> Outcome<()> {
    socket.connect(&company.hear()?)
}

fn put(buffer: &mut [u8], at: usize, value: u64) {
    buffer[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn get(buffer: &[u8], at: usize) -> u64 {
    let bytes = buffer
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(u64::MAX, u64::from_le_bytes)
}

#[inline]
fn check(bytes: &[u8], size: usize, sequence: u64) -> Outcome<()> {
    if bytes.len() == size && get(bytes, 0) == sequence {
        return Ok(());
    }
    Err(wrong(bytes, size, sequence))
}

#[cold]
fn wrong(bytes: &[u8], size: usize, sequence: u64) -> Failure {
    Failure::new(format!(
        "message {} of {} bytes, not {sequence} of {size}",
        get(bytes, 0),
        bytes.len()
    ))
}

/// Reports a distribution of times in nanoseconds, in microseconds, each divided by `by`.
fn report(times: &Histogram<u64>, by: f64, company: &Company) -> Outcome<()> {
    let us = |nanoseconds: f64| nanoseconds / 1e3 / by;
    company.result("mean", us(times.mean()))?;
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        company.result(name, us(times.value_at_quantile(quantile) as f64))?;
    }
    company.result("max", us(times.max() as f64))
}

/// Three digits, of any time.
fn histogram() -> Outcome<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

/// What the other half says when it has all it wants.
const END: &str = "end";
/// Both hosts have an interface of this name.
const EPGM_GROUP: &str = "epgm://eth0;239.192.0.1:5555";
const PGM_GROUP: &str = "pgm://eth0;239.192.0.1:5555";
/// The same for plain datagrams.
const UDP_GROUP: &str = "udp://eth0;239.192.0.2:5556";
/// Before a burst.
const SILENCE: Duration = Duration::from_millis(3);

/// A thread at the other end has done its part; its socket is closed now.
fn ended<T>(end: JoinHandle<Outcome<T>>) -> Outcome<()> {
    let done = end
        .join()
        .unwrap_or_else(|_panic| Err(Failure::new("a thread panicked")));
    done.map(drop)
}
