// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use ferromq_engine::{Outgoing, Wait};
use ferromq_message::Message;
use ferromq_os::cancel::Shield;
use ferromq_vocabulary::Code;

use crate::boundary::{self, Step};
use crate::errno::FAILED;
use crate::handle::{self, Held};
use crate::sleep;
use crate::socket::{self, For, Limit, Socket, limit};

/// Flags of sending and receiving.
pub(crate) const DONTWAIT: c_int = 1;
pub(crate) const SNDMORE: c_int = 2;

/// Sends a copy of some bytes as a part of a message.
///
/// `bytes` leads to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_send(
    socket: *mut c_void,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    let bytes = || unsafe { slice(bytes, length) };
    let limit = Cell::new(None);
    boundary::call_in_steps(
        FAILED,
        || {
            let mut held = handle::hold::<Socket>(socket)?;
            let bytes = match bytes() {
                Ok(bytes) => bytes,
                Err(code) => return held.refuse(code),
            };
            let frame = &mut Outgoing::Bytes(bytes);
            if let Err(code) = held.engine.send_frame(frame, more(flags), Wait::No) {
                limit.set(begin_waiting(&held, flags, code));
                return send_slowly(held, socket, frame, flags, limit.get(), code);
            }
            held.release();
            Ok(Step::Done(count(length)))
        },
        || {
            let frame = &mut Outgoing::Bytes(bytes()?);
            let held = socket::woken(socket)?;
            send_slowly(held, socket, frame, flags, limit.get(), Code::Again)
        },
    )
}

/// Sends some bytes as a part of a message, by reference.
///
/// `bytes` leads to `length` bytes that never change nor go.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_send_const(
    socket: *mut c_void,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
) -> c_int {
    let make = || {
        if bytes.is_null() && length > 0 {
            return Err(Code::Fault);
        }
        let (data, hint) = (bytes.cast::<u8>().cast_mut(), std::ptr::null_mut());
        // SAFETY: constant for ever, as the caller promises, and nobody is to free them.
        let message = unsafe { Message::from_foreign(data, length, None, hint) };
        message.map_err(|_error| Code::NoMemory)
    };
    let limit = Cell::new(None);
    boundary::call_in_steps(
        FAILED,
        || {
            let mut held = handle::hold::<Socket>(socket)?;
            let mut message = match make() {
                Ok(message) => message,
                Err(code) => return held.refuse(code),
            };
            let frame = &mut Outgoing::Message(&mut message);
            if let Err(code) = held.engine.send_frame(frame, more(flags), Wait::No) {
                limit.set(begin_waiting(&held, flags, code));
                return send_slowly(held, socket, frame, flags, limit.get(), code);
            }
            held.release();
            Ok(Step::Done(count(length)))
        },
        || {
            let mut message = make()?;
            let frame = &mut Outgoing::Message(&mut message);
            let held = socket::woken(socket)?;
            send_slowly(held, socket, frame, flags, limit.get(), Code::Again)
        },
    )
}

/// Sends a message, which is empty afterwards.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_send(
    message: *mut Message,
    socket: *mut c_void,
    flags: c_int,
) -> c_int {
    let limit = Cell::new(None);
    let sent = boundary::call_in_steps(
        FAILED,
        || {
            let mut held = handle::hold::<Socket>(socket)?;
            // SAFETY: as the caller promises.
            let message = match unsafe { crate::message::live(message) } {
                Ok(message) => message,
                Err(code) => return held.refuse(code),
            };
            let length = count(message.len());
            forget_origin(message);
            let frame = &mut Outgoing::Message(message);
            if let Err(code) = held.engine.send_frame(frame, more(flags), Wait::No) {
                limit.set(begin_waiting(&held, flags, code));
                return send_slowly(held, socket, frame, flags, limit.get(), code);
            }
            held.release();
            Ok(Step::Done(length))
        },
        || {
            // SAFETY: as above.
            let message = unsafe { crate::message::live(message) }?;
            let frame = &mut Outgoing::Message(message);
            let held = socket::woken(socket)?;
            send_slowly(held, socket, frame, flags, limit.get(), Code::Again)
        },
    );
    if sent != FAILED {
        // The socket has been let go, and there is nothing here to clean up: what calls its owner may use the one, and
        // may unwind.
        // SAFETY: live, or the call would have failed.
        unsafe { Message::make_empty(message) };
    }
    sent
}

/// Where a message came from is nobody's business.
#[inline(always)]
fn forget_origin(message: &mut Message) {
    if message.metadata().is_some() {
        message.set_metadata(None);
    }
}

#[inline(always)]
fn more(flags: c_int) -> bool {
    flags & SNDMORE != 0
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

/// Sends a message as a part, behind a shield: the thread is not cancelled in it.
pub(crate) fn send_message(
    mut held: Held<Socket>,
    socket: *mut c_void,
    message: &mut Message,
    flags: c_int,
) -> Result<(), Code> {
    forget_origin(message);
    let limit = begin_waiting(&held, flags, Code::Again);
    loop {
        let frame = &mut Outgoing::Message(message);
        let sent = held.engine.send_frame(frame, more(flags), Wait::No);
        held = match (sent, limit) {
            (Ok(()), _) => break,
            (Err(Code::Again), Some(limit)) => {
                match socket::pause(held, socket, For::Room, limit.deadline)? {
                    Some(held) => held,
                    None => {
                        sleep::sleep();
                        socket::woken(socket)?
                    }
                }
            }
            (Err(code), _) => {
                held.look_for_others();
                return held.refuse(code);
            }
        };
    }
    held.look_for_others();
    held.release();
    // What calls its owner here may use the socket.
    *message = Message::new();
    Ok(())
}

#[cold]
fn begin_waiting(held: &Held<Socket>, flags: c_int, refused: Code) -> Option<Limit> {
    let option = held.engine.options().sndtimeo;
    limit(option, flags, refused)
}

/// Goes on with a call whose last try was refused.
#[cold]
#[inline(never)]
fn send_slowly(
    mut held: Held<Socket>,
    socket: *mut c_void,
    frame: &mut Outgoing<'_>,
    flags: c_int,
    limit: Option<Limit>,
    mut refused: Code,
) -> Result<Step<c_int>, Code> {
    let _shield = Shield::raise();
    let length = count(frame.as_slice().len());
    while let (Code::Again, Some(limit)) = (refused, limit) {
        held = match socket::pause(held, socket, For::Room, limit.deadline)? {
            Some(held) => held,
            None => return Ok(Step::Sleep),
        };
        match held.engine.send_frame(frame, more(flags), Wait::No) {
            Ok(()) => {
                held.look_for_others();
                held.release();
                return Ok(Step::Done(length));
            }
            Err(code) => refused = code,
        }
    }
    held.look_for_others();
    held.refuse(refused)
}
