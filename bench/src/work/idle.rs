// SPDX-License-Identifier: MIT OR Apache-2.0
//! What connections cost while nothing happens on them, or hardly anything.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::{END, bind, check, connect as connect_socket, put};
use crate::library::{Context, Kind, Socket};
use crate::role::Company;
use crate::system::{own_usage, resident};
use crate::task::Task;
use crate::{Failure, Outcome};

/// Hears once of everybody in [`keep_still`].
pub(super) fn gather<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    bind(&mut socket, task, company)?;
    let mut buffer = vec![0; task.size];
    for _ in 0..task.extent {
        let len = socket.recv(&mut buffer)?;
        check(&buffer[..len.min(task.size)], task.size, 0)?;
    }
    company.tell("go")?;
    company.hear().map(drop)
}

/// Many sockets, each with a connection on which nothing happens, for `count` seconds.
pub(super) fn keep_still<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let endpoint = company.hear()?;
    let mut buffer = vec![0x5a; task.size];
    put(&mut buffer, 0, 0);
    let mut sockets = Vec::new();
    for _ in 0..task.extent {
        let mut socket = context.socket(Kind::Push)?;
        socket.connect(&endpoint)?;
        socket.send(&buffer)?;
        sockets.push(socket);
    }
    company.hear()?;
    let before = own_usage();
    thread::sleep(Duration::from_secs(task.count));
    let after = own_usage();
    company.tell(END)?;
    company.result("used", after.cpu - before.cpu)?;
    company.result("wakes", after.switches - before.switches)
}

/// A bound socket that connections come to.
pub(super) fn hold<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    let bytes = taken(&mut socket, task, company, settle)?;
    company.result("bytes", bytes)
}

/// The same, where each connection has brought a message.
pub(super) fn hold_used<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Router)?;
    let bytes = taken(&mut socket, task, company, |socket| {
        for _ in 0..task.extent {
            // Who it is from, and what it is.
            socket.recv_message(|_| ())?;
            socket.recv_message(|_| ())?;
        }
        settle(socket)
    })?;
    company.result("bytes", bytes)
}

/// The memory that each connection takes in the end.
fn taken<S: Socket>(
    socket: &mut S,
    task: &Task,
    company: &Company,
    receive: impl FnOnce(&mut S) -> Outcome<()>,
) -> Outcome<f64> {
    bind(socket, task, company)?;
    settle(socket)?;
    let before = resident()?;
    company.tell("go")?;
    company.hear()?;
    receive(socket)?;
    let after = resident()?;
    company.tell(END)?;
    Ok((after - before) / task.extent as f64)
}

/// Lets the library do what it has to about news: what is to be measured begins afterwards.
fn settle(socket: &mut impl Socket) -> Outcome<()> {
    for _ in 0..20 {
        if socket.look()? {
            return Err(Failure::new("a message out of nowhere"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Peers that shake hands and say nothing more.
pub(super) fn connect(task: &Task, company: &Company) -> Outcome<()> {
    be_there(task, company, "PUSH", b"")
}

/// Peers that shake hands and send one message of a byte.
pub(super) fn connect_and_say(task: &Task, company: &Company) -> Outcome<()> {
    be_there(task, company, "DEALER", b"\x00\x01x")
}

fn be_there(task: &Task, company: &Company, socket_type: &str, words: &[u8]) -> Outcome<()> {
    let endpoint = company.hear()?;
    let address = endpoint.strip_prefix("tcp://").unwrap_or(&endpoint);
    company.hear()?;
    let mut peers = Vec::new();
    for _ in 0..task.extent {
        let mut peer = meet(address, socket_type)?;
        peer.write_all(words)?;
        peers.push(peer);
    }
    company.tell("go")?;
    company.hear().map(drop)
}

/// A connection to this address, as a socket of this type would make it.
pub(super) fn meet(address: &str, socket_type: &str) -> Outcome<TcpStream> {
    let mut peer = TcpStream::connect(address)?;
    peer.set_nodelay(true)?;
    peer.write_all(&greeting())?;
    let mut answer = [0; 64];
    peer.read_exact(&mut answer)?;
    peer.write_all(&ready(socket_type)?)?;
    let mut header = [0; 2];
    peer.read_exact(&mut header)?;
    let mut command = vec![0; usize::from(header[1])];
    peer.read_exact(&mut command)?;
    if header[0] != 4 || !command.starts_with(b"\x05READY") {
        return Err(Failure::new("the handshake failed"));
    }
    Ok(peer)
}

/// ZMTP 3.1, NULL.
fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[11] = 1;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

fn ready(socket_type: &str) -> Outcome<Vec<u8>> {
    let mut body = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    body.push(u8::try_from(socket_type.len())?);
    body.extend(socket_type.as_bytes());
    Ok([&[4, u8::try_from(body.len())?], &body[..]].concat())
}

/// Blocked nearly all the time.
pub(super) fn receive<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Pull)?;
    bind(&mut socket, task, company)?;
    let mut buffer = vec![0; task.size];
    let mut begin = (Instant::now(), own_usage());
    for sequence in 0..task.count {
        let len = socket.recv(&mut buffer)?;
        check(&buffer[..len.min(task.size)], task.size, sequence)?;
        if sequence == 0 {
            begin = (Instant::now(), own_usage());
        }
    }
    let (seconds, after) = (begin.0.elapsed().as_secs_f64(), own_usage());
    company.tell(END)?;
    company.result("percent", 100.0 * (after.cpu - begin.1.cpu) / seconds)?;
    company.result("wakes", after.switches - begin.1.switches)
}

/// A hundred messages a second.
pub(super) fn send<C: Context>(context: &C, task: &Task, company: &Company) -> Outcome<()> {
    let mut socket = context.socket(Kind::Push)?;
    connect_socket(&mut socket, company)?;
    let mut buffer = vec![0x5a; task.size];
    for sequence in 0..task.count {
        put(&mut buffer, 0, sequence);
        socket.send(&buffer)?;
        thread::sleep(Duration::from_millis(10));
    }
    company.hear().map(drop)
}
