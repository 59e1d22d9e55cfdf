// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is built in.

use std::ffi::{CStr, c_char, c_int};

/// 1 for what is built in.
const HAS: &[&str] = &["ipc", "pgm", "curve", "draft"];

/// Whether a capability is there.
///
/// `name` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_has(name: *const c_char) -> c_int {
    if name.is_null() {
        return 0;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) };
    #[cfg(feature = "gssapi")]
    if name == c"gssapi" {
        return ferromq_gssapi::load().is_ok().into();
    }
    HAS.iter()
        .any(|has| has.as_bytes() == name.to_bytes())
        .into()
}
