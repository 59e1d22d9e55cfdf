// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single peers, and groups: draft functions.

use std::ffi::{CStr, c_char, c_int, c_void};

use ferromq_vocabulary::Code;

use crate::boundary;
use crate::errno::FAILED;
use crate::send::slice;
use crate::socket::{text, with};

/// # Safety
/// Null or a C string that stays while the result is used.
unsafe fn group<'a>(group: *const c_char) -> Result<&'a [u8], Code> {
    if group.is_null() {
        return Err(Code::Invalid);
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { CStr::from_ptr(group) }.to_bytes())
}

/// Joins a group (DISH).
///
/// `name` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_join(socket: *mut c_void, name: *const c_char) -> c_int {
    boundary::answer(|| {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            engine.join(unsafe { group(name) }?)
        })
    })
}

/// Leaves a group (DISH).
///
/// `name` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_leave(socket: *mut c_void, name: *const c_char) -> c_int {
    boundary::answer(|| {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            engine.leave(unsafe { group(name) }?)
        })
    })
}

/// Connects (PEER); returns the peer's number, or 0.
///
/// `endpoint` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect_peer(socket: *mut c_void, endpoint: *const c_char) -> u32 {
    boundary::call(0, || {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            engine.connect_peer(unsafe { text(endpoint) }?)
        })
    })
}

/// Ends the connection with one peer (SERVER, PEER).
#[unsafe(no_mangle)]
pub extern "C" fn zmq_disconnect_peer(socket: *mut c_void, number: u32) -> c_int {
    boundary::answer(|| with(socket, |engine| engine.disconnect_peer(number)))
}

/// What may be done with one peer (ROUTER): `ZMQ_POLLOUT` if a message may be sent to it.
///
/// `routing_id` leads to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_get_peer_state(
    socket: *mut c_void,
    routing_id: *const c_void,
    length: usize,
) -> c_int {
    boundary::call(FAILED, || {
        with(socket, |engine| {
            // SAFETY: as the caller promises.
            engine.peer_state(unsafe { slice(routing_id, length) }?)
        })
    })
}
