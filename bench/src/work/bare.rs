// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets of protocol 113 through a group, without a protocol and without a library: what raw sockets let through, whoever uses
//! them. Both processes make a system call for many packets at a time, and the receiver is woken as seldom as it can be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use ferromq_os::datagram::{Datagram, Inbound, Kind, MOST_AT_ONCE, Outbound};
use ferromq_os::interface;

use super::{END, get, put};
use crate::role::Company;
use crate::task::Task;
use crate::{Failure, Outcome};

pub(super) fn receive(task: &Task, company: &Company) -> Outcome<()> {
    let socket = Datagram::new(Kind::Raw(PROTOCOL), false)?;
    socket.large_receive_buffer(BUFFER)?;
    socket.bind(GROUP)?;
    socket.join(GROUP.ip(), index()?)?;
    let mut inbound = Inbound::new(MOST_AT_ONCE, LONGEST);
    company.tell("go")?;
    let (mut received, mut begin, mut last) = (0_u64, None, Instant::now());
    'packets: loop {
        if inbound.receive(&socket).unwrap_or(0) == 0 {
            thread::sleep(PAUSE);
            continue;
        }
        for (_, bytes) in inbound.iter() {
            if get(bytes, 0) == LAST {
                break 'packets;
            }
            received += 1;
        }
        last = Instant::now();
        begin.get_or_insert(last);
    }
    company.tell(END)?;
    let begin = begin.ok_or_else(|| Failure::new("nothing received"))?;
    let seconds = (last - begin).as_secs_f64();
    company.result("rate", received as f64 / seconds)?;
    company.result("received", received as f64)?;
    let lost = task.count.saturating_sub(received);
    company.result("lost", 100.0 * lost as f64 / task.count as f64)?;
    company.result("seconds", seconds)
}

pub(super) fn send(task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = Datagram::new(Kind::Raw(PROTOCOL), false)?;
    socket.multicast_interface(index()?)?;
    socket.multicast_loop(false)?;
    socket.dont_fragment()?;
    socket.connect(GROUP)?;
    company.hear()?;
    let mut outbound = Outbound::new();
    let mut packet = vec![0x5a; task.size];
    put(&mut packet, 0, 0);
    let mut left = task.count;
    while left > 0 {
        let batch = left.min(MOST_AT_ONCE as u64);
        for _ in 0..batch {
            push(&mut outbound, &packet);
        }
        // There is no error but that of a full queue, which is a loss.
        outbound.send(&socket).ok();
        left -= batch;
    }
    put(&mut packet, 0, LAST);
    while !company.has_heard() {
        push(&mut outbound, &packet);
        outbound.send(&socket).ok();
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn push(outbound: &mut Outbound, packet: &[u8]) {
    let buffer = outbound.buffer();
    let begin = buffer.len();
    buffer.extend_from_slice(packet);
    let range = begin..buffer.len();
    outbound.push(range, GROUP);
}

/// The interface of this host.
fn index() -> Outcome<u32> {
    let all = interface::all();
    let found = all.iter().find(|each| each.name == "eth0");
    found
        .map(|each| each.index)
        .ok_or_else(|| Failure::new("no eth0"))
}

/// "IPPROTO_PGM".
const PROTOCOL: u8 = 113;
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 192, 0, 1)), 0);
const BUFFER: i32 = 8 << 20;
const LONGEST: usize = 2048;
/// The receiver's pause when nothing has come.
const PAUSE: Duration = Duration::from_micros(50);
/// In the packet behind the last one.
const LAST: u64 = u64::MAX;
