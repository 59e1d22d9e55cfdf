// SPDX-License-Identifier: MIT OR Apache-2.0
//! `errno`, and what its values mean.

use std::ffi::{c_char, c_int};

use ferromq_vocabulary::Code;

/// The result of a call that has failed.
pub(crate) const FAILED: c_int = -1;

/// Sets the thread's `errno`.
pub(crate) fn set(errno: c_int) {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() = errno };
}

/// Reads the thread's `errno`.
pub(crate) fn get() -> c_int {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() }
}

/// Sets `errno` and returns -1.
pub(crate) fn fail(code: Code) -> c_int {
    set(code.errno());
    FAILED
}

/// `errno` as the library sees it.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_errno() -> c_int {
    get()
}

/// The text of an `errno`. Those of ZeroMQ are its own, the others the system's.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_strerror(errnum: c_int) -> *const c_char {
    let own = if errnum == Code::State.errno() {
        c"Operation cannot be accomplished in current state"
    } else if errnum == Code::IncompatibleProtocol.errno() {
        c"The protocol is not compatible with the socket type"
    } else if errnum == Code::Terminated.errno() {
        c"Context was terminated"
    } else if errnum == Code::NoThread.errno() {
        c"No thread available"
    } else if errnum == libc::EHOSTUNREACH {
        c"Host unreachable"
    } else {
        // SAFETY: takes any number; what it returns is valid until the next call, as in C.
        return unsafe { libc::strerror(errnum) };
    };
    own.as_ptr()
}

/// The version of the interface: 4.3.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    for (place, number) in [(major, 4), (minor, 3), (patch, 6)] {
        if !place.is_null() {
            // SAFETY: the caller's places for the numbers.
            unsafe { place.write(number) };
        }
    }
}
