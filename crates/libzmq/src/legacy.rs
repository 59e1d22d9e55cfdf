// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of old, and vectors of parts.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use ferromq_message::Message;
use ferromq_vocabulary::Code;

use crate::boundary;
use crate::context::{zmq_ctx_new, zmq_ctx_set, zmq_ctx_term};
use crate::errno::{self, FAILED};
use crate::handle;
use crate::message::zmq_msg_close;
use crate::recv::zmq_msg_recv;
use crate::send::{self, SNDMORE, zmq_msg_send, zmq_send};
use crate::socket::Socket;

const IO_THREADS: c_int = 1;

/// Makes a context with so many I/O threads.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    if io_threads < 0 {
        errno::fail(Code::Invalid);
        return ptr::null_mut();
    }
    let context = zmq_ctx_new();
    if !context.is_null() {
        zmq_ctx_set(context, IO_THREADS, io_threads);
    }
    context
}

/// The same as `zmq_ctx_term`.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_term(context: *mut c_void) -> c_int {
    zmq_ctx_term(context)
}

/// The same as `zmq_ctx_term`.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_ctx_destroy(context: *mut c_void) -> c_int {
    zmq_ctx_term(context)
}

/// The same as `zmq_msg_send`.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendmsg(
    socket: *mut c_void,
    message: *mut Message,
    flags: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_send(message, socket, flags) }
}

/// The same as `zmq_msg_recv`.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recvmsg(
    socket: *mut c_void,
    message: *mut Message,
    flags: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_recv(message, socket, flags) }
}

/// Sends parts one after the other; with ZMQ_SNDMORE they are parts of one message.
///
/// `parts` leads to `number` vectors, each to its bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendiov(
    socket: *mut c_void,
    parts: *mut libc::iovec,
    number: usize,
    flags: c_int,
) -> c_int {
    let checked = boundary::answer(|| {
        handle::hold::<Socket>(socket)?.release();
        if number == 0 || parts.is_null() {
            return Err(Code::Invalid);
        }
        Ok(())
    });
    let mut sent = checked;
    for index in 0..number {
        if sent == FAILED {
            break;
        }
        // SAFETY: as the caller promises.
        let part = unsafe { parts.add(index).read() };
        let last = index + 1 == number;
        let flags = if last { flags & !SNDMORE } else { flags };
        // SAFETY: as the caller promises.
        sent = unsafe { zmq_send(socket, part.iov_base, part.iov_len, flags) };
    }
    sent
}

/// Receives the parts of a message, up to `*number`, into memory that the caller frees; returns how
/// many, as does `*number`.
///
/// `parts` leads to room for `*number` vectors.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recviov(
    socket: *mut c_void,
    parts: *mut libc::iovec,
    number: *mut usize,
    flags: c_int,
) -> c_int {
    let mut most = 0;
    let checked = boundary::answer(|| {
        handle::hold::<Socket>(socket)?.release();
        // SAFETY: null or the caller's.
        let Some(number) = (unsafe { number.as_mut() }) else {
            return Err(Code::Invalid);
        };
        if *number == 0 || parts.is_null() {
            return Err(Code::Invalid);
        }
        most = std::mem::replace(number, 0);
        Ok(())
    });
    if checked == FAILED {
        return FAILED;
    }
    let mut more = true;
    let mut count = 0;
    while count < most && more {
        // Nothing that is to be dropped: the thread may be cancelled while it waits.
        let mut place = MaybeUninit::new(Message::new());
        let message = place.as_mut_ptr();
        // SAFETY: a message.
        if unsafe { zmq_msg_recv(message, socket, flags) } == FAILED {
            return FAILED;
        }
        let copied = boundary::answer(|| {
            // SAFETY: a message.
            let message = unsafe { &*message };
            more = message.more();
            // SAFETY: the caller has room for so many.
            unsafe { parts.add(count).write(copy_out(message)?) };
            Ok(())
        });
        // SAFETY: a message, and not used any more.
        unsafe { zmq_msg_close(message) };
        if copied == FAILED {
            return FAILED;
        }
        count += 1;
        // SAFETY: the caller's, as was checked.
        unsafe { number.write(count) };
    }
    send::count(count)
}

/// The bytes of a message in memory from `malloc`.
fn copy_out(message: &Message) -> Result<libc::iovec, Code> {
    // SAFETY: any size will do; never zero, so that null means no memory.
    let memory = unsafe { libc::malloc(message.len().max(1)) };
    if memory.is_null() {
        return Err(Code::NoMemory);
    }
    // SAFETY: fresh, and as long as the message.
    unsafe { ptr::copy_nonoverlapping(message.as_ptr(), memory.cast(), message.len()) };
    Ok(libc::iovec {
        iov_base: memory,
        iov_len: message.len(),
    })
}
