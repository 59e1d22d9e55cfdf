// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending.

use std::ffi::{c_int, c_void};

use ferromq_engine::{Outgoing, Wait};
use ferromq_message::Message;
use ferromq_vocabulary::Code;

use crate::boundary;
use crate::errno::FAILED;
use crate::handle::{self, Held};
use crate::socket::{For, Socket, deadline, pause};

/// Flags of sending and receiving.
pub(crate) const DONTWAIT: c_int = 1;
pub(crate) const SNDMORE: c_int = 2;

/// Sends a copy of some bytes as a part of a message.
///
/// `bytes` leads to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send(
    socket: *mut c_void,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
) -> c_int {
    boundary::call(FAILED, || {
        let held = handle::hold::<Socket>(socket)?;
        // SAFETY: as the caller promises.
        let bytes = match unsafe { slice(bytes, length) } {
            Ok(bytes) => bytes,
            Err(code) => return held.refuse(code),
        };
        send(held, socket, &mut Outgoing::Bytes(bytes), flags)?;
        Ok(count(length))
    })
}

/// Sends some bytes as a part of a message, by reference.
///
/// `bytes` leads to `length` bytes that never change nor go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send_const(
    socket: *mut c_void,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
) -> c_int {
    boundary::call(FAILED, || {
        let held = handle::hold::<Socket>(socket)?;
        if bytes.is_null() && length > 0 {
            return held.refuse(Code::Fault);
        }
        let (data, hint) = (bytes.cast::<u8>().cast_mut(), std::ptr::null_mut());
        // SAFETY: constant for ever, as the caller promises, and nobody is to free them.
        let message = unsafe { Message::from_foreign(data, length, None, hint) };
        let Ok(mut message) = message else {
            return held.refuse(Code::NoMemory);
        };
        send(held, socket, &mut Outgoing::Message(&mut message), flags)?;
        Ok(count(length))
    })
}

/// Sends a message, which is empty afterwards.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_send(
    message: *mut Message,
    socket: *mut c_void,
    flags: c_int,
) -> c_int {
    boundary::call(FAILED, || {
        let held = handle::hold::<Socket>(socket)?;
        // SAFETY: as the caller promises.
        match unsafe { crate::message::live(message) } {
            Ok(message) => send_message(held, socket, message, flags),
            Err(code) => held.refuse(code),
        }
    })
}

/// The bytes of an argument.
///
/// # Safety
/// `bytes` leads to `length` bytes that stay while the result is used.
#[inline(always)]
pub(crate) unsafe fn slice<'a>(bytes: *const c_void, length: usize) -> Result<&'a [u8], Code> {
    if bytes.is_null() {
        return if length == 0 {
            Ok(&[])
        } else {
            Err(Code::Fault)
        };
    }
    if isize::try_from(length).is_err() {
        return Err(Code::NoMemory);
    }
    // SAFETY: not null, and as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(bytes.cast(), length) })
}

/// A length as calls return it.
#[inline(always)]
pub(crate) fn count(length: usize) -> c_int {
    c_int::try_from(length).unwrap_or(c_int::MAX)
}

impl Held<Socket> {
    #[cold]
    pub(crate) fn refuse<T>(self, code: Code) -> Result<T, Code> {
        self.release();
        Err(code)
    }
}

/// Sends a message as a part.
#[inline(always)]
pub(crate) fn send_message(
    held: Held<Socket>,
    socket: *mut c_void,
    message: &mut Message,
    flags: c_int,
) -> Result<c_int, Code> {
    let length = message.len();
    if message.metadata().is_some() {
        // Where it came from is nobody's business.
        message.set_metadata(None);
    }
    send(held, socket, &mut Outgoing::Message(message), flags)?;
    // The socket has been let go: what calls its owner here may use it.
    *message = Message::new();
    Ok(count(length))
}

#[inline(always)]
pub(crate) fn send(
    mut held: Held<Socket>,
    socket: *mut c_void,
    frame: &mut Outgoing<'_>,
    flags: c_int,
) -> Result<(), Code> {
    match held
        .engine
        .send_frame(frame, flags & SNDMORE != 0, Wait::No)
    {
        Ok(()) => {
            held.release();
            Ok(())
        }
        Err(code) => send_slowly(held, socket, frame, flags, code),
    }
}

#[cold]
#[inline(never)]
fn send_slowly(
    mut held: Held<Socket>,
    socket: *mut c_void,
    frame: &mut Outgoing<'_>,
    flags: c_int,
    mut refused: Code,
) -> Result<(), Code> {
    let limit = match deadline(held.engine.options().sndtimeo) {
        Ok(limit) if flags & DONTWAIT == 0 && refused == Code::Again => limit,
        _ => {
            held.look_for_others();
            return held.refuse(refused);
        }
    };
    while refused == Code::Again {
        held = pause(held, socket, For::Room, limit)?;
        match held
            .engine
            .send_frame(frame, flags & SNDMORE != 0, Wait::No)
        {
            Ok(()) => {
                held.look_for_others();
                held.release();
                return Ok(());
            }
            Err(code) => refused = code,
        }
    }
    held.look_for_others();
    held.refuse(refused)
}
