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
        let held = handle::hold::<Socket>(socket)?;
        let buffer: &mut [u8] = if length == 0 {
            &mut []
        } else if buffer.is_null() || isize::try_from(length).is_err() {
            return held.refuse(Code::Fault);
        } else {
            // SAFETY: as the caller promises; it is written, never read.
            unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length) }
        };
        let received = receive(held, socket, flags, |engine| {
            engine.recv_into(buffer, Wait::No)
        });
        received.map(|(length, _more)| count(length))
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
        let held = handle::hold::<Socket>(socket)?;
        // SAFETY: as the caller promises.
        let message = match unsafe { crate::message::live(message) } {
            Ok(message) => message,
            Err(code) => return held.refuse(code),
        };
        *message = receive_message(held, socket, flags)?;
        Ok(count(message.len()))
    })
}

/// Receives a part as a message.
#[inline(always)]
pub(crate) fn receive_message(
    held: Held<Socket>,
    socket: *mut c_void,
    flags: c_int,
) -> Result<Message, Code> {
    receive(held, socket, flags, |engine| engine.recv_frame(Wait::No))
}

#[inline(always)]
fn receive<T>(
    mut held: Held<Socket>,
    socket: *mut c_void,
    flags: c_int,
    mut take: impl FnMut(&mut engine::Socket) -> Result<T, Code>,
) -> Result<T, Code> {
    match take(&mut held.engine) {
        Ok(received) => {
            held.look_for_others();
            held.release();
            Ok(received)
        }
        Err(code) => receive_slowly(held, socket, flags, code, &mut take),
    }
}

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
                held.look_for_others();
                held.release();
                return Ok(received);
            }
            Err(code) => refused = code,
        }
    }
    held.look_for_others();
    held.refuse(refused)
}
