// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving.

use std::ffi::{c_int, c_void};

use ferromq_engine::{self as engine, Wait};
use ferromq_message::Message;
use ferromq_vocabulary::Code;

use crate::boundary;
use crate::errno::FAILED;
use crate::handle::{self, Held};
use crate::send::{DONTWAIT, count};
use crate::socket::{For, Socket, deadline, pause};

/// Receives a part of a message into a buffer; returns its full length, whatever fitted.
///
/// `buffer` leads to room for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recv(
    socket: *mut c_void,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
) -> c_int {
    boundary::call(FAILED, || {
        let mut held = handle::hold::<Socket>(socket)?;
        let buffer: &mut [u8] = if length == 0 {
            &mut []
        } else if buffer.is_null() || isize::try_from(length).is_err() {
            return held.refuse(Code::Fault);
        } else {
            // SAFETY: as the caller promises; it is written, never read.
            unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length) }
        };
        let (length, _more) = match held.engine.recv_into(buffer, Wait::No) {
            Ok(received) => {
                end(held);
                received
            }
            Err(code) => receive_slowly(held, socket, flags, code, &mut |engine| {
                engine.recv_into(buffer, Wait::No)
            })?,
        };
        Ok(count(length))
    })
}

/// Receives a part of a message; returns its length.
///
/// `message` leads to a message, which is let go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_recv(
    message: *mut Message,
    socket: *mut c_void,
    flags: c_int,
) -> c_int {
    boundary::call(FAILED, || {
        let mut held = handle::hold::<Socket>(socket)?;
        // SAFETY: as the caller promises.
        let message = match unsafe { crate::message::live(message) } {
            Ok(message) => message,
            Err(code) => return held.refuse(code),
        };
        if message.is_by_reference() {
            // Letting it go may call its owner, who must find the socket free.
            *message = receive_message(held, socket, flags)?;
        } else {
            match held.engine.recv_to(message, Wait::No) {
                Ok(()) => end(held),
                Err(code) => receive_slowly(held, socket, flags, code, &mut |engine| {
                    engine.recv_to(message, Wait::No)
                })?,
            }
        }
        Ok(count(message.len()))
    })
}

/// Receives a part as a message.
#[inline(always)]
pub(crate) fn receive_message(
    mut held: Held<Socket>,
    socket: *mut c_void,
    flags: c_int,
) -> Result<Message, Code> {
    match held.engine.recv_frame(Wait::No) {
        Ok(message) => {
            end(held);
            Ok(message)
        }
        Err(code) => receive_slowly(held, socket, flags, code, &mut |engine| {
            engine.recv_frame(Wait::No)
        }),
    }
}

/// Ends a call that has received at its first try, on the way of every message.
#[inline(always)]
fn end(mut held: Held<Socket>) {
    held.look_for_others();
    held.release();
}

/// Ends a call whose first try was refused; `take` tries again.
#[cold]
#[inline(never)]
fn receive_slowly<T>(
    mut held: Held<Socket>,
    socket: *mut c_void,
    flags: c_int,
    mut refused: Code,
    take: &mut dyn FnMut(&mut engine::Socket) -> Result<T, Code>,
) -> Result<T, Code> {
    let limit = match deadline(held.engine.options().rcvtimeo) {
        Ok(limit) if flags & DONTWAIT == 0 && refused == Code::Again => limit,
        _ => {
            held.look_for_others();
            return held.refuse(refused);
        }
    };
    while refused == Code::Again {
        held = pause(held, socket, For::Input, limit)?;
        match take(&mut held.engine) {
            Ok(received) => {
                end(held);
                return Ok(received);
            }
            Err(code) => refused = code,
        }
    }
    held.look_for_others();
    held.refuse(refused)
}
