// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that does with ferromq what its standard input says, in the lines of `ferromq_interop::script`, as far as
//! tests of multicast need them: for hosts of their own. Besides those there are `lost N`, the packets that monitor
//! events have told to be lost, and `statistics N`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the answers")]

use std::collections::BTreeMap;
use std::io::{BufRead, stdin};
use std::time::{Duration, Instant};

use ferromq::{AnySocket, Context, Error, Event, Message, Monitor, Multipart, SocketType};
use ferromq_interop::script::{self, Part, Seen, Tally, number};
use ferromq_interop::{Failure, Outcome};

fn main() {
    println!("ok ferromq");
    let mut sockets = BTreeMap::new();
    let mut opened = 0;
    for line in stdin().lock().lines().map_while(Result::ok) {
        match request(&mut sockets, &mut opened, &line) {
            Ok(Some(values)) if values.is_empty() => println!("ok"),
            Ok(Some(values)) => println!("ok {values}"),
            Ok(None) => println!("again"),
            Err(failure) => println!("error {}", failure.to_string().replace('\n', " ")),
        }
    }
}

struct Open {
    // In this order they go.
    socket: AnySocket,
    monitor: Monitor,
    lost: u64,
    linger: i32,
    context: Context,
}

fn request(
    sockets: &mut BTreeMap<u32, Open>,
    opened: &mut u32,
    line: &str,
) -> Outcome<Option<String>> {
    let words: Vec<&str> = line.split(' ').collect();
    if let ["open", kind] = words.as_slice() {
        let kind = SocketType::from_name(kind).ok_or_else(|| Failure::new("no such type"))?;
        let context = Context::new();
        let socket = context.any_socket(kind).map_err(told)?;
        let monitor = socket.monitor();
        *opened += 1;
        let open = Open {
            socket,
            monitor,
            lost: 0,
            linger: 0,
            context,
        };
        sockets.insert(*opened, open);
        return Ok(Some(opened.to_string()));
    }
    let [verb, id, words @ ..] = words.as_slice() else {
        return Err(Failure::new("not a request"));
    };
    let id = number(id)?;
    if *verb == "close" {
        let open = sockets.remove(&id);
        return open.map_or_else(|| Err(Failure::new("no such socket")), close);
    }
    let open = sockets.get_mut(&id);
    let open = open.ok_or_else(|| Failure::new("no such socket"))?;
    perform(open, verb, words)
}

fn close(open: Open) -> Outcome<Option<String>> {
    let Open {
        socket,
        linger,
        context,
        ..
    } = open;
    let time = u64::try_from(linger).map_or(Duration::from_secs(60), Duration::from_millis);
    let report = socket.close(time);
    drop(context);
    Ok(Some(format!("{}", report.discarded)))
}

fn perform(open: &mut Open, verb: &str, words: &[&str]) -> Outcome<Option<String>> {
    let socket = &mut open.socket;
    match (verb, words) {
        ("bind", [endpoint]) => return socket.bind(endpoint).map(Some).map_err(told),
        ("connect", [endpoint]) => socket.connect(endpoint).map_err(told)?,
        ("disconnect", [endpoint]) => socket.disconnect(endpoint).map_err(told)?,
        ("subscribe", [topic]) => socket
            .set_option("SUBSCRIBE", script::bytes(topic)?.as_slice())
            .map_err(told)?,
        ("join", [group]) => socket.join(group).map_err(told)?,
        ("set", ["linger", value]) => open.linger = number(value)?,
        ("set", [name, value]) => {
            let value: i32 = number(value)?;
            socket.set_option(*name, value).map_err(told)?;
        }
        ("lost", []) => {
            while let Some(event) = open.monitor.try_next() {
                if let Event::DataLost { packets } = event.event {
                    open.lost += packets;
                }
            }
            return Ok(Some(open.lost.to_string()));
        }
        ("statistics", []) => return Ok(Some(format!("{:?}", socket.multicast_statistics()))),
        (_, [patience, words @ ..]) => {
            let deadline = Instant::now() + Duration::from_millis(number(patience)?);
            return waiting(socket, verb, deadline, words);
        }
        _ => return Err(Failure::new(format!("no such request: {verb}"))),
    }
    Ok(Some(String::new()))
}

/// Requests that may take as long as their first argument says.
fn waiting(
    socket: &mut AnySocket,
    verb: &str,
    deadline: Instant,
    words: &[&str],
) -> Outcome<Option<String>> {
    match (verb, words) {
        ("send", parts) => {
            let parts = parts.iter().map(|word| Ok(word.parse::<Part>()?.bytes()));
            let parts = parts.collect::<Outcome<Vec<_>>>()?;
            let message = addressed(socket.socket_type(), parts)?;
            Ok(send(socket, message, deadline)?.then(String::new))
        }
        ("recv", []) => match receive(socket, deadline) {
            Ok(parts) => {
                let dish = socket.socket_type() == SocketType::Dish;
                let group = parts.iter().next().filter(|_| dish).map(Message::group);
                let bodies = parts.iter().map(AsRef::as_ref);
                let words: Vec<_> = group
                    .into_iter()
                    .chain(bodies)
                    .map(|part| Seen::of(part).to_string())
                    .collect();
                Ok(Some(words.join(" ")))
            }
            Err(Error::Again) => Ok(None),
            Err(error) => Err(told(error)),
        },
        ("burst", [source, first, count, size]) => {
            let (source, first): (u64, u64) = (number(source)?, number(first)?);
            let count: u64 = number(count)?;
            for sent in 0..count {
                let bytes: Vec<u8> = script::numbered(source, first + sent, number(size)?);
                let message = std::iter::once(Message::from(bytes)).collect();
                if !send(socket, message, deadline)? {
                    return Ok(Some(sent.to_string()));
                }
            }
            Ok(Some(count.to_string()))
        }
        ("drain", [count]) => {
            let count: u64 = number(count)?;
            let mut tally = Tally::default();
            while tally.count() < count {
                match receive(socket, deadline) {
                    Ok(parts) => {
                        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
                        tally.add(&parts);
                    }
                    Err(Error::Again) => break,
                    Err(error) => return Err(told(error)),
                }
            }
            Ok(Some(tally.to_string()))
        }
        _ => Err(Failure::new(format!("no such request: {verb}"))),
    }
}

/// A process that is stopped and goes on is interrupted where it waits (signal(7)), and then waits on.
fn receive(socket: &mut AnySocket, deadline: Instant) -> Result<Multipart, Error> {
    loop {
        match socket.recv_multipart_deadline(deadline) {
            Err(Error::Interrupted) => {}
            answer => return answer,
        }
    }
}

/// The same for sending; false if there was no room in time.
fn send(socket: &mut AnySocket, mut message: Multipart, deadline: Instant) -> Outcome<bool> {
    loop {
        match socket.send_deadline(message, deadline) {
            Ok(()) => return Ok(true),
            Err(error) if error.is_again() => return Ok(false),
            Err(error) if error.error == Error::Interrupted => message = error.message,
            Err(error) => return Err(Failure::new(error.to_string())),
        }
    }
}

/// As the type wants it: a RADIO takes the group in front.
fn addressed(kind: SocketType, parts: Vec<Vec<u8>>) -> Outcome<Multipart> {
    if kind != SocketType::Radio {
        return Ok(parts.into_iter().collect());
    }
    let [group, body] = parts.as_slice() else {
        return Err(Failure::new("not a group and a body"));
    };
    let mut message = Message::from(body.as_slice());
    message
        .set_group(group)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(std::iter::once(message).collect())
}

fn told(error: Error) -> Failure {
    Failure::new(error.to_string())
}
