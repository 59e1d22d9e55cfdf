// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys for CURVE.

use std::ffi::{c_char, c_int};

use ferromq_vocabulary::Code;

use crate::errno;

/// Makes a pair of keys as text, 40 characters and a NUL each. ENOTSUP as long as there is no
/// CURVE.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_curve_keypair(_public: *mut c_char, _secret: *mut c_char) -> c_int {
    errno::fail(Code::NotSupported)
}

/// The public key of a secret one. ENOTSUP as long as there is no CURVE.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_curve_public(_public: *mut c_char, _secret: *const c_char) -> c_int {
    errno::fail(Code::NotSupported)
}
