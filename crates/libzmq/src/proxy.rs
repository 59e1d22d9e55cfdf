// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proxies: messages pass between two sockets, steered by a third.

use std::cell::Cell;
use std::ffi::{c_int, c_short, c_void};

use ferromq_message::Message;
use ferromq_os::cancel::Shield;
use ferromq_vocabulary::{Code, SocketType};

use crate::boundary::{self, Step};
use crate::errno::FAILED;
use crate::handle;
use crate::poll::{self, PollItem, event};
use crate::recv::receive_message;
use crate::send::{SNDMORE, send_message};
use crate::socket::{self, Socket};

/// Messages passed on in one direction before the other has its turn.
const BURST: usize = 1000;

/// One side of a proxy and what has gone through it, in parts and bytes.
#[derive(Clone, Copy)]
struct Side {
    socket: *mut c_void,
    received: [u64; 2],
    sent: [u64; 2],
}

/// Passes messages between two sockets until the context ends; a copy of each goes to `capture`.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_proxy(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
) -> c_int {
    zmq_proxy_steerable(frontend, backend, capture, std::ptr::null_mut())
}

/// The same; `control` receives PAUSE, RESUME, TERMINATE and STATISTICS.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    let side = |socket| Side {
        socket,
        received: [0; 2],
        sent: [0; 2],
    };
    let proxy = Cell::new(Proxy {
        front: side(frontend),
        back: side(backend),
        capture,
        control,
        paused: false,
        waits_for: [0; 2],
    });
    let run = |slept| {
        let _shield = Shield::raise();
        let mut now = proxy.get();
        let step = now.run(slept);
        proxy.set(now);
        step
    };
    boundary::call_in_steps(FAILED, || run(false), || run(true))
}

/// A proxy without capture, by an older name.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_device(
    _kind: c_int,
    frontend: *mut c_void,
    backend: *mut c_void,
) -> c_int {
    zmq_proxy(frontend, backend, std::ptr::null_mut())
}

/// It owns nothing: it may be left where it sleeps.
#[derive(Clone, Copy)]
struct Proxy {
    front: Side,
    back: Side,
    capture: *mut c_void,
    control: *mut c_void,
    paused: bool,
    /// What it sleeps for, at the front and at the back.
    waits_for: [c_short; 2],
}

impl Proxy {
    /// Passes messages on until that is to end, or it has to sleep, or goes on with that after a sleep.
    fn run(&mut self, slept: bool) -> Result<Step<c_int>, Code> {
        if self.front.socket.is_null() || self.back.socket.is_null() {
            return Err(Code::Fault);
        }
        if slept && let Step::Sleep = poll::go_on(&mut self.items())? {
            return Ok(Step::Sleep);
        }
        loop {
            if self.is_steered()? {
                return Ok(Step::Done(0));
            }
            let front = ready(self.front.socket)?;
            let same = self.front.socket == self.back.socket;
            let back = if same {
                front
            } else {
                ready(self.back.socket)?
            };
            let both = event::IN | event::OUT;
            // A single socket answers itself: a REP has room only when it has been asked.
            let room = if same { event::OUT } else { back & event::OUT };
            let there = !self.paused && (front & event::IN) | room == both;
            let here = !self.paused && !same && (back & event::IN) | (front & event::OUT) == both;
            if there {
                pass_on(&mut self.front, &mut self.back, self.capture)?;
            }
            if here {
                pass_on(&mut self.back, &mut self.front, self.capture)?;
            }
            if !there && !here {
                self.waits_for = [self.missing(front, back), self.missing(back, front)];
                if let Step::Sleep = poll::begin(&mut self.items(), None, None)? {
                    return Ok(Step::Sleep);
                }
            }
        }
    }

    /// What to wait for at a side: input where there is none, and room where there is input for it.
    fn missing(&self, own: c_short, other: c_short) -> c_short {
        if self.paused {
            return 0;
        }
        let same = self.front.socket == self.back.socket;
        let room = if other & event::IN != 0 && !same {
            event::OUT & !own
        } else {
            0
        };
        event::IN & !own | room
    }

    fn items(&self) -> Vec<PollItem> {
        let item = |socket, events| PollItem {
            socket,
            fd: -1,
            events,
            revents: 0,
        };
        let [front, back] = self.waits_for;
        let mut items = vec![item(self.front.socket, front)];
        if self.front.socket != self.back.socket {
            items.push(item(self.back.socket, back));
        }
        if !self.control.is_null() {
            items.push(item(self.control, event::IN));
        }
        items
    }

    /// Carries out what control says; true if that is to end.
    fn is_steered(&mut self) -> Result<bool, Code> {
        if self.control.is_null() || ready(self.control)? & event::IN == 0 {
            return Ok(false);
        }
        let command = receive(self.control)?;
        let mut more = command.more();
        while more {
            more = receive(self.control)?.more();
        }
        let replies =
            socket::with(self.control, |engine| Ok(engine.socket_type()))? == SocketType::Rep;
        match &command[..] {
            b"STATISTICS" => {
                self.send_statistics()?;
                return Ok(false);
            }
            b"PAUSE" => self.paused = true,
            b"RESUME" => self.paused = false,
            _ => {}
        }
        if replies {
            send(self.control, &mut Message::new(), false)?;
        }
        Ok(&command[..] == b"TERMINATE")
    }

    fn send_statistics(&self) -> Result<(), Code> {
        let sides = [
            self.front.received,
            self.front.sent,
            self.back.received,
            self.back.sent,
        ];
        let numbers: Vec<u64> = sides.into_iter().flatten().collect();
        for (index, number) in numbers.iter().enumerate() {
            let mut frame = Message::copy_from_slice(&number.to_ne_bytes());
            send(self.control, &mut frame, index + 1 < numbers.len())?;
        }
        Ok(())
    }
}

fn ready(socket: *mut c_void) -> Result<c_short, Code> {
    socket::with(socket, |engine| {
        let ready = engine.readiness()?;
        let readable = if ready.readable { event::IN } else { 0 };
        let writable = if ready.writable { event::OUT } else { 0 };
        Ok(readable | writable)
    })
}

fn receive(socket: *mut c_void) -> Result<Message, Code> {
    receive_message(handle::hold::<Socket>(socket)?)
}

fn send(socket: *mut c_void, message: &mut Message, more: bool) -> Result<(), Code> {
    let flags = if more { SNDMORE } else { 0 };
    send_message(handle::hold::<Socket>(socket)?, socket, message, flags)
}

/// Passes messages on as long as there are some, and room for them.
fn pass_on(from: &mut Side, to: &mut Side, capture: *mut c_void) -> Result<(), Code> {
    for round in 0..BURST {
        let same = from.socket == to.socket;
        if round > 0 && !same && !socket::with(to.socket, |engine| engine.is_writable())? {
            return Ok(());
        }
        loop {
            let mut part = match receive(from.socket) {
                Err(Code::Again) => return Ok(()),
                other => other?,
            };
            let more = part.more();
            let bytes = part.len() as u64;
            from.received[0] += 1;
            from.received[1] += bytes;
            if !capture.is_null() {
                send(capture, &mut part.clone(), more)?;
            }
            send(to.socket, &mut part, more)?;
            to.sent[0] += 1;
            to.sent[1] += bytes;
            if !more {
                break;
            }
        }
    }
    Ok(())
}
