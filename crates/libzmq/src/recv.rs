// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

use ferromq_engine::{self as engine, Wait};
use ferromq_message::Message;
use ferromq_os::cancel::Shield;
use ferromq_vocabulary::Code;

use crate::boundary::{self, Step};
use crate::errno::FAILED;
use crate::handle::{self, Held};
use crate::send::count;
use crate::socket::{self, For, Limit, Socket, limit};

/// Receives a part of a message into a buffer; returns its full length, whatever fitted.
///
/// `buffer` leads to room for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recv(
    socket: *mut c_void,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    let room = || unsafe { room(buffer, length) };
    let limit = Cell::new(None);
    boundary::call_in_steps(
        FAILED,
        || {
            let mut held = handle::hold::<Socket>(socket)?;
            let Some(room) = room() else {
                return held.refuse(Code::Fault);
            };
            let (length, _more) = match held.engine.recv_into(room, Wait::No) {
                Ok(received) => {
                    end(held);
                    received
                }
                Err(code) => {
                    limit.set(begin_waiting(&held, flags, code));
                    return receive_slowly(held, socket, limit.get(), code, into(room));
                }
            };
            Ok(Step::Done(count(length)))
        },
        || {
            let room = room().ok_or(Code::Fault)?;
            receive_slowly(
                socket::woken(socket)?,
                socket,
                limit.get(),
                Code::Again,
                into(room),
            )
        },
    )
}

/// # Safety
/// `buffer` leads to room for `length` bytes, written only, that nobody else uses while the result is used.
#[inline(always)]
unsafe fn room<'a>(buffer: *mut c_void, length: usize) -> Option<&'a mut [u8]> {
    if length == 0 {
        return Some(&mut []);
    }
    if buffer.is_null() || isize::try_from(length).is_err() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length) })
}

/// Receives a part of a message; returns its length.
///
/// `message` leads to a message, which is let go.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_recv(
    message: *mut Message,
    socket: *mut c_void,
    flags: c_int,
) -> c_int {
    // What was in the place before: letting it go may call its owner, who must find the socket free, and may unwind.
    let mut before = MaybeUninit::<Message>::uninit();
    let limit = Cell::new(None);
    let mut replaces = false;
    let place = before.as_mut_ptr();
    let received = boundary::call_in_steps(
        FAILED,
        || {
            let mut held = handle::hold::<Socket>(socket)?;
            // SAFETY: as the caller promises.
            let message = match unsafe { crate::message::live(message) } {
                Ok(message) => message,
                Err(code) => return held.refuse(code),
            };
            if message.has_owner() {
                // SAFETY: live; what is received takes its place, or it is put back below.
                unsafe { place.write(std::mem::take(message)) };
                replaces = true;
            }
            match held.engine.recv_to(message, Wait::No) {
                Ok(()) => end(held),
                Err(code) => {
                    limit.set(begin_waiting(&held, flags, code));
                    return receive_slowly(held, socket, limit.get(), code, to(message));
                }
            }
            Ok(Step::Done(count(message.len())))
        },
        || {
            // SAFETY: as above.
            let message = unsafe { crate::message::live(message) }?;
            receive_slowly(
                socket::woken(socket)?,
                socket,
                limit.get(),
                Code::Again,
                to(message),
            )
        },
    );
    if replaces {
        if received == FAILED {
            // SAFETY: both live; the empty one in the place owns nothing.
            unsafe { std::ptr::swap(place, message) };
        }
        // SAFETY: written above, and let go once.
        unsafe { place.drop_in_place() };
    }
    received
}

fn into(room: &mut [u8]) -> impl FnMut(&mut engine::Socket) -> Result<c_int, Code> {
    move |engine| Ok(count(engine.recv_into(room, Wait::No)?.0))
}

fn to(message: &mut Message) -> impl FnMut(&mut engine::Socket) -> Result<c_int, Code> {
    move |engine| {
        engine.recv_to(message, Wait::No)?;
        Ok(count(message.len()))
    }
}

/// Receives a part as a message, without waiting.
pub(crate) fn receive_message(mut held: Held<Socket>) -> Result<Message, Code> {
    match held.engine.recv_frame(Wait::No) {
        Ok(message) => {
            end(held);
            Ok(message)
        }
        Err(code) => {
            held.look_for_others();
            held.refuse(code)
        }
    }
}

/// Ends a call that has received at its first try, on the way of every message.
#[inline(always)]
fn end(mut held: Held<Socket>) {
    held.look_for_others();
    held.release();
}

/// Until when a call may wait whose first try was refused; `None`: it may not.
#[cold]
fn begin_waiting(held: &Held<Socket>, flags: c_int, refused: Code) -> Option<Limit> {
    let option = held.engine.options().rcvtimeo;
    limit(option, flags, refused)
}

/// Goes on with a call whose last try was refused; `take` tries again.
#[cold]
#[inline(never)]
fn receive_slowly(
    mut held: Held<Socket>,
    socket: *mut c_void,
    limit: Option<Limit>,
    mut refused: Code,
    mut take: impl FnMut(&mut engine::Socket) -> Result<c_int, Code>,
) -> Result<Step<c_int>, Code> {
    let _shield = Shield::raise();
    while let (Code::Again, Some(limit)) = (refused, limit) {
        held = match socket::pause(held, socket, For::Input, limit.deadline)? {
            Some(held) => held,
            None => return Ok(Step::Sleep),
        };
        match take(&mut held.engine) {
            Ok(received) => {
                end(held);
                return Ok(Step::Done(received));
            }
            Err(code) => refused = code,
        }
    }
    held.look_for_others();
    held.refuse(refused)
}
